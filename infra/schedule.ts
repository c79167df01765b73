import { ConfigurationError } from '../functions/lib/errors.ts';
import { span } from '../functions/lib/report/alerts.ts';
import type { Target } from '../functions/lib/targets.ts';
import { patienceMs, plannedRequests, quotaWindows, requestsOf, timeOfRequestsMs } from '../functions/lib/turns.ts';

/** `scheduleHours` is a whole number up to this. */
const maxScheduleHours = 9;
const dayHours = 24;

/** The Runpod key that most is asked with, and how much that is in a run. */
const busiestKey = (targets: readonly Target[]) => {
  const keys = Map.groupBy(targets, ({ runpod: { apiKey } }) => apiKey);
  const [first, ...others] = [...keys].map(([source, users]) => ({
    source,
    targets: users.length,
    requests: users.reduce((sum, target) => sum + requestsOf(target), 0),
  }));
  if (first === undefined) throw new ConfigurationError('There is no target to schedule.');
  return others.reduce((most, each) => (each.requests > most.requests ? each : most), first);
};

/** Whether runs so far apart leave each target its turn in time, and a key the requests of a day. */
const fits = (hours: number, requests: number, requestsPerMinute: number): boolean => {
  const [day] = quotaWindows;
  return (
    timeOfRequestsMs(requests, requestsPerMinute) <= patienceMs(hours) &&
    (requests * dayHours) / hours <= plannedRequests(requestsPerMinute, day.minutesWorth)
  );
};

/**
 * Decides how many hours lie between two scheduled runs.
 *
 * @param given what targets.yml or the command line says
 * @param usual what is taken where they say nothing, and it fits
 * @throws {ConfigurationError} the targets do not fit the quota of their Runpod key, with what to change
 */
export const chooseScheduleHours = (
  targets: readonly Target[],
  requestsPerMinute: number,
  given: number | undefined,
  usual: number,
): { readonly hours: number; readonly notice?: string } => {
  const { source, targets: count, requests } = busiestKey(targets);
  const shortest = Array.from({ length: maxScheduleHours }, (_, index) => index + 1).find((hours) =>
    fits(hours, requests, requestsPerMinute),
  );
  const quota = quotaWindows
    .toReversed()
    .map(({ name, minutesWorth }) => `${Math.floor(plannedRequests(requestsPerMinute, minutesWorth))} per ${name}`)
    .join(', ');
  const reason =
    `${count === 1 ? 'The target' : `The ${count} targets`} of the Runpod key at ${source} ask about ${requests} requests a run, which take ${span(timeOfRequestsMs(requests, requestsPerMinute))} ` +
    `at nine tenths of a quota of ${requestsPerMinute} a minute (${quota})`;
  const otherwise = `name fewer endpoints, spread the targets over keys of several Runpod users, or set runpodRequestsPerMinute to what Runpod grants you`;
  if (shortest === undefined) {
    throw new ConfigurationError(
      `${reason}, and no schedule of up to ${maxScheduleHours} hours has so much time. Change that: ${otherwise}.`,
    );
  }
  const hours = given ?? Math.max(usual, shortest);
  if (hours < shortest) {
    throw new ConfigurationError(
      `scheduleHours: expected ${shortest} or more, found ${hours}. ${reason}. Set it to ${shortest}, or ${otherwise}.`,
    );
  }
  return hours > usual && given === undefined
    ? { hours, notice: `Runs are ${hours} hours apart, not ${usual}. ${reason}.` }
    : { hours };
};
