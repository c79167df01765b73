import { lambda, parseInput } from './lib/platform.ts';
import { isOfRollout } from './lib/rollout/decide.ts';
import { endBy, isChosenSince, type RolloutDeps, rolloutDeps } from './lib/rollout/execution.ts';
import type { RolloutPlatform } from './lib/rollout/memory.ts';
import { type RolloutStep, stateSchema } from './lib/rollout/order.ts';

/**
 * Decides where an execution begins: is its rollout still the endpoint's, does the endpoint still have what it had, and how
 * far did an earlier execution come?
 *
 * @throws {MemoryUnavailableError} the memory did not answer
 * @throws {RunpodUnavailableError | RunpodRateLimitedError | RunpodUnauthorizedError} Runpod could not be asked
 */
export const createPlanRollout =
  ({ memory, runpodFor, now }: RolloutDeps) =>
  async (event: unknown): Promise<RolloutStep> => {
    const order = parseInput('plan-rollout', stateSchema, event);
    const end = endBy(memory, order, now);
    const record = await memory.read(order.endpoint);
    const current = record?.current;
    if (record === undefined || current === undefined || current.attempt !== order.attempt) return end.asOther(record);
    if (record.heldSince !== undefined && current.isAsked !== true && current.phase !== 'returning') {
      return end.with('held', 'it was held');
    }
    const { management, listImageReleases } = runpodFor(order.target.runpod);
    const endpoint = await management.getEndpoint(order.endpoint);
    if (endpoint === undefined) return end.gone();
    if (endpoint.registry !== order.target.runpod.registry) {
      return end.with('superseded', 'the endpoint uses another credential');
    }
    if (!isOfRollout(current, endpoint.image)) return end.byHand(endpoint.image);
    if (current.phase === 'planned' && current.earlier.byHand === true && current.isAsked !== true) {
      const releases = await listImageReleases(order.endpoint);
      if (isChosenSince(releases, endpoint.image, current.pushedAt)) return end.byHand(endpoint.image);
    }
    if (current.phase === 'returning') return { next: 'back' };
    return { next: current.phase === 'watching' ? 'watch' : 'apply' };
  };

export const buildPlanRollout = (platform: RolloutPlatform) => createPlanRollout(rolloutDeps(platform));

export const handler = lambda('plan-rollout', buildPlanRollout);
