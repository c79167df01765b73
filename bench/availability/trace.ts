const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** Who is out. */
export type Upstream = 'runpod' | 'ecr' | 'kms';
/** How it answers meanwhile. */
export type FaultKind = '500' | '503' | 'reset' | 'page';

/** A time in which everything asked of an upstream fails. In milliseconds from the year's beginning. */
export interface Outage {
  readonly upstream: Upstream;
  readonly faultKind: FaultKind;
  readonly from: number;
  readonly to: number;
}

/** What befalls a refresher. The same for each of them. */
export interface Trace {
  readonly name: string;
  readonly seed: number;
  readonly days: number;
  /** Of each hundred calls, how many fail at random. */
  readonly failingPercent: number;
  readonly outages: readonly Outage[];
  /** Moments whose next tick of the schedule is lost. */
  readonly lostTicks: readonly number[];
}

/** Random numbers from 0 to 1 that are the same each time (mulberry32). */
export const randomFrom = (seed: number) => {
  let state = seed >>> 0;
  return (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

const faultKinds: readonly FaultKind[] = ['500', '503', 'reset', 'page'];

/** From 5 minutes to 8 hours, evenly: twenty in a year. */
const lengths = (count: number): number[] =>
  Array.from({ length: count }, (_, index) => (5 + (index * 475) / Math.max(1, count - 1)) * minuteMs);

const shuffle = <Item>(items: readonly Item[], random: () => number): Item[] =>
  items
    .map((item) => ({ item, rank: random() }))
    .sort((one, other) => one.rank - other.rank)
    .map(({ item }) => item);

/** Spreads outages over a year, each at a random moment of its share, so that none runs into the next. */
const spread = (
  durations: readonly number[],
  days: number,
  random: () => number,
  whose: () => Upstream,
): readonly Outage[] => {
  const share = (days * dayMs) / durations.length;
  return shuffle(durations, random).map((duration, index) => {
    const from = Math.round(index * share + dayMs + random() * (share - 2 * dayMs));
    return {
      upstream: whose(),
      faultKind: faultKinds[Math.floor(random() * faultKinds.length)] ?? '503',
      from,
      to: from + duration,
    };
  });
};

const year = 365;

const mild = (seed: number): Trace => ({
  name: 'mild',
  seed,
  days: year,
  failingPercent: 1,
  outages: [],
  lostTicks: [],
});

const badYear = (seed: number): Trace => {
  const random = randomFrom(seed);
  return {
    name: 'bad-year',
    seed,
    days: year,
    failingPercent: 1,
    outages: spread([...lengths(20), 14 * hourMs], year, random, () => (random() < 0.5 ? 'runpod' : 'ecr')),
    lostTicks: Array.from({ length: 12 }, (_, month) => Math.round((month + random()) * (year / 12) * dayMs)),
  };
};

const onlyOf =
  (name: string, upstream: Upstream) =>
  (seed: number): Trace => ({
    name,
    seed,
    days: year,
    failingPercent: 0,
    outages: spread(lengths(20), year, randomFrom(seed), () => upstream),
    lostTicks: [],
  });

/** The traces, by name. */
export const traces = {
  mild,
  'bad-year': badYear,
  'ecr-only': onlyOf('ecr-only', 'ecr'),
  'kms-only': onlyOf('kms-only', 'kms'),
} as const satisfies Record<string, (seed: number) => Trace>;
export type TraceName = keyof typeof traces;
