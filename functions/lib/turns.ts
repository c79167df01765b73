import { isoSeconds } from './platform.ts';
import type { Target } from './targets.ts';

/** One target's turn in a run. */
export interface TargetTurn {
  readonly name: string;
  /** When it may begin (ISO 8601). */
  readonly startAt: string;
}

/** About what a target with three endpoints asks of Runpod in a minute. */
const requestsPerTarget = 12;

/**
 * Lets targets of one Runpod key take turns, so that no key is asked faster than its quota.
 *
 * @param requestsPerMinute what one key may ask
 */
export const takeTurns = (targets: readonly Target[], now: number, requestsPerMinute: number): TargetTurn[] => {
  const msApart = (60_000 * requestsPerTarget) / requestsPerMinute;
  const turnsOfKey = new Map<string, number>();
  return targets.map(({ name, runpod: { apiKey } }) => {
    const turn = turnsOfKey.get(apiKey) ?? 0;
    turnsOfKey.set(apiKey, turn + 1);
    return { name, startAt: isoSeconds(now + turn * msApart) };
  });
};
