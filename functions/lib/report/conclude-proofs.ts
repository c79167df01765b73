import { type EndpointOutcome, type EndpointProof, finalProofs } from './outcome.ts';

/** A token was stored, and then watching broke down: nothing is known, and the report says so. */
export const notChecked = (endpoint: string): EndpointOutcome => ({
  endpoint,
  proof: 'degraded',
  reason: 'not-looked',
  evidence: 'The new token is stored and ECR takes it, but watching the endpoint broke down. Look at the execution.',
});

/** An endpoint that is still pending when the run ends is not proven. */
export const concludeProof = ({ proof, ...record }: EndpointProof): EndpointOutcome => ({
  ...record,
  proof: proof === 'pending' ? 'degraded' : proof,
});

/** How many endpoints came to each proof; proofs that none came to are left out. */
export const countByProof = (endpoints: readonly EndpointOutcome[]): Record<string, number> =>
  Object.fromEntries(
    finalProofs
      .map((proof) => [proof, endpoints.filter((each) => each.proof === proof).length] as const)
      .filter(([, count]) => count > 0),
  );
