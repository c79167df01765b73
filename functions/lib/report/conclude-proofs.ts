import { type TriedImages, trialOf } from '../ecr/tried-images.ts';
import { addSettled, type Watch } from '../runpod/watch.ts';
import { type Failure, messageOfFailure } from './cause.ts';
import type { EndpointOutcome } from './outcome.ts';

const notLooked = (endpoint: string, why: string): EndpointOutcome => ({
  endpoint,
  proof: 'degraded',
  reason: 'not-looked',
  evidence: `The new token is stored and ECR takes it, but ${why}. Look at the execution.`,
});

/**
 * Sums up what the looks at a target's endpoints came to. Where they broke down, endpoints that had not settled are not
 * proven: those that are known by id are named, and the others stand as one.
 *
 * @param count how many endpoints there were when the run began
 */
export const concludeWatch = (
  watch: Watch | undefined,
  count: number,
  failure: Failure | undefined,
): Pick<Watch, 'endpoints' | 'proofs'> => {
  const { pending, unseen, endpoints, proofs } = watch ?? { pending: [], unseen: count, endpoints: [], proofs: {} };
  const why =
    failure === undefined
      ? 'watching the endpoint broke down'
      : `Runpod could not be asked how the workers fare (${failure.Error}: ${messageOfFailure(failure)})`;
  const known = addSettled(
    { endpoints, proofs },
    pending.map(({ id }) => notLooked(id, why)),
  );
  if (unseen === 0) return known;
  const others = addSettled(known, [notLooked(watch === undefined ? 'all' : 'others', why)]);
  return { ...others, proofs: { ...others.proofs, degraded: (others.proofs.degraded ?? 0) + unseen - 1 } };
};

/**
 * Adds templates and pods whose images cannot be pulled: nothing of theirs runs for a run to watch, and what starts from
 * them next will fail.
 */
export const concludeOthers = (
  watched: Pick<Watch, 'endpoints' | 'proofs'>,
  users: ReadonlyArray<{ readonly name: string; readonly image: string }>,
  images: TriedImages = { images: [] },
): Pick<Watch, 'endpoints' | 'proofs'> => {
  const troubled = users.flatMap(({ name, image }): EndpointOutcome[] => {
    const trial = trialOf(images, image);
    if (trial === undefined || !('problem' in trial) || trial.isPassing) return [];
    const evidence = `The new token is stored, but its image cannot be pulled with it: ${trial.problem}.`;
    return [{ endpoint: name, proof: 'degraded', reason: 'image-not-pullable', evidence }];
  });
  return addSettled(watched, troubled);
};
