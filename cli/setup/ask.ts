import { checkbox, confirm, input, password, select } from '@inquirer/prompts';
import { defined } from '../../functions/lib/defined.ts';
import { CommandError, UsageError } from '../../stack/failure.ts';
import type { Terminal } from '../terminal.ts';

/** One of several answers. */
interface Choice<Value> {
  readonly value: Value;
  readonly name: string;
  /** What stands for it once it was chosen, where that is not the name. */
  readonly short?: string;
}

/** Asks a person, or takes what is usual where there is nobody to ask. */
export interface Ask {
  /** @param option the option that answers it, for where nobody can be asked */
  choose<Value>(message: string, choices: ReadonlyArray<Choice<Value>>, usual: Value): Promise<Value>;
  /** Any number of several. */
  pick<Value>(message: string, choices: ReadonlyArray<Choice<Value>>, usual: readonly Value[]): Promise<Value[]>;
  /** @param usual what Enter answers: No to what changes endpoints, or undoes */
  confirm(message: string, usual?: boolean): Promise<boolean>;
  text(message: string, option: string, isValid: (text: string) => boolean | string, usual?: string): Promise<string>;
  /** Something that is not shown as it is typed. */
  secret(message: string, option: string, isValid: (text: string) => boolean | string): Promise<string>;
}

/** Ctrl-C was pressed at a question, or just before it. */
export const isInterruption = (error: unknown): boolean =>
  error instanceof Error && /^(?:ExitPromptError|AbortPromptError|AbortError)$/.test(error.name);

/** Shows a question with nothing typed ahead of it. */
const askPerson = (terminal: Terminal, signal: AbortSignal): Ask => {
  const prompt = async () => {
    await terminal.discardTyped(signal);
    return { ...terminal.prompt(), signal };
  };
  return {
    choose: async (message, choices, usual) =>
      select({ message, choices: [...choices], default: usual, pageSize: 12 }, await prompt()),
    pick: async (message, choices, usual) =>
      checkbox(
        { message, choices: choices.map((each) => ({ ...each, checked: usual.includes(each.value) })), pageSize: 12 },
        await prompt(),
      ),
    confirm: async (message, usual = true) => confirm({ message, default: usual }, await prompt()),
    text: async (message, _option, validate, usual) =>
      input({ message, validate, ...defined({ default: usual }) }, await prompt()),
    secret: async (message, _option, validate) => password({ message, validate, mask: false }, await prompt()),
  };
};

const askNobody: Ask = {
  choose: async (_message, _choices, usual) => usual,
  pick: async (_message, _choices, usual) => [...usual],
  confirm: async () => true,
  text: async (message, option, _isValid, usual) => {
    if (usual !== undefined) return usual;
    throw new UsageError(`${option}: expected an answer to "${message}", and nobody can be asked here.`);
  },
  secret: async (_message, options) => {
    throw new CommandError(
      `There is no Runpod API key that works. Pipe one in: npm run setup -- ${options} < key-file`,
    );
  },
};

/**
 * @param isAgreed whether --yes was given
 * @throws {UsageError} there is nobody to ask, and --yes was not given
 */
export const createAsk = (terminal: Terminal, isAgreed: boolean, signal: AbortSignal): Ask => {
  if (isAgreed) return askNobody;
  if (terminal.isInteractive) return askPerson(terminal, signal);
  throw new UsageError(
    '--yes: nobody can be asked here; add it to take what is usual, and see npm run setup -- --help.',
  );
};
