import * as z from 'zod/mini';
import { defined } from './lib/defined.ts';
import { createMemory, type Memory } from './lib/memory/memory.ts';
import { isPodDue, rememberPodBegun, rememberPodEnded, targetForm } from './lib/memory/target-memory.ts';
import { type BasePlatform, isoSeconds, type Log, lambda, moment, parseInput } from './lib/platform.ts';
import type { CanaryPodOutcome } from './lib/report/outcome.ts';
import {
  type CanaryPodRunpod,
  type CanaryPodState,
  createPod,
  lookAtPod,
  type PodLook,
  type PodUnderWay,
  podNameOf,
  podUnderWaySchema,
  sweepPods,
} from './lib/runpod/canary-pod.ts';
import { connectRunpod } from './lib/runpod/connect.ts';
import { createRunpodPods } from './lib/runpod/pods.ts';
import { createReadPodLog } from './lib/runpod/worker-log.ts';

/** What canary-pod needs from outside. */
interface CanaryPodDeps {
  readonly runpodFor: (keySource: string) => CanaryPodRunpod;
  readonly memory: Pick<Memory, 'read' | 'change'>;
  readonly stack: string;
  readonly now: () => number;
  /** Milliseconds Runpod may take to hand a new password to its hosts. */
  readonly propagationMs: number;
  readonly log: Log;
}

/** What the target's workflow has gathered, as far as a pod needs it. */
const inputSchema = z.object({
  name: z.string(),
  execution: z.string(),
  discovered: z.object({
    target: z.object({
      runpod: z.object({ apiKey: z.string(), podKey: z.optional(z.string()), registry: z.string() }),
    }),
    canaryPod: z.object({ image: z.string(), everyHours: z.number() }),
  }),
  token: z.optional(z.object({ registry: z.string() })),
  /** Left out where no token was stored: then pods are swept, and none is created. */
  stored: z.optional(z.object({ storedAt: z.optional(moment) })),
  /** Where the pod stood at the look before. */
  canaryPod: z.optional(z.object({ pod: z.optional(podUnderWaySchema) })),
});

/** Another pod of the target is looked for again after this. */
const maxWaitMs = 60_000;

/**
 * Sweeps pods that outlived their time; creates one where one is due and the token has reached Runpod's hosts; looks at
 * its log; and deletes it. One look a call: "not yet" is an answer.
 *
 * @throws {RunpodUnavailableError | RunpodRateLimitedError} Runpod could not be asked, and no pod is under way
 * @throws {MemoryUnavailableError} when the last pod was begun is not known, so none is created
 */
const createCanaryPod =
  ({ runpodFor, memory, stack, now, propagationMs, log }: CanaryPodDeps) =>
  async (event: unknown): Promise<CanaryPodState> => {
    const { name, execution, discovered, token, stored, canaryPod } = parseInput('canary-pod', inputSchema, event);
    const { runpod: target } = discovered.target;
    const { image, everyHours } = discovered.canaryPod;
    const runpod = runpodFor(target.podKey ?? target.apiKey);

    const settle = (outcome: CanaryPodOutcome | undefined): CanaryPodState =>
      defined({ status: 'settled' as const, outcome });
    const wait = (milliseconds: number): CanaryPodState => ({
      status: 'pending',
      recheckAfterSeconds: Math.max(1, Math.ceil(milliseconds / 1000)),
    });
    const answer = async (look: PodLook): Promise<CanaryPodState> => {
      if (look.kind === 'pending') {
        const { recheckAfterSeconds, pod } = look;
        return { status: 'pending', recheckAfterSeconds, pod: { ...pod, startedAt: isoSeconds(pod.startedAt) } };
      }
      const { outcome, wasCreated } = look;
      await memory
        .change(targetForm, name, (before) => rememberPodEnded(before, { execution, outcome, wasCreated }))
        .catch((error: unknown) => log.error('What the canary pod showed cannot be remembered', error));
      return settle(outcome);
    };
    const lookAt = async (pod: PodUnderWay, storedAt: number): Promise<CanaryPodState> =>
      answer(await lookAtPod(runpod, pod, { storedAt, now }));

    const storedAt = stored?.storedAt;
    if (canaryPod?.pod !== undefined && storedAt !== undefined) return lookAt(canaryPod.pod, storedAt);

    // Pods are swept whether the memory answers or not.
    let unread: unknown;
    const before = await memory.read(targetForm, name).catch((error: unknown) => {
      unread = error;
      return undefined;
    });
    const { begun, last } = { ...before?.canaryPod };
    const isOwn = begun?.execution === execution;
    const ownStart = isOwn && begun.isEnded !== true ? Date.parse(begun.at) : undefined;
    const ownName = ownStart === undefined ? undefined : podNameOf(stack, name, ownStart);
    const otherUntil = await sweepPods(runpod, { stack, target: name, own: ownName, now: now() });
    // An earlier run may have left it: its own follower deletes it meanwhile, or we do when its time is up.
    if (otherUntil !== undefined) return wait(Math.min(maxWaitMs, otherUntil - now() + 1000));
    if (storedAt !== undefined && unread !== undefined) throw unread;
    if (storedAt === undefined || token === undefined || !isPodDue(before, { execution, everyHours, now: now() })) {
      return settle(last === undefined || isOwn ? last : { ...last, isEarlier: true });
    }
    // This very execution has begun one, and crashed before it could say so.
    if (ownName !== undefined && ownStart !== undefined) {
      return lookAt({ name: ownName, startedAt: ownStart }, storedAt);
    }
    const windowEnd = storedAt + propagationMs;
    if (now() < windowEnd) return wait(windowEnd - now());

    const at = isoSeconds(now());
    const claimed = await memory.change(targetForm, name, (current) =>
      isPodDue(current, { execution, everyHours, now: now() })
        ? rememberPodBegun(current, { at, execution })
        : undefined,
    );
    if (claimed?.canaryPod?.begun?.execution !== execution) return wait(maxWaitMs);
    const startedAt = Date.parse(at);
    const pod = {
      name: podNameOf(stack, name, startedAt),
      image: `${token.registry}/${image}`,
      registry: target.registry,
    };
    try {
      return await answer(await createPod(runpod, pod, startedAt));
    } catch (error) {
      await memory
        .change(targetForm, name, (current) => rememberPodEnded(current, { execution, wasCreated: false }))
        .catch((failure: unknown) => log.error('That no canary pod was created cannot be remembered', failure));
      throw error;
    }
  };

export const buildCanaryPod = (platform: BasePlatform) => {
  const { settings, now, log } = platform;
  const connect = connectRunpod(platform);
  return createCanaryPod({
    runpodFor: (keySource) => {
      const client = connect(keySource);
      return { ...createRunpodPods(client, settings), readLog: createReadPodLog(client, settings) };
    },
    memory: createMemory(settings),
    stack: settings.STACK_NAME,
    now,
    propagationMs: settings.PROPAGATION_MINUTES * 60_000,
    log,
  });
};

export const handler = lambda('canary-pod', buildCanaryPod);
