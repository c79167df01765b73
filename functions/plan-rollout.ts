import { lambda, parseInput } from './lib/platform.ts';
import { endBy, isChosenSince, type RolloutDeps, rolloutDeps } from './lib/rollout/execution.ts';
import type { RolloutPlatform } from './lib/rollout/memory.ts';
import { type RolloutStep, stateSchema } from './lib/rollout/order.ts';
import { isEndedByHold, isOfRollout } from './lib/rollout/record.ts';

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
    const { management, listImageReleases } = runpodFor(order.target.runpod);
    const endpoint = await management.getEndpoint(order.endpoint);
    if (endpoint === undefined) return end.gone();
    if (endpoint.registry !== order.target.runpod.registry) {
      return end.leave('superseded', 'the endpoint uses another credential', endpoint.image);
    }
    if (!isOfRollout(current, endpoint.image)) return end.byHand(endpoint.image);
    if (isEndedByHold(record)) return end.leave('held', 'it was held', endpoint.image);
    if (current.phase === 'planned' && current.earlier.byHand === true && current.isAsked !== true) {
      const releases = await listImageReleases(order.endpoint);
      if (isChosenSince(releases, endpoint.image, current.pushedAt)) return end.byHand(endpoint.image);
    }
    if (current.phase === 'returning') return { next: 'back' };
    return { next: current.phase === 'watching' ? 'watch' : 'apply' };
  };

export const buildPlanRollout = (platform: RolloutPlatform) => createPlanRollout(rolloutDeps(platform));

export const handler = lambda('plan-rollout', buildPlanRollout);
