import { type Failure, messageOfFailure } from './cause.ts';
import type { Outcome } from './outcome.ts';
import { messageOfError } from './platform-errors.ts';

/** How a run is to end. */
export interface RunVerdict {
  readonly outcome: 'succeeded' | 'failed';
  /** The error to end with: the first failed target's own. Empty where the run succeeded. */
  readonly error: string;
  readonly cause: string;
}

/** A target whose workflow ended without an answer: it crashed, or ran out of time. */
export const lostTarget = (target: string): Outcome => ({
  target,
  refreshed: false,
  error: {
    name: 'TargetLostError',
    message: 'Its workflow ended without an answer. Open the execution and look at the failed child of RefreshTargets.',
  },
  proofs: {},
  endpoints: [],
});

const failureOf = ({
  target,
  error,
  refreshed,
  proofs,
  endpoints,
  canaryPod,
}: Outcome): Omit<RunVerdict, 'outcome'> | undefined => {
  if (!refreshed) {
    const told = error ?? { name: 'TargetLostError', message: 'No token was stored.' };
    return { error: told.name, cause: `${target}: ${messageOfError(told)}` };
  }
  const failed = proofs.failed ?? 0;
  if (failed === 0 && canaryPod?.proof === 'failed' && canaryPod.isEarlier !== true) {
    return {
      error: 'EndpointNotPullingError',
      cause: `${target}: a new token is stored, but a pod cannot pull with what Runpod holds. ${canaryPod.evidence ?? canaryPod.reason}`,
    };
  }
  if (failed === 0) return undefined;
  const first = endpoints.find(({ proof }) => proof === 'failed');
  const detail = first === undefined ? '' : ` ${first.endpoint}: ${first.evidence ?? first.reason}`;
  return {
    error: 'EndpointNotPullingError',
    cause: `${target}: a new token is stored, but ${failed} of its endpoints cannot pull.${detail}`,
  };
};

/**
 * Decides how a run ends: it fails when a token was not stored, or when an endpoint or this run's canary pod cannot pull. What a target failed of says
 * more than that the run broke down around it.
 */
export const judgeRun = (targets: readonly Outcome[], failure: Failure | undefined): RunVerdict => {
  const failures = targets.map(failureOf).filter((each) => each !== undefined);
  const [first] = failures;
  if (first !== undefined) {
    const more = failures.length > 1 ? ` So do ${failures.length - 1} more of ${targets.length} targets.` : '';
    return { outcome: 'failed', error: first.error, cause: `${first.cause}${more}` };
  }
  if (failure !== undefined) {
    return { outcome: 'failed', error: failure.Error, cause: messageOfFailure(failure) };
  }
  return { outcome: 'succeeded', error: '', cause: '' };
};
