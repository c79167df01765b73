import { createStartExecution, type StartExecution } from './lib/aws/start-execution.ts';
import { requireSetting } from './lib/env.ts';
import { type BasePlatform, lambda, type Meter, parseInput } from './lib/platform.ts';
import { checkRolloutCanary } from './lib/rollout/canary.ts';
import { changeCurrent, endBy, type RolloutRunpod, releaseOf, rolloutRunpod } from './lib/rollout/execution.ts';
import { isOfRelease, judgeWorkers } from './lib/rollout/judge.ts';
import { createRolloutMemory, type RolloutMemory, type RolloutPlatform } from './lib/rollout/memory.ts';
import { type RolloutStep, stateSchema, type Watched } from './lib/rollout/order.ts';
import { remember } from './lib/rollout/record.ts';
import { withLogs } from './lib/runpod/watch-workers.ts';

/** What watch-rollout needs from outside. */
interface WatchRolloutDeps {
  readonly memory: RolloutMemory;
  readonly runpodFor: RolloutRunpod;
  /** Starts a refresh of the targets whose endpoints waited for a proof. */
  readonly startRefresh: StartExecution;
  readonly now: () => number;
  readonly meter: Meter;
  readonly log: BasePlatform['log'];
}

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** Each log costs seconds of listening. */
const maxWorkersRead = 10;

/** When to look again: soon at first, then every minute. */
const lookAfter = (elapsedMs: number, leftMs: number): number =>
  Math.max(5, Math.ceil(Math.min(minuteMs, Math.max(15_000, elapsedMs / 10), leftMs) / 1000));

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
    const { management, listImageReleases, readWorkerLog, jobs } = runpodFor(target.runpod.apiKey);

    const record = await memory.read(id);
    const current = record?.current;
    if (record === undefined || current?.attempt !== order.attempt) return end.asOther(record);
    const isBack = current.phase === 'returning';
    const { image, digest } = isBack ? current.earlier : current;
    const appliedAt = (isBack ? current.backAt : current.appliedAt) ?? current.startedAt;
    const brokenWhy = current.brokenWhy ?? '';
    if (!isBack && record.heldSince !== undefined && current.isAsked !== true) return end.with('held', 'it was held');

    const endpoint = await management.getEndpoint(id);
    if (endpoint === undefined) return end.with('superseded', 'Runpod has no such endpoint any more');
    if (endpoint.image !== image) {
      return isBack
        ? end.with('broken', brokenWhy, {
            back: 'not ours',
            change: (all) => ({ ...all, earlier: { image: endpoint.image } }),
          })
        : end.byHand(endpoint.image);
    }
    const known = isBack ? current.backVersion : current.version;
    const version = known ?? releaseOf(await listImageReleases(id), image, current.releasedBefore)?.version;
    const release = { image, appliedAt, version };
    const workers = await management.listWorkers(id);
    const ours = workers.filter((worker) => isOfRelease(worker, release)).slice(0, maxWorkersRead);
    const watched: Watched = order.step?.watched ?? { failed: [] };
    const { canary, watched: submitted } = isBack
      ? { canary: undefined, watched }
      : await checkRolloutCanary(
          jobs,
          id,
          order.canary,
          watched,
          (worker) => ours.some((each) => each.id === worker),
          now(),
        );
    const { verdict, why, failed } = judgeWorkers({
      ...release,
      digest,
      workers: await withLogs(ours, ours, (workerId) => readWorkerLog(id, workerId, appliedAt)),
      canary,
      failedBefore: watched.failed,
      now: now(),
    });

    const leftMs = appliedAt + proveWithinMinutes * minuteMs - now();
    if (verdict === 'pending' && leftMs > 0) {
      const lookAfterSeconds = lookAfter(now() - appliedAt, leftMs);
      return { next: 'wait', lookAfterSeconds, watched: { ...submitted, failed: failed.slice(-10) } };
    }
    if (isBack) {
      const back = verdict === 'proven' ? 'works' : verdict === 'broken' ? 'broken' : 'unproved';
      return end.with('broken', brokenWhy, { back });
    }
    if (verdict === 'broken') {
      const broken = await changeCurrent(memory, order, (found, all) => ({
        ...all,
        refused: remember(all.refused, { image, digest, at: now(), by: 'workers', why }),
        current: { ...found, phase: 'returning', brokenWhy: why },
      }));
      return broken?.current?.attempt === order.attempt ? { next: 'back' } : end.asOther(broken);
    }
    if (verdict === 'pending') {
      const isTold = now() - appliedAt >= dayMs && current.dayTold !== true;
      if (isTold) {
        await changeCurrent(memory, order, (found, all) => ({
          ...all,
          told: `unproved ${digest}`,
          current: { ...found, dayTold: true },
        }));
      }
      return end.step('unproved', why, current, isTold);
    }
    const step = await end.with('proven', why, {
      change: (all) => ({
        ...all,
        earlier: { image, digest },
        previous: current.earlier,
        proven: remember(all.proven, { image, digest, at: now() }),
      }),
    });
    meter.add('MinutesFromPushToProven', Math.max(0, now() - current.pushedAt) / minuteMs);
    if (order.waiting.length > 0) {
      const input = { trigger: 'rollout', targets: order.waiting };
      await startRefresh(`proven-${id}-${order.attempt}-${digest.slice(7, 27)}`.slice(-80), input).catch(
        (error: unknown) =>
          // The next scheduled run finds the proof, too.
          log.error('The refresh of endpoints that waited for this proof could not be started', error),
      );
    }
    return step;
  };

export const buildWatchRollout = (platform: RolloutPlatform) =>
  createWatchRollout({
    memory: createRolloutMemory(platform),
    runpodFor: rolloutRunpod(platform),
    startRefresh: createStartExecution(platform.settings, requireSetting(platform.settings, 'STATE_MACHINE_ARN')),
    now: platform.now,
    meter: platform.meter,
    log: platform.log,
  });

export const handler = lambda('watch-rollout', buildWatchRollout);
