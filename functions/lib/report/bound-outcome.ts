import { cutText } from '../bounded-text.ts';
import { defined } from '../defined.ts';
import { bytesOf } from '../json.ts';
import type { CanaryPodOutcome, EndpointOutcome, Outcome } from './outcome.ts';

const inTrouble = ({ proof }: EndpointOutcome): boolean => proof === 'failed' || proof === 'degraded';

/** The bare fact of an endpoint, with as much of its sentence as there is room for. */
const shorten = ({ endpoint, proof, reason, evidence }: EndpointOutcome, length: number): EndpointOutcome => ({
  endpoint,
  proof,
  reason,
  evidence: evidence && cutText(evidence, length),
});

const shortenPod = ({ line: _, evidence, ...pod }: CanaryPodOutcome, length: number): CanaryPodOutcome => ({
  ...pod,
  evidence: evidence && cutText(evidence, length),
});

/** Reductions, mildest first. What people must act on goes last. A field that is undefined is none in JSON. */
const reductions: ReadonlyArray<(outcome: Outcome) => Outcome> = [
  (outcome) => outcome,
  // What went well needs no sentence.
  ({ otherUsers: _, ...outcome }) => ({
    ...outcome,
    endpoints: outcome.endpoints.map((each) =>
      inTrouble(each) ? each : { endpoint: each.endpoint, name: each.name, proof: each.proof, reason: each.reason },
    ),
    images: outcome.images?.filter(({ problem }) => problem !== undefined),
    rollouts: outcome.rollouts?.filter(({ state, isTold }) => isTold === true || state !== 'current'),
  }),
  ({ images: _, ...outcome }) => ({
    ...outcome,
    canaryPod: outcome.canaryPod && shortenPod(outcome.canaryPod, 200),
    rollouts: outcome.rollouts?.filter(({ isTold }) => isTold === true).slice(0, 3),
    warnings: outcome.warnings?.slice(0, 2).map((each) => cutText(each, 200)),
    unmanaged: outcome.unmanaged?.slice(0, 5),
    left: outcome.left?.slice(0, 5).map(({ endpoint, evidence }) => ({ endpoint, evidence: cutText(evidence, 200) })),
    endpoints: outcome.endpoints.filter(inTrouble).map((each) => shorten(each, 200)),
  }),
  ({ warnings: _, missingWays: __, unmanaged: ___, left: ____, ...outcome }) => ({
    ...outcome,
    error: outcome.error && { ...outcome.error, message: cutText(outcome.error.message, 200) },
    canaryPod: outcome.canaryPod && shortenPod(outcome.canaryPod, 60),
    endpoints: outcome.endpoints.slice(0, 3).map((each) => shorten(each, 60)),
  }),
  ({ way: _, storedAt: __, delayedRounds: ___, seconds: ____, rollouts: _____, canaryPod, ...outcome }) => ({
    ...outcome,
    canaryPod: canaryPod && { proof: canaryPod.proof, reason: canaryPod.reason },
    error: outcome.error && { name: cutText(outcome.error.name, 32), message: '' },
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
