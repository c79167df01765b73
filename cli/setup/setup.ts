import { isSameRegistry } from '../../functions/lib/ecr/host.ts';
import { createMintToken } from '../../functions/lib/ecr/mint-token.ts';
import type { RunpodClient } from '../../functions/lib/runpod/client.ts';
import { createRunpodManagement, type Endpoint, type RunpodManagement } from '../../functions/lib/runpod/management.ts';
import { readCaller, readIdentity } from '../../stack/caller.ts';
import { CommandError, exitCodes, UsageError } from '../../stack/failure.ts';
import { type Credential, connect, createRunpodAccount, type RunpodAccount } from '../runpod.ts';
import { plain, processTerminal, wrap } from '../terminal.ts';
import { findOpenApi, noWay } from '../update-apis.ts';
import { createAsk, isInterruption } from './ask.ts';
import { make, type Secrets, versionOf, type Workshop } from './changes.ts';
import { chooseCredential, chooseEcr, chooseEndpoints, chooseRepository, chooseTarget } from './choices.ts';
import { type Conversation, newCredential, type SetupOptions } from './conversation.ts';
import { Journal } from './journal.ts';
import { findKey } from './key.ts';
import { ecrEndpointsOf, nameOf } from './look.ts';
import { nextSteps, planSteps, type Step, type Wanted } from './plan.ts';
import { readTargetsFile } from './targets-file.ts';
import { tryLogin } from './try-login.ts';
import { undoSetup } from './undo.ts';

/** Where setup keeps what it has changed. */
const journalPath = '.setup.json';

/** Runpod, as the key shows it. */
interface FoundRunpod {
  readonly key: string;
  readonly isStored: boolean;
  readonly client: RunpodClient;
  readonly management: RunpodManagement;
  readonly account: RunpodAccount;
  readonly endpoints: readonly Endpoint[];
  readonly credentials: readonly Credential[];
}

/** Finds a key that Runpod takes, and what there is at Runpod. */
const findRunpod = async (source: string, conversation: Conversation): Promise<FoundRunpod> => {
  const { options, caller, ask, terminal } = conversation;
  const { settings } = caller;
  const clientOf = (key: string) => connect(settings, async () => key)(source);
  let [endpoints, credentials]: [readonly Endpoint[], readonly Credential[]] = [[], []];
  const check = async (key: string): Promise<void> => {
    const client = clientOf(key);
    [endpoints, credentials] = await Promise.all([
      createRunpodManagement(client, settings).listEndpoints(),
      createRunpodAccount(client, settings).listCredentials(),
    ]);
  };
  const { key, isStored } = await findKey(caller, source, options.keyStdin === true, check, ask, terminal);
  const client = clientOf(key);
  const management = createRunpodManagement(client, settings);
  return { key, isStored, client, management, account: createRunpodAccount(client, settings), endpoints, credentials };
};

/** @throws {RunpodUnauthorizedError | CommandError} the key may not create, or update, the credential */
const requireUpdates = async (
  credential: string,
  { client, management, account }: FoundRunpod,
  { caller, terminal, say }: Conversation,
): Promise<void> => {
  if (credential === newCredential) return account.requireCreation();
  await management.requireCredential(credential);
  const { way } = await findOpenApi(client, caller.settings, credential);
  if (way === undefined) throw new CommandError(noWay(credential));
  say(`${terminal.paint('green', '✓')} The key may update credential ${credential}, by ${way}.`);
};

/** A key that is yet to be stored; `undefined` where the stored one is good. */
const planKey = async (source: string, isStored: boolean, { caller }: Conversation): Promise<Wanted['newKey']> => {
  if (isStored) return undefined;
  if (source.startsWith('ssm:')) return { versionBefore: await versionOf(caller, source.slice('ssm:'.length)) };
  throw new CommandError(
    `${source}, where targets.yml says the key is, holds another one. Store the key there yourself: setup writes to Parameter Store only.`,
  );
};

