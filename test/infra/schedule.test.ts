import { describe, expect, it } from 'vitest';
import type { Target } from '../../functions/lib/targets.ts';
import { chooseScheduleHours } from '../../infra/schedule.ts';

/** Targets of three endpoints each, twelve requests a run. */
const targetsOf = (count: number, keys = 1): Target[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `t${index}`,
    ecr: { region: 'us-east-1' },
    runpod: { apiKey: `ssm:/key-${index % keys}`, registry: `r${index}` },
  }));

const choose = (targets: readonly Target[], { given, perMinute = 60 }: { given?: number; perMinute?: number } = {}) =>
  chooseScheduleHours(targets, perMinute, given, 2);

describe('the schedule', () => {
  it.each([
    [1, 1, undefined, 2],
    [1, 1, 1, 1],
    [100, 1, undefined, 2],
    // The half hour before the next run is nobody’s: 30 of 60 minutes, at 54 requests a minute.
    [135, 1, 1, 1],
    [300, 3, undefined, 2],
    [300, 1, undefined, 2],
    [312, 1, undefined, 2],
    // The 45,000 requests of a day.
    [313, 1, undefined, 3],
    [700, 1, undefined, 5],
    [1000, 1, undefined, 7],
    [1000, 10, undefined, 2],
    [100, 1, 9, 9],
  ])('of %d targets of %d keys is the shortest that fits, where %s hours are asked for: %d', (count, keys, given, hours) => {
    expect(choose(targetsOf(count, keys), given === undefined ? {} : { given }).hours).toBe(hours);
  });

  it('is longer than usual only with a word of why', () => {
    expect(choose(targetsOf(312))).toEqual({ hours: 2 });
    expect(choose(targetsOf(700)).notice).toBe(
      'Runs are 5 hours apart, not 2. The 700 targets of the Runpod key at ssm:/key-0 ask about 8400 requests a run, which take 3 h 6 min at nine tenths of a quota of 60 a minute (54 per minute, 2700 per hour, 45000 per day).',
    );
  });

  it('is refused where the last turn would come too late, with what to change', () => {
    expect(() => choose(targetsOf(136), { given: 1 })).toThrow(
      /^scheduleHours: expected 2 or more, found 1\. The 136 targets of the Runpod key at ssm:\/key-0 ask about 1632 requests a run, which take 30 min .* Set it to 2, or name fewer endpoints, spread the targets over keys of several Runpod users, or set runpodRequestsPerMinute to what Runpod grants you\.$/,
    );
  });

  it('is refused where a day has too few requests', () => {
    expect(() => choose(targetsOf(313), { given: 2 })).toThrow(/^scheduleHours: expected 3 or more, found 2/);
  });

  it('is refused where none has so much time', () => {
    const [target] = targetsOf(1);
    const endpoints = Array.from({ length: 12_000 }, (_, index) => ({ id: `e${index}` }));
    expect(() => choose([{ ...target, endpoints } as Target])).toThrow(
      /^The target of the Runpod key at ssm:\/key-0 ask.* no schedule of up to 9 hours has so much time/,
    );
  });

  it('is shorter where Runpod grants more', () => {
    expect(choose(targetsOf(1000), { perMinute: 600 }).hours).toBe(2);
  });
});
