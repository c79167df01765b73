import { lambda, parseInput } from './lib/platform.ts';
import { changeCurrent, endBy, type RolloutRunpod, releaseOf, rolloutRunpod } from './lib/rollout/execution.ts';
import { createRolloutMemory, type RolloutMemory, type RolloutPlatform } from './lib/rollout/memory.ts';
import { type RolloutStep, stateSchema } from './lib/rollout/order.ts';
import { give } from './lib/rollout/record.ts';

/** What apply-rollout needs from outside. */
interface ApplyRolloutDeps {
  readonly memory: RolloutMemory;
  readonly runpodFor: RolloutRunpod;
  readonly now: () => number;
}

/**
 * Gives an endpoint its new image. Runpod has no condition on a PATCH: so the endpoint is read right before, and right
 * after its release says what it really had; what somebody else chose in between is put back.
 *
 * @throws {MemoryUnavailableError} the memory did not answer
 * @throws {RunpodUnavailableError | RunpodRateLimitedError | RunpodUnauthorizedError | RunpodRequestRejectedError}
 */
export const createApplyRollout =
  ({ memory, runpodFor, now }: ApplyRolloutDeps) =>
  async (event: unknown): Promise<RolloutStep> => {
    const order = parseInput('apply-rollout', stateSchema, event);
    const { endpoint: id, target } = order;
    const end = endBy(memory, order, now);
    const { management, listImageReleases } = runpodFor(target.runpod.apiKey);
    const { changeImage } = runpodFor(target.runpod.rolloutKey ?? target.runpod.apiKey);
    const look = () => Promise.all([management.getEndpoint(id), listImageReleases(id)]);

    const record = await memory.read(id);
    const current = record?.current;
    if (current?.attempt !== order.attempt) return end.asOther(record);
    const [before, releasesBefore] = await look();
    if (before === undefined) return end.with('superseded', 'Runpod has no such endpoint any more');
    const givenAt = now();
    let { releasedBefore } = current;
    if (before.image !== current.image) {
      // Where an earlier try was taken, whoever has changed the endpoint since chose to.
      const isTaken =
        current.phase === 'applying' && releaseOf(releasesBefore, current.image, releasedBefore) !== undefined;
      if (isTaken || !current.from.includes(before.image)) return end.byHand(before.image);
      releasedBefore = releasesBefore[0]?.createdAt;
      const marked = await changeCurrent(memory, order, (found, all) => ({
        ...give(all, found, givenAt),
        current: { ...found, phase: 'applying', ...(releasedBefore === undefined ? {} : { releasedBefore }) },
      }));
      if (marked?.current?.attempt !== order.attempt) return end.asOther(marked);
      await changeImage(id, current.image);
    }

    const [after, releases] = await look();
    if (after === undefined) return end.with('superseded', 'Runpod has no such endpoint any more');
    if (after.image !== current.image) return end.byHand(after.image);
    const release = releaseOf(releases, current.image, releasedBefore);
    const chosen = release?.old;
    if (chosen !== undefined && chosen !== current.image && !current.from.includes(chosen)) {
      await changeImage(id, chosen);
      return end.byHand(chosen, 'it was given another image by hand at the same moment, which was put back');
    }
    if (after.registry !== target.runpod.registry) {
      await changeImage(id, chosen ?? current.earlier.image);
      return end.byHand(
        chosen ?? current.earlier.image,
        'it was given another credential at the same moment, and its image was put back',
      );
    }
    const applied = await changeCurrent(memory, order, (found, all) => ({
      ...all,
      current: {
        ...found,
        phase: 'watching',
        appliedAt: release?.createdAt ?? givenAt,
        ...(release?.version === undefined ? {} : { version: release.version }),
      },
    }));
    return applied?.current?.attempt === order.attempt ? { next: 'watch' } : end.asOther(applied);
  };

export const buildApplyRollout = (platform: RolloutPlatform) =>
  createApplyRollout({
    memory: createRolloutMemory(platform),
    runpodFor: rolloutRunpod(platform),
    now: platform.now,
  });

export const handler = lambda('apply-rollout', buildApplyRollout);
