import { basename } from 'node:path';
import { createReadApiKey } from '../../functions/lib/aws/api-key.ts';
import { createRunpodManagement } from '../../functions/lib/runpod/management.ts';
import { CommandError, exitCodes } from '../../stack/failure.ts';
import { connect, createRunpodAccount } from '../runpod.ts';
import { undo, type Workshop } from './changes.ts';
import type { Conversation } from './conversation.ts';
import { Journal, type JournalChange } from './journal.ts';

/** Says what undoing a change does, to stand after "This will". */
const announce = (change: JournalChange): string => {
  switch (change.kind) {
    case 'repository':
      return `delete ECR repository ${change.name}, if it is empty`;
    case 'api-key':
      return `${change.versionBefore === undefined ? 'delete' : 'put the earlier key back into'} ssm:${change.parameter}`;
    case 'credential':
      return `delete credential ${change.name} at Runpod, if nothing uses it`;
    case 'endpoint':
      return `select ${change.before === null ? 'no credential' : `credential ${change.before}`} for endpoint ${change.endpoint} again`;
    case 'targets':
      return change.before === undefined ? `delete ${change.path}` : `put the earlier ${change.path} back`;
  }
};

/**
 * Asks whether to undo what setup has changed.
 *
 * @returns what undoes it, newest first, leaving alone what somebody has changed since, and ends with the exit code
 * @throws {CommandError} it was changed elsewhere
 */
export const prepareUndo = async (path: string, conversation: Conversation): Promise<() => Promise<number>> => {
  const { context, options, caller, lastingCaller, identity, ask, terminal, print } = conversation;
  const { interrupted, folder } = context;
  const undone: string[] = [];
  const end = (): number => {
    if (options.json === true) terminal.print(JSON.stringify({ version: 1, undone }, undefined, 2));
    else if (undone.length === 0) print('There is nothing to undo.');
    return exitCodes.well;
  };

  const journal = Journal.read(path);
  if (journal === undefined) return async () => end();
  const { account, region, apiKey } = journal.place;
  if (account !== identity.account || region !== caller.region) {
    throw new CommandError(
      `${basename(path)} records changes in account ${account}, ${region}; this is ${identity.account}, ${caller.region}.`,
    );
  }
  const entries = journal.entries.toReversed();
  print('This will');
  for (const [index, { change }] of entries.entries()) print(`  ${index + 1}. ${announce(change)}`);
  if (!(await ask.confirm('Go on?'))) {
    print('Nothing was changed.');
    return async () => exitCodes.well;
  }

  return async () => {
    const { settings } = lastingCaller;
    const client = connect(settings, createReadApiKey(settings))(apiKey);
    const workshop: Workshop = {
      folder,
      caller: lastingCaller,
      account: createRunpodAccount(client, settings),
      management: createRunpodManagement(client, settings),
    };
    for (const { change } of entries) {
      if (interrupted.aborted) {
        print(`Stopped after ${undone.length} of ${entries.length}. Run it again to go on.`);
        return exitCodes.interrupted;
      }
      const done = await undo(change, workshop);
      journal.forget();
      undone.push(done);
      print(`✓ ${done}`);
    }
    return end();
  };
};
