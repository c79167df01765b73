import * as z from 'zod/mini';
import { defined } from './lib/defined.ts';
import { createMemory, type Memory } from './lib/memory/memory.ts';
import { createPodMemory } from './lib/memory/pod-memory.ts';
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

/** Of a target whose memory does not answer. */
const nothingKnown = { last: undefined, isDue: false, ownStart: undefined };

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
    const pods = createPodMemory(memory, { name, execution, everyHours }, log);

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
      await pods.end(look);
      return settle(look.outcome);
    };
    const lookAt = async (pod: PodUnderWay, storedAt: number): Promise<CanaryPodState> =>
      answer(await lookAtPod(runpod, pod, { storedAt, now }));

    const storedAt = stored?.storedAt;
    if (canaryPod?.pod !== undefined && storedAt !== undefined) return lookAt(canaryPod.pod, storedAt);

    // Pods are swept whether the memory answers or not.
    const known = await pods.read(now()).catch((error: unknown) => ({ error }));
    const { last, isDue, ownStart } = 'error' in known ? nothingKnown : known;
    const own = ownStart === undefined ? undefined : { name: podNameOf(stack, name, ownStart), startedAt: ownStart };
    const otherUntil = await sweepPods(runpod, { stack, target: name, own: own?.name, now: now() });
    // An earlier run may have left it: its own follower deletes it meanwhile, or we do when its time is up.
    if (otherUntil !== undefined) return wait(Math.min(maxWaitMs, otherUntil - now() + 1000));
    if (storedAt !== undefined && 'error' in known) throw known.error;
    if (storedAt === undefined || token === undefined || !isDue) return settle(last);
    // This very execution has begun one, and crashed before it could say so.
    if (own !== undefined) return lookAt(own, storedAt);
    const windowEnd = storedAt + propagationMs;
    if (now() < windowEnd) return wait(windowEnd - now());

    const startedAt = await pods.claim(now());
    if (startedAt === undefined) return wait(maxWaitMs);
    const pod = {
      name: podNameOf(stack, name, startedAt),
      image: `${token.registry}/${image}`,
      registry: target.registry,
    };
    const created = await createPod(runpod, pod, startedAt).catch(async (error: unknown) => {
      await pods.end({ wasCreated: false });
      throw error;
    });
    return answer(created);
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
