import type { EngineEvent, EngineRun } from '../../runner/engine.ts';
import type { WorldClock } from '../clock.ts';
import type { AccessRefusal } from '../iam/iam.ts';
import { AwsError, type AwsService } from './server.ts';

/** An execution, running or ended. */
export interface Execution {
  readonly arn: string;
  readonly name: string;
  readonly input: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  status: 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';
  endedAt?: number;
  output?: string;
  error?: string;
  cause?: string;
  readonly events: EngineEvent[];
  /** Settles when the execution has ended, however it did. */
  readonly ended: Promise<void>;
  readonly abort: () => void;
}

/** A Distributed Map, and the states within it, whose events are in executions of their own. */
interface Children {
  readonly map: string;
  readonly states: ReadonlySet<string>;
}

/** What the machine's own role is asked, beside what its tasks call: AWS's refusal, or nothing. */
interface MachineRole {
  /** As an execution begins: to be assumed, the machine's key, and its logs. */
  readonly run: (executionArn: string) => AccessRefusal | undefined;
  /** As it comes to the Distributed Map: to start and to follow its children. */
  readonly runChildren: (childArn: string) => AccessRefusal | undefined;
}

const namePattern = /^[0-9A-Za-z_-]{1,80}$/;

/** One state machine of Step Functions. */
export class StepFunctions {
  readonly machineArn: string;
  readonly executions = new Map<string, Execution>();
  readonly #children: Children;
  readonly #clock: WorldClock;
  readonly #role: MachineRole;
  readonly #run: (input: unknown, execution: { id: string; name: string }) => EngineRun;
  /** Called with everything that happens in any execution. */
  onEvent: (execution: Execution, event: EngineEvent) => void = () => {};

  constructor(
    clock: WorldClock,
    machineArn: string,
    children: Children,
    role: MachineRole,
    run: (input: unknown, execution: { id: string; name: string }) => EngineRun,
  ) {
    this.#children = children;
    this.#clock = clock;
    this.#role = role;
    this.machineArn = machineArn;
    this.#run = run;
  }

  /** Starts an execution as StartExecution does, with its two meanings of a name that is taken. */
  start(name: string, input: string): Execution {
    if (!namePattern.test(name)) throw new AwsError('InvalidName', `Invalid Name: '${name}'`);
    const arn = `${this.machineArn.replace(':stateMachine:', ':execution:').split(':').slice(0, 7).join(':')}:${name}`;
    const before = this.executions.get(arn);
    if (before !== undefined) {
      if (before.status === 'RUNNING' && before.input === input) return before;
      throw new AwsError('ExecutionAlreadyExists', `Execution Already Exists: '${arn}'`);
    }
    const run = this.#run(JSON.parse(input), { id: arn, name });
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const execution: Execution = {
      arn,
      name,
      input,
      startedAt: this.#clock.now(),
      status: 'RUNNING',
      events: [],
      ended,
      abort: run.abort,
    };
    this.executions.set(arn, execution);
    const refusal = this.#role.run(arn);
    if (refusal !== undefined) this.#refuse(execution, refusal);
    void this.#follow(execution, run).then(resolve);
    return execution;
  }

