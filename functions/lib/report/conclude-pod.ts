import { ConfigurationError, RunpodRequestRejectedError, RunpodUnauthorizedError } from '../errors.ts';
import { type Failure, messageOfFailure } from './cause.ts';
import type { CanaryPodOutcome } from './outcome.ts';

/** What a failure that no retry mends is called as a reason. */
const reasonsByError: Readonly<Record<string, string>> = {
  [new RunpodUnauthorizedError().name]: 'no-scope',
  [new RunpodRequestRejectedError().name]: 'rule-broken',
  [new ConfigurationError().name]: 'rule-broken',
};

/** Sums up a target's canary pod. Where following it broke down, that is what is told, and the next run sweeps. */
export const concludePod = (
  outcome: CanaryPodOutcome | undefined,
  failure: Failure | undefined,
): CanaryPodOutcome | undefined =>
  failure === undefined
    ? outcome
    : {
        proof: 'not-tried',
        reason: reasonsByError[failure.Error] ?? 'not-asked',
        evidence: `The canary pod was not tried, or not followed to its end: ${messageOfFailure(failure)}`,
      };

/** What a person must put right before a pod can be tried again. Anything else may be otherwise at the next run. */
const lasting: readonly string[] = ['no-scope', 'no-balance', 'rule-broken', 'too-expensive'];

/** Whether people are told of it. */
export const isPodTrouble = ({ proof, reason }: CanaryPodOutcome): boolean =>
  proof === 'failed' || proof === 'degraded' || (proof === 'not-tried' && lasting.includes(reason));
