import { describe, expect, it } from 'vitest';
import { boundOf, usualScheduleHours } from '../../bench/availability/bound.ts';
import { drawYear } from '../../bench/availability/chart.ts';
import { baselines, type Refresher, shipped } from '../../bench/availability/refreshers.ts';
import { type Outage, type Trace, traces } from '../../bench/availability/trace.ts';
import { deadManAlarms, liveThrough, sumUp } from '../../bench/availability/year.ts';

const hourMs = 3_600_000;

const twoDays = (more: Partial<Trace> = {}): Trace => ({
  name: 'two days',
  seed: 1,
  days: 2,
  failingPercent: 0,
  outages: [],
  lostTicks: [],
  ...more,
});

/** An outage that begins just before a run would renew the token, when it hurts most. */
const outage = (upstream: Outage['upstream'], hours: number, beginsAtHour = usualScheduleHours): Outage => ({
  upstream,
  faultKind: '503',
  from: beginsAtHour * hourMs - 1000,
  to: (beginsAtHour + hours) * hourMs,
});

describe('the schedule', () => {
  it('bridges an outage of eight hours, and one of five right after a lost tick', () => {
    expect(boundOf(usualScheduleHours)).toMatchObject({
      scheduleHours: 3,
      outage: expect.closeTo(8.1, 1),
      outageAfterLostTick: expect.closeTo(5.1, 1),
    });
  });

  it.each(['runpod', 'ecr', 'kms'] as const)('bridges an outage of %s as long as its bound', async (upstream) => {
    const bound = boundOf(usualScheduleHours).outage;
    const trace = twoDays({ outages: [outage(upstream, bound)] });
    const { expired, hoursUntilNotified } = await liveThrough(trace, shipped(usualScheduleHours));
    expect(expired).toEqual([]);
    expect(hoursUntilNotified).toEqual([expect.closeTo(0.6, 0)]);
  });

  it('cannot bridge an outage that is an hour longer, and says so hours before', async () => {
    const trace = twoDays({ outages: [outage('runpod', boundOf(usualScheduleHours).outage + 1)] });
    const { expired, hoursOfWarning } = await liveThrough(trace, shipped(usualScheduleHours));
    expect(expired).toHaveLength(1);
    expect(hoursOfWarning[0]).toBeGreaterThan(3);
  });

  it('bridges a lost tick, and an outage after it as long as its bound', async () => {
    const outages = [outage('runpod', boundOf(usualScheduleHours).outageAfterLostTick, 2 * usualScheduleHours)];
    const trace = twoDays({ outages, lostTicks: [usualScheduleHours * hourMs - 1] });
    const { expired, hoursUntilNotified } = await liveThrough(trace, shipped(usualScheduleHours));
    expect(expired).toEqual([]);
    // The dead man's switch hears of it, for nothing has run that could have sent an alert.
    expect(hoursUntilNotified[0]).toBeCloseTo(3.5, 0);
  });

  it('would not bridge a lost tick if it were twice as long', async () => {
    const hours = 2 * usualScheduleHours;
    const { expired } = await liveThrough(twoDays({ lostTicks: [hours * hourMs - 1] }), shipped(hours));
    expect(expired).toHaveLength(1);
  });
});

