import { RunpodRequestRejectedError } from '../errors.ts';
import { canaryMs, canaryTimeToLiveMs, checkCanary } from '../runpod/canary.ts';
import type { CanaryView } from '../runpod/endpoint-proof.ts';
import type { RunpodJobs } from '../runpod/jobs.ts';
import type { Watched } from './order.ts';
import type { RolloutSettings } from './settings.ts';

/** A job costs GPU time, and may be taken by a worker of the old version that had not been replaced yet. */
const maxJobs = 3;

/**
 * Follows a rollout's canary job. Submits the first one, and another where the last has ended and proved nothing: it ran on
 * a worker of the old version, or failed.
 *
 * @param isOfRelease whether a worker is of the new version
 * @param isLate whether its time is up: then an execution waits for one job, and submits no other
 */
export const checkRolloutCanary = async (
  jobs: RunpodJobs,
  endpointId: string,
  canary: RolloutSettings['canary'],
  watched: Watched,
  isOfRelease: (workerId: string) => boolean,
  now: number,
  isLate = false,
): Promise<{ readonly canary: CanaryView | undefined; readonly watched: Watched }> => {
  if (canary === undefined) return { canary: undefined, watched };
  const { jobId, jobUntil = 0, jobs: count = 0 } = watched;
  const job = jobId === undefined ? { endpoint: endpointId } : { endpoint: endpointId, jobId, giveUpAt: jobUntil };
  const view = await checkCanary(jobs, job, now);
  const isProof = view?.state === 'completed' && view.workerId !== undefined && isOfRelease(view.workerId);
  if (isProof || view?.state === 'running' || count >= (isLate ? 1 : maxJobs)) {
    return { canary: view, watched };
  }
  try {
    const next = await jobs.submit(endpointId, canary.input, canaryTimeToLiveMs);
    return {
      canary: view ?? { state: 'running', clause: `job ${next} is IN_QUEUE` },
      watched: { ...watched, jobId: next, jobUntil: now + canaryMs, jobs: count + 1 },
    };
  } catch (error) {
    if (!(error instanceof RunpodRequestRejectedError)) throw error;
    return { canary: { state: 'failed', clause: error.message }, watched: { ...watched, jobs: maxJobs } };
  }
};
