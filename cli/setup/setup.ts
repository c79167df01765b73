import { resolve } from 'node:path';
import { isSameRegistry } from '../../functions/lib/ecr/host.ts';
import { createMintToken } from '../../functions/lib/ecr/mint-token.ts';
import type { RunpodClient } from '../../functions/lib/runpod/client.ts';
import { createRunpodManagement, type Endpoint, type RunpodManagement } from '../../functions/lib/runpod/management.ts';
import { readCaller, readIdentity } from '../../stack/caller.ts';
import { CommandError, exitCodes, UsageError } from '../../stack/failure.ts';
import { type CommandContext, interruptible } from '../context.ts';
import { connect, createRunpodAccount, type RunpodAccount, type RunpodCredential } from '../runpod.ts';
import { plain, type Terminal, wrap } from '../terminal.ts';
import { findOpenApi, noWay } from '../update-apis.ts';
import { createAsk, isInterruption } from './ask.ts';
import { make, type Secrets, versionOf, type Workshop } from './changes.ts';
import { chooseCredential, chooseEcr, chooseEndpoints, chooseRepository, chooseTarget } from './choices.ts';
import { type Conversation, newCredential, type SetupOptions } from './conversation.ts';
import { prepareDelegate } from './delegate.ts';
import { ecrEndpointsOf, nameOf } from './endpoints.ts';
import { Journal } from './journal.ts';
import { findKey } from './key.ts';
import { nextSteps, type PlannedChange, planChanges, type Wanted } from './plan.ts';
import { readTargetsFile } from './targets-file.ts';
import { tryToken } from './try-token.ts';
import { prepareUndo } from './undo.ts';

/** Where setup keeps what it has changed. */
const journalName = '.setup.json';

/** Runpod, as the key shows it. */
interface FoundRunpod {
  readonly key: string;
  readonly isStored: boolean;
  readonly client: RunpodClient;
  readonly management: RunpodManagement;
  readonly account: RunpodAccount;
  readonly endpoints: readonly Endpoint[];
  readonly credentials: readonly RunpodCredential[];
}

/** Finds a key that Runpod takes, and what there is at Runpod. */
const findRunpod = async (source: string, conversation: Conversation): Promise<FoundRunpod> => {
  const { settings } = conversation.caller;
  const clientOf = (key: string) => connect(settings, async () => key, conversation.context.interrupted)(source);
  let [endpoints, credentials]: [readonly Endpoint[], readonly RunpodCredential[]] = [[], []];
  const check = async (key: string): Promise<void> => {
    const client = clientOf(key);
    [endpoints, credentials] = await Promise.all([
      createRunpodManagement(client, settings).listEndpoints(),
      createRunpodAccount(client, settings).listCredentials(),
    ]);
  };
  const { key, isStored } = await findKey(source, check, conversation);
  const client = clientOf(key);
  const management = createRunpodManagement(client, settings);
  return { key, isStored, client, management, account: createRunpodAccount(client, settings), endpoints, credentials };
};

/** @throws {RunpodUnauthorizedError | CommandError} the key may not create, or update, the credential */
const requireUpdates = async (
  credential: string,
  { client, management, account }: FoundRunpod,
  { caller, terminal, print }: Conversation,
): Promise<void> => {
  if (credential === newCredential) return account.requireCreation();
  await management.requireCredential(credential);
  const { way } = await findOpenApi(client, caller.settings, credential);
  if (way === undefined) throw new CommandError(noWay(credential));
  print(`${terminal.paint('green', '✓')} The key may update credential ${credential}, by ${way}.`);
};

/** A key that is yet to be stored; `undefined` where the stored one is good. */
const planKey = async (source: string, isStored: boolean, { caller }: Conversation): Promise<Wanted['newKey']> => {
  if (isStored) return undefined;
  if (source.startsWith('ssm:')) return { versionBefore: await versionOf(caller, source.slice('ssm:'.length)) };
  throw new CommandError(
    `${source}, where targets.yml says the key is, holds another one. Store the key there yourself: setup writes to Parameter Store only.`,
  );
};

/** The changes that were agreed on, and what they are made with. */
interface Agreement {
  readonly planned: readonly PlannedChange[];
  /** The credential's id, or that a new one is to be created. */
  readonly credential: string;
  readonly workshop: Workshop;
  readonly secrets: Secrets;
  readonly journal: Journal;
}

/** Makes the changes, noting each before and after, until Ctrl-C is pressed. @returns how many were made */
const makeAll = async (
  { planned, credential: chosen, workshop, secrets, journal }: Agreement,
  { print, terminal, context: { interrupted } }: Conversation,
): Promise<number> => {
  let credential = chosen;
  for (const [index, { summary, change }] of planned.entries()) {
    if (interrupted.aborted) return index;
    const begun = change(credential);
    const note = journal.begin(begun);
    const made = await make(begun, workshop, secrets);
    note(made);
    if (made.kind === 'credential') credential = made.id ?? credential;
    print(`${terminal.paint('green', '✓')} Done: ${summary}.`);
  }
  return planned.length;
};

/** What changes are made with, although Ctrl-C was pressed meanwhile. */
const lastingWorkshop = (
  key: string,
  source: string,
  { lastingCaller: caller, context: { folder } }: Conversation,
): Workshop => {
  const client = connect(caller.settings, async () => key)(source);
  const account = createRunpodAccount(client, caller.settings);
  return { folder, caller, account, management: createRunpodManagement(client, caller.settings) };
};

