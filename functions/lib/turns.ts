import { isoSeconds } from './platform.ts';
import { outcomeBytesFor } from './report/bound-outcome.ts';
import { ownersShare } from './runpod/quota.ts';
import type { Target } from './targets.ts';

/** One target's turn in a run. */
interface TargetTurn {
  readonly name: string;
  /** When it may begin (ISO 8601). */
  readonly startAt: string;
  /** Of its registry: ECR fails by region. */
  readonly region: string;
}

/**
 * The windows of a Runpod key's quota, the longest first, and how many times the requests of a minute each has: Runpod's
 * description of October 2026 gives 60 a minute, 3,000 an hour and 50,000 a day as its example, and a larger quota is
 * taken to be larger in all of them.
 */
export const quotaWindows = [
  { name: 'day', ms: 86_400_000, minutesWorth: 50_000 / 60 },
  { name: 'hour', ms: 3_600_000, minutesWorth: 3000 / 60 },
  { name: 'minute', ms: 60_000, minutesWorth: 1 },
] as const;

/** Of a window's requests, those that are ours to plan with. */
export const plannedRequests = (requestsPerMinute: number, minutesWorth: number): number =>
  requestsPerMinute * minutesWorth * (1 - ownersShare);

/** Of a target that names none, so many endpoints are planned with. */
const usualEndpoints = 3;

/**
 * What a target's canary pod asks, in a run that creates one: the pods, the prices, the pod, two looks at the list and the
 * log, and its end. A key of its own is its user's quota, too.
 */
const podRequests = 8;

/**
 * What a target's run asks of Runpod: the credential, the lists, the update, a look for each endpoint, one in ten of which
 * is looked at again, and a canary pod (test/functions/lib/turns.test.ts counts them).
 */
export const requestsOf = ({ endpoints, canaryPod }: Pick<Target, 'endpoints' | 'canaryPod'>): number =>
  8 + Math.ceil(1.1 * (endpoints?.length ?? usualEndpoints)) + (canaryPod === undefined ? 0 : podRequests);

/** Milliseconds within which a key may make so many requests, as fast as all of its windows let it. */
export const timeOfRequestsMs = (requests: number, requestsPerMinute: number): number => {
  let [left, ms] = [requests, 0];
  for (const { ms: windowMs, minutesWorth } of quotaWindows) {
    const most = plannedRequests(requestsPerMinute, minutesWorth);
    if (minutesWorth === 1) return ms + (left / most) * windowMs;
    const full = Math.floor(left / most);
    left -= full * most;
    ms += full * windowMs;
  }
  return ms;
};

/** Before the next scheduled run begins, a target has given up this long ago. */
const retirementMs = 30 * 60_000;
/** The machine ends after 4 h 50 min whatever happens; a target gives up in time to say so. */
const maxRunMs = 4.5 * 3_600_000;

/** Milliseconds from a run's beginning until its targets stop waiting for a failing upstream. */
export const patienceMs = (scheduleHours: number): number =>
  Math.max(0, Math.min(scheduleHours * 3_600_000 - retirementMs, maxRunMs));

/**
 * Lets targets of one Runpod key take turns, so that no key is asked faster than its quota.
 *
 * @param requestsPerMinute what one key may ask
 */
const takeTurns = (targets: readonly Target[], now: number, requestsPerMinute: number): TargetTurn[] => {
  const requestsOfKey = new Map<string, number>();
  return targets.map((target) => {
    const { apiKey } = target.runpod;
    const before = requestsOfKey.get(apiKey) ?? 0;
    requestsOfKey.set(apiKey, before + requestsOf(target));
    const startAt = isoSeconds(now + timeOfRequestsMs(before, requestsPerMinute));
    return { name: target.name, startAt, region: target.ecr.region };
  });
};

/** The targets of a run. */
export interface RunTargets {
  /** Every target of the run; the report counts whoever does not answer as failed. */
  readonly names: readonly string[];
  /** Whether these are all the targets there are. */
  readonly concernsAll: boolean;
  /** Where the machine puts each target's outcome; until then its turn stands there, for both do not fit a state. */
  readonly outcomes: readonly TargetTurn[];
  /** How many bytes of outcome each target may hand back, so that all of them fit the run's 256 KiB. */
  readonly outcomeBytes: number;
}

/** Sets out a run of those targets that were chosen of all. */
export const runTargets = (
  chosen: readonly Target[],
  all: readonly Target[],
  now: number,
  requestsPerMinute: number,
): RunTargets => {
  const names = chosen.map(({ name }) => name);
  return {
    names,
    concernsAll: chosen.length === all.length,
    outcomes: takeTurns(chosen, now, requestsPerMinute),
    outcomeBytes: outcomeBytesFor(names),
  };
};
