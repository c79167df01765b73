import * as z from 'zod/mini';
import { cutToBytes } from '../bounded-text.ts';
import { defined } from '../defined.ts';
import { bytesOf } from '../json.ts';
import { type EndpointOutcome, endpointOutcomeSchema, finalProofs } from '../report/outcome.ts';

/** An endpoint that has not settled. Moments are epoch seconds: a thousand of these must fit a state. */
const pendingSchema = z.object({
  id: z.string(),
  /** When it was first looked at: its patience counts from then. */
  since: z.number(),
  /** When it is to be looked at again. */
  due: z.number(),
  /** The workers it waits for: they are looked at again, whatever becomes of them. */
  watching: z.optional(z.array(z.string())),
  /** The name of the error that kept us from asking at the last. */
  error: z.optional(z.string()),
});
export type PendingEndpoint = z.output<typeof pendingSchema>;

/** What the looks at a target's endpoints came to so far. */
const watchSchema = z.object({
  status: z.enum(['pending', 'settled']),
  /** When to look again; while it is pending. */
  recheckAfterSeconds: z.optional(z.number()),
  pending: z.array(pendingSchema),
  /** The first endpoint, by id, that has not been looked at, and how many there are. */
  next: z.optional(z.string()),
  unseen: z.number(),
  /** The worst, as many as fit. */
  endpoints: z.array(endpointOutcomeSchema),
  /** All that have settled, by proof. */
  proofs: z.record(z.string(), z.number()),
});
export type Watch = z.output<typeof watchSchema>;

/** The same as the machine has it, which begins with `{}`: before the first look there is nothing. */
export const watchSoFarSchema = z.union([
  watchSchema,
  z.pipe(
    z.strictObject({}),
    z.transform(() => undefined),
  ),
]);

const maxOutcomes = 100;
const maxOutcomeBytes = 48 * 1024;
/** Of those that are pending: no more endpoints are looked at for the first time while they take as much. */
export const maxPendingBytes = 96 * 1024;
const maxEvidenceBytes = 600;
const maxLineBytes = 300;

const rank = ({ proof }: EndpointOutcome): number => finalProofs.indexOf(proof);

/** Adds endpoints that have settled to those that had: the worst are kept, and all are counted. */
export const addSettled = (
  { endpoints, proofs }: Pick<Watch, 'endpoints' | 'proofs'>,
  settled: readonly EndpointOutcome[],
): Pick<Watch, 'endpoints' | 'proofs'> => {
  const bounded = settled.map((each) =>
    defined({
      ...each,
      evidence: each.evidence === undefined ? undefined : cutToBytes(each.evidence, maxEvidenceBytes),
      line: each.line === undefined ? undefined : cutToBytes(each.line, maxLineBytes),
    }),
  );
  let bytes = 0;
  const worst = [...endpoints, ...bounded]
    .toSorted((a, b) => rank(b) - rank(a))
    .slice(0, maxOutcomes)
    .filter((each) => {
      bytes += bytesOf(each);
      return bytes <= maxOutcomeBytes;
    });
  const counts = { ...proofs };
  for (const { proof } of settled) counts[proof] = (counts[proof] ?? 0) + 1;
  return { endpoints: worst, proofs: counts };
};

/** Leaves out what pending endpoints can do without where they take more room than there is. */
export const boundPending = (pending: readonly PendingEndpoint[]): PendingEndpoint[] =>
  bytesOf(pending) <= maxPendingBytes ? [...pending] : pending.map(({ watching: _, ...each }) => each);
