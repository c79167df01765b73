import { describe, expect, it } from 'vitest';
import { givenSettingsSchema } from '../../functions/lib/stack-settings.ts';
import { parseTargets } from '../../functions/lib/targets.ts';
import { alarmsOf, deadManPeriods } from '../../infra/alarms.ts';

const [minute, hour] = [60_000, 3_600_000];
const period = 5 * minute;

/**
 * When the dead-man's switch opens, by how CloudWatch evaluates an alarm that takes missing points for breaching: at each
 * period it looks at as many periods as it is told to and goes on seeing a point for up to two periods more.
 *
 * @param points when each run began, and when its report made that known
 */
const opensAt = (
  points: ReadonlyArray<{ at: number; knownAt: number }>,
  periods: number,
  until: number,
  slack: number,
) => {
  for (let now = period; now <= until; now += period) {
    const seen = points.some(({ at, knownAt }) => knownAt <= now && at > now - (periods + slack) * period);
    if (!seen) return now;
  }
  return undefined;
};

const schedules = Array.from({ length: 24 }, (_, index) => index + 1).filter(
  (scheduleHours) => givenSettingsSchema.safeParse({ scheduleHours }).success,
);

it('is tested at every schedule that is allowed', () => {
  expect(schedules).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

describe('the dead-man’s switch', () => {
  it.each(schedules)('leaves an hour before the first token ends, at a schedule of %i hours', (hours) => {
    const last = [{ at: 0, knownAt: 0 }];
    for (const slack of [0, 2]) {
      const opened = opensAt(last, deadManPeriods(hours), 14 * hour, slack) ?? Number.POSITIVE_INFINITY;
      expect(opened).toBeLessThanOrEqual(11 * hour);
      expect(opened).toBeGreaterThan(hours * hour + 30 * minute);
    }
  });

  it.each(schedules)('stays shut while runs report within half an hour, at a schedule of %i hours', (hours) => {
    const runs = Array.from({ length: 20 }, (_, index) => {
      // The schedule's window is five minutes.
      const at = index * hours * hour + (index % 2) * 5 * minute;
      return { at, knownAt: at + 30 * minute };
    });
    const first = { at: 0, knownAt: 0 };
    expect(opensAt([first, ...runs], deadManPeriods(hours), 19 * hours * hour, 0)).toBeUndefined();
  });

  it.each(
    schedules.filter((hours) => hours <= 5),
  )('stays shut while a run waits for an upstream until the next begins, at a schedule of %i hours', (hours) => {
    const runs = Array.from({ length: 20 }, (_, index) => ({
      at: index * hours * hour,
      knownAt: index * hours * hour + (index % 3 === 1 ? hours * hour - 30 * minute : minute),
    }));
    expect(opensAt(runs, deadManPeriods(hours), 19 * hours * hour, 0)).toBeUndefined();
  });
});

describe('the alarms on the tokens’ ends', () => {
  const targets = (count: number) =>
    parseTargets(
      JSON.stringify({
        targets: Array.from({ length: count }, (_, index) => ({
          name: `t${index}`,
          ecr: { region: 'us-east-1' },
          runpod: { apiKey: 'ssm:/key', registry: `c${index}` },
        })),
      }),
    );

  it.each([
    [1, ['TokenEndsSoon'], false],
    [2, ['TokenEndsSoon1', 'TokenEndsSoon2'], true],
    [10, Array.from({ length: 10 }, (_, index) => `TokenEndsSoon${index + 1}`), true],
    [11, ['TokenEndsSoon'], false],
  ])('of %i targets are %j', (count, ids, hasTargetAlarms) => {
    const alarms = alarmsOf(targets(count), 'stack', 'Do this.');
    expect(Object.keys(alarms.tokenAlarms)).toEqual(ids);
    expect(alarms.hasTargetAlarms).toBe(hasTargetAlarms);
  });

  it('watch their own target’s metric', () => {
    const { tokenAlarms } = alarmsOf(targets(2), 'stack', 'Do this.');
    expect(tokenAlarms.TokenEndsSoon2).toMatchObject({
      Properties: {
        AlarmName: 'stack-TokenEndsSoon-t1',
        AlarmDescription: expect.stringMatching(/^The token of t1 .* First: Do this\.$/),
        MetricName: 'TargetTokenSecondsLeft',
        Dimensions: expect.arrayContaining([{ Name: 'Target', Value: 't1' }]),
      },
    });
  });

  it('are on the dashboard with the others', () => {
    const { alarmArns } = alarmsOf(targets(2), 'stack', '');
    expect(JSON.parse(alarmArns)).toEqual(
      expect.arrayContaining([
        '${RunFailed.Arn}',
        '${NoSuccess.Arn}',
        '${TokenEndsSoon1.Arn}',
        '${TokenEndsSoon2.Arn}',
      ]),
    );
  });
});
