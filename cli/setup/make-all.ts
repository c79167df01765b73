import { createRunpodManagement } from '../../functions/lib/runpod/management.ts';
import { describeFailure, exitCodes } from '../../stack/failure.ts';
import { placeOptions } from '../../stack/stack.ts';
import { connect, createRunpodAccount } from '../runpod.ts';
import { wrap } from '../terminal.ts';
import { make, type Secrets, type Workshop } from './changes.ts';
import type { Conversation } from './conversation.ts';
import type { Journal } from './journal.ts';
import type { PlannedChange } from './plan.ts';

/** The changes that were agreed on, and what they are made with. */
interface Agreement {
  readonly planned: readonly PlannedChange[];
  /** The credential's id, or that a new one is to be created. */
  readonly credential: string;
  readonly workshop: Workshop;
  readonly secrets: Secrets;
  readonly journal: Journal;
}

/**
 * Makes the changes, noting each before and after, until one fails or Ctrl-C is pressed: then it says what was made.
 *
 * @returns the exit code
 */
export const makeAll = async (
  { planned, credential: chosen, workshop, secrets, journal }: Agreement,
  { caller, print, terminal, context: { interrupted } }: Conversation,
): Promise<number> => {
  const stop = (count: number, exitCode: number): number => {
    terminal.printError(
      `Stopped after ${count} of ${planned.length} changes. Run it again to go on, or undo them: npm run setup -- --undo ${placeOptions(caller)}`,
    );
    return exitCode;
  };
  let credential = chosen;
  for (const [index, { summary, change }] of planned.entries()) {
    if (interrupted.aborted) return stop(index, exitCodes.interrupted);
    const begun = change(credential);
    const note = journal.begin(begun);
    try {
      const made = await terminal.during(summary, make(begun, workshop, secrets));
      note(made);
      if (made.kind === 'credential') credential = made.id ?? credential;
    } catch (error) {
      terminal.printError(describeFailure(error));
      return stop(index, exitCodes.trouble);
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
