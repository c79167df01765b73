import type { FaultEffect } from '../../simulator/loopback.ts';
import { region, World } from '../../simulator/world.ts';
import { credential, type Refresher } from './refreshers.ts';
import { type FaultKind, randomFrom, type Trace, type Upstream } from './trace.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Of CloudWatch's alarms: infra/alarms.ts. */
const periodMs = 5 * 60_000;

/** From one moment until another, in milliseconds from the year's beginning. */
interface Spell {
  readonly from: number;
  readonly to: number;
}

/** What became of a refresher in a year. */
export interface YearResult {
  readonly refresher: string;
  readonly trace: string;
  readonly expiredMinutes: number;
  readonly expired: readonly Spell[];
  /** Moments at which somebody was notified that something is wrong. */
  readonly alerts: readonly number[];
  /**
   * For each gap between two stored tokens that is over an hour longer than two turns of the schedule, which a lost tick
   * alone does not make: hours from when the first was due until somebody was notified, if ever.
   */
  readonly hoursUntilNotified: ReadonlyArray<number | undefined>;
  /** For each expired spell: hours of warning before it began, if there was one. */
  readonly hoursOfWarning: ReadonlyArray<number | undefined>;
  /** Requests made of anybody. */
  readonly calls: number;
}

const matches: Record<Upstream, RegExp> = {
  runpod: / \/(?:v1|v2|graphql|jobs)\b/,
  ecr: /GetAuthorizationToken|\/(?:manifests|blobs)\/|\/v2\/$/,
  kms: /TrentService/,
};

const faultEffects: Record<FaultKind, FaultEffect> = {
  '500': { answer: { status: 500, headers: { 'content-type': 'application/json' }, body: '{"message":"oh no"}' } },
  '503': { answer: { status: 503, headers: { 'content-type': 'application/json' }, body: '{"message":"down"}' } },
  reset: { reset: true },
  page: {
    answer: {
      status: 200,
      headers: { 'content-type': 'text/html' },
      body: '<!doctype html><title>Maintenance</title>',
    },
  },
};

/** Lets each thing happen at its moment, one timer at a time. */
const follow = <Event extends { readonly at: number }>(
  world: World,
  begin: number,
  events: readonly Event[],
  happen: (event: Event) => void,
): void => {
  const [next, ...rest] = events;
  if (next === undefined) return;
  world.clock.setTimeout(
    () => {
      happen(next);
      follow(world, begin, rest, happen);
    },
    begin + next.at - world.clock.now(),
  );
};

const makeOutages = (world: World, { outages }: Trace): void => {
  const begin = world.clock.now();
  const repairs = new Map<unknown, () => void>();
  const events = outages
    .flatMap((outage) => [
      { at: outage.from, outage, begins: true },
      { at: outage.to, outage, begins: false },
    ])
    .sort((one, other) => one.at - other.at);
  follow(world, begin, events, ({ outage, begins }) => {
    if (begins)
      repairs.set(outage, world.faults.add({ on: matches[outage.upstream], does: faultEffects[outage.faultKind] }));
    else repairs.get(outage)?.();
  });
};

/** Counts every request, and lets some of them fail. */
const watchCalls = (world: World, { seed, failingPercent }: Trace): { readonly count: () => number } => {
  const random = randomFrom(seed + 1);
  let count = 0;
  world.faults.add({
    on: {
      test: () => {
        count += 1;
        return random() * 100 < failingPercent;
      },
    },
    does: faultEffects['500'],
  });
  return { count: () => count };
};

/** Starts a refresher as its schedule would, but for the ticks that are lost. */
const tick = (world: World, { seed, days, lostTicks }: Trace, refresher: Refresher, run: () => Promise<void>): void => {
  const begin = world.clock.now();
  const random = randomFrom(seed + 2);
  const lost = [...lostTicks];
  const next = (number: number): void => {
    const at = number * refresher.everyHours * hourMs;
    if (at >= days * dayMs) return;
    world.clock.setTimeout(
      () => {
        const isLost = lost[0] !== undefined && lost[0] <= at;
        if (isLost) lost.shift();
        else void world.clock.work(run);
        world.forget(7 * dayMs);
        next(number + 1);
      },
      begin + at + random() * refresher.startsLateMs - world.clock.now(),
    );
  };
  next(1);
};

