import type { StartExecution } from '../aws/start-execution.ts';
import type { Log, Meter } from '../platform.ts';
import { changeCurrent, type RolloutEnd } from './execution.ts';
import type { RolloutMemory } from './memory.ts';
import type { RolloutOrder, RolloutStep } from './order.ts';
import { type CurrentRollout, isAskedBeside, leaveOn, prove, remember } from './record.ts';

/** What it takes to conclude a rollout. */
export interface ConcludeDeps {
  readonly memory: RolloutMemory;
  /** Starts a refresh of the targets whose endpoints waited for a proof. */
  readonly startRefresh: StartExecution;
  readonly now: () => number;
  readonly meter: Meter;
  readonly log: Log;
}

/** What an endpoint was given, and what its workers have shown. */
interface GivenImage {
  readonly current: CurrentRollout;
  readonly image: string;
  readonly digest: string;
  /** Epoch milliseconds. */
  readonly appliedAt: number;
  readonly why: string;
}

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/** Concludes an execution's look at the image that its endpoint was given, in the memory and for the machine. */
export const concludeBy = (
  { memory, startRefresh, now, meter, log }: ConcludeDeps,
  order: Pick<RolloutOrder, 'endpoint' | 'attempt' | 'waiting'>,
  end: RolloutEnd,
) => ({
  /** Refused from now on: the earlier image is given back. */
  async broken({ image, digest, why }: GivenImage): Promise<RolloutStep> {
    const { record: broken, before } = await changeCurrent(memory, order, (found, all) => ({
      ...all,
      refused: remember(all.refused, { image, digest, at: now(), by: 'workers', why }),
      current: { ...found, phase: 'returning', brokenWhy: why },
    }));
    return before === undefined ? end.asOther(broken) : { next: 'back' };
  },

  /** Its time is up: later refreshes go on watching. After a day people are told, once. */
  async pending({ current, digest, appliedAt, why }: GivenImage): Promise<RolloutStep> {
    const { dayToldBy = order.attempt } = current;
    const isTold = now() - appliedAt >= dayMs && dayToldBy === order.attempt;
    if (isTold) {
      await changeCurrent(memory, order, (found, all) => ({
        ...all,
        told: `unproved ${digest}`,
        current: { ...found, dayToldBy },
      }));
    }
    return end.step('unproved', why, current, isTold);
  },

  /** What the next rollout comes back to. Endpoints that waited for it are refreshed. */
  async proven({ current, image, digest, why }: GivenImage): Promise<RolloutStep> {
    let isOfPush = true;
    const step = await end.with('proven', why, {
      change: (all) => {
        isOfPush = !isAskedBeside(all, current);
        return leaveOn(prove(all, current, now()), image);
      },
    });
    // Another execution has taken over, and will say itself what it proves.
    if (step.next !== 'notify' || step.ending.verdict !== 'proven') return step;
    // Whoever asks for an image of last month has not waited since its push.
    if (isOfPush) meter.add('MinutesFromPushToProven', Math.max(0, now() - current.pushedAt) / minuteMs);
    if (order.waiting.length > 0) {
      const name = `proven-${order.endpoint}-${order.attempt}-${digest.slice(7, 27)}`.slice(-80);
      await startRefresh(name, { trigger: 'rollout', targets: order.waiting }).catch((error: unknown) =>
        // The next scheduled run finds the proof, too.
        log.error('The refresh of endpoints that waited for this proof could not be started', error),
      );
    }
    return step;
  },
});
