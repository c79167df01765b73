import * as z from 'zod/mini';
import { createMemory, type Memory } from './lib/memory/memory.ts';
import { createPodMemory } from './lib/memory/pod-memory.ts';
import { type BasePlatform, type Log, lambda, moment, parseInput } from './lib/platform.ts';
import { type CanaryPodRunpod, type CanaryPodState, podUnderWaySchema } from './lib/runpod/canary-pod.ts';
import { runpodBy } from './lib/runpod/connect.ts';
import { followPod } from './lib/runpod/follow-pod.ts';
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

/** Follows a target's canary pod by one look, as {@link followPod} says. */
const createCanaryPod =
  ({ runpodFor, memory, stack, now, propagationMs, log }: CanaryPodDeps) =>
  async (event: unknown): Promise<CanaryPodState> => {
    const { name, execution, discovered, token, stored, canaryPod } = parseInput('canary-pod', inputSchema, event);
    const { apiKey, podKey, registry } = discovered.target.runpod;
    const { image, everyHours } = discovered.canaryPod;
    const pods = createPodMemory(memory, { name, execution, everyHours }, log);
    return followPod(
      { runpod: runpodFor(podKey ?? apiKey), pods, now, propagationMs },
      {
        stack,
        target: name,
        image: token && `${token.registry}/${image}`,
        registry,
        storedAt: stored?.storedAt,
        underWay: canaryPod?.pod,
      },
    );
  };

export const buildCanaryPod = (platform: BasePlatform) =>
  createCanaryPod({
    ...platform,
    runpodFor: runpodBy(platform, (client, settings) => ({
      ...createRunpodPods(client, settings),
      readLog: createReadPodLog(client, settings),
    })),
    memory: createMemory(platform.settings),
    stack: platform.settings.STACK_NAME,
    propagationMs: platform.settings.PROPAGATION_MINUTES * 60_000,
  });

export const handler = lambda('canary-pod', buildCanaryPod);
