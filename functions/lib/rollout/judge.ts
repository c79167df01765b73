import { nameOfImage } from '../ecr/image-reference.ts';
import { quote } from '../quote.ts';
import type { CanaryView, WatchedWorker } from '../runpod/endpoint-proof.ts';
import type { LogLine } from '../runpod/log-line.ts';
import type { Worker } from '../runpod/management.ts';
import { type PullCause, readPullAttempts } from '../runpod/pull-attempts.ts';

/** What one look at an endpoint brought, while an image of ours is watched. Times are epoch milliseconds. */
export interface WatchView {
  readonly image: string;
  readonly digest: string;
  /** When Runpod took the image. */
  readonly appliedAt: number;
  /** The release that took it, where Runpod numbers it. */
  readonly version: number | undefined;
  readonly workers: readonly WatchedWorker[];
  /** A job that was submitted since, and the worker that ran it. */
  readonly canary: CanaryView | undefined;
  /** Workers of earlier looks that could not run the image: one that ends vanishes from Runpod's list. */
  readonly failedBefore: readonly FailedWorker[];
  readonly now: number;
}

/** A worker of the new version that could not run the image, and why in its host's words. */
interface FailedWorker {
  readonly worker: string;
  readonly why: string;
}

/** What a look at the workers came to. */
interface WorkersVerdict {
  readonly verdict: 'pending' | 'proven' | 'broken';
  /** A clause. */
  readonly why: string;
  readonly failed: readonly FailedWorker[];
}

/** Runpod says of each worker whether it is stale, and may leave its version and its image unsaid. */
export const isOfRelease = (
  { isStale, version, image, startedAt, status }: Worker,
  { image: ours, appliedAt, version: release }: Pick<WatchView, 'image' | 'appliedAt' | 'version'>,
): boolean => {
  if (isStale === true || (image ?? ours) !== ours) return false;
  if (version != null && release !== undefined) return version >= release;
  const started = Date.parse(startedAt ?? '');
  // Until it has started it has no time of start, and what starts after the PATCH is ours.
  return Number.isNaN(started) ? status !== 'RUNNING' && status !== 'IDLE' : started >= appliedAt;
};

/** What keeps workers from running an image, and is the image's own fault: one worker's word is enough. */
const faultsOfImage: readonly PullCause[] = ['missing', 'wrong-architecture', 'not-an-image', 'container-cannot-start'];
/** What is nobody's fault who pushes images: a token, a registry, what it keeps layers in, or a network that has its moment. */
const excused: readonly PullCause[] = ['refused', 'throttled', 'registry-unreachable', 'blob-store', 'upstream'];

const beginPattern = /^start container for \S+ begin$/i;
const resetPattern = /^(?:create|stop|remove) container\b/i;
const maxRestartGapMs = 60_000;
const restartsToBelieve = 3;

/**
 * When a worker's container was started, since it was created or stopped last. A program that ends at once is started
 * again every few seconds, while Runpod may call the worker ready.
 *
 * Source: https://github.com/runpod-workers/worker-comfyui/issues/78
 */
const startsOf = (log: readonly LogLine[]): readonly number[] => {
  const since = log.slice(log.findLastIndex(({ line }) => resetPattern.test(line)) + 1);
  return since.filter(({ line }) => beginPattern.test(line)).map(({ at }) => at);
};

const isRestarting = (starts: readonly number[]): boolean => {
  const last = starts.slice(-restartsToBelieve);
  return (
    last.length === restartsToBelieve &&
    last.every((at, index) => index === 0 || at - (last[index - 1] ?? 0) <= maxRestartGapMs)
  );
};

/** A container that has run for so long was not started in vain: hosts start one that ended again after about 17 s. */
const settledMs = 30_000;
/** Hosts try a failing pull again about every 15 s: a failure that stays has repeated itself by then. */
const lastingMs = 45_000;

const clockSlackMs = 10_000;

const digestLine = /^Digest: (sha256:[0-9a-f]{64})$/;

type Shown =
  | { readonly kind: 'works' | 'starting' | 'excused' }
  | { readonly kind: 'image fault' | 'failing'; readonly why: string };

