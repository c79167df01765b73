import type { EventLog } from './event-log.ts';
import type { OpenedRun } from './view.ts';

/** What went into a state and came out of it, as Step Functions has it: a token is sealed there. */
export interface StateDetail {
  readonly input?: unknown;
  readonly output?: unknown;
}

/** A run with its states' inputs and outputs. */
export interface RunRecord {
  readonly opened: OpenedRun;
  readonly details: ReadonlyMap<string, StateDetail>;
}

/** What the console shows: an embedded world, or an account. */
export interface Source {
  readonly eventLog: EventLog;
  /** A run of the span that is shown; `undefined` where it is not on record. */
  run(name: string): Promise<RunRecord | undefined>;
  /** Turns a switch; a source without switches knows none. @returns whether it is known */
  turn(name: string, value: string): boolean;
  end(): Promise<void>;
}
