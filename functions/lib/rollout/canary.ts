import { canaryMs, canaryTimeToLiveMs, checkCanary } from '../runpod/canary.ts';
import type { RunpodJobs } from '../runpod/jobs.ts';
import type { Watched } from './order.ts';
import type { WatchView } from './judge.ts';
import type { RolloutSettings } from './settings.ts';

/** A job may be taken by a worker of the old version that had not been replaced yet: then another one is submitted. */
const maxJobs = 3;

/** Follows a rollout's canary job, and submits the first one, or another where the last proved nothing. */
export const checkRolloutCanary = async (
  jobs: RunpodJobs,
  endpointId: string,
  canary: RolloutSettings['canary'],
  watched: Watched,
  now: number,
): Promise<{ readonly canary: WatchView['canary']; readonly watched: Watched }> => {
  if (canary === undefined) return { canary: undefined, watched };
  const { jobId, jobUntil = 0, jobs: count = 0 } = watched;
  const view = await checkCanary(jobs, endpointId, jobId === undefined ? {} : { jobId, giveUpAt: jobUntil }, now);
  if (view !== undefined && (view.state === 'running' || count >= maxJobs)) return { canary: view, watched };
  const next = await jobs.submit(endpointId, canary.input, canaryTimeToLiveMs);
  return {
    canary: view ?? { state: 'running', clause: `job ${next} is IN_QUEUE` },
    watched: { ...watched, jobId: next, jobUntil: now + canaryMs, jobs: count + 1 },
  };
};
