import type { RegistryToken } from '../aws/seal.ts';
import type { StartExecution } from '../aws/start-execution.ts';
import { defined } from '../defined.ts';
import { isSameRegistry } from '../ecr/host.ts';
import { nameOfImage, parseImageReference } from '../ecr/image-reference.ts';
import type { RegistryClient } from '../ecr/pull.ts';
import { PullError } from '../ecr/registry.ts';
import type { ListRepositoryImages } from '../ecr/repository-images.ts';
import { messageOf } from '../message-of.ts';
import type { Log } from '../platform.ts';
import type { RolloutOutcome } from '../report/outcome.ts';
import { type Decision, decideRollout, type RolloutView } from './decide.ts';
import type { Follower } from './followers.ts';
import type { RolloutMemory } from './memory.ts';
import { executionNameOf, orderOf } from './order.ts';
import { claim, type RolloutRecord } from './record.ts';

/** What following needs from outside. */
export interface FollowDeps {
  readonly registryClient: RegistryClient;
  readonly listImages: ListRepositoryImages;
  readonly memory: RolloutMemory;
  readonly startExecution: StartExecution;
  readonly now: () => number;
  readonly log: Log;
}

/** What a refresh has seen of an endpoint. */
interface Seen extends Pick<RolloutView, 'image' | 'seenAt'> {
  /** The refresh's ARN. */
  readonly execution: string;
  /** The registry that its token is for. */
  readonly registry: string;
}

/** Executions of an attempt may have ended without having ended their rollout: then the next number goes on. */
const maxStarts = 5;

/**
 * What is wanted is not begun with: an endpoint stays as it is; and a rollout that is under way goes on, for its execution
 * may have ended. Then people hear of the trouble once it is over.
 */
const withhold = ({ next: _, ...decision }: Decision, why: string, trouble?: string): Decision => {
  const { current } = decision.record;
  if (current === undefined) return { ...decision, state: 'no image', why, ...(trouble !== undefined && { trouble }) };
  return { ...decision, state: 'rolling', why: `${nameOfImage(current.image)} is under way; ${why}`, next: 'continue' };
};

/** Makes what finds the image that an endpoint wants, tries it with a token, claims its rollout and starts it. */
export const createFollow = ({ registryClient, listImages, memory, startExecution, now, log }: FollowDeps) => {
  /** Why an image must not be given to an endpoint, in a clause; nothing where the token pulls it. */
  const problemOf = async (image: string, token: RegistryToken): Promise<string | undefined> => {
    const reference = parseImageReference(image);
    if (reference === undefined) return 'it has no name that could be pulled';
    try {
      await registryClient.tryImage(reference, token);
      return undefined;
    } catch (error) {
      if (!(error instanceof PullError)) throw error;
      return error.advice;
    }
  };

  /** Starts an execution of the rollout that is under way, where there is one and none of it runs. */
  const start = async (follower: Follower, followers: readonly Follower[]): Promise<void> => {
    const { id } = follower;
    const waiting = followers.filter(({ settings: { after } }) => after === id).map((each) => each.target.name);
    for (let tries = 0; tries < maxStarts; tries += 1) {
      const current = (await memory.read(id))?.current;
      if (current === undefined) return;
      const { attempt, digest } = current;
      const order = orderOf(follower, digest, attempt, waiting);
      if ((await startExecution(executionNameOf(order), order)) !== 'ended') return;
      await memory.change(id, (before) =>
        before?.current?.attempt === attempt
          ? { ...before, attempts: before.attempts + 1, current: { ...before.current, attempt: before.attempts + 1 } }
          : before,
      );
    }
  };

  const followOne = async (
    follower: Follower,
    { image, seenAt, execution, registry }: Seen,
    followers: readonly Follower[],
    token: RegistryToken,
  ): Promise<RolloutOutcome> => {
    const { id, settings } = follower;
    const reference = parseImageReference(image);
    if (reference === undefined || !isSameRegistry(reference.registry, registry)) {
      // A rollout that is under way finds so, too, and ends.
      await start(follower, followers);
      const why =
        image === '' ? 'Runpod shows no such endpoint, or none with an image' : `its image is none of ${registry}`;
      return { endpoint: id, state: 'no image', why };
    }
    const other = followers.find((each) => each.id === settings.after);
    const [images, record, otherRecord] = await Promise.all([
      listImages(reference.registry, reference.repository),
      memory.read(id),
      settings.after === undefined ? undefined : memory.read(settings.after),
    ]);
    const view: RolloutView = {
      settings,
      image,
      seenAt,
      images,
      after:
        settings.after === undefined
          ? undefined
          : { id: settings.after, settings: other?.settings, record: otherRecord },
      now: now(),
    };
    const first = decideRollout(record, view);
    const tried = first.next === 'begin' ? first.wanted : undefined;
    const problem = tried === undefined ? undefined : await problemOf(tried.image, token);

    let isTold = false;
    let decision: Decision = first;
    await memory.change(id, (before): RolloutRecord => {
      decision = decideRollout(before, view);
      const { record, wanted, state } = decision;
      if (decision.next === 'begin' && wanted?.digest !== tried?.digest) {
        decision = withhold(decision, 'what is wanted now is tried by the next run');
      } else if (decision.next === 'begin' && problem !== undefined) {
        const why = `${nameOfImage(wanted?.image ?? '')} is not rolled out: ${problem}`;
        decision = withhold(decision, why, `not pullable ${wanted?.digest}`);
      }
      const { trouble } = decision;
      const isAgain = before?.toldIn === execution;
      const isOver = state === 'current' && (record.told !== undefined || isAgain);
      isTold = isOver || (trouble !== undefined && (trouble !== before?.told || isAgain));
      const { told: _, ...untold } = record;
      const after = isOver ? untold : trouble === undefined ? record : { ...record, told: trouble };
      const kept = isTold ? { ...after, toldIn: execution } : after;
      return decision.next === 'begin' && wanted !== undefined ? claim(kept, wanted, now()) : kept;
    });
    const { state, why, next, wanted } = decision;
    let trouble = why;
    if (next !== undefined) {
      await start(follower, followers).catch((error: unknown) => {
        log.error(`The rollout of endpoint ${id} could not be started`, error);
        trouble = `${why}; its execution could not be started, and the next run does`;
      });
    }
    return defined({
      endpoint: id,
      state,
      why: trouble,
      runs: nameOfImage(image),
      wanted: wanted === undefined ? undefined : nameOfImage(wanted.image),
      isTold: isTold || undefined,
    });
  };

  /**
   * Follows an endpoint of a target. What is wrong with it, or with its repository, holds up no other.
   *
   * @returns what is told of the endpoint in the report
   */
  return (
    follower: Follower,
    seen: Seen,
    followers: readonly Follower[],
    token: RegistryToken,
  ): Promise<RolloutOutcome> =>
    followOne(follower, seen, followers, token).catch((error: unknown) => {
      log.error(`What endpoint ${follower.id} wants could not be found`, error);
      return { endpoint: follower.id, state: 'unknown', why: messageOf(error) };
    });
};