/** Makes the changes, noting each before and after. @returns how many were made */
const makeAll = async (
  steps: readonly Step[],
  chosenCredential: string,
  workshop: Workshop,
  secrets: Secrets,
  journal: Journal,
  interrupted: AbortSignal,
  { say, terminal }: Conversation,
): Promise<number> => {
  let credential = chosenCredential;
  for (const [index, { says, change }] of steps.entries()) {
    if (interrupted.aborted) return index;
    const planned = change(credential);
    const note = journal.begin(planned);
    const made = await make(planned, workshop, secrets);
    note(made);
    if (made.kind === 'credential') credential = made.id ?? credential;
    say(`${terminal.paint('green', '✓')} Done: ${says}.`);
  }
  return steps.length;
};

const converse = async (conversation: Conversation, interrupted: AbortSignal): Promise<number> => {
  const { options, caller, identity, ask, terminal, say } = conversation;
  const sayWrapped = (line: string, indent: string): void => say(wrap(line, terminal.columns(), indent));
  const sayList = (lines: readonly string[]): void => {
    for (const [index, line] of lines.entries()) {
      say(`  ${index + 1}. ${wrap(line, terminal.columns(), '     ')}`);
    }
  };
  const { TARGETS_FILE: path } = caller.settings;
  sayWrapped(`AWS: you are ${identity.arn}, in account ${identity.account}, ${caller.region}.`, '  ');

  const { content, targets } = readTargetsFile(path);
  const { name, existing } = await chooseTarget(targets, conversation);
  const source = existing?.runpod.apiKey ?? `ssm:/runpod-ecr-refresh/${name}/api-key`;
  const runpod = await findRunpod(source, conversation);
  const { endpoints, credentials } = runpod;
  const pulling = ecrEndpointsOf(endpoints);
  say(
    `Runpod: ${endpoints.length} endpoints, of which ${pulling.length} pull from ECR; ${credentials.length} registry credentials.`,
  );
  for (const each of pulling) {
    const how = each.registry === null ? 'no credential' : `credential ${each.registry}`;
    say(`  ${plain(`${nameOf(each)} pulls ${each.image} with ${how}`)}`);
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
  await tryLogin(token, [...new Set(watched.map(({ image }) => image))], conversation);

  const newKey = await planKey(source, runpod.isStored, conversation);
  const file = existing === undefined ? { path, content } : undefined;
  const wanted: Wanted = { name, ecr, source, newKey, credential, repository, selected, file };
  const steps = planSteps(wanted);
  const changes = steps.map(({ says }) => says);
  const next = nextSteps(caller, wanted, token.registry, watched.length > 0);
  const printJson = (): void => {
    if (options.json === true) terminal.print(JSON.stringify({ version: 1, changes, next }, undefined, 2));
  };

  if (steps.length > 0) {
    say('\nThis will');
    sayList(changes);
    if (!(await ask.confirm('Go on?'))) {
      say('Nothing was changed.');
      return exitCodes.well;
    }
  } else say(`${terminal.paint('green', '✓')} Everything is right already: nothing to change.`);

  const { management, account, key } = runpod;
  const workshop: Workshop = { caller, account, management };
  const secrets: Secrets = { apiKey: key, login: token.token };
  const count = await makeAll(steps, credential, workshop, secrets, journal, interrupted, conversation);
  if (count < steps.length) {
    terminal.printError(
      `Stopped after ${count} of ${steps.length} changes. Run it again to go on, or undo them: npm run setup -- --undo`,
    );
    return exitCodes.interrupted;
  }
  printJson();
  say('\nNext');
  sayList(next);
  if (steps.length > 0) say('\nUndo it all: npm run setup -- --undo');
  return exitCodes.well;
};

/** Sets a target up, from a Runpod key to targets.yml, or undoes that. @returns the exit code */
export const setup = async (options: SetupOptions, interrupted: AbortSignal): Promise<number> => {
  const isJson = options.json === true;
  const terminal = processTerminal({ isJson });
  const say = (line: string): void => {
    if (!isJson) terminal.print(line);
  };
  const ask = createAsk(terminal, options.yes === true, interrupted);
  const caller = readCaller(options);
  try {
    const identity = await readIdentity(caller);
    if (options.undo === true)
      return await undoSetup({ caller, identity, ask, say, path: journalPath, isJson, interrupted });
    return await converse({ options, caller, identity, ask, terminal, say }, interrupted);
  } catch (error) {
    if (!isInterruption(error)) throw error;
    terminal.printError('\nStopped. Nothing was changed.');
    return exitCodes.interrupted;
  }
};
