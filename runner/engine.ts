import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { compileFunction } from 'node:vm';
import type { StateMachine, StateMachineDefinition } from 'aws-local-stepfunctions';
import { type Definition, statesOf } from './definition.ts';
import { engineFile } from './engine-file.ts';

type Engine = { readonly StateMachine: typeof StateMachine };
/** Something that happened in an execution: a state entered, retried, caught, left. */
export type EngineEvent =
  ReturnType<StateMachine['run']>['eventLogs'] extends AsyncGenerator<infer Event> ? Event : never;

/** What the engine tells time and waits by. */
export interface EngineClock {
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly setTimeout: (run: () => void, milliseconds?: number) => number;
  readonly clearTimeout: (timer: number | undefined) => void;
  /** Does work, during which a clock may choose to stand still. */
  readonly work: <Result>(job: () => Promise<Result>) => Promise<Result>;
}

/** The clock on the wall. */
export const wallClock: EngineClock = {
  now: Date.now,
  setTimeout: (run, milliseconds = 0) => Number(setTimeout(run, Math.max(0, milliseconds))),
  clearTimeout: (timer) => clearTimeout(timer),
  work: (job) => job(),
};

const engineScope = ['require', 'module', 'exports', 'setTimeout', 'clearTimeout', 'Date'];
const evaluateEngine = compileFunction(readFileSync(engineFile, 'utf8'), engineScope, { filename: engineFile });

/**
 * Loads aws-local-stepfunctions so that its waits and time-outs go by a clock of our choice. The engine knows no clock but
 * the global one, so its published file is evaluated with other timers in scope; nothing of it is changed.
 */
const loadEngine = (clock: EngineClock): Engine => {
  class EngineDate extends Date {
    constructor(...args: [] | [number | string | Date]) {
      if (args.length === 0) super(clock.now());
      else super(args[0]);
    }
    static override now(): number {
      return clock.now();
    }
  }
  const module = { exports: {} };
  evaluateEngine(createRequire(engineFile), module, module.exports, clock.setTimeout, clock.clearTimeout, EngineDate);
  return module.exports as Engine;
};

/** An error as the machine matches it, with the Cause that its history has. */
export class StateError extends Error {
  readonly isRetryable: boolean;
  readonly isCatchable: boolean;

  constructor(name: string, cause: string, isCatchable = true) {
    super(cause);
    this.name = name;
    this.isRetryable = isCatchable;
    this.isCatchable = isCatchable;
  }
}

/** A payload may have this many bytes anywhere in an execution. */
export const maxPayloadBytes = 256 * 1024;

const checkPayload = (value: unknown): void => {
  if (Buffer.byteLength(JSON.stringify(value) ?? '') > maxPayloadBytes) {
    throw new StateError(
      'States.DataLimitExceeded',
      'The state/task returned a result with a size exceeding the limit.',
      false,
    );
  }
};

/** Calls what a Task's Resource names. What it throws reaches the machine as Lambda or a service would report it. */
type CallResource = (resource: string, payload: unknown) => Promise<unknown>;

/** An execution that runs. */
export interface EngineRun {
  readonly result: Promise<unknown>;
  readonly events: AsyncIterable<EngineEvent>;
  abort(): void;
}

/** Lambda reports an error by name and message, and Step Functions hands that on as Error and Cause. */
const asLambdaReports = (error: unknown): StateError => {
  if (error instanceof StateError) return error;
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  const trace = (stack ?? '').split('\n').slice(0, 5);
  return new StateError(name, JSON.stringify({ errorType: name, errorMessage: message, trace }));
};

/** Definitions that were found valid: to validate one takes the engine longer than to run it. */
const validated = new Set<string>();

/** Makes a runner of a state machine's definition, the very one that ships, with its placeholders filled in. */
export const createEngine = (clock: EngineClock, definition: Definition, callResource: CallResource) => {
  const engine = loadEngine(clock);
  const asText = JSON.stringify(definition);
  const machine = new engine.StateMachine(definition as StateMachineDefinition, {
    validationOptions: { checkArn: false, noValidate: validated.has(asText) },
  });
  validated.add(asText);
  const tasks = [...statesOf(definition)].flatMap(({ name, state: { Resource } }) =>
    Resource === undefined ? [] : [[name, Resource] as const],
  );

  return (input: unknown, execution: { readonly id: string; readonly name: string }): EngineRun => {
    const overrides = Object.fromEntries(
      tasks.map(([state, resource]) => [
        state,
        (payload: unknown) =>
          clock.work(async () => {
            try {
              checkPayload(payload);
              const answer = await callResource(resource, JSON.parse(JSON.stringify(payload)));
              const result: unknown = JSON.parse(JSON.stringify(answer ?? null));
              checkPayload(result);
              return result;
            } catch (error) {
              throw asLambdaReports(error);
            }
          }),
      ]),
    );
    const run = machine.run(input as never, {
      overrides: { taskResourceLocalHandlers: overrides as never },
      context: {
        Execution: { Id: execution.id, Name: execution.name, StartTime: new Date(clock.now()).toISOString() },
      },
    });
    return { result: run.result, events: run.eventLogs, abort: run.abort };
  };
};
