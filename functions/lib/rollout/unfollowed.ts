import { nameOfImage } from '../ecr/image-reference.ts';
import type { Log } from '../platform.ts';
import type { RolloutOutcome } from '../report/outcome.ts';
import type { Follower } from './followers.ts';
import type { RolloutMemory } from './memory.ts';
import { type CurrentRollout, endRollout, leaveOn, type RolloutRecord } from './record.ts';

/** As long as an execution may last: statemachines/roll-out-image.asl.yml. */
const maxExecutionMs = 3 * 3_600_000;

/** How far a rollout came that has stopped, and what its endpoint has. */
export const leftTexts: Readonly<Record<CurrentRollout['phase'], (image: string) => string>> = {
  planned: (image) => `it was not given ${image}`,
  applying: (image) => `it may have been given ${image}`,
  watching: (image) => `it has ${image}, and nothing has shown that it works`,
  returning: (image) => `it refused ${image}, and may have it still`,
};

interface UnfollowedDeps {
  readonly memory: RolloutMemory;
  readonly log: Log;
}

/**
 * Finds the endpoints for which targets.yml has no `rollout` any more, or never had one, and that have a rollout, or one
 * that this very run has ended. It changes nothing.
 *
 * @returns their ids; none where they cannot be read
 */
export const findUnfollowed = async (
  { memory, log }: UnfollowedDeps,
  followers: readonly Follower[],
  execution: string,
): Promise<readonly string[]> => {
  try {
    return [...(await memory.readAll())].flatMap(([id, { current, toldIn }]) => {
      const isOver = current === undefined && toldIn !== execution;
      return isOver || followers.some((each) => each.id === id) ? [] : [id];
    });
  } catch (error) {
    log.error('Rollouts of endpoints that follow nothing could not be read', error);
    return [];
  }
};

/**
 * Ends the rollouts of endpoints that follow nothing, of which no execution can be under way: no run would go on with them.
 * What cannot be ended now is by the next run.
 *
 * @returns what people hear of them
 */
export const endUnfollowed = async (
  { memory, log }: UnfollowedDeps,
  unfollowed: readonly string[],
  execution: string,
  now: number,
): Promise<RolloutOutcome[]> => {
  const end = (record: RolloutRecord | undefined): RolloutRecord | undefined => {
    const { current } = record ?? {};
    if (record === undefined || current === undefined || now - current.startedAt < maxExecutionMs) return record;
    const { phase, image } = current;
    const left = phase === 'watching' ? leaveOn(record, image) : record;
    const verdict = phase === 'returning' ? 'broken' : 'unproved';
    return { ...endRollout(left, verdict, leftTexts[phase](nameOfImage(image)), now), toldIn: execution };
  };
  const outcomes: RolloutOutcome[] = [];
  try {
    for (const id of unfollowed) {
      const { ended, toldIn } = (await memory.change(id, end)) ?? {};
      if (toldIn === execution && ended !== undefined) {
        outcomes.push({ endpoint: id, state: 'unwatched', why: ended.why, isTold: true });
      }
    }
  } catch (error) {
    log.error('Rollouts of endpoints that follow nothing could not be ended', error);
  }
  return outcomes;
};
