import {
  type ExecutionListItem,
  GetExecutionHistoryCommand,
  type HistoryEvent,
  ListExecutionsCommand,
  ListMapRunsCommand,
  type SFNClient,
} from '@aws-sdk/client-sfn';
import { defined } from '../functions/lib/defined.ts';
import { parseJson } from '../functions/lib/json.ts';
import type { StateDetail } from './source.ts';
import type { RunState } from './view.ts';

/** What a run has done so far, by state. */
export interface RunHistory {
  readonly states: ReadonlyMap<string, RunState>;
  readonly details: ReadonlyMap<string, StateDetail>;
}

const eventsRead = 1000;
/** Of a thousand targets, those that began last stand for all. */
const childrenRead = 3;

const isFailure = ({ type }: HistoryEvent): boolean =>
  /^(?:LambdaFunction|Task)(?:Failed|TimedOut|ScheduleFailed|StartFailed|SubmitFailed)$/.test(type ?? '');

/**
 * Reads events into states, on top of what is known of them. A failure that a state goes on from is a retry; one that
 * it is left by was caught.
 */
export const readEvents = (
  events: readonly HistoryEvent[],
  states: Map<string, RunState>,
  details: Map<string, StateDetail>,
): void => {
  const stateOfEvent = new Map<number, string>();
  const failed = new Set<number>();
  for (const event of events) {
    const { id = 0, previousEventId = 0, stateEnteredEventDetails: entered, stateExitedEventDetails: exited } = event;
    const name = entered?.name ?? exited?.name ?? stateOfEvent.get(previousEventId);
    if (name === undefined) continue;
    stateOfEvent.set(id, name);
    const known = states.get(name) ?? { id: name, phase: 'idle', visits: 0, failures: 0 };
    const at = event.timestamp === undefined ? undefined : new Date(event.timestamp).getTime();
    if (entered !== undefined) {
      const { leftAt: _, ...before } = known;
      states.set(name, defined({ ...before, phase: 'active' as const, visits: known.visits + 1, enteredAt: at }));
      details.set(name, { input: parseJson(entered.input) });
    } else if (exited !== undefined) {
      const phase = failed.has(previousEventId) ? 'caught' : 'done';
      states.set(name, defined({ ...known, phase, visits: Math.max(1, known.visits), leftAt: at } as const));
      details.set(name, { ...details.get(name), output: parseJson(exited.output) });
    } else if (isFailure(event)) {
      failed.add(id);
      const error = (event.lambdaFunctionFailedEventDetails ?? event.taskFailedEventDetails)?.error ?? 'TimedOut';
      states.set(name, { ...known, phase: 'retried', failures: known.failures + 1, error });
    }
  }
};

/**
 * Reads what a run has done: its own history, and those of the executions in which its Distributed Map runs the targets.
 *
 * @throws whatever the AWS SDK throws
 */
export const readRunHistory = async (sfn: SFNClient, executionArn: string): Promise<RunHistory> => {
  const [states, details] = [new Map<string, RunState>(), new Map<string, StateDetail>()];
  const read = async (arn: string): Promise<void> => {
    const command = new GetExecutionHistoryCommand({
      executionArn: arn,
      maxResults: eventsRead,
      includeExecutionData: true,
    });
    readEvents((await sfn.send(command)).events ?? [], states, details);
  };
  const listChildren = async (): Promise<ExecutionListItem[]> => {
    const { mapRuns = [] } = await sfn.send(new ListMapRunsCommand({ executionArn }));
    const mapRunArn = mapRuns[0]?.mapRunArn;
    if (mapRunArn === undefined) return [];
    return (await sfn.send(new ListExecutionsCommand({ mapRunArn, maxResults: childrenRead }))).executions ?? [];
  };
  await read(executionArn);
  for (const child of await listChildren()) if (child.executionArn !== undefined) await read(child.executionArn);
  return { states, details };
};
