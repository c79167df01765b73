import * as z from 'zod/mini';

/** How sure a run is about an endpoint, once it has stopped looking. */
export const finalProofs = ['observed', 'tested', 'degraded', 'failed'] as const;

const text = z.string();

/** What a run knows of how an endpoint's workers pull; `pending` while it is too early to say. Times are ISO 8601. */
const endpointProofSchema = z.object({
  endpoint: text,
  /** What people call it, as much of it as fits; left out where it has no name. */
  name: z.optional(text),
  proof: z.enum([...finalProofs, 'pending']),
  reason: text,
  /** One sentence. Left out where it would not fit. */
  evidence: z.optional(text),
  /** The worker that showed it, its log line, and when that was written. */
  worker: z.optional(text),
  line: z.optional(text),
  at: z.optional(text),
});
export type EndpointProof = z.output<typeof endpointProofSchema>;

export const endpointOutcomeSchema = z.extend(endpointProofSchema, { proof: z.enum(finalProofs) });
/** What a run saw of an endpoint. */
export type EndpointOutcome = z.output<typeof endpointOutcomeSchema>;

/** What pulling an image with the new token came to: a digest and what belongs to it, or a problem. */
export const imageRecordSchema = z.object({
  image: text,
  digest: z.optional(text),
  /** Compressed bytes that a cold host downloads. */
  sizeInBytes: z.optional(z.number()),
  layers: z.optional(z.number()),
  /** Why the token did not pull it, and what to do: sentences, without the last period. */
  problem: z.optional(text),
  /** Whether that may pass by itself. */
  isPassing: z.optional(z.boolean()),
  /** How many pushes to its repository are newer; left out where that is not known. */
  behindBy: z.optional(z.number()),
});
export type ImageRecord = z.output<typeof imageRecordSchema>;

export const rolloutOutcomeSchema = z.object({
  endpoint: text,
  /** `current`, `rolling`, `waiting` and others: docs/report.md has them all. */
  state: text,
  /** A clause. */
  why: text,
  /** What it runs and what it wants, as people call images. */
  runs: z.optional(text),
  wanted: z.optional(text),
  /** Whether this is news: a trouble that people have not been told of, or the end of one that they have. */
  isTold: z.optional(z.boolean()),
});
/** What a run made of an endpoint that follows a tag, a range of versions, or the newest image. */
export type RolloutOutcome = z.output<typeof rolloutOutcomeSchema>;

/** What a canary pod may come to. */
export const podProofs = ['observed', 'degraded', 'failed', 'not-tried'] as const;

/** What a pod showed that pulled with the credential as Runpod holds it. Times are ISO 8601. */
export const canaryPodOutcomeSchema = z.object({
  proof: z.enum(podProofs),
  reason: text,
  /** One sentence. Left out where it would not fit. */
  evidence: z.optional(text),
  /** The line of its log that showed it, and when that was written. */
  line: z.optional(text),
  at: z.optional(text),
  /** Whether an earlier run saw it. */
  isEarlier: z.optional(z.boolean()),
});
export type CanaryPodOutcome = z.output<typeof canaryPodOutcomeSchema>;

/** What became of one target in a run. Times are ISO 8601. */
export const outcomeSchema = z.object({
  target: text,
  /** Whether a new token is stored. */
  refreshed: z.boolean(),
  /** Why it is not. `name` is one of our errors or one of Step Functions'. */
  error: z.optional(z.object({ name: text, message: text })),
  way: z.optional(text),
  missingWays: z.optional(z.array(text)),
  storedAt: z.optional(text),
  expiresAt: z.optional(text),
  /** Seconds from the target's turn to its end, waits included. */
  seconds: z.optional(z.number()),
  /** Endpoints by proof. Complete even where `endpoints` is not. */
  proofs: z.record(text, z.number()),
  /** Endpoints in trouble first, as many as fit. */
  endpoints: z.array(endpointOutcomeSchema),
  images: z.optional(z.array(imageRecordSchema)),
  /** There where the target has a canary pod, and one has been tried. */
  canaryPod: z.optional(canaryPodOutcomeSchema),
  rollouts: z.optional(z.array(rolloutOutcomeSchema)),
  otherUsers: z.optional(z.array(text)),
  /** Endpoints that pull from the target's registry without a credential that is kept fresh, by name. */
  unmanaged: z.optional(z.array(text)),
  /** Endpoints that have left the target's credential since the run before, a sentence each. */
  left: z.optional(z.array(z.object({ endpoint: text, evidence: text }))),
  warnings: z.optional(z.array(text)),
  /** How many times the quick retries were used up before it ended. */
  delayedRounds: z.optional(z.number()),
  /** Whether people were told of the delay, and so must be told how it ended. */
  delayTold: z.optional(z.boolean()),
});
export type Outcome = z.output<typeof outcomeSchema>;
