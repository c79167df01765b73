import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { boundOf, bounds, usualScheduleHours } from './bound.ts';
import { drawYear } from './chart.ts';
import { baselines, type Refresher, shipped } from './refreshers.ts';
import { type Trace, type TraceName, traces } from './trace.ts';
import { liveThrough, type YearResult } from './year.ts';

const help = `Lets the state machine and the handlers that ship live through simulated years, beside other refreshers on the same traces.

  npm run bench:availability                     every trace
  npm run bench:availability -- --trace mild     one of ${Object.keys(traces).join(', ')}
  npm run bench:availability -- --seed 7         other outages, as bad
  npm run bench:availability -- --svg docs/availability.svg
                                                 draws the bad year too
`;

const titles: Record<TraceName, string> = {
  mild: 'A mild year: 1 % of calls fail',
  'bad-year':
    'A bad year: 1 % of calls fail, 20 outages of Runpod or ECR of 5 minutes to 8 hours, one of 14 hours, a lost tick of the scheduler each month',
  'ecr-only': 'ECR alone: 20 outages of 5 minutes to 8 hours',
  'kms-only': 'KMS alone, which no other refresher uses: 20 outages of 5 minutes to 8 hours',
};

const { values } = parseArgs({
  options: {
    trace: { type: 'string' },
    seed: { type: 'string', default: '1' },
    svg: { type: 'string' },
    child: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const write = (line = ''): void => void process.stdout.write(`${line}\n`);
const refreshers: readonly Refresher[] = [shipped(usualScheduleHours), ...baselines];
const isTrace = (name: string): name is TraceName => Object.hasOwn(traces, name);

/** Every refresher's year, one after the other. */
const liveThroughAll = async (trace: Trace): Promise<YearResult[]> => {
  const results: YearResult[] = [];
  for (const refresher of refreshers) results.push(await liveThrough(trace, refresher));
  return results;
};

const inChild = async (name: TraceName, seed: number): Promise<readonly YearResult[]> => {
  const child = fork(fileURLToPath(import.meta.url), ['--child', '--trace', name, '--seed', String(seed)], {
    serialization: 'advanced',
  });
  const [results] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error(`The year of ${name} did not come to its end.`))),
  ])) as [YearResult[]];
  return results;
};

const inHours = (value: number | undefined): string => (value === undefined ? 'never' : `${value.toFixed(1)} h`);

/** The worst of many, where nothing at all is the very worst. */
const worst = (values: ReadonlyArray<number | undefined>, pick: (...all: number[]) => number): string =>
  values.length === 0
    ? '–'
    : inHours(values.includes(undefined) ? undefined : pick(...values.map((each) => each ?? 0)));

const show = (results: readonly YearResult[]): void => {
  const rows = results.map((result, index) => [
    refreshers[index]?.title ?? result.refresher,
    inHours(result.expiredMinutes / 60),
    worst(result.hoursUntilNotified, Math.max),
    worst(result.hoursOfWarning, Math.min),
    result.calls.toLocaleString('en'),
  ]);
  const all = [['', 'expired', 'notified after, at worst', 'warned before, at worst', 'calls'], ...rows];
  for (const [name = '', ...cells] of all) {
    write(`  ${name.padEnd(42)}${cells.map((cell, index) => cell.padStart([9, 26, 25, 10][index] ?? 0)).join('')}`);
  }
};

/** Whether an expired spell is one that nothing could bridge: an outage longer than the bound led to it. */
const isBeyondBound = ({ outages, lostTicks }: Trace, from: number, to: number): boolean =>
  outages.some((outage) => {
    const hasLostTick = lostTicks.some((at) => Math.abs(at - outage.from) < 24 * 3_600_000);
    const { outage: alone, outageAfterLostTick } = boundOf(usualScheduleHours);
    const bridged = hasLostTick ? outageAfterLostTick : alone;
    return (
      outage.from < from && outage.to > from - 1 && outage.to <= to && outage.to - outage.from > bridged * 3_600_000
    );
  });

/** What the shipped machine promises in every year; the promises that it broke. */
const brokenPromises = (trace: Trace, [ours, guide]: readonly YearResult[]): string[] => {
  if (ours === undefined || guide === undefined) return ['nothing was simulated'];
  const bridgeable = ours.expired.filter(({ from, to }) => !isBeyondBound(trace, from, to));
  return [
    ...(bridgeable.length > 0 ? [`${bridgeable.length} expired spells could have been bridged`] : []),
    ...(ours.hoursOfWarning.some((hours) => (hours ?? 0) < 3)
      ? ['an expired spell was not announced 3 hours before']
      : []),
    ...(guide.expiredMinutes < 100 * ours.expiredMinutes
      ? ['more than a hundredth of the guide’s expired minutes']
      : []),
  ];
};

const showBounds = (): void => {
  write('What a schedule bridges: the longest outage, whenever it begins, that costs no expired minute');
  write('  every     an outage of     of, after a lost tick');
  for (const { scheduleHours, outage, outageAfterLostTick } of bounds) {
    const afterLostTick = outageAfterLostTick > 0 ? inHours(outageAfterLostTick) : 'nothing';
    const mark =
      scheduleHours === usualScheduleHours
        ? '   the default: the shortest of at most 20 cents a month for a lone target'
        : '';
    write(
      `  ${`${scheduleHours} h`.padStart(5)} ${(outage > 0 ? inHours(outage) : 'nothing').padStart(16)} ${afterLostTick.padStart(25)}${mark}`,
    );
  }
};

if (values.help) write(help);
else if (values.trace !== undefined && !isTrace(values.trace)) {
  process.stderr.write(`--trace: expected one of ${Object.keys(traces).join(', ')}, found ${values.trace}.\n`);
  process.exitCode = 2;
} else if (!Number.isInteger(Number(values.seed))) {
  process.stderr.write(`--seed: expected a whole number, found ${JSON.stringify(values.seed)}.\n`);
  process.exitCode = 2;
} else if (values.child && values.trace !== undefined) {
  const results = await liveThroughAll(traces[values.trace](Number(values.seed)));
  process.send?.(results, () => process.disconnect());
} else {
  const seed = Number(values.seed);
  const names = values.trace === undefined ? Object.keys(traces).filter(isTrace) : [values.trace];
  showBounds();
  // Where a call fails, AWS' client waits a moment by the real clock: there may be more years than cores at a time.
  const years = await Promise.all(names.map((name) => inChild(name, seed)));
  for (const [index, name] of names.entries()) {
    const results = years[index] ?? [];
    const broken = brokenPromises(traces[name](seed), results);
    write(`\n${titles[name]} (seed ${seed})`);
    show(results);
    write(broken.length === 0 ? '  All targets are met.' : `  A target is missed: ${broken.join('; ')}.`);
    if (broken.length > 0) process.exitCode = 1;
    if (name === 'bad-year' && values.svg !== undefined) {
      const rows = results.map((result, row) => ({ label: refreshers[row]?.title ?? '', result }));
      writeFileSync(values.svg, drawYear('A bad year', 365, rows));
    }
  }
  write(`\n${names.length} years of ${refreshers.length} refreshers in ${(performance.now() / 1000).toFixed(0)} s.`);
}
