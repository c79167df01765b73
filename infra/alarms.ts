import { readFileSync } from 'node:fs';
import { comfortableMs } from '../functions/lib/report/comfortable.ts';
import type { Target } from '../functions/lib/targets.ts';

const periodsPerHour = 12;

/**
 * How many periods of five minutes may pass after the start of the last scheduled run that came to its report.
 *
 * Two turns of the schedule and half an hour: a run may last until half an hour before the next one begins, and still report.
 * At most 10 h 40 min: tokens live 12 hours from the start of their run at the earliest, CloudWatch goes on seeing a point
 * for up to two periods more and evaluates a minute later, so an hour is left.
 *
 * Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html, "Configuring how CloudWatch
 * alarms treat missing data"
 */
export const deadManPeriods = (scheduleHours: number): number =>
  Math.min(2 * scheduleHours * periodsPerHour + 6, 10 * periodsPerHour + 8);

/** Each alarm costs $0.10 a month and each metric $0.30: with more targets than this, one alarm is over all of them. */
const maxTargetAlarms = 10;

const tokenAlarm = (stackName: string, firstSteps: string, target: string | undefined): object => ({
  Type: 'AWS::CloudWatch::Alarm',
  Properties: {
    AlarmName: `${stackName}-TokenEndsSoon${target === undefined ? '' : `-${target}`}`,
    AlarmDescription: `${target === undefined ? 'A token that Runpod holds' : `The token of ${target} that Runpod holds`} ends within 3 hours and has not been replaced. First: ${firstSteps}`,
    AlarmActions: [{ Ref: 'AlarmTopic' }],
    OKActions: [{ Ref: 'AlarmTopic' }],
    Namespace: 'RunpodEcrRefresh',
    MetricName: target === undefined ? 'TokenSecondsLeft' : 'TargetTokenSecondsLeft',
    Dimensions: [
      { Name: 'service', Value: 'notify' },
      { Name: 'Stack', Value: stackName },
      ...(target === undefined ? [] : [{ Name: 'Target', Value: target }]),
    ],
    Statistic: 'Minimum',
    Period: 300,
    EvaluationPeriods: 1,
    ComparisonOperator: 'LessThanThreshold',
    Threshold: comfortableMs / 1000,
    TreatMissingData: 'ignore', // it is measured at every run, and stands until the next one
  },
});

/** The alarms that a file describes. */
const alarmsIn = (file: string): string[] =>
  [
    ...readFileSync(new URL(file, import.meta.url), 'utf8').matchAll(
      /^ {2}(\w+):\n {4}Type: AWS::CloudWatch::Alarm$/gm,
    ),
  ].map(([, id = '']) => id);
/** Those of the rollout are taken out again where nothing is rolled out: without-unused.ts. */
const fixedAlarms = [...alarmsIn('alerts.yml'), ...alarmsIn('rollout.yml')];

/**
 * The alarms on the tokens' ends: with two to ten targets one for each, so that a second target's trouble rings again; else
 * one over all.
 */
export const alarmsOf = (targets: readonly Target[], stackName: string, firstSteps: string) => {
  const hasTargetAlarms = targets.length > 1 && targets.length <= maxTargetAlarms;
  const tokenAlarms: Record<string, object> = hasTargetAlarms
    ? Object.fromEntries(
        targets.map(
          ({ name }, index) => [`TokenEndsSoon${index + 1}`, tokenAlarm(stackName, firstSteps, name)] as const,
        ),
      )
    : { TokenEndsSoon: tokenAlarm(stackName, firstSteps, undefined) };
  return {
    hasTargetAlarms,
    tokenAlarms,
    alarmArns: JSON.stringify([...fixedAlarms, ...Object.keys(tokenAlarms)].map((id) => `\${${id}.Arn}`)),
  };
};
