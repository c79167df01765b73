import { withLogs } from '../runpod/watch-workers.ts';
import { checkRolloutCanary } from './canary.ts';
import { type RolloutDeps, releaseOf } from './execution.ts';
import { isOfRelease, judgeWorkers } from './judge.ts';
import type { RolloutOrder, RolloutStep, Watched } from './order.ts';
import type { CurrentRollout } from './record.ts';

const minuteMs = 60_000;
/** Each log costs seconds of listening. */
const maxWorkersRead = 10;

/** When to look again: soon at first, then every minute. */
const lookAfter = (elapsedMs: number, leftMs: number): number => {
  const untilEndMs = leftMs > 0 ? leftMs : minuteMs;
  return Math.max(5, Math.ceil(Math.min(minuteMs, Math.max(15_000, elapsedMs / 10), untilEndMs) / 1000));
};

/** The image that an endpoint was given, or given back. */
interface Given {
  readonly image: string;
  readonly digest: string;
  /** Epoch milliseconds. */
  readonly appliedAt: number;
  readonly isBack: boolean;
}

/** What a look at the workers came to, where it is not to be looked again. */
type Looked = Pick<ReturnType<typeof judgeWorkers>, 'verdict' | 'why'>;

/** Looks once at how an endpoint's workers fare with an image. */
export const watchOnce = async (
  runpod: ReturnType<RolloutDeps['runpodFor']>,
  { endpoint: id, canary: asked, proveWithinMinutes }: RolloutOrder,
  current: CurrentRollout,
  { image, digest, appliedAt, isBack }: Given,
  watched: Watched,
  now: () => number,
): Promise<Looked | Extract<RolloutStep, { readonly next: 'wait' }>> => {
  const { management, listImageReleases, readWorkerLog, jobs } = runpod;
  const known = isBack ? current.backVersion : current.version;
  const version = known ?? releaseOf(await listImageReleases(id), image, current.releasedBefore)?.version;
  const release = { image, appliedAt, version };
  const workers = await management.listWorkers(id);
  const ours = workers.filter((worker) => isOfRelease(worker, release)).slice(0, maxWorkersRead);
  const isOurs = (worker: string): boolean => ours.some((each) => each.id === worker);
  const leftMs = appliedAt + proveWithinMinutes * minuteMs - now();
  const { canary, watched: submitted } = isBack
    ? { canary: undefined, watched }
    : await checkRolloutCanary(jobs, id, asked, watched, isOurs, now(), leftMs <= 0);
  const { verdict, why, failed } = judgeWorkers({
    ...release,
    digest,
    workers: await withLogs(ours, ours, (workerId) => readWorkerLog(id, workerId, appliedAt)),
    canary,
    failedBefore: watched.failed,
    now: now(),
  });
  if (verdict !== 'pending' || (leftMs <= 0 && canary?.state !== 'running')) return { verdict, why };
  const lookAfterSeconds = lookAfter(now() - appliedAt, leftMs);
  return { next: 'wait', lookAfterSeconds, watched: { ...submitted, failed: failed.slice(-10) } };
};
