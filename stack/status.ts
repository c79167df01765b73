import { CloudWatchClient, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import { GetScheduleCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { type ExecutionListItem, ListExecutionsCommand, SFNClient } from '@aws-sdk/client-sfn';
import { defined } from '../functions/lib/defined.ts';
import { MemoryUnavailableError } from '../functions/lib/errors.ts';
import { createMemory } from '../functions/lib/memory/memory.ts';
import { commandTrigger, type TargetMemories, targetForm } from '../functions/lib/memory/target-memory.ts';
import type { CanaryPodOutcome, EndpointOutcome } from '../functions/lib/report/outcome.ts';
import { sectionOfError } from '../functions/lib/report/platform-errors.ts';
import { judgeRun } from '../functions/lib/report/verdict.ts';
import type { Caller } from './caller.ts';
import { awsFailure } from './failure.ts';
import { endedText, type Listeners, readListeners, wayBack } from './listeners.ts';
import { type RolloutRecords, readRollouts, rolloutsNow, type ShownRollout } from './rollouts.ts';
import { type DeployedStack, deployCommand, ownVersion, placeOptions, type Stack } from './stack.ts';
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
  /** Of those that follow something, what that run made of it, or what has become of it since. */
  readonly rollouts?: readonly ShownRollout[] | undefined;
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

/** What `npm run refresh` did beside the stack, by its note in the memory. Times are ISO 8601. */
export interface CommandRunStatus {
  readonly endedAt: string;
  /** The targets that it stored a token for, and those that it did not, by name. */
  readonly stored: readonly string[];
  readonly failed: readonly string[];
}

/** Something that is wrong. */
interface Trouble {
  /** A sentence. */
  readonly text: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** How a deployed stack fares. Times are ISO 8601. */
export interface Status {
  readonly version: 1;
  readonly at: string;
  readonly stack: Pick<Stack, 'name' | 'status' | 'isBusy' | 'version'> & { readonly region: string };
  /** The version of the command that read this. */
  readonly ownVersion: string;
  readonly targets: readonly TargetStatus[];
  /** The run that ended last, of those that have failed or concerned a target. */
  readonly lastRun?: RunStatus;
  /** The last refresh of `npm run refresh` that is on record, where it ended after that run. */
  readonly lastCommandRun?: CommandRunStatus;
  readonly running: readonly RunStatus[];
  /** Left out where there is no schedule. */
  readonly schedule?: { readonly expression: string; readonly isEnabled: boolean; readonly nextRunAt?: string };
  readonly openAlarms: ReadonlyArray<{ readonly name: string; readonly description: string }>;
  /** Empty where all is well. */
  readonly troubles: readonly Trouble[];
}

const iso = (time: number | Date): string => new Date(time).toISOString();

/** The runs that Step Functions lists, newest first, and what is remembered of the targets. */
export interface Runs {
  readonly executions: readonly ExecutionListItem[];
  readonly memories: TargetMemories;
}

const executionsRead = 20;

/** @throws {CommandError} AWS refused, or did not answer */
const readMemories = async ({ settings }: Caller, memoryTable: string): Promise<TargetMemories> =>
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

/** The time between two runs of `rate(3 hours)`, in milliseconds; `undefined` for a schedule of another form. */
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

/** The run that concerned targets last, by what is remembered: pushes that concern nobody may hide it from the list. */
const rememberedRun = (memories: TargetMemories): RunStatus | undefined => {
  const ended = [...memories.values()].flatMap(({ last, runs }) =>
    last === undefined || last.trigger === commandTrigger ? [] : [{ ...last, runs }],
  );
  const newest = ended.toSorted((one, other) => other.at.localeCompare(one.at))[0];
  if (newest === undefined) return undefined;
  const { at, execution, trigger, runs } = newest;
  const name = execution.slice(execution.lastIndexOf(':') + 1);
  const error = errorOfRun(memories, execution);
  return defined({
    name,
    status: error === undefined ? 'SUCCEEDED' : 'FAILED',
    startedAt: runs.find((run) => run.name === name)?.startedAt ?? at,
    endedAt: at,
    trigger,
    error,
  });
};

/**
 * The run that ended last, of those that have failed or concerned a target: a run that concerned none is no success of
 * anything. Where nothing is remembered, nobody knows which concerned any.
 */
const lastRunOf = (runs: readonly RunStatus[], memories: TargetMemories): RunStatus | undefined => {
  const ended = runs.filter(({ status }) => !['RUNNING', 'PENDING_REDRIVE'].includes(status));
  const listed = ended.find(({ status, trigger }) => status !== 'SUCCEEDED' || trigger !== undefined);
  const remembered = rememberedRun(memories);
  const [newest] = [listed, remembered]
    .filter((run) => run !== undefined)
    .toSorted((one, other) => Date.parse(other.endedAt ?? '') - Date.parse(one.endedAt ?? ''));
  return newest ?? ended[0];
};

/** How each remembered target fares. */
export const targetsOf = (memories: TargetMemories, rollouts: RolloutRecords): TargetStatus[] =>
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
        rollouts: last?.outcome.rollouts && rolloutsNow(last.outcome.rollouts, rollouts, Date.parse(last.at)),
        warnings: last?.outcome.warnings,
      }),
    )
    .toSorted((a, b) => a.name.localeCompare(b.name));

