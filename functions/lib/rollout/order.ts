import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { defined } from '../defined.ts';
import type { Follower } from './followers.ts';
import type { RolloutVerdict, WayBack } from './record.ts';
import { canarySchema } from './settings.ts';

/** What an execution is started with: which endpoint, under which number, and what of targets.yml it needs. */
export const orderSchema = z.object({
  endpoint: z.string(),
  attempt: z.number(),
  digest: z.string(),
  target: z.object({
    name: z.string(),
    runpod: z.object({ apiKey: z.string(), rolloutKey: z.optional(z.string()), registry: z.string() }),
  }),
  proveWithinMinutes: z.number(),
  canary: z.optional(canarySchema),
  /** Targets whose endpoints wait for this one's proof. */
  waiting: z.array(z.string()),
});
export type RolloutOrder = z.output<typeof orderSchema>;

/**
 * What an execution is started with for an endpoint.
 *
 * @param waiting targets whose endpoints wait for its proof
 */
export const orderOf = (
  { id, target, settings }: Follower,
  digest: string,
  attempt: number,
  waiting: readonly string[] = [],
): RolloutOrder =>
  defined({
    endpoint: id,
    attempt,
    digest,
    target: { name: target.name, runpod: defined(target.runpod) },
    proveWithinMinutes: settings.proveWithinMinutes,
    canary: settings.canary,
    waiting: [...new Set(waiting)],
  });

/** The name of an execution: a hash of what it does, and its number. Step Functions drops doubles by it. */
export const executionNameOf = ({ endpoint, digest, attempt }: Pick<RolloutOrder, 'endpoint' | 'digest' | 'attempt'>) =>
  `${createHash('sha256').update(`${endpoint} ${digest}`).digest('hex').slice(0, 32)}-${attempt}`;

/** How an execution ended, and what people hear of it. */
interface RolloutEnding {
  readonly verdict: RolloutVerdict;
  /** A clause, in the host's own words where there are any. */
  readonly why: string;
  readonly image: string;
  readonly earlier: string;
  readonly back?: WayBack;
  /** Whether people hear of it. */
  readonly isTold: boolean;
}

/** What is carried from one look at the workers to the next. */
const watchedSchema = z.object({
  failed: z.array(z.object({ worker: z.string(), why: z.string() })),
  jobId: z.optional(z.string()),
  /** Epoch milliseconds. */
  jobUntil: z.optional(z.number()),
  jobs: z.optional(z.number()),
});
export type Watched = z.output<typeof watchedSchema>;

/** What a function of the rollout answers: where the machine goes on. */
export type RolloutStep =
  | { readonly next: 'apply' | 'watch' | 'back' | 'watch back' }
  | { readonly next: 'wait'; readonly lookAfterSeconds: number; readonly watched: Watched }
  | { readonly next: 'notify'; readonly ending: RolloutEnding };

/** What a function of the rollout is called with: the order, and what the function before it answered. */
export const stateSchema = z.extend(orderSchema, {
  step: z.optional(z.object({ watched: z.optional(watchedSchema) })),
});
