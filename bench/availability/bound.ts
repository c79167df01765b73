import { readSettings } from '../../functions/lib/env.ts';

/**
 * How long an outage may be so that no token expires: arithmetic on the numbers that ship, each named where it is from.
 * All in hours.
 */
const tokenLife = 12;
/** EventBridge Scheduler's flexible window: infra/triggers.yml. */
const startsLate = 5 / 60;
/** A run gives up this long before the next: functions/resolve-targets.ts. An outage that ends just then waits for it. */
const gapBetweenRuns = 0.5;
/** From a run's start until a token is stored, with every quick retry of every state before: the state machine. */
const storedWithin = 12 / 60;

/** What a schedule can bridge, in hours. Negative where even the trouble alone is too much. */
interface Bound {
  readonly scheduleHours: number;
  /** The longest outage that costs nothing, whenever it begins. */
  readonly outage: number;
  /** The same where the scheduler has lost the tick before it: what is left of the token once two periods have passed. */
  readonly outageAfterLostTick: number;
}

/** Works out what a schedule can bridge. */
export const boundOf = (scheduleHours: number): Bound => {
  const waste = startsLate + gapBetweenRuns + startsLate + storedWithin;
  return {
    scheduleHours,
    outage: tokenLife - scheduleHours - waste,
    outageAfterLostTick: tokenLife - 2 * scheduleHours - waste,
  };
};

export const bounds: readonly Bound[] = Array.from({ length: 11 }, (_, index) => boundOf(index + 1));

/** The schedule that ships: the shortest that costs a lone target at most 20 cents a month (npm run bench:cost). */
export const usualScheduleHours: number = readSettings({}).SCHEDULE_HOURS;