/** The newest refresh by the command, where no run of the stack has ended since. */
const lastCommandRunOf = (memories: TargetMemories, lastRun: RunStatus | undefined): CommandRunStatus | undefined => {
  const runs = [...memories].flatMap(([target, memory]) =>
    memory.runs.filter(({ trigger }) => trigger === commandTrigger).map((run) => ({ target, ...run })),
  );
  const newest = runs.toSorted((one, other) => other.endedAt.localeCompare(one.endedAt))[0];
  if (newest === undefined || Date.parse(newest.endedAt) < Date.parse(lastRun?.endedAt ?? '')) return undefined;
  const same = runs.filter(({ name }) => name === newest.name);
  const namesOf = (isStored: boolean): string[] =>
    same.filter(({ refreshed }) => refreshed === isStored).map(({ target }) => target);
  return { endedAt: newest.endedAt, stored: namesOf(true), failed: namesOf(false) };
};

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
const silencesOf = (listeners: readonly Listeners[]): Trouble[] =>
  listeners.flatMap((each) => {
    const what = each.topic.endsWith('-alarms') ? 'Alarms' : 'Alerts';
    const ended = endedText(what, each);
    if (ended !== undefined) return [{ text: ended, remedy: `Subscribe again: ${wayBack(each)}` }];
    const isNobody = each.confirmed.length === 0 && each.pending.length === 0;
    return isNobody ? [{ text: `${what} reach nobody.`, remedy: 'Subscribe to the topic: docs/alerts.md.' }] : [];
  });

/** What keeps a stack from working as deployed, where anything does. */
const breaksOf = (stack: Stack, caller: Caller): Trouble[] => {
  const { mark, text, remedy } = judgeStack(stack, caller);
  return mark === 'ok' || (mark === 'warning' && stack.isBusy)
    ? []
    : [{ text: `Stack ${stack.name} ${text} (${stack.status}).`, remedy: `${remedy.replace(/\.$/, '')}.` }];
};

/** What is wrong with the runs and what they left, in the order in which a person would see to it. */
const troublesOfRuns = ({ targets, lastRun }: Pick<Status, 'targets' | 'lastRun'>, caller: Caller, now: number) => {
  const troubles: Trouble[] = [];
  const add = (text: string, remedy: string): void => void troubles.push({ text, remedy });
  const refresh = `Refresh at once from here: npm run refresh -- ${placeOptions(caller)}.`;
  if (targets.length === 0 && lastRun !== undefined) add('No token is on record for any target.', refresh);
  if (lastRun === undefined)
    add('No run has ended yet.', 'One starts by itself right after a deploy: look again in a few minutes.');
  else if (lastRun.status !== 'SUCCEEDED') {
    const error = lastRun.error?.name;
    add(
      `The last run ended ${lastRun.status}${error === undefined ? '' : `: ${error}`}.`,
      `docs/runbook.md, ${error ?? 'RunFailed'}. ${refresh}`,
    );
  }
  for (const { name, expiresAt, error, proofs, endpoints, canaryPod, rollouts = [] } of targets) {
    if (error !== undefined && error.name !== lastRun?.error?.name)
      add(
        `${name}: the last run that concerned it stored no token: ${error.name}.`,
        `docs/runbook.md, ${sectionOfError(error.name)}. ${refresh}`,
      );
    if (expiresAt === undefined) add(`${name}: no run on record stored a token.`, refresh);
    else if (Date.parse(expiresAt) <= now) add(`${name}: its token has expired.`, refresh);
    if (canaryPod?.proof === 'failed')
      add(`${name}: a pod could not pull with what Runpod holds.`, 'docs/runbook.md, EndpointNotPullingError.');
    if ((proofs.failed ?? 0) > 0)
      add(`${name}: ${proofs.failed} of its endpoints cannot pull.`, 'docs/runbook.md, EndpointNotPullingError.');
    for (const { endpoint } of rollouts.filter(({ isStuck }) => isStuck)) {
      // It is over where a later run has seen its workers well.
      const { proof } = endpoints.find((each) => each.endpoint === endpoint) ?? {};
      if (proof === 'degraded' || proof === 'failed')
        add(
          `${name}: endpoint ${endpoint} could start neither its new image nor the earlier one.`,
          'docs/runbook.md, RolloutStuck.',
        );
    }
  }
  return troubles;
};

