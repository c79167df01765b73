import type { Caller, CallerOptions, Identity } from '../../stack/caller.ts';
import type { CommandContext, CommonOptions } from '../context.ts';
import type { Terminal } from '../terminal.ts';
import type { Ask } from './ask.ts';

export interface SetupOptions extends CallerOptions, CommonOptions {
  readonly yes?: boolean;
  readonly undo?: boolean;
  /** Whether to undo although a stack that is deployed lives on it. */
  readonly evenDeployed?: boolean;
  readonly delegate?: boolean;
  readonly canaryPod?: boolean;
  readonly keyStdin?: boolean;
  readonly rotateKey?: boolean;
  readonly kmsKey?: string;
  readonly name?: string;
  /** The same as `name`, as other commands call it. */
  readonly target?: string;
  readonly credential?: readonly string[];
  readonly imageRegistry?: string;
  readonly roleArn?: string;
  readonly externalId?: string;
  readonly repository?: string;
  readonly endpoint?: readonly string[];
}

/** What a conversation goes by. */
export interface Conversation {
  readonly options: SetupOptions;
  readonly context: CommandContext;
  readonly caller: Caller;
  /** The same for what must not stop halfway: its requests go on although Ctrl-C was pressed. */
  readonly lastingCaller: Caller;
  readonly identity: Identity;
  readonly ask: Ask;
  readonly terminal: Terminal;
  /** Prints a line for a person; nothing where machines listen. */
  readonly print: (line: string) => void;
}

/** What stands for a credential that is yet to be created. */
export const newCredential = 'new';

/** A registry is not set up now. The message says why, to stand after what is left unprotected. */
export class LeftOutError extends Error {
  override readonly name = 'LeftOutError';
}