/** What one worker of the new release shows of the image. */
const shownBy = ({ worker, log }: WatchedWorker, { digest, appliedAt, now }: WatchView): Shown => {
  // A host's clock may be a little behind Runpod's.
  const since = log.filter(({ at }) => at >= appliedAt - clockSlackMs);
  const attempts = readPullAttempts(since);
  const said = (line: string): string => `worker ${worker.id} logged ${quote(line)}`;
  const other = since.findLast(({ line }) => digestLine.test(line))?.line;
  const isOther = other !== undefined && digestLine.exec(other)?.[1] !== digest;
  const isReady = worker.status === 'IDLE' || worker.status === 'RUNNING';
  const starts = startsOf(since);
  const last = attempts.at(-1);
  const pulled = attempts.findLast((each) => each.pulled !== undefined)?.pulled;

  if (isRestarting(starts) && worker.status !== 'RUNNING') {
    return {
      kind: 'image fault',
      why: `worker ${worker.id} started its program ${starts.length} times, and it ended each time at once`,
    };
  }
  if (last?.failed !== undefined && !isReady) {
    const { cause, line, at } = last.failed;
    const isLasting = cause !== 'missing' || now - at >= lastingMs || attempts.filter((each) => each.failed).length > 1;
    if (faultsOfImage.includes(cause) && isLasting) return { kind: 'image fault', why: said(line) };
    return excused.includes(cause) ? { kind: 'excused' } : { kind: 'failing', why: said(line) };
  }
  if (pulled?.after !== undefined && !isReady) {
    const { cause, line } = pulled.after;
    return faultsOfImage.includes(cause)
      ? { kind: 'image fault', why: said(line) }
      : { kind: 'failing', why: said(line) };
  }
  if (worker.status === 'UNHEALTHY') return { kind: 'failing', why: `worker ${worker.id} is unhealthy` };
  if (pulled === undefined || !isReady || isOther) return { kind: 'starting' };
  const ranSince = starts.at(-1) ?? pulled.at;
  return { kind: worker.status === 'RUNNING' || now - ranSince >= settledMs ? 'works' : 'starting' };
};

/** How many workers must fail, and none work, before the image is blamed for what no log explains. */
const failuresToBelieve = 2;

/** Judges what a look at an image's workers brought. Pure: the same view gives the same verdict. */
export const judgeWorkers = (view: WatchView): WorkersVerdict => {
  const ours = view.workers.filter(({ worker }) => isOfRelease(worker, view));
  const shown = ours.map((each) => ({ id: each.worker.id, shown: shownBy(each, view) }));
  const { canary } = view;
  const ranCanary = (id: string): boolean => canary?.workerId === id && canary.state !== 'running';
  const failedCanary = shown.find(({ id }) => canary?.state === 'failed' && ranCanary(id));

  const failing: FailedWorker[] = [
    ...shown.flatMap(({ id, shown: each }) => (each.kind === 'failing' ? [{ worker: id, why: each.why }] : [])),
    ...(failedCanary === undefined ? [] : [{ worker: failedCanary.id, why: canary?.clause ?? '' }]),
  ];
  const recovered = shown.filter(({ shown: each }) => each.kind === 'works').map(({ id }) => id);
  const failed = [
    ...view.failedBefore.filter(
      ({ worker }) => !recovered.includes(worker) && !failing.some((each) => each.worker === worker),
    ),
    ...failing,
  ];
  const answer = (verdict: WorkersVerdict['verdict'], why: string): WorkersVerdict => ({ verdict, why, failed });

  const completed = shown.find(({ id }) => canary?.state === 'completed' && ranCanary(id));
  if (completed !== undefined) return answer('proven', `${canary?.clause}, of the new version`);
  const works = shown.find(({ id, shown: each }) => each.kind === 'works' && id !== failedCanary?.id);
  if (works !== undefined && canary?.state !== 'running') {
    return answer('proven', `worker ${works.id} pulled ${nameOfImage(view.image)} and is ready`);
  }
  const fault = shown.flatMap(({ shown: each }) => (each.kind === 'image fault' ? [each.why] : []))[0];
  if (fault !== undefined && works === undefined) return answer('broken', fault);
  if (failed.length >= failuresToBelieve && works === undefined) {
    return answer('broken', `${failed.length} workers could not run it, and none could: ${failed.at(-1)?.why}`);
  }
  if (ours.length > 0) return answer('pending', `worker ${ours[0]?.worker.id} is starting`);
  return answer('pending', 'no worker has had to start with it');
};
