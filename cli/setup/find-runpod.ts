import type { RunpodClient } from '../../functions/lib/runpod/client.ts';
import { createRunpodManagement, type Endpoint, type RunpodManagement } from '../../functions/lib/runpod/management.ts';
import { CommandError } from '../../stack/failure.ts';
import { connect, createRunpodAccount, type RunpodAccount, type RunpodCredential } from '../runpod.ts';
import { findOpenApi, noApi } from '../update-apis.ts';
import { type Conversation, newCredential } from './conversation.ts';
import { findKey } from './key.ts';

/** Runpod, as the key shows it. */
export interface FoundRunpod {
  readonly key: string;
  readonly isStored: boolean;
  readonly client: RunpodClient;
  readonly management: RunpodManagement;
  readonly account: RunpodAccount;
  readonly endpoints: readonly Endpoint[];
  readonly credentials: readonly RunpodCredential[];
}

/** Finds a key that Runpod takes, and what there is at Runpod. */
export const findRunpod = async (source: string, conversation: Conversation): Promise<FoundRunpod> => {
  const { settings } = conversation.caller;
  const clientOf = (key: string) => connect(settings, async () => key, conversation.context.interrupted)(source);
  let [endpoints, credentials]: [readonly Endpoint[], readonly RunpodCredential[]] = [[], []];
  const check = async (key: string): Promise<void> => {
    const client = clientOf(key);
    [endpoints, credentials] = await conversation.terminal.during(
      'asking Runpod for its endpoints and registry credentials',
      Promise.all([
        createRunpodManagement(client, settings).listEndpoints(),
        createRunpodAccount(client, settings).listCredentials(),
      ]),
    );
  };
  const { key, isStored } = await findKey(source, check, conversation);
  const client = clientOf(key);
  const management = createRunpodManagement(client, settings);
  return { key, isStored, client, management, account: createRunpodAccount(client, settings), endpoints, credentials };
};

/** @throws {RunpodUnauthorizedError | CommandError} the key may not create, or update, the credential */
export const requireUpdates = async (
  credential: string,
  { client, management, account }: FoundRunpod,
  { caller, terminal, print }: Conversation,
): Promise<void> => {
  if (credential === newCredential) {
    return terminal.during('asking Runpod whether the key may create credentials', account.requireCreation());
  }
  const find = async () => {
    await management.requireCredential(credential);
    return findOpenApi(client, caller.settings, credential);
  };
  const { api } = await terminal.during(`asking Runpod whether the key may update credential ${credential}`, find());
  if (api === undefined) throw new CommandError(noApi(credential));
  print(`${terminal.paint('green', '✓')} The key may update credential ${credential}, by ${api}.`);
};
