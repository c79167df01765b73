import { type CanaryJob, checkCanary } from './canary.ts';
import {
  type EndpointVerdict,
  type EndpointView,
  judgeEndpoint,
  misconfiguration,
  nextCheck,
} from './endpoint-proof.ts';
import type { RunpodJobs } from './jobs.ts';
import type { RunpodManagement } from './management.ts';
import type { Pace } from './pace.ts';
import { chooseWorkers, withLogs } from './watch-workers.ts';
import type { ReadWorkerLog } from './worker-log.ts';

/** Runpod, as far as a look at an endpoint needs it. */
export interface WatchedRunpod {
  readonly management: RunpodManagement;
  readonly readWorkerLog: ReadWorkerLog;
  readonly jobs: RunpodJobs;
}

/** What is known of an endpoint before a look. */
interface LookView extends Omit<EndpointView, 'workers' | 'canary' | 'now'> {
  /** The workers that the look before waited for. */
  readonly watching: readonly string[];
  readonly canary: CanaryJob | undefined;
}

/** What a look at an endpoint came to, and while it is pending, when to look again and at which workers. */
interface Look {
  readonly verdict: EndpointVerdict;
  /** Epoch milliseconds. */
  readonly nextAt: number;
  readonly watching: readonly string[];
}

/**
 * Looks once at how an endpoint's workers fare with the stored token. "Not yet" is an answer.
 *
 * @throws what the client throws where Runpod could not be asked
 */
export const lookAtEndpoint = async (
  { management, readWorkerLog, jobs }: WatchedRunpod,
  known: LookView,
  { now, pace }: { readonly now: () => number; readonly pace: Pace },
): Promise<Look> => {
  const { endpointId: id, storedAt } = known;
  const wrong = misconfiguration(known);
  if (wrong !== undefined) return { verdict: wrong, nextAt: now(), watching: [] };
  const workers = await pace().then(() => management.listWorkers(id));
  const watched = chooseWorkers(workers, known.watching, storedAt);
  const logged = await withLogs(workers, watched, (workerId) =>
    pace().then(() => readWorkerLog(id, workerId, storedAt)),
  );
  const { canary: job } = known;
  const canary = job === undefined ? undefined : await pace().then(() => checkCanary(jobs, job, now()));
  const view: EndpointView = { ...known, workers: logged, canary, now: now() };
  return { verdict: judgeEndpoint(view), nextAt: nextCheck(view), watching: watched.map((worker) => worker.id) };
};
