import * as z from 'zod/mini';
import { triedImagesSchema } from '../ecr/tried-images.ts';
import { moment } from '../platform.ts';
import { watchSoFarSchema } from '../runpod/watch.ts';
import { failureSchema } from './cause.ts';
import { canaryPodOutcomeSchema, rolloutOutcomeSchema } from './outcome.ts';

/** Everything a target's workflow has gathered. What it did not come to is not there. */
export const gatheredSchema = z.object({
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