/**
 * Finds out what there is and what is wanted, and asks whether to go on.
 *
 * @returns what makes the changes, and ends with the exit code
 */
const prepareSetup = async (journalPath: string, conversation: Conversation): Promise<() => Promise<number>> => {
  const { options, caller, context, identity, ask, terminal, print } = conversation;
  const printWrapped = (line: string, indent: string): void => print(wrap(line, terminal.columns(), indent));
  const printList = (lines: readonly string[]): void => {
    for (const [index, line] of lines.entries()) {
      print(`  ${index + 1}. ${wrap(line, terminal.columns(), '     ')}`);
    }
  };
  const { TARGETS_FILE: path } = caller.settings;
  printWrapped(`AWS: you are ${identity.arn}, in account ${identity.account}, ${caller.region}.`, '  ');

  const { content, targets } = readTargetsFile(path, context.folder);
  const { name, existing } = await chooseTarget(targets, conversation);
  const source = existing?.runpod.apiKey ?? `ssm:/runpod-ecr-refresh/${name}/api-key`;
  const runpod = await findRunpod(source, conversation);
  const { endpoints, credentials } = runpod;
  const pulling = ecrEndpointsOf(endpoints);
  print(
    `Runpod: ${endpoints.length} endpoints, of which ${pulling.length} pull from ECR; ${credentials.length} registry credentials.`,
  );
  for (const each of pulling) {
    const how = each.registry === null ? 'no credential' : `credential ${each.registry}`;
    print(`  ${plain(`${nameOf(each)} pulls ${each.image} with ${how}`)}`);
  }

  const ecr = existing?.ecr ?? (await chooseEcr(pulling, conversation));
  const token = await createMintToken(caller.settings, Date.now)(ecr);
  const ours = pulling.filter(({ host }) => isSameRegistry(host, token.registry));
  const journal = Journal.open(journalPath, { account: identity.account, region: caller.region, apiKey: source });
  const begun = journal.createdAmong(credentials);
  const credential =
    existing?.runpod.registry ?? (await chooseCredential(credentials, endpoints, ours, begun, conversation));
  const owner = targets.find((each) => each.runpod.registry === credential);
  if (owner !== undefined && owner !== existing) {
    throw new UsageError(
      `--credential: ${credential} is kept fresh by target ${owner.name} already. Set that one up with --name ${owner.name}.`,
    );
  }
  await requireUpdates(credential, runpod, conversation);

  const isOwnRegistry = ecr.roleArn === undefined && (ours.length === 0 || options.repository !== undefined);
  const repository = isOwnRegistry ? await chooseRepository(ecr.region, conversation) : undefined;
  const others = ours.filter(({ registry }) => registry !== credential);
  const selected = await chooseEndpoints(others, conversation);
  if (selected[0] !== undefined) await runpod.account.requireChanges(selected[0].id);
  const watched = [...selected, ...ours.filter(({ registry }) => registry === credential)];
  await tryToken(token, [...new Set(watched.map(({ image }) => image))], conversation);

  const newKey = await planKey(source, runpod.isStored, conversation);
  const file = existing === undefined ? { path, content } : undefined;
  const wanted: Wanted = { name, ecr, source, newKey, credential, repository, selected, file };
  const planned = planChanges(wanted);
  const changes = planned.map(({ summary }) => summary);
  const next = nextSteps(caller, wanted, token.registry, watched.length > 0);

  if (planned.length > 0) {
    print('\nThis will');
    printList(changes);
    if (!(await ask.confirm('Go on?'))) {
      print('Nothing was changed.');
      return async () => exitCodes.well;
    }
  } else print(`${terminal.paint('green', '✓')} Everything is right already: nothing to change.`);

  const workshop = lastingWorkshop(runpod.key, source, conversation);
  const secrets: Secrets = { apiKey: runpod.key, token: token.token };
  return async () => {
    const count = await makeAll({ planned, credential, workshop, secrets, journal }, conversation);
    if (count < planned.length) {
      terminal.printError(
        `Stopped after ${count} of ${planned.length} changes. Run it again to go on, or undo them: npm run setup -- --undo`,
      );
      return exitCodes.interrupted;
    }
    if (options.json === true) terminal.print(JSON.stringify({ version: 1, changes, next }, undefined, 2));
    print('\nNext');
    printList(next);
    if (planned.length > 0) print('\nUndo it all: npm run setup -- --undo');
    return exitCodes.well;
  };
};

/** Sets a target up, from a Runpod key to targets.yml, or undoes that. @returns the exit code */
export const setup = async (options: SetupOptions, context: CommandContext, terminal: Terminal): Promise<number> => {
  const ask = createAsk(terminal, options.yes === true, context.interrupted);
  const caller = readCaller(options, interruptible(context));
  const journalPath = resolve(context.folder, journalName);
  let change: () => Promise<number>;
  try {
    const conversation: Conversation = {
      options,
      context,
      caller,
      lastingCaller: readCaller(options, context),
      identity: await readIdentity(caller),
      ask,
      terminal,
      print: (line) => {
        if (options.json !== true) terminal.print(line);
      },
    };
    const prepare = options.undo === true ? prepareUndo : options.delegate === true ? prepareDelegate : prepareSetup;
    change = await prepare(journalPath, conversation);
  } catch (error) {
    if (!isInterruption(error) && !context.interrupted.aborted) throw error;
    terminal.printError('\nStopped. Nothing was changed.');
    return exitCodes.interrupted;
  }
  return change();
};
