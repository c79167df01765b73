import { defined } from './lib/defined.ts';
import { lambda, parseInput } from './lib/platform.ts';
import {
  changeCurrent,
  endBy,
  giveImage,
  lookAtEndpoint,
  type RolloutDeps,
  releaseOf,
  rolloutDeps,
} from './lib/rollout/execution.ts';
import type { RolloutPlatform } from './lib/rollout/memory.ts';
import { type RolloutStep, stateSchema } from './lib/rollout/order.ts';

/**
 * Gives an endpoint its earlier image back, by its digest, where it still has ours.
 *
 * @throws {MemoryUnavailableError} the memory did not answer
 * @throws {RunpodUnavailableError | RunpodRateLimitedError | RunpodUnauthorizedError | RunpodRequestRejectedError}
 */
export const createRollBack =
  ({ memory, runpodFor, now }: RolloutDeps) =>
  async (event: unknown): Promise<RolloutStep> => {
    const order = parseInput('roll-back', stateSchema, event);
    const { endpoint: id, target } = order;
    const end = endBy(memory, order, now);
    const runpod = runpodFor(target.runpod);

    const record = await memory.read(id);
    const current = record?.current;
    if (current?.attempt !== order.attempt || current.phase !== 'returning') return end.asOther(record);
    const { image, earlier, brokenWhy = '' } = current;
    const notOurs = (found: string) => end.notOurs(brokenWhy, found);

    const seen = await lookAtEndpoint(runpod, id);
    if (seen === undefined) return end.gone();
    const { endpoint: before, releases } = seen;
    const givenAt = now();
    let then: typeof seen | undefined = seen;
    let releasedBefore = current.releasedBefore;
    if (before.image !== earlier.image) {
      if (before.image !== image) return notOurs(before.image);
      const { record: marked, before: ours } = await changeCurrent(memory, order, (found, all) => ({
        ...all,
        current: { ...found, backAt: givenAt },
      }));
      if (ours === undefined) return end.asOther(marked);
      releasedBefore = releases[0]?.createdAt;
      then = await giveImage(runpod, id, earlier.image, image);
    }
    if (then === undefined) return end.gone();
    if (then.endpoint.image !== earlier.image) return notOurs(then.endpoint.image);
    // Without a try of ours before this one, the earlier image was put back by hand.
    const isOurs = before.image !== earlier.image || current.backAt !== undefined;
    const release = isOurs ? releaseOf(then.releases, earlier.image, releasedBefore) : undefined;
    if (release?.old !== undefined && release.old !== image && release.old !== earlier.image) {
      await runpod.changeImage(id, release.old);
      return notOurs(release.old);
    }
    const back = defined({ backAt: release?.createdAt ?? current.backAt ?? givenAt, backVersion: release?.version });
    const { record: returned, before: ours } = await changeCurrent(memory, order, (found, all) => ({
      ...all,
      current: { ...found, ...back },
    }));
    return ours === undefined ? end.asOther(returned) : { next: 'watch back' };
  };

export const buildRollBack = (platform: RolloutPlatform) => createRollBack(rolloutDeps(platform));

export const handler = lambda('roll-back', buildRollBack);
