import { defined } from '../defined.ts';
import type { createPodMemory } from '../memory/pod-memory.ts';
import { isoSeconds } from '../platform.ts';
import {
  type CanaryPodRunpod,
  type CanaryPodState,
  createPod,
  lookAtPod,
  type PodLook,
  type PodUnderWay,
  podNameOf,
  sweepPods,
} from './canary-pod.ts';

/** What following a target's canary pod needs from outside. */
interface FollowPodDeps {
  readonly runpod: CanaryPodRunpod;
  readonly pods: ReturnType<typeof createPodMemory>;
  readonly now: () => number;
  /** Milliseconds Runpod may take to hand a new password to its hosts. */
  readonly propagationMs: number;
}

/** A target's canary pod in one run. */
interface PodTurn {
  readonly stack: string;
  readonly target: string;
  /** What is pulled, and with which of Runpod's credentials; nothing where no token was minted. */
  readonly image: string | undefined;
  readonly registry: string;
  /** When the token was stored (epoch milliseconds); without one, pods are swept, and none is created. */
  readonly storedAt: number | undefined;
  /** Where the pod stood at the look before. */
  readonly underWay: PodUnderWay | undefined;
}

/** Of a target whose memory does not answer. */
const nothingKnown = { last: undefined, isDue: false, ownStart: undefined };

/** Another pod of the target is looked for again after this. */
const maxWaitMs = 60_000;

const settled = (outcome: Extract<CanaryPodState, { readonly status: 'settled' }>['outcome']): CanaryPodState =>
  defined({ status: 'settled' as const, outcome });

const waitFor = (milliseconds: number): CanaryPodState => ({
  status: 'pending',
  recheckAfterSeconds: Math.max(1, Math.ceil(milliseconds / 1000)),
});

/**
 * Sweeps pods that outlived their time; creates one where one is due and the token has reached Runpod's hosts; looks at
 * its log; and deletes it. One look a call: "not yet" is an answer.
 *
 * @throws {RunpodUnavailableError | RunpodRateLimitedError} Runpod could not be asked, and no pod is under way
 * @throws {MemoryUnavailableError} when the last pod was begun is not known, so none is created
 */
export const followPod = async (
  { runpod, pods, now, propagationMs }: FollowPodDeps,
  { stack, target, image, registry, storedAt, underWay }: PodTurn,
): Promise<CanaryPodState> => {
  const answer = async (look: PodLook): Promise<CanaryPodState> => {
    if (look.kind === 'pending') {
      const { recheckAfterSeconds, pod } = look;
      return { status: 'pending', recheckAfterSeconds, pod: { ...pod, startedAt: isoSeconds(pod.startedAt) } };
    }
    await pods.end(look);
    return settled(look.outcome);
  };
  if (underWay !== undefined && storedAt !== undefined) {
    return answer(await lookAtPod(runpod, underWay, { storedAt, now }));
  }

  // Pods are swept whether the memory answers or not.
  const known = await pods.read(now()).catch((error: unknown) => ({ error }));
  const { last, isDue, ownStart } = 'error' in known ? nothingKnown : known;
  const own = ownStart === undefined ? undefined : { name: podNameOf(stack, target, ownStart), startedAt: ownStart };
  const otherUntil = await sweepPods(runpod, { stack, target, own: own?.name, now: now() });
  // An earlier run may have left it: its own follower deletes it meanwhile, or we do when its time is up.
  if (otherUntil !== undefined) return waitFor(Math.min(maxWaitMs, otherUntil - now() + 1000));
  if (storedAt === undefined) return settled(last);
  if ('error' in known) throw known.error;
  if (image === undefined || !isDue) return settled(last);
  // This very execution has begun one, and crashed before it could say so.
  if (own !== undefined) return answer(await lookAtPod(runpod, own, { storedAt, now }));
  const windowEnd = storedAt + propagationMs;
  if (now() < windowEnd) return waitFor(windowEnd - now());

  const startedAt = await pods.claim(now());
  if (startedAt === undefined) return waitFor(maxWaitMs);
  const pod = { name: podNameOf(stack, target, startedAt), image, registry };
  const created = await createPod(runpod, pod, startedAt).catch(async (error: unknown) => {
    await pods.end({ wasCreated: false });
    throw error;
  });
  return answer(created);
};