describe('the simulation', () => {
  const broken = (begin: Refresher['begin']): Refresher => ({ ...shipped(usualScheduleHours), begin });

  it('shows a refresher that does nothing as broken, and that only the dead man’s switch alarms', async () => {
    const result = await liveThrough(
      twoDays(),
      broken(() => async () => {}),
    );
    expect(result.expiredMinutes).toBe(36 * 60);
    expect(result.calls).toBe(0);
    expect(result.hoursOfWarning).toEqual([expect.closeTo(5.4, 1)]);
  });

  it('shows a refresher that stores its first token again and again as broken', async () => {
    const { expiredMinutes } = await liveThrough(
      twoDays(),
      broken((world) => {
        const token = {
          username: 'AWS',
          password: world.ecr.mint(world.principal, '').password,
        };
        return async () =>
          void world.runpod.stored.push({ credential: '6n2k8v4d', token, at: world.clock.now(), way: 'v2' });
      }),
    );
    expect(expiredMinutes).toBeGreaterThanOrEqual(36 * 60 - 5);
  });

  it('shows the shipped machine as broken where one of its functions is', async () => {
    const machine = shipped(usualScheduleHours);
    const { expiredMinutes, hoursOfWarning } = await liveThrough(twoDays(), {
      ...machine,
      begin: (world, onFailure) => {
        const { invoke } = world;
        world.invoke = async (name, event) => {
          if (name === 'update-runpod') throw new Error('Nobody wrote this one.');
          return invoke(name, event);
        };
        return machine.begin(world, onFailure);
      },
    });
    expect(expiredMinutes).toBe(36 * 60);
    expect(hoursOfWarning[0]).toBeGreaterThan(6);
  });

  it('shows the guide’s Lambda as it is: its call does not exist, and nobody hears of it', async () => {
    const [guide, repaired] = baselines.slice(0, 2);
    if (guide === undefined || repaired === undefined) throw new Error('There is no guide to compare with.');
    expect(await liveThrough(twoDays(), guide)).toMatchObject({
      expiredMinutes: 36 * 60,
      hoursUntilNotified: [undefined],
      hoursOfWarning: [undefined],
    });
    const { expiredMinutes } = await liveThrough(twoDays(), repaired);
    expect(expiredMinutes).toBe(0);
  });

  it('gives every refresher the same trace, and another one by another seed', () => {
    expect(traces['bad-year'](1)).toEqual(traces['bad-year'](1));
    expect(traces['bad-year'](2).outages).not.toEqual(traces['bad-year'](1).outages);
    const { outages, lostTicks } = traces['bad-year'](1);
    const hours = outages.map(({ from, to }) => (to - from) / hourMs).sort((one, other) => one - other);
    expect([hours.length, hours[0], hours.at(-2), hours.at(-1)]).toEqual([21, expect.closeTo(5 / 60), 8, 14]);
    expect(lostTicks).toHaveLength(12);
  });
});

describe('the sums', () => {
  it('count a token as expired from a token’s own end until the next is stored', () => {
    const stored = [
      { at: 0, end: 12 * hourMs },
      { at: 20 * hourMs, end: 32 * hourMs },
    ];
    const alerts = [7 * hourMs, 33 * hourMs];
    expect(sumUp(twoDays(), { name: 'it', everyHours: 5 }, stored, alerts, 3)).toEqual({
      refresher: 'it',
      trace: 'two days',
      expiredMinutes: 24 * 60,
      expired: [
        { from: 12 * hourMs, to: 20 * hourMs },
        { from: 32 * hourMs, to: 48 * hourMs },
      ],
      alerts,
      hoursUntilNotified: [2, 8],
      hoursOfWarning: [5, undefined],
      calls: 3,
    });
  });

  it('take the dead man’s switch as CloudWatch does: so many periods of five minutes without a run that reported', () => {
    const at = (hour: number) => hour * hourMs + 1;
    expect(deadManAlarms([0, at(3), at(6)], 78, 12 * hourMs)).toEqual([]);
    expect(deadManAlarms([0, at(3), at(12)], 78, 24 * hourMs)).toEqual([
      9 * hourMs + 35 * 60_000,
      18 * hourMs + 35 * 60_000,
    ]);
  });

  it('are drawn, with nothing in a name becoming markup', () => {
    const result = sumUp(twoDays(), { name: 'it', everyHours: 5 }, [{ at: 0, end: 12 * hourMs }], [], 0);
    const svg = drawYear('Two <days>', 2, [{ label: '<b>', result }]);
    expect(svg).toContain('Two &lt;days&gt;');
    expect(svg).toContain('>36 h<');
    expect(svg.match(/<rect class="lost"/g)).toHaveLength(2);
    expect(svg).not.toContain('<b>');
  });
});
