import { mapConcurrent } from '../map-concurrent.ts';
import type { WatchedWorker } from './endpoint-proof.ts';
import type { Worker } from './management.ts';
import type { ReadWorkerLog } from './worker-log.ts';

/** Each log costs some seconds of listening, and one of Runpod's requests a minute. */
const maxWorkersWatched = 10;
const maxLogsAtOnce = 5;

/** Workers that started, or are starting, since the update: only they can show what the new password does. */
const concernsUs = ({ status, startedAt }: Worker, storedAt: number): boolean =>
  status === 'INITIALIZING' || status === 'UNHEALTHY' || Date.parse(startedAt ?? '') >= storedAt;

/** Chooses the workers whose logs tell about the update, at most 10. One that was watched before stays watched. */
export const chooseWorkers = (workers: readonly Worker[], before: readonly string[], storedAt: number): Worker[] =>
  workers.filter((worker) => before.includes(worker.id) || concernsUs(worker, storedAt)).slice(0, maxWorkersWatched);

/** Puts each worker together with what its host logged since the update; nothing for those that were not chosen. */
export const withLogs = async (
  workers: readonly Worker[],
  chosen: readonly Worker[],
  readLog: (workerId: string) => ReturnType<ReadWorkerLog>,
): Promise<WatchedWorker[]> => {
  const logs = await mapConcurrent(chosen, maxLogsAtOnce, ({ id }) => readLog(id));
  return workers.map((worker) => ({ worker, log: logs[chosen.indexOf(worker)] ?? [] }));
};