  /** AWS ends an execution whose role it is refused with an error that no state catches. */
  #refuse(execution: Execution, { code, message }: AccessRefusal): void {
    execution.error = code;
    execution.cause = message;
    execution.abort();
  }

  async #follow(execution: Execution, run: EngineRun): Promise<void> {
    const listening = (async () => {
      for await (const event of run.events) {
        execution.events.push(event);
        if (event.type === 'StateEntered' && event.state.name === this.#children.map) {
          const refusal = this.#role.runChildren(this.#childOf(execution.arn));
          if (refusal !== undefined) this.#refuse(execution, refusal);
        }
        this.onEvent(execution, event);
      }
    })();
    try {
      execution.output = JSON.stringify(await run.result);
      execution.status = 'SUCCEEDED';
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      const failed = execution.events.findLast((event) => event.type === 'ExecutionFailed');
      const wasRefused = execution.error !== undefined;
      execution.status = wasRefused
        ? 'FAILED'
        : name === 'ExecutionTimeoutError'
          ? 'TIMED_OUT'
          : name === 'ExecutionAbortedError'
            ? 'ABORTED'
            : 'FAILED';
      const thrown = error instanceof Error && error.cause instanceof Error ? error.cause : undefined;
      execution.error ??= thrown?.name ?? failed?.Error ?? name;
      execution.cause ??= thrown?.message ?? message;
    }
    execution.endedAt = this.#clock.now();
    await listening;
  }

  #childOf(parent: string): string {
    return parent.replace(/:([^:]+)$/, `/${this.#children.map}:$1`);
  }

  #parentOf(child: string): string {
    return child.replace(`/${this.#children.map}:`, ':');
  }

  #find(executionArn: unknown): Execution {
    const execution = this.executions.get(String(executionArn));
    if (execution === undefined) {
      throw new AwsError('ExecutionDoesNotExist', `Execution Does Not Exist: '${String(executionArn)}'`);
    }
    return execution;
  }

  readonly #newestFirst = (): Execution[] => [...this.executions.values()].reverse();

  readonly service: AwsService = {
    json: {
      'AWSStepFunctions.StartExecution': ({ name, input, stateMachineArn }) => {
        if (!String(stateMachineArn).startsWith(this.machineArn)) {
          throw new AwsError('StateMachineDoesNotExist', `State Machine Does Not Exist: '${String(stateMachineArn)}'`);
        }
        const { arn, startedAt } = this.start(String(name), String(input ?? '{}'));
        return { executionArn: arn, startDate: startedAt / 1000 };
      },
      'AWSStepFunctions.DescribeExecution': ({ executionArn }) => {
        const { arn, name, status, startedAt, endedAt, input, output, error, cause } = this.#find(executionArn);
        return {
          executionArn: arn,
          stateMachineArn: this.machineArn,
          name,
          status,
          startDate: startedAt / 1000,
          ...(endedAt === undefined ? {} : { stopDate: endedAt / 1000 }),
          input,
          output,
          error,
          cause,
        };
      },
      // The engine runs a Distributed Map inline: all that happens in it is in one child's history.
      'AWSStepFunctions.ListMapRuns': ({ executionArn }) => {
        const { arn, startedAt } = this.#find(executionArn);
        const mapRunArn = this.#childOf(arn).replace(':execution:', ':mapRun:');
        return {
          mapRuns: [{ executionArn: arn, mapRunArn, stateMachineArn: this.machineArn, startDate: startedAt / 1000 }],
        };
      },
      'AWSStepFunctions.ListExecutions': ({ maxResults = 100, statusFilter, stateMachineArn, mapRunArn }) => {
        if (typeof mapRunArn === 'string') {
          const child = mapRunArn.replace(':mapRun:', ':execution:');
          const { name, status, startedAt } = this.#find(this.#parentOf(child));
          return { executions: [{ executionArn: child, mapRunArn, name, status, startDate: startedAt / 1000 }] };
        }
        if (stateMachineArn !== this.machineArn) {
          throw new AwsError('StateMachineDoesNotExist', `State Machine Does Not Exist: '${String(stateMachineArn)}'`);
        }
        return {
          executions: this.#newestFirst()
            .filter(({ status }) => statusFilter === undefined || status === statusFilter)
            .slice(0, Number(maxResults))
            .map(({ arn, name, status, startedAt, endedAt }) => ({
              executionArn: arn,
              stateMachineArn: this.machineArn,
              name,
              status,
              startDate: startedAt / 1000,
              ...(endedAt === undefined ? {} : { stopDate: endedAt / 1000 }),
            })),
        };
      },
      'AWSStepFunctions.GetExecutionHistory': ({ executionArn, reverseOrder = false, maxResults = 100 }) => {
        const arn = String(executionArn);
        const isChild = arn.includes(`/${this.#children.map}:`);
        const shown = this.#find(isChild ? this.#parentOf(arn) : arn)
          .events.filter(
            (event) => event.type === 'StateEntered' || event.type === 'StateExited' || event.type === 'StateFailed',
          )
          .filter(({ type, state }) => type !== 'StateFailed' || state.type === 'Task')
          .filter(({ state }) => this.#children.states.has(state.name) === isChild)
          .map((event, index) => {
            const { name, type, input } = event.state;
            const common = { id: index + 1, previousEventId: index, timestamp: event.timestamp / 1000 };
            if (event.type === 'StateFailed')
              return {
                ...common,
                type: 'TaskFailed',
                taskFailedEventDetails: { error: event.Error, cause: event.Cause },
              };
            return {
              ...common,
              type: `${type}${event.type}`,
              ...(event.type === 'StateEntered'
                ? { stateEnteredEventDetails: { name, input: JSON.stringify(input) } }
                : { stateExitedEventDetails: { name, output: JSON.stringify(event.state.output) } }),
            };
          });
        return { events: (reverseOrder === true ? shown.reverse() : shown).slice(0, Number(maxResults)) };
      },
    },
  };
}

/** The machine that an ARN is of: its own, an alias's, or that of an execution or of a Map's run. */
const isOf = (arn: string, { machineArn }: StepFunctions): boolean => {
  const name = machineArn.split(':')[6];
  const [, , , , , kind, machine = ''] = arn.split(':');
  return kind !== undefined && machine.split('/')[0] === name;
};

/** Step Functions with several state machines. */
export const serviceOf = (machines: readonly [StepFunctions, ...StepFunctions[]]): AwsService => ({
  json: Object.fromEntries(
    Object.keys(machines[0].service.json ?? {}).map((operation) => [
      operation,
      (input, caller) => {
        const arn = String(input.executionArn ?? input.mapRunArn ?? input.stateMachineArn);
        const machine = machines.find((each) => isOf(arn, each)) ?? machines[0];
        return machine.service.json?.[operation]?.(input, caller) ?? {};
      },
    ]),
  ),
});
