import * as z from 'zod/mini';
import { defined } from '../defined.ts';

/** How sure a run is about an endpoint, once it has stopped looking. */
export const finalProofs = ['observed', 'tested', 'degraded', 'failed'] as const;
export type FinalProof = (typeof finalProofs)[number];

const text = z.string();

/** What a run knows of how an endpoint's workers pull; `pending` while it is too early to say. Times are ISO 8601. */
export const endpointProofSchema = z.object({
  endpoint: text,
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

const endpointOutcomeSchema = z.extend(endpointProofSchema, { proof: z.enum(finalProofs) });
/** What a run saw of an endpoint. */
export type EndpointOutcome = z.output<typeof endpointOutcomeSchema>;

/** What pulling an image with the new token came to: a digest and what belongs to it, or a problem. */
export const imageRecordSchema = z.object({
  image: text,
  digest: z.optional(text),
  /** Compressed bytes that a cold host downloads. */
  sizeInBytes: z.optional(z.number()),
  layers: z.optional(z.number()),
  /** Why the token did not pull it, in a clause. */
  problem: z.optional(text),
  /** How many pushes to its repository are newer; left out where that is not known. */
  behindBy: z.optional(z.number()),
});
export type ImageRecord = z.output<typeof imageRecordSchema>;

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
  otherUsers: z.optional(z.array(text)),
  warnings: z.optional(z.array(text)),
  /** How many times the quick retries were used up before it ended. */
  delayedRounds: z.optional(z.number()),
  /** Whether people were told of the delay, and so must be told how it ended. */
  delayTold: z.optional(z.boolean()),
});
export type Outcome = z.output<typeof outcomeSchema>;

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

const cut = (value: string, length: number): string =>
  value.length <= length ? value : `${value.slice(0, length - 1)}…`;

const inTrouble = ({ proof }: EndpointOutcome): boolean => proof === 'failed' || proof === 'degraded';

/** The bare fact of an endpoint, with as much of its sentence as there is room for. */
const shorten = ({ endpoint, proof, reason, evidence = '' }: EndpointOutcome, length: number): EndpointOutcome => ({
  endpoint,
  proof,
  reason,
  evidence: cut(evidence, length),
});

/** Reductions, mildest first. What people must act on goes last. A field that is undefined is none in JSON. */
const reductions: ReadonlyArray<(outcome: Outcome) => Outcome> = [
  (outcome) => outcome,
  // What went well needs no sentence.
  ({ otherUsers: _, ...outcome }) => ({
    ...outcome,
    endpoints: outcome.endpoints.map((each) =>
      inTrouble(each) ? each : { endpoint: each.endpoint, proof: each.proof, reason: each.reason },
    ),
    images: outcome.images?.filter(({ problem }) => problem !== undefined),
  }),
  ({ images: _, ...outcome }) => ({
    ...outcome,
    warnings: outcome.warnings?.slice(0, 2).map((each) => cut(each, 200)),
    endpoints: outcome.endpoints.filter(inTrouble).map((each) => shorten(each, 200)),
  }),
  ({ warnings: _, missingWays: __, ...outcome }) => ({
    ...outcome,
    error: outcome.error && { ...outcome.error, message: cut(outcome.error.message, 200) },
    endpoints: outcome.endpoints.slice(0, 3).map((each) => shorten(each, 60)),
  }),
  ({ way: _, storedAt: __, delayedRounds: ___, seconds: ____, ...outcome }) => ({
    ...outcome,
    error: outcome.error && { name: cut(outcome.error.name, 32), message: '' },
    endpoints: [],
  }),
];

/**
 * Cuts an outcome to a number of bytes, so that the outcomes of all targets fit one execution's payload by construction.
 * Counts, errors and what is in trouble stay longest.
 */
export const boundOutcome = (outcome: Outcome, bytes: number): Outcome => {
  const sorted = {
    ...outcome,
    endpoints: outcome.endpoints.toSorted((a, b) => Number(inTrouble(b)) - Number(inTrouble(a))),
  };
  let reduced: Outcome = sorted;
  for (const reduce of reductions) {
    reduced = reduce(reduced);
    if (bytesOf(reduced) <= bytes) break;
  }
  return defined(reduced);
};

/** An outcome is never longer than this, however few targets share the room. */
const maxOutcomeBytes = 16 * 1024;
/** Of the 256 KiB that a state may hold, what the names and the outcomes share; the rest is the report's own frame. */
const payloadBudget = 240 * 1024;

/** How many bytes of outcome each of these targets may hand back, so that the names and all outcomes fit a state. */
export const outcomeBytesFor = (names: readonly string[]): number => {
  const room = payloadBudget - Buffer.byteLength(JSON.stringify(names));
  return Math.min(maxOutcomeBytes, Math.floor(room / Math.max(1, names.length)));
};
