import type { AwsConnection } from '../functions/lib/aws/client.ts';
import type { EngineClock } from '../runner/engine.ts';

/** A stream that a command writes to. */
export interface CommandOutput extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** The stream that a command reads. */
export interface CommandInput extends NodeJS.ReadableStream {
  readonly isTTY?: boolean;
  /** Where it is a terminal: whether each key is handed over as it is typed. */
  readonly setRawMode?: (isRaw: boolean) => unknown;
}

/** What a command runs in. A process has one; tests make their own. */
export interface CommandContext {
  readonly stdin: CommandInput;
  readonly stdout: CommandOutput;
  readonly stderr: CommandOutput;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What relative paths are relative to. */
  readonly folder: string;
  /** What of the connection to AWS is not left to the SDK, which finds it where the AWS command line does. */
  readonly aws: AwsConnection;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** What a refresh waits by, where that is not the clock on the wall. */
  readonly clock?: EngineClock;
  /** How it waits before it asks a registry again, in milliseconds, where that is not by the clock on the wall. */
  readonly pause?: (milliseconds: number) => Promise<unknown>;
  /** Ends when somebody presses Ctrl-C. */
  readonly interrupted: AbortSignal;
}

/** A context whose requests to AWS end with Ctrl-C. */
export const interruptible = (context: CommandContext): CommandContext => ({
  ...context,
  aws: { ...context.aws, signal: context.interrupted },
});

/** Options that every command has. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly color?: boolean;
}