/** The dead-man's switch: of so many periods in a row, CloudWatch finds none with the start of a run that came to its report. */
export const deadManAlarms = (starts: readonly number[], periods: number, endsAt: number): number[] => {
  const held = new Set(starts.map((at) => Math.floor(at / periodMs)));
  const alarms: number[] = [];
  let [newest, wasAlarm] = [0, false];
  for (let period = 0; period * periodMs <= endsAt; period += 1) {
    const isAlarm = period - newest > periods;
    if (isAlarm && !wasAlarm) alarms.push(period * periodMs);
    wasAlarm = isAlarm;
    if (held.has(period)) newest = period;
  }
  return alarms;
};

const isTrouble = (subject: string): boolean => !subject.endsWith('recovered');

/** Lets a refresher live through a trace, and tells what became of the token it keeps. */
export const liveThrough = async (trace: Trace, refresher: Refresher): Promise<YearResult> => {
  const world = await World.begin({
    startAt: Date.parse('2026-01-01T00:00:00Z'),
    environment: { SCHEDULE_HOURS: String(refresher.everyHours), LOG_LISTEN_SECONDS: '0.02' },
  });
  try {
    const begin = world.clock.now();
    const image = world.push('team/worker', 'v1');
    world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: credential });
    world.runpod.offers.v1 = refresher.needsV1 ?? false;

    const alerts: number[] = [];
    // A deploy publishes the first point.
    const reported: number[] = [0];
    world.stepFunctions.onEvent = ({ startedAt }, event) => {
      if (event.type === 'StateEntered' && event.state.name === 'Report') reported.push(startedAt - begin);
    };
    world.sns.onMessage = ({ subject, at }) => {
      if (isTrouble(subject)) alerts.push(at - begin);
    };

    // The year begins with a token that somebody has just filled in by hand.
    const byHand = { at: 0, end: world.ecr.mint(world.principal, region).expiresAt - begin };
    const calls = watchCalls(world, trace);
    makeOutages(world, trace);
    tick(
      world,
      trace,
      refresher,
      refresher.begin(world, () => void alerts.push(world.clock.now() - begin)),
    );
    await world.clock.advance(trace.days * dayMs);

    const stored = world.runpod.stored.map(({ at, token }) => ({
      at: at - begin,
      end: (world.ecr.find(token.password)?.expiresAt ?? begin) - begin,
    }));
    if (refresher.deadManPeriods !== undefined) {
      alerts.push(...deadManAlarms(reported, refresher.deadManPeriods, trace.days * dayMs));
    }
    return sumUp(trace, refresher, [byHand, ...stored], alerts, calls.count());
  } finally {
    await world.end();
  }
};

/** Works out, from when tokens were stored and end, when the token was expired and who knew of it. */
export const sumUp = (
  trace: Trace,
  { name, everyHours }: Pick<Refresher, 'name' | 'everyHours'>,
  stored: ReadonlyArray<{ readonly at: number; readonly end: number }>,
  unsortedAlerts: readonly number[],
  calls: number,
): YearResult => {
  const alerts = unsortedAlerts.toSorted((one, other) => one - other);
  const yearEnds = trace.days * dayMs;
  const expired: Spell[] = [];
  const hoursUntilNotified: Array<number | undefined> = [];
  const hoursOfWarning: Array<number | undefined> = [];
  for (const [index, { at, end }] of stored.entries()) {
    const replaced = stored[index + 1]?.at ?? yearEnds;
    const due = at + everyHours * hourMs;
    const notified = alerts.find((alert) => alert > at && alert <= replaced);
    if (replaced > due + (everyHours + 1) * hourMs)
      hoursUntilNotified.push(notified === undefined ? undefined : Math.max(0, notified - due) / hourMs);
    if (replaced <= end) continue;
    expired.push({ from: end, to: replaced });
    hoursOfWarning.push(notified === undefined || notified > end ? undefined : (end - notified) / hourMs);
  }
  return {
    refresher: name,
    trace: trace.name,
    expiredMinutes: expired.reduce((sum, { from, to }) => sum + (to - from) / 60_000, 0),
    expired,
    alerts,
    hoursUntilNotified,
    hoursOfWarning,
    calls,
  };
};
