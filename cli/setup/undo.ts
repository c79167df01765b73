import { createReadApiKey } from '../../functions/lib/aws/api-key.ts';
import { createRunpodManagement } from '../../functions/lib/runpod/management.ts';
import type { Caller, Identity } from '../../stack/caller.ts';
import { CommandError, exitCodes } from '../../stack/failure.ts';
import { connect, createRunpodAccount } from '../runpod.ts';
import type { Ask } from './ask.ts';
import { undo } from './changes.ts';
import { type Change, Journal } from './journal.ts';

/** Says what undoing a change does, to stand after "This will". */
const announce = (change: Change): string => {
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

/** Undoes what setup has changed, newest first; what somebody has changed since is left alone. @returns the exit code */
export const undoSetup = async ({
  caller,
  identity,
  ask,
  say,
  path,
  isJson,
  interrupted,
}: {
  readonly caller: Caller;
  readonly identity: Identity;
  readonly ask: Ask;
  readonly say: (line: string) => void;
  readonly path: string;
  readonly isJson: boolean;
  readonly interrupted: AbortSignal;
}): Promise<number> => {
  const journal = Journal.read(path);
  const undone: string[] = [];
  if (journal !== undefined) {
    const { account, region, apiKey } = journal.place;
    if (account !== identity.account || region !== caller.region) {
      throw new CommandError(
        `${path} records changes in account ${account}, ${region}; this is ${identity.account}, ${caller.region}.`,
      );
    }
    const entries = journal.entries.toReversed();
    say('This will');
    for (const [index, { change }] of entries.entries()) say(`  ${index + 1}. ${announce(change)}`);
    if (!(await ask.confirm('Go on?'))) {
      say('Nothing was changed.');
      return exitCodes.well;
    }
    const client = connect(caller.settings, createReadApiKey(caller.settings))(apiKey);
    const workshop = {
      caller,
      account: createRunpodAccount(client, caller.settings),
      management: createRunpodManagement(client, caller.settings),
    };
    for (const { change } of entries) {
      if (interrupted.aborted) {
        say(`Stopped after ${undone.length} of ${entries.length}. Run it again to go on.`);
        return exitCodes.interrupted;
      }
      const done = await undo(change, workshop);
      journal.forget();
      undone.push(done);
      say(`✓ ${done}`);
    }
  }
  if (isJson) process.stdout.write(`${JSON.stringify({ version: 1, undone }, undefined, 2)}\n`);
  else if (undone.length === 0) say('There is nothing to undo.');
  return exitCodes.well;
};
