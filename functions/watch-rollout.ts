import { createStartExecution } from './lib/aws/start-execution.ts';
import { requireSetting } from './lib/env.ts';
import { lambda, parseInput } from './lib/platform.ts';
import { type ConcludeDeps, concludeBy } from './lib/rollout/conclude.ts';
import { endBy, type RolloutDeps, rolloutDeps } from './lib/rollout/execution.ts';
import type { RolloutPlatform } from './lib/rollout/memory.ts';
import { type RolloutStep, stateSchema } from './lib/rollout/order.ts';
import { isEndedByHold } from './lib/rollout/record.ts';
import { watchOnce } from './lib/rollout/watch.ts';

/** What watch-rollout needs from outside. */
type WatchRolloutDeps = ConcludeDeps & RolloutDeps;

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
    const { endpoint: id, target } = order;
    const end = endBy(memory, order, now);
    const conclude = concludeBy({ memory, startRefresh, now, meter, log }, order, end);
    const runpod = runpodFor(target.runpod);

    const record = await memory.read(id);
    const current = record?.current;
    if (record === undefined || current?.attempt !== order.attempt) return end.asOther(record);
    const isBack = current.phase === 'returning';
    const { image, digest } = isBack ? current.earlier : current;
    const appliedAt = (isBack ? current.backAt : current.appliedAt) ?? current.startedAt;
    const brokenWhy = current.brokenWhy ?? '';

    const endpoint = await runpod.management.getEndpoint(id);
    if (endpoint === undefined) return end.gone();
    if (endpoint.image !== image) {
      return isBack ? end.notOurs(brokenWhy, endpoint.image) : end.byHand(endpoint.image);
    }
    if (isEndedByHold(record)) return end.leave('held', 'it was held', image);
    const given = { image, digest, appliedAt, isBack };
    const looked = await watchOnce(runpod, order, current, given, order.step?.watched ?? { failed: [] }, now);
    if ('next' in looked) return looked;
    const { verdict, why } = looked;
    if (isBack) {
      const back = verdict === 'proven' ? 'works' : verdict === 'broken' ? 'broken' : 'unproved';
      return end.with('broken', brokenWhy, { back, change: (all) => ({ ...all, earlier: current.earlier }) });
    }
    const rollout = { current, image, digest, appliedAt, why };
    if (verdict === 'broken') return conclude.broken(rollout);
    return verdict === 'proven' ? conclude.proven(rollout) : conclude.pending(rollout);
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
