import { createStartExecution } from './lib/aws/start-execution.ts';
import { requireSetting } from './lib/env.ts';
import { lambda, parseInput } from './lib/platform.ts';
import { checkRolloutCanary } from './lib/rollout/canary.ts';
import { type ConcludeDeps, concludeBy } from './lib/rollout/conclude.ts';
import { endBy, type RolloutDeps, releaseOf, rolloutDeps } from './lib/rollout/execution.ts';
import { isOfRelease, judgeWorkers } from './lib/rollout/judge.ts';
import type { RolloutPlatform } from './lib/rollout/memory.ts';
import { type RolloutStep, stateSchema, type Watched } from './lib/rollout/order.ts';
import { isEndedByHold } from './lib/rollout/record.ts';
import { withLogs } from './lib/runpod/watch-workers.ts';

/** What watch-rollout needs from outside. */
type WatchRolloutDeps = ConcludeDeps & RolloutDeps;

const minuteMs = 60_000;
/** Each log costs seconds of listening. */
const maxWorkersRead = 10;

/** When to look again: soon at first, then every minute. */
const lookAfter = (elapsedMs: number, leftMs: number): number => {
  const untilEndMs = leftMs > 0 ? leftMs : minuteMs;
  return Math.max(5, Math.ceil(Math.min(minuteMs, Math.max(15_000, elapsedMs / 10), untilEndMs) / 1000));
};

/**
 * Looks once at how an endpoint's workers fare with the image that it was given, or given back. "Not yet" is an answer: the
 * machine waits and asks again, and where its time is up, later refreshes do.
 *
 * @throws {MemoryUnavailableError} the memory did not answer
 * @throws {RunpodUnavailableError | RunpodRateLimitedError | RunpodUnauthorizedError} Runpod could not be asked
 */
export const createWatchRollout =
  ({ memory, runpodFor, startRefresh, now, meter, log }: WatchRolloutDeps) =>
  async (event: unknown): Promise<RolloutStep> => {
    const order = parseInput('watch-rollout', stateSchema, event);
    const { endpoint: id, target, proveWithinMinutes } = order;
    const end = endBy(memory, order, now);
    const conclude = concludeBy({ memory, startRefresh, now, meter, log }, order, end);
    const { management, listImageReleases, readWorkerLog, jobs } = runpodFor(target.runpod);

    const record = await memory.read(id);
    const current = record?.current;
    if (record === undefined || current?.attempt !== order.attempt) return end.asOther(record);
    const isBack = current.phase === 'returning';
    const { image, digest } = isBack ? current.earlier : current;
    const appliedAt = (isBack ? current.backAt : current.appliedAt) ?? current.startedAt;
    const brokenWhy = current.brokenWhy ?? '';

    const endpoint = await management.getEndpoint(id);
    if (endpoint === undefined) return end.gone();
    if (endpoint.image !== image) {
      return isBack ? end.notOurs(brokenWhy, endpoint.image) : end.byHand(endpoint.image);
    }
    if (isEndedByHold(record)) return end.leave('held', 'it was held', image);
    const known = isBack ? current.backVersion : current.version;
    const version = known ?? releaseOf(await listImageReleases(id), image, current.releasedBefore)?.version;
    const release = { image, appliedAt, version };
    const workers = await management.listWorkers(id);
    const ours = workers.filter((worker) => isOfRelease(worker, release)).slice(0, maxWorkersRead);
    const watched: Watched = order.step?.watched ?? { failed: [] };
    const leftMs = appliedAt + proveWithinMinutes * minuteMs - now();
    const { canary, watched: submitted } = isBack
      ? { canary: undefined, watched }
      : await checkRolloutCanary(
          jobs,
          id,
          order.canary,
          watched,
          (worker) => ours.some((each) => each.id === worker),
          now(),
          leftMs <= 0,
        );
    const { verdict, why, failed } = judgeWorkers({
      ...release,
      digest,
      workers: await withLogs(ours, ours, (workerId) => readWorkerLog(id, workerId, appliedAt)),
      canary,
      failedBefore: watched.failed,
      now: now(),
    });

    if (verdict === 'pending' && (leftMs > 0 || canary?.state === 'running')) {
      const lookAfterSeconds = lookAfter(now() - appliedAt, leftMs);
      return { next: 'wait', lookAfterSeconds, watched: { ...submitted, failed: failed.slice(-10) } };
    }
    if (isBack) {
      const back = verdict === 'proven' ? 'works' : verdict === 'broken' ? 'broken' : 'unproved';
      return end.with('broken', brokenWhy, { back, change: (all) => ({ ...all, earlier: current.earlier }) });
    }
    const given = { current, image, digest, appliedAt, why };
    if (verdict === 'broken') return conclude.broken(given);
    return verdict === 'proven' ? conclude.proven(given) : conclude.pending(given);
  };

export const buildWatchRollout = (platform: RolloutPlatform) =>
  createWatchRollout({
    ...rolloutDeps(platform),
    startRefresh:
      platform.startRefresh ??
      createStartExecution(platform.settings, requireSetting(platform.settings, 'STATE_MACHINE_ARN')),
    meter: platform.meter,
    log: platform.log,
  });

export const handler = lambda('watch-rollout', buildWatchRollout);
