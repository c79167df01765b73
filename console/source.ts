import type { EventLog } from './event-log.ts';

/** What went into a state and came out of it, as Step Functions has it: a token is sealed there. */
export interface StateDetail {
  readonly input?: unknown;
  readonly output?: unknown;
}

/** What the console shows: an embedded world, or an account. */
export interface Source {
  readonly eventLog: EventLog;
  /** What is known of a state in the run that is shown. */
  detail(state: string): StateDetail | undefined;
  /** Turns a switch; a source without switches knows none. @returns whether it is known */
  turn(name: string, value: string): boolean;
  end(): Promise<void>;
}
