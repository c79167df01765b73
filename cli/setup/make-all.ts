import { createRunpodManagement } from '../../functions/lib/runpod/management.ts';
import { describeFailure, exitCodes } from '../../stack/failure.ts';
import { placeOptions } from '../../stack/stack.ts';
import { connect, createRunpodAccount } from '../runpod.ts';
import { wrap } from '../terminal.ts';
import { make, type Secrets, type Workshop } from './changes.ts';
import type { Conversation } from './conversation.ts';
import type { Journal } from './journal.ts';
import type { PlannedChange } from './plan.ts';
import type { WantedTarget } from './wanted.ts';

/** The changes that were agreed on, and what they are made with. */
interface Agreement {
  readonly planned: readonly PlannedChange[];
  /** Where the API key is. */
  readonly source: string;
  readonly workshop: Workshop;
  readonly secrets: Secrets;
  readonly journal: Journal;
}

/**
 * Acknowledges Ctrl-C at once while something is changed that is not cut off.
 *
 * @returns what ends that
 */
export const acknowledgeInterruption = (
  { context: { interrupted }, terminal }: Pick<Conversation, 'context' | 'terminal'>,
  what: string,
): (() => void) => {
  const tell = (): void =>
    terminal.printError(
      wrap(`Stopping once this is finished: ${what}. Ctrl-C again ends at once.`, terminal.columns(), '  '),
    );
  interrupted.addEventListener('abort', tell);
  return () => interrupted.removeEventListener('abort', tell);
};

/** Makes the changes, noting each before and after, until Ctrl-C is pressed or one fails. @returns the exit code */
export const makeAll = async (
  { planned, source, workshop, secrets, journal }: Agreement,
  conversation: Conversation,
): Promise<number> => {
  const { print, terminal, caller, context } = conversation;
  const { interrupted } = context;
  const created = new Map<WantedTarget, string>();
  const stopped = (count: number): string =>
    `Stopped after ${count} of ${planned.length} changes. Run it again to go on, or undo them: npm run setup -- --undo ${placeOptions(caller)}`;
  for (const [index, { summary, target, change }] of planned.entries()) {
    if (interrupted.aborted) {
      terminal.printError(stopped(index));
      return exitCodes.interrupted;
    }
    const begun = journal.withKey(
      change((each) => created.get(each) ?? each.credential),
      source,
    );
    const finished = acknowledgeInterruption(conversation, summary);
    try {
      const note = journal.begin(begun);
      const made = await terminal.during(summary, make(begun, workshop, secrets));
      note(made);
      if (made.kind === 'credential' && made.id !== undefined && target !== undefined) created.set(target, made.id);
    } catch (error) {
      terminal.printError(`Could not ${summary}: ${describeFailure(error)}\n${stopped(index)}`);
      return exitCodes.trouble;
    } finally {
      finished();
    }
    print(wrap(`${terminal.paint('green', '✓')} Done: ${summary}.`, terminal.columns(), '  '));
  }
  return exitCodes.well;
};

/** What changes are made with, although Ctrl-C was pressed meanwhile. */
export const lastingWorkshop = (
  key: string,
  source: string,
  { lastingCaller: caller, context: { folder } }: Conversation,
): Workshop => {
  const client = connect(caller.settings, async () => key)(source);
  const account = createRunpodAccount(client, caller.settings);
  return { folder, caller, account, management: createRunpodManagement(client, caller.settings) };
};
