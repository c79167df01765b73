import * as z from 'zod/mini';
import { defined } from './lib/defined.ts';
import { triedImagesSchema } from './lib/ecr/tried-images.ts';
import { lambda, moment, type Platform, parseInput } from './lib/platform.ts';
import { boundOutcome } from './lib/report/bound-outcome.ts';
import { failureSchema, messageOfFailure } from './lib/report/cause.ts';
import { concludePod } from './lib/report/conclude-pod.ts';
import { concludeOthers, concludeWatch } from './lib/report/conclude-proofs.ts';
import { canaryPodOutcomeSchema, type Outcome, rolloutOutcomeSchema } from './lib/report/outcome.ts';
import { watchSoFarSchema } from './lib/runpod/watch.ts';

/** Everything a target's workflow has gathered. What it did not come to is not there. */
const inputSchema = z.object({
  name: z.string(),
  outcomeBytes: z.number(),
  /** When the target's turn began. */
  startAt: moment,
  discovered: z.optional(
    z.object({
      endpoints: z.number(),
      otherUsers: z.array(z.object({ name: z.string(), image: z.string() })),
      unmanaged: z._default(z.array(z.string()), []),
      left: z._default(z.array(z.object({ endpoint: z.string(), evidence: z.string() })), []),
      warnings: z.array(z.string()),
    }),
  ),
  images: z.optional(triedImagesSchema),
  stored: z.optional(
    z.object({
      status: z.string(),
      storedAt: z.optional(z.string()),
      expiresAt: z.optional(z.string()),
      api: z.optional(z.string()),
      unsupportedApis: z.optional(z.array(z.string())),
    }),
  ),
  /** What the looks at its endpoints came to, and how they broke down. */
  watch: z.optional(watchSoFarSchema),
  watchFailure: z.optional(failureSchema),
  rollouts: z.optional(z.object({ rollouts: z.array(rolloutOutcomeSchema) })),
  /** Why what endpoints want could not be found. */
  rolloutFailure: z.optional(failureSchema),
  /** What the target's canary pod showed, and how following it broke down. */
  canaryPod: z.optional(z.object({ outcome: z.optional(canaryPodOutcomeSchema) })),
  canaryPodFailure: z.optional(failureSchema),
  delay: z.optional(z.object({ rounds: z.number() })),
  /** There once people have been notified that the target is delayed. */
  notified: z.optional(z.object({ published: z.catch(z.number(), 1) })),
  /** Why that failed. People may have been told nevertheless: SNS may take a message and lose its answer. */
  notifyFailure: z.optional(z.unknown()),
  failure: z.optional(failureSchema),
});

const unlessEmpty = <Item>(items: readonly Item[] = []): Item[] | undefined =>
  items.length === 0 ? undefined : [...items];

/** Sums up what became of a target, in as many bytes as the run allows it. */
export const createConcludeTarget =
  ({ now }: Pick<Platform, 'now'>) =>
  async (event: unknown): Promise<Outcome> => {
    const input = parseInput('conclude-target', inputSchema, event);
    const { discovered, failure } = input;
    const stored = input.stored?.status === 'stored' ? input.stored : undefined;
    const watched =
      stored === undefined
        ? { endpoints: [], proofs: {} }
        : concludeOthers(
            concludeWatch(input.watch, discovered?.endpoints ?? 0, input.watchFailure),
            discovered?.otherUsers ?? [],
            input.images,
          );
    const isFailed = stored === undefined && failure !== undefined;
    const isDelayTold = (input.notified?.published ?? 0) > 0 || input.notifyFailure !== undefined;
    const outcome = defined({
      target: input.name,
      refreshed: stored !== undefined,
      error: isFailed ? { name: failure.Error, message: messageOfFailure(failure) } : undefined,
      way: stored?.api,
      missingWays: unlessEmpty(stored?.unsupportedApis),
      storedAt: stored?.storedAt,
      expiresAt: stored?.expiresAt,
      seconds: Math.round((now() - input.startAt) / 1000),
      proofs: watched.proofs,
      endpoints: watched.endpoints,
      images: unlessEmpty(input.images?.images),
      canaryPod: concludePod(input.canaryPod?.outcome, input.canaryPodFailure),
      rollouts: input.rollouts?.rollouts,
      otherUsers: unlessEmpty(discovered?.otherUsers.map(({ name }) => name)),
      unmanaged: unlessEmpty(discovered?.unmanaged),
      left: unlessEmpty(discovered?.left),
      warnings: unlessEmpty([
        ...(discovered?.warnings ?? []),
        ...(input.rolloutFailure === undefined
          ? []
          : [`Nothing was rolled out: ${messageOfFailure(input.rolloutFailure)}`]),
      ]),
      delayedRounds: input.delay?.rounds,
      delayTold: isDelayTold ? true : undefined,
    });
    return boundOutcome(outcome, input.outcomeBytes);
  };

export const buildConcludeTarget = ({ now }: Pick<Platform, 'now'>) => createConcludeTarget({ now });

export const handler = lambda('conclude-target', buildConcludeTarget);
