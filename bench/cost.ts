import { readSettings } from '../functions/lib/env.ts';
import { alarmsOf } from '../infra/alarms.ts';
import { stackName } from '../simulator/aws/stack.ts';
import type { Execution } from '../simulator/aws/step-functions.ts';
import { beginWithTargets } from '../simulator/many-targets.ts';
import type { World } from '../simulator/world.ts';

/**
 * List prices of us-east-1 in dollars, without free tiers, as of November 2026: the pricing pages of Step Functions, Lambda
 * (arm64), KMS, CloudWatch, DynamoDB (on demand) and SQS.
 */
const prices = {
  transition: 0.025 / 1000,
  invocation: 0.2 / 1e6,
  gigabyteSecond: 0.0000133334,
  kmsKey: 1,
  kmsRequest: 0.03 / 10_000,
  metric: 0.3,
  alarmMetric: 0.1,
  dashboard: 3,
  logGigabyte: 0.5,
  tableWrite: 0.625 / 1e6,
  tableRead: 0.125 / 1e6,
  queueRequest: 0.4 / 1e6,
} as const;

const hoursPerMonth = 730;
const scheduleHours = readSettings({}).SCHEDULE_HOURS;
/** A function's billed time, generously: most of it is waiting for Runpod, ECR and logs, which no simulator shows. */
const secondsPerCall = 2;
const gigabytes = 0.5;
/** What Lambda itself logs of a call: START, END and REPORT. */
const platformBytesPerCall = 400;
/** What surrounds a message in the logger's JSON, and a measurement in the embedded metric format. */
const bytesPerLine = 450;
/** Lambda keeps five long polls of 20 s open for each queue that it reads: "Using Lambda with Amazon SQS". */
const pollsPerMonth = (5 * hoursPerMonth * 3600) / 20;

/** Dollars a month, by what they are paid for. */
export interface MonthlyCost {
  readonly targets: number;
  /** What is paid whatever the number of targets. */
  readonly fixed: Readonly<Record<string, number>>;
  /** What targets add. */
  readonly running: Readonly<Record<string, number>>;
  /** Alarms on each target's own token, and the metrics that they need. */
  readonly ownAlarms: number;
  readonly dashboard: number;
}

export const sumOf = (dollars: Readonly<Record<string, number>>): number =>
  Object.values(dollars).reduce((sum, each) => sum + each, 0);

/** What of a month's runs is simulated: all of it for one target, and a run or a day of more. */
const runsSimulated = (targets: number): number =>
  targets === 1 ? hoursPerMonth / scheduleHours : targets < 100 ? 24 / scheduleHours : 1;

interface Counts {
  transitions: number;
  invocations: number;
  kmsRequests: number;
  tableWrites: number;
  tableReads: number;
  logBytes: number;
}

/** Lets runs pass in a settled world, and counts what AWS would bill. @param hours between two of them */
const count = async (world: World, runs: number, hours: number, run: () => Promise<Execution>) => {
  const counts: Counts = { transitions: 0, invocations: 0, kmsRequests: 0, tableWrites: 0, tableReads: 0, logBytes: 0 };
  const metricHours = new Set<string>();
  await world.refresh();
  world.onQuestion = ({ action }) => {
    if (action.startsWith('kms:')) counts.kmsRequests += 1;
    if (/^dynamodb:(Put|Update|Delete|TransactWrite)/.test(action)) counts.tableWrites += 1;
    else if (action.startsWith('dynamodb:')) counts.tableReads += 1;
  };
  const { invoke } = world;
  world.invoke = (name, event) => {
    counts.invocations += 1;
    return invoke(name, event);
  };
  for (let done = 0; done < runs; done += 1) {
    world.forget(0);
    await world.clock.advance(hours * 3_600_000);
    const { events } = await run();
    counts.transitions += events.filter(({ type }) => type === 'StateEntered' || type === 'StateRetried').length;
    for (const { message } of world.logs) counts.logBytes += bytesPerLine + message.length;
    counts.logBytes += world.measurements.length * bytesPerLine;
    for (const { name, dimensions, at } of world.measurements) {
      metricHours.add(JSON.stringify([name, dimensions, Math.floor(at / 3_600_000)]));
    }
  }
  counts.logBytes += counts.invocations * platformBytesPerCall;
  return { counts, metricHours: [...metricHours] };
};

/** What is paid for what was counted, so many times. */
const billOf = (counts: Counts, times: number): Readonly<Record<string, number>> => ({
  transitions: counts.transitions * times * prices.transition,
  Lambda: counts.invocations * times * (prices.invocation + secondsPerCall * gigabytes * prices.gigabyteSecond),
  'KMS requests': counts.kmsRequests * times * prices.kmsRequest,
  table: times * (counts.tableWrites * prices.tableWrite + counts.tableReads * prices.tableRead),
  logs: (counts.logBytes * times * prices.logGigabyte) / 1e9,
});

/** So many windows a day in which something is pushed. */
const windowsPerDay = 100;

/** What the windows of a month cost at so many targets, and the transitions of one: of a repository that so many use. */
const costOfPushes = async (targets: number, concerned: number) => {
  const world = await beginWithTargets(targets);
  const image = world.push('team/pushed', 'v1', { layers: 1 });
  const endpoints = [...world.runpod.endpoints.values()].filter(({ name }) => name === 'a');
  for (const endpoint of endpoints.slice(0, concerned)) endpoint.image = image;
  const { counts } = await count(world, 1, 1, async () => {
    await world.deliverPush('team/pushed', 'v1');
    const execution = [...world.stepFunctions.executions.values()].at(-1);
    if (execution === undefined) throw new Error('The push started no run.');
    await world.clock.until(execution.ended);
    return execution;
  });
  await world.end();
  return { transitions: counts.transitions, dollars: sumOf(billOf(counts, (windowsPerDay * hoursPerMonth) / 24)) };
};

