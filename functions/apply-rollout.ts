import { lambda, parseInput } from './lib/platform.ts';
import {
  changeCurrent,
  endBy,
  giveImage,
  lookAtEndpoint,
  type RolloutDeps,
  releaseOf,
  replacedBy,
  rolloutDeps,
} from './lib/rollout/execution.ts';
import type { RolloutPlatform } from './lib/rollout/memory.ts';
import { type RolloutStep, stateSchema } from './lib/rollout/order.ts';
import { give } from './lib/rollout/record.ts';

/**
 * Gives an endpoint its new image. Runpod has no condition on a PATCH: so the endpoint is read right before, and right
 * after its release says what it really had; what somebody else chose in between is put back.
 *
 * @throws {MemoryUnavailableError} the memory did not answer
 * @throws {RunpodUnavailableError | RunpodRateLimitedError | RunpodUnauthorizedError | RunpodRequestRejectedError}
 */
export const createApplyRollout =
  ({ memory, runpodFor, now }: RolloutDeps) =>
  async (event: unknown): Promise<RolloutStep> => {
    const order = parseInput('apply-rollout', stateSchema, event);
    const { endpoint: id, target } = order;
    const end = endBy(memory, order, now);
    const runpod = runpodFor(target.runpod);

    const record = await memory.read(id);
    const current = record?.current;
    if (current?.attempt !== order.attempt) return end.asOther(record);
    const seen = await lookAtEndpoint(runpod, id);
    if (seen === undefined) return end.gone();
    const { endpoint: before, releases: releasesBefore } = seen;
    const givenAt = now();
    let { releasedBefore } = current;
    let then: typeof seen | undefined = seen;
    if (before.image !== current.image) {
      // Where an earlier try was taken, whoever has changed the endpoint since chose to.
      const isTaken =
        current.phase === 'applying' && releaseOf(releasesBefore, current.image, releasedBefore) !== undefined;
      if (isTaken || !current.from.includes(before.image)) return end.byHand(before.image);
      releasedBefore = releasesBefore[0]?.createdAt;
      const { record: marked, before: ours } = await changeCurrent(memory, order, (found, all) => ({
        ...give(all, found, givenAt),
        current: { ...found, phase: 'applying', ...(releasedBefore === undefined ? {} : { releasedBefore }) },
      }));
      if (ours === undefined) return end.asOther(marked);
      then = await giveImage(runpod, id, current.image, before.image);
    }
    if (then === undefined) return end.gone();
    const { endpoint: after, releases } = then;
    if (after.image !== current.image) return end.byHand(after.image);
    const release = releaseOf(releases, current.image, releasedBefore);
    const chosen = replacedBy(release, current, before.image);
    if (chosen !== undefined && chosen !== current.image && !current.from.includes(chosen)) {
      await runpod.changeImage(id, chosen);
      return end.byHand(chosen, 'it was given another image by hand at the same moment, which was put back');
    }
    if (after.registry !== target.runpod.registry) {
      const back = chosen ?? current.earlier.image;
      await runpod.changeImage(id, back);
      return end.byHand(back, 'it was given another credential at the same moment, and its image was put back');
    }
    const { record: applied, before: ours } = await changeCurrent(memory, order, (found, all) => ({
      ...all,
      current: {
        ...found,
        phase: 'watching',
        appliedAt: release?.createdAt ?? givenAt,
        ...(release?.version === undefined ? {} : { version: release.version }),
      },
    }));
    return ours === undefined ? end.asOther(applied) : { next: 'watch' };
  };

export const buildApplyRollout = (platform: RolloutPlatform) => createApplyRollout(rolloutDeps(platform));

export const handler = lambda('apply-rollout', buildApplyRollout);
