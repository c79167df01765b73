import { CloudWatchClient, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import { GetScheduleCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { type ExecutionListItem, ListExecutionsCommand, SFNClient } from '@aws-sdk/client-sfn';
import { defined } from '../functions/lib/defined.ts';
import { MemoryUnavailableError } from '../functions/lib/errors.ts';
import { createMemory } from '../functions/lib/memory/memory.ts';
import { type TargetMemories, targetForm } from '../functions/lib/memory/target-memory.ts';
import type { CanaryPodOutcome, EndpointOutcome, RolloutOutcome } from '../functions/lib/report/outcome.ts';
import { judgeRun } from '../functions/lib/report/verdict.ts';
import type { Caller } from './caller.ts';
import { awsFailure } from './failure.ts';
import { endedText, type Listeners, readListeners, wayBack } from './listeners.ts';
import { type DeployedStack, ownVersion, type Stack } from './stack.ts';
import { judgeStack, requireStack } from './stack-state.ts';

/** How a target fares. Times are ISO 8601. */
export interface TargetStatus {
  readonly name: string;
  /** When the token that Runpod holds ends; left out where no run on record stored one. */
  readonly expiresAt?: string;
  /** Since when one has been on record without a gap. */
  readonly heldSince?: string;
  /** When a run checked it last; left out where none has come to its report. */
  readonly lookedAt?: string;
  /** Why that run stored nothing. */
  readonly error?: { readonly name: string; readonly message: string };
  /** Endpoints by proof, all of them. */
  readonly proofs: Readonly<Record<string, number>>;
  /** Endpoints with what was seen of them, as many as the run's report holds. */
  readonly endpoints: readonly EndpointOutcome[];
  /** What the target's last canary pod showed. */
  readonly canaryPod?: CanaryPodOutcome;
  /** Of those that follow something, what that run made of it. */
  readonly rollouts?: readonly RolloutOutcome[] | undefined;
  /** What that run warned of, a sentence each: endpoints that it did not look at, among others. */
  readonly warnings?: readonly string[];
}

/** A run of the state machine. Times are ISO 8601. */
export interface RunStatus {
  readonly name: string;
  /** Step Functions' word: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED or PENDING_REDRIVE. */
  readonly status: string;
  readonly startedAt: string;
  readonly endedAt?: string;
  /** What started it, where its report says so. */
  readonly trigger?: string;
  readonly error?: { readonly name: string; readonly message: string };
}

/** How a deployed stack fares. Times are ISO 8601. */
export interface Status {
  readonly version: 1;
  readonly at: string;
  readonly stack: Pick<Stack, 'name' | 'status' | 'isBusy' | 'version'> & { readonly region: string };
  /** The version of the command that read this. */
  readonly ownVersion: string;
  readonly targets: readonly TargetStatus[];
  /** The run that ended last. */
  readonly lastRun?: RunStatus;
  readonly running: readonly RunStatus[];
  /** Left out where there is no schedule. */
  readonly schedule?: { readonly expression: string; readonly isEnabled: boolean; readonly nextRunAt?: string };
  readonly openAlarms: ReadonlyArray<{ readonly name: string; readonly description: string }>;
  /** What is wrong, a sentence each. Empty where all is well. */
  readonly troubles: readonly string[];
}

const iso = (time: number | Date): string => new Date(time).toISOString();

/** The runs that Step Functions lists, newest first, and what is remembered of the targets. */
export interface Runs {
  readonly executions: readonly ExecutionListItem[];
  readonly memories: TargetMemories;
}

const executionsRead = 20;

/** @throws {CommandError} AWS refused, or did not answer */
export const readMemories = async ({ settings }: Caller, memoryTable: string): Promise<TargetMemories> =>
  createMemory({ ...settings, MEMORY_TABLE: memoryTable })
    .readAll(targetForm)
    .catch((error: unknown) => {
      throw awsFailure('read what is remembered of the targets', 'dynamodb:Query and kms:Decrypt', causeOf(error));
    });

const causeOf = (error: unknown): unknown => (error instanceof MemoryUnavailableError ? (error.cause ?? error) : error);

/** @throws {CommandError} AWS refused, or did not answer */
export const readRuns = async (
  caller: Caller,
  { stateMachine, memoryTable }: Pick<DeployedStack, 'stateMachine' | 'memoryTable'>,
): Promise<Runs> => {
  const list = new ListExecutionsCommand({ stateMachineArn: stateMachine, maxResults: executionsRead });
  const [{ executions = [] }, memories] = await Promise.all([
    new SFNClient(caller.aws).send(list).catch((error: unknown) => {
      throw awsFailure('list the runs', 'states:ListExecutions', error);
    }),
    readMemories(caller, memoryTable),
  ]);
  return { executions, memories };
};

/** Why the run that concerned targets last failed, where it did. */
export const errorOfRun = (
  memories: TargetMemories,
  executionArn: string | undefined,
): { readonly name: string; readonly message: string } | undefined => {
  const outcomes = [...memories.values()].flatMap(({ last }) =>
    last !== undefined && last.execution === executionArn ? [last.outcome] : [],
  );
  const { outcome, error, cause } = judgeRun(outcomes, undefined);
  return outcome === 'failed' ? { name: error, message: cause } : undefined;
};

/** The schedule of a stack; `undefined` where it has none. */
export const readSchedule = async ({
  aws,
  stackName,
}: Caller): Promise<{ readonly expression: string; readonly isEnabled: boolean } | undefined> => {
  try {
    const answer = await new SchedulerClient(aws).send(new GetScheduleCommand({ Name: stackName }));
    return { expression: answer.ScheduleExpression ?? '', isEnabled: answer.State === 'ENABLED' };
  } catch (error) {
    if (error instanceof Error && error.name === 'ResourceNotFoundException') return undefined;
    throw awsFailure('show the schedule', 'scheduler:GetSchedule', error);
  }
};

/** An alarm of a stack. */
interface StackAlarm {
  readonly name: string;
  readonly description: string;
  readonly isOpen: boolean;
  /** Whether it notifies anybody when it opens. */
  readonly notifies: boolean;
}

/** @throws {CommandError} AWS refused, or did not answer */
export const readAlarms = async ({ aws, stackName }: Caller): Promise<StackAlarm[]> => {
  const command = new DescribeAlarmsCommand({ AlarmNamePrefix: `${stackName}-`, MaxRecords: 100 });
  const { MetricAlarms = [] } = await new CloudWatchClient(aws).send(command).catch((error: unknown) => {
    throw awsFailure('list the alarms', 'cloudwatch:DescribeAlarms', error);
  });
  return MetricAlarms.map(({ AlarmName = '', AlarmDescription = '', StateValue, ActionsEnabled }) => ({
    name: AlarmName,
    description: AlarmDescription,
    isOpen: StateValue === 'ALARM',
    notifies: ActionsEnabled !== false,
  }));
};

/** The time between two runs of `rate(5 hours)`, in milliseconds; `undefined` for a schedule of another form. */
export const periodOf = (expression: string): number | undefined => {
  const [, count, unit = ''] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  const unitMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }[unit];
  return count === undefined || unitMs === undefined ? undefined : Number(count) * unitMs;
};

const toRun = (
  { executionArn, name = '', status, startDate, stopDate }: ExecutionListItem,
  memories: TargetMemories,
) => {
  const run = [...memories.values()].flatMap(({ runs }) => runs).find((each) => each.name === name);
  return defined({
    name,
    status: status ?? 'UNKNOWN',
    startedAt: iso(startDate ?? 0),
    endedAt: stopDate === undefined ? undefined : iso(stopDate),
    trigger: run?.trigger,
    error: errorOfRun(memories, executionArn),
  });
};

/** How each remembered target fares. */
export const targetsOf = (memories: TargetMemories): TargetStatus[] =>
  [...memories]
    .map(([name, { expiresAt, heldSince, last }]) =>
      defined({
        name,
        expiresAt,
        heldSince,
        lookedAt: last?.at,
        error: last?.outcome.error,
        proofs: last?.outcome.proofs ?? {},
        endpoints: last?.outcome.endpoints ?? [],
        canaryPod: last?.outcome.canaryPod,
        rollouts: last?.outcome.rollouts,
        warnings: last?.outcome.warnings,
      }),
    )
    .toSorted((a, b) => a.name.localeCompare(b.name));

const nextRunOf = (expression: string, memories: TargetMemories): string | undefined => {
  const periodMs = periodOf(expression);
  const scheduled = [...memories.values()].flatMap(({ runs }) => runs.filter(({ trigger }) => trigger === 'schedule'));
  const last = scheduled
    .map(({ startedAt }) => startedAt)
    .toSorted()
    .at(-1);
  return periodMs === undefined || last === undefined ? undefined : iso(Date.parse(last) + periodMs);
};

/** Where somebody's subscription has ended, that and the way back; and where nobody is subscribed, or is any longer. */
const silencesOf = (listeners: readonly Listeners[]): string[] =>
  listeners.flatMap((each) => {
    const what = each.topic.endsWith('-alarms') ? 'Alarms' : 'Alerts';
    const ended = endedText(what, each);
    if (ended !== undefined) return [`${ended} Subscribe again: ${wayBack(each)}`];
    const isNobody = each.confirmed.length === 0 && each.pending.length === 0;
    return isNobody ? [`${what} reach nobody. See docs/alerts.md.`] : [];
  });

const troublesOf = (status: Omit<Status, 'troubles'>, now: number): string[] => {
  const { stack, targets, lastRun, schedule, openAlarms } = status;
  const troubles: string[] = [];
  if (targets.length === 0 && lastRun !== undefined) troubles.push('No token is on record for any target.');
  if (stack.version !== ownVersion) {
    troubles.push(`Deployed is version ${stack.version ?? 'unknown'}, this is ${ownVersion}. Deploy again.`);
  }
  if (lastRun === undefined) troubles.push('No run has ended yet. One starts by itself right after a deploy.');
  else if (lastRun.status !== 'SUCCEEDED') {
    troubles.push(
      `The last run ended ${lastRun.status}${lastRun.error === undefined ? '' : `: ${lastRun.error.name}`}.`,
    );
  }
  for (const { name, expiresAt, proofs, canaryPod } of targets) {
    if (expiresAt === undefined) troubles.push(`${name}: no run on record stored a token.`);
    else if (Date.parse(expiresAt) <= now) troubles.push(`${name}: its token has expired.`);
    if (canaryPod?.proof === 'failed') troubles.push(`${name}: a pod could not pull with what Runpod holds.`);
    if ((proofs.failed ?? 0) > 0) troubles.push(`${name}: ${proofs.failed} of its endpoints cannot pull.`);
  }
  if (schedule === undefined) troubles.push('There is no schedule. Deploy again.');
  else if (!schedule.isEnabled) troubles.push('The schedule is switched off.');
  for (const { name } of openAlarms) troubles.push(`Alarm ${name} is open.`);
  return troubles;
};

/**
 * Reads how a deployed stack fares.
 *
 * @param now epoch milliseconds
 * @throws {CommandError} there is no such stack, or AWS refused or did not answer
 */
export const readStatus = async (caller: Caller, now: number): Promise<Status> => {
  const stack = await requireStack(caller);
  const topics = [stack.alertTopic, stack.alarmTopic].filter((topic) => topic !== undefined);
  const [{ executions, memories }, schedule, alarms, listeners] = await Promise.all([
    readRuns(caller, stack),
    readSchedule(caller),
    readAlarms(caller),
    Promise.all(topics.map((topic) => readListeners(caller, topic))),
  ]);
  const runs = executions.map((each) => toRun(each, memories));
  const lastRun = runs.find(({ status }) => !['RUNNING', 'PENDING_REDRIVE'].includes(status));
  const nextRunAt = schedule === undefined ? undefined : nextRunOf(schedule.expression, memories);
  const { name, status, isBusy, version } = stack;
  const seen: Omit<Status, 'troubles'> = defined({
    version: 1 as const,
    at: iso(now),
    stack: { name, status, isBusy, version, region: caller.region },
    ownVersion,
    targets: targetsOf(memories),
    lastRun,
    running: runs.filter((each) => each.status === 'RUNNING'),
    schedule: schedule === undefined ? undefined : { ...schedule, ...defined({ nextRunAt }) },
    openAlarms: alarms.filter(({ isOpen }) => isOpen).map(({ name, description }) => ({ name, description })),
  });
  const { mark, text, remedy } = judgeStack(stack, caller);
  const broken =
    mark === 'ok' || (mark === 'warning' && isBusy) ? [] : [`Stack ${name} ${text} (${status}). ${remedy}.`];
  return { ...seen, troubles: [...broken, ...troublesOf(seen, now), ...silencesOf(listeners)] };
};