const isOwn = (metricHour: string): boolean => metricHour.startsWith('["TargetTokenSecondsLeft"');

/** What a stack of so many targets of three endpoints costs a month, without pushes and without trouble. */
export const costOf = async (targets: number): Promise<MonthlyCost> => {
  const world = await beginWithTargets(targets);
  const resources = [...world.iam.stack.resources.values()];
  const runs = runsSimulated(targets);
  const share = hoursPerMonth / scheduleHours / runs;
  const { counts, metricHours } = await count(world, runs, scheduleHours, () => world.refresh());
  const own = alarmsOf(world.targets, stackName, '');
  await world.end();

  const ofType = (type: string) => resources.filter((each) => each.type === type);
  const metricsOf = (properties: Readonly<Record<string, unknown>>): number =>
    Array.isArray(properties.Metrics) ? properties.Metrics.filter((each) => 'MetricStat' in each).length : 1;
  const shared = ofType('AWS::CloudWatch::Alarm').filter(({ logicalId }) => !logicalId.startsWith('TokenEndsSoon'));
  const sharedMetrics = shared.reduce(
    (sum, { properties }) => sum + metricsOf(properties),
    own.hasTargetAlarms ? 0 : 1,
  );
  const metricMonths = (metricHours.filter((each) => !isOwn(each)).length * share) / hoursPerMonth;
  return {
    targets,
    fixed: {
      'KMS keys': ofType('AWS::KMS::Key').length * prices.kmsKey,
      alarms: sharedMetrics * prices.alarmMetric,
      metrics: metricMonths * prices.metric,
      'polling queues': ofType('AWS::Lambda::EventSourceMapping').length * pollsPerMonth * prices.queueRequest,
    },
    running: billOf(counts, share),
    // Its metric has data in the hours of runs alone, and is prorated by them.
    ownAlarms: own.hasTargetAlarms ? targets * (prices.alarmMetric + prices.metric / scheduleHours) : 0,
    dashboard: ofType('AWS::CloudWatch::Dashboard').length * prices.dashboard,
  };
};

/** Targets of the project: dollars a month, and transitions. */
export const limits = { fixed: 6, perTarget: 0.2, pushes: 1, pushTransitions: 8 } as const;

const dollars = (amount: number): string => (amount === 0 ? '–' : amount < 0.01 ? '< 0.01' : amount.toFixed(2));

if (import.meta.main) {
  const costs: MonthlyCost[] = [];
  for (const targets of [1, 40, 1000]) costs.push(await costOf(targets));
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  const row = (what: string, of: (cost: MonthlyCost) => number): void =>
    print(`| ${what} | ${costs.map((cost) => dollars(of(cost))).join(' | ')} |`);
  print(
    `| dollars a month | ${costs.map(({ targets }) => `${targets.toLocaleString('en')} target${targets === 1 ? '' : 's'}`).join(' | ')} |`,
  );
  print(`|---|${costs.map(() => '---:|').join('')}`);
  for (const name of Object.keys(costs[0]?.fixed ?? {})) row(name, ({ fixed }) => fixed[name] ?? 0);
  row('**fixed, in the first year**', ({ fixed }) => sumOf(fixed));
  for (const name of Object.keys(costs[0]?.running ?? {})) row(name, ({ running }) => running[name] ?? 0);
  row('**running**', ({ running }) => sumOf(running));
  row('**running, a target**', ({ running, targets }) => sumOf(running) / targets);
  row('dashboard (three are free)', ({ dashboard }) => dashboard);
  for (const hours of [1, 2, 3, 4, 5, 6]) {
    row(
      `a target, with a run every ${hours} h`,
      ({ running, targets }) => (sumOf(running) / targets) * (scheduleHours / hours),
    );
  }
  print(`\n| ${windowsPerDay} windows with pushes a day | transitions of one | dollars a month |\n|---|---:|---:|`);
  const pushes: Array<{ readonly transitions: number; readonly dollars: number }> = [];
  for (const targets of [1, 40, 1000]) {
    for (const concerned of targets === 1000 ? [0] : [0, 1]) {
      const cost = await costOfPushes(targets, concerned);
      print(
        `| ${targets.toLocaleString('en')} target${targets === 1 ? '' : 's'}, ${concerned} concerned | ${cost.transitions} | ${dollars(cost.dollars)} |`,
      );
      if (targets === 40 && concerned === 0) pushes.push(cost);
    }
  }
  const areMet =
    costs.every(
      ({ fixed, running, targets }) => sumOf(fixed) <= limits.fixed && sumOf(running) / targets <= limits.perTarget,
    ) && pushes.every((each) => each.dollars < limits.pushes && each.transitions <= limits.pushTransitions);
  print(
    `\nAt most $${limits.fixed} fixed and $${limits.perTarget.toFixed(2)} a target; pushes that concern none of 40 targets under $${limits.pushes} and ${limits.pushTransitions} transitions: ${areMet ? 'met' : 'NOT MET'}.`,
  );
  process.exitCode = areMet ? 0 : 1;
}
