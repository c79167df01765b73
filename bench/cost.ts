import { alarmsOf } from '../infra/alarms.ts';
import { stackName } from '../simulator/aws/stack.ts';
import type { World } from '../simulator/world.ts';
import { beginWithTargets } from '../test/support/many-targets.ts';

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
const scheduleHours = 5;
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
  targets === 1 ? hoursPerMonth / scheduleHours : targets < 100 ? 5 : 1;

interface Counts {
  transitions: number;
  invocations: number;
  kmsRequests: number;
  tableWrites: number;
  tableReads: number;
  logBytes: number;
}

/** Lets scheduled runs pass in a settled world, and counts what AWS would bill. */
const count = async (world: World, runs: number) => {
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
  for (let run = 0; run < runs; run += 1) {
    world.forget(0);
    await world.clock.advance(scheduleHours * 3_600_000);
    const { events } = await world.refresh();
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

const isOwn = (metricHour: string): boolean => metricHour.startsWith('["TargetTokenSecondsLeft"');

/** What a stack of so many targets of three endpoints costs a month, without pushes and without trouble. */
export const costOf = async (targets: number): Promise<MonthlyCost> => {
  const world = await beginWithTargets(targets);
  const resources = [...world.iam.stack.resources.values()];
  const runs = runsSimulated(targets);
  const share = hoursPerMonth / scheduleHours / runs;
  const { counts, metricHours } = await count(world, runs);
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
    running: {
      transitions: counts.transitions * share * prices.transition,
      Lambda: counts.invocations * share * (prices.invocation + secondsPerCall * gigabytes * prices.gigabyteSecond),
      'KMS requests': counts.kmsRequests * share * prices.kmsRequest,
      table: share * (counts.tableWrites * prices.tableWrite + counts.tableReads * prices.tableRead),
      logs: (counts.logBytes * share * prices.logGigabyte) / 1e9,
    },
    // Its metric has data in the hours of runs alone, and is prorated by them.
    ownAlarms: own.hasTargetAlarms ? targets * (prices.alarmMetric + prices.metric / scheduleHours) : 0,
    dashboard: ofType('AWS::CloudWatch::Dashboard').length * prices.dashboard,
  };
};

/** Targets of the project: dollars a month. */
export const limits = { fixed: 6, perTarget: 0.2 } as const;

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
  const areMet = costs.every(
    ({ fixed, running, targets }) => sumOf(fixed) <= limits.fixed && sumOf(running) / targets <= limits.perTarget,
  );
  print(
    `\nAt most $${limits.fixed} fixed and $${limits.perTarget.toFixed(2)} a target: ${areMet ? 'met' : 'NOT MET'}.`,
  );
  process.exitCode = areMet ? 0 : 1;
}