/** What AWS says of a stack beside its runs. */
interface Surroundings {
  readonly stack: DeployedStack;
  readonly schedule: Awaited<ReturnType<typeof readSchedule>>;
  readonly alarms: readonly StackAlarm[];
  readonly listeners: readonly Listeners[];
}

/** @throws {CommandError} there is no such stack, or AWS refused or did not answer */
export const readSurroundings = async (caller: Caller): Promise<Surroundings> => {
  const stack = await requireStack(caller);
  const topics = [stack.alertTopic, stack.alarmTopic].filter((topic) => topic !== undefined);
  const [schedule, alarms, listeners] = await Promise.all([
    readSchedule(caller),
    readAlarms(caller),
    Promise.all(topics.map((topic) => readListeners(caller, topic))),
  ]);
  return { stack, schedule, alarms, listeners };
};

/** What is wrong with a stack, whatever its runs came to. */
export const troublesOfStack = (surroundings: Surroundings, caller: Caller): Trouble[] => [
  ...breaksOf(surroundings.stack, caller),
  ...troublesBesideRuns(surroundings, caller),
];

const troublesBesideRuns = ({ stack, schedule, alarms, listeners }: Surroundings, caller: Caller): Trouble[] => {
  const deploy = `Deploy again: ${deployCommand(caller)}.`;
  const { name, version } = stack;
  return [
    ...(version === ownVersion
      ? []
      : [{ text: `Deployed is version ${version ?? 'unknown'}, this is ${ownVersion}.`, remedy: deploy }]),
    ...(schedule === undefined ? [{ text: 'There is no schedule.', remedy: deploy }] : []),
    ...(schedule?.isEnabled === false
      ? [{ text: 'The schedule is switched off.', remedy: `Switch it on: EventBridge Scheduler, ${name}.` }]
      : []),
    ...alarms
      .filter(({ isOpen }) => isOpen)
      .map((alarm) => ({
        text: `Alarm ${alarm.name} is open.`,
        remedy: `docs/runbook.md, ${alarm.name.slice(name.length + 1)}.`,
      })),
    ...silencesOf(listeners),
  ];
};

/**
 * Reads how a deployed stack fares.
 *
 * @param now epoch milliseconds
 * @throws {CommandError} there is no such stack, or AWS refused or did not answer
 */
export const readStatus = async (caller: Caller, now: number): Promise<Status> => {
  const surroundings = await readSurroundings(caller);
  const { stack, schedule, alarms } = surroundings;
  const [{ executions, memories }, rollouts] = await Promise.all([
    readRuns(caller, stack),
    readRollouts(caller, stack),
  ]);
  const runs = executions.map((each) => toRun(each, memories));
  const lastRun = lastRunOf(runs, memories);
  const nextRunAt = schedule === undefined ? undefined : nextRunOf(schedule.expression, memories);
  const { name, status, isBusy, version } = stack;
  const seen: Omit<Status, 'troubles'> = defined({
    version: 1 as const,
    at: iso(now),
    stack: { name, status, isBusy, version, region: caller.region },
    ownVersion,
    targets: targetsOf(memories, rollouts),
    lastRun,
    lastCommandRun: lastCommandRunOf(memories, lastRun),
    running: runs.filter((each) => each.status === 'RUNNING'),
    schedule: schedule === undefined ? undefined : { ...schedule, ...defined({ nextRunAt }) },
    openAlarms: alarms.filter(({ isOpen }) => isOpen).map(({ name, description }) => ({ name, description })),
  });
  const troubles = [
    ...breaksOf(stack, caller),
    ...troublesOfRuns(seen, caller, now),
    ...troublesBesideRuns(surroundings, caller),
  ];
  return { ...seen, troubles };
};
