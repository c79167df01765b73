import { resolve } from 'node:path';
import { hostOf, isSameRegistry, parseEcrHost } from '../../functions/lib/ecr/host.ts';
import type { RunpodClient } from '../../functions/lib/runpod/client.ts';
import { createRunpodManagement, type Endpoint, type RunpodManagement } from '../../functions/lib/runpod/management.ts';
import { accountOf } from '../../functions/lib/targets.ts';
import { readCaller, readIdentity } from '../../stack/caller.ts';
import { CommandError, describeFailure, exitCodes, UsageError } from '../../stack/failure.ts';
import { placeOptions } from '../../stack/stack.ts';
import { type CommandContext, interruptible } from '../context.ts';
import { connect, createRunpodAccount, type RunpodAccount, type RunpodCredential } from '../runpod.ts';
import { plain, type Terminal, wrap } from '../terminal.ts';
import { findOpenApi, noApi } from '../update-apis.ts';
import { createAsk, isInterruption } from './ask.ts';
import { prepareCanaryPod } from './canary-pod.ts';
import type { Secrets } from './changes.ts';
import { chooseCredential, chooseEcr, chooseEndpoints, chooseRepository, chooseTarget } from './choices.ts';
import { type Conversation, newCredential, type SetupOptions } from './conversation.ts';
import { prepareDelegate } from './delegate.ts';
import { createFindHurt, describeHurt, type EcrEndpoint, ecrEndpointsOf, nameOf } from './endpoints.ts';
import { Journal } from './journal.ts';
import { findKey } from './key.ts';
import { findKeyParameter } from './key-parameter.ts';
import { lastingWorkshop, makeAll } from './make-all.ts';
import { mintForSetup, type SetupToken } from './mint.ts';
import { nextSteps, planChanges, type Wanted } from './plan.ts';
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
const requireUpdates = async (
  credential: string,
  { client, management, account }: FoundRunpod,
  { caller, terminal, print }: Conversation,
): Promise<void> => {
  if (credential === newCredential) return account.requireCreation();
  await management.requireCredential(credential);
  const { api } = await findOpenApi(client, caller.settings, credential);
  if (api === undefined) throw new CommandError(noApi(credential));
  print(`${terminal.paint('green', '✓')} The key may update credential ${credential}, by ${api}.`);
};

/** A key that is yet to be stored; `undefined` where the stored one is good. */
const planKey = async (
  source: string,
  isStored: boolean,
  { caller, options }: Conversation,
): Promise<Wanted['newKey']> => {
  if (!source.startsWith('ssm:')) {
    if (isStored && options.kmsKey === undefined) return undefined;
    throw new CommandError(
      `${source}, where targets.yml says the key is, ${isStored ? 'is not in Parameter Store' : 'holds another one'}. Store the key there yourself: setup writes to Parameter Store only.`,
    );
  }
  if (isStored && options.kmsKey === undefined) return undefined;
  const present = await findKeyParameter(caller, source.slice('ssm:'.length));
  if (isStored && present?.kmsKey === options.kmsKey) return undefined;
  return { versionBefore: present?.version, kmsKey: options.kmsKey ?? present?.kmsKey };
};

/** What a new credential is created with, to stand behind "with". */
const describeToken = (token: SetupToken | undefined, { identity }: Conversation): string => {
  if (token === undefined) return 'a placeholder, which the first run of the deployed stack replaces by a token';
  return token.isNarrow
    ? 'the token that was just tried, which may pull and nothing else'
    : `the token that was just tried, which may do in ECR whatever ${identity.arn} may, until the first run replaces it or for 12 hours`;
};

/** Why an endpoint that pulls from ECR is not kept running by this setup, and what would. */
const describeLeft = (endpoint: EcrEndpoint, host: string): string => {
  const uses =
    endpoint.registry === null ? 'no credential' : `credential ${endpoint.registry}, which no target keeps fresh`;
  const remedy = isSameRegistry(endpoint.host, host)
    ? 'run this again and select the credential for it'
    : `its registry, ${endpoint.host}, is another one: npm run setup -- --name ${parseEcrHost(endpoint.host)?.region ?? 'other'} --image-registry ${endpoint.host}`;
  return `${nameOf(endpoint)} uses ${uses}; ${remedy}`;
};

/** What nobody can use: Runpod wants a password. */
const placeholder = { username: 'AWS', password: 'filled-by-the-first-run' };

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
  const source = existing?.runpod.apiKey ?? `ssm:/runpod-ecr-refresh/${caller.stage}/${name}/api-key`;
  const runpod = await findRunpod(source, conversation);
  const { endpoints, credentials } = runpod;
  const pulling = ecrEndpointsOf(endpoints);
  print(
    `Runpod: ${endpoints.length} endpoints, of which ${pulling.length} pull from ECR; ${credentials.length} registry credentials.`,
  );
  for (const each of pulling) {
    const how = each.registry === null ? 'no credential' : `credential ${each.registry}`;
    printWrapped(`  ${plain(`${nameOf(each)} pulls ${each.image} with ${how}`)}`, '    ');
  }

  const ecr = existing?.ecr ?? (await chooseEcr(pulling, conversation));
  const token = await terminal.during(
    `asking ECR in ${ecr.region} for a token that may only pull`,
    mintForSetup(ecr, conversation),
  );
  const host = token?.minted.registry ?? hostOf(accountOf({ ecr }, identity.account), ecr.region);
  if (token === undefined) {
    printWrapped(
      `! ${ecr.roleArn} cannot be assumed from here. It need trust nobody but the stack's fetch-token role (docs/cross-account.md), which no command can take: so no image is tried now, and the first run tries them all.`,
      '  ',
    );
  }
  const findHurt = createFindHurt(endpoints, host, (credential) =>
    terminal.during(
      `asking Runpod which templates and pods use credential ${credential}`,
      runpod.management.listOtherUsers(credential).catch((error: unknown) => {
        printWrapped(
          `! Which templates and pods use credential ${credential} is not known: ${describeFailure(error)}`,
          '  ',
        );
        return [];
      }),
    ),
  );
  const ours = pulling.filter(({ host: each }) => isSameRegistry(each, host));
  const place = { account: identity.account, region: caller.region, stage: caller.stage, apiKey: source };
  const journal = Journal.open(journalPath, place);
  const begun = journal.createdAmong(credentials);
  const credential =
    existing?.runpod.registry ??
    (await chooseCredential({ credentials, endpoints, ours, host, findHurt }, begun, conversation));
  const owner = targets.find((each) => each.runpod.registry === credential);
  if (owner !== undefined && owner !== existing) {
    throw new UsageError(
      `--credential: ${credential} is kept fresh by target ${owner.name} already. Set that one up with --name ${owner.name}.`,
    );
  }
  await terminal.during(
    credential === newCredential
      ? 'asking Runpod whether the key may create credentials'
      : `asking Runpod whether the key may update credential ${credential}`,
    requireUpdates(credential, runpod, conversation),
  );

  const isOwnRegistry = ecr.roleArn === undefined && (ours.length === 0 || options.repository !== undefined);
  const repository = isOwnRegistry ? await chooseRepository(ecr.region, conversation) : undefined;
  const named = existing?.endpoints?.map(({ id }) => id);
  const others = ours.filter(({ id, registry }) => registry !== credential && (named?.includes(id) ?? true));
  const selected = await chooseEndpoints(others, conversation);
  if (selected[0] !== undefined) {
    await terminal.during(
      `asking Runpod whether the key may change endpoint ${selected[0].id}`,
      runpod.account.requireChanges(selected[0].id),
    );
  }
  const users = ours.filter(({ registry }) => registry === credential);
  const watched = [...selected, ...users];
  if (token !== undefined) {
    await terminal.during(
      'pulling the images from ECR with that token, as a worker would',
      tryToken(token.minted, [...new Set(watched.map(({ image }) => image))], conversation),
    );
  }

  const newKey = await planKey(source, runpod.isStored, conversation);
  const file = existing === undefined ? { path, content } : undefined;
  const namesakes = credentials.filter((each) => each.name === `runpod-ecr-refresh-${name}`).map(({ id }) => id);
  const firstToken = describeToken(token, conversation);
  const wanted: Wanted = {
    name,
    ecr,
    source,
    newKey,
    credential,
    namesakes,
    firstToken,
    repository,
    selected,
    file,
  };
  const planned = planChanges(wanted);
  const changes = planned.map(({ summary }) => summary);
  const next = nextSteps(caller, wanted, host, watched.length > 0);
  const hurt = credential === newCredential ? [] : await findHurt(credential);

  if (planned.length > 0) {
    print('\nThis will');
    printList(changes);
    if (file !== undefined && users.length > 0) {
      printWrapped(
        plain(
          `Every refresh then gives a new token to ${users.map(nameOf).join(', ')}, which use credential ${credential} already.`,
        ),
        '',
      );
    }
  }
  if (hurt.length > 0) {
    printWrapped(
      terminal.paint(
        'red',
        plain(
          `! Credential ${credential} also holds the login of ${describeHurt(hurt)}, not from ${host}: the next refresh overwrites it, and nobody can read it back. Give them a credential of their own first.`,
        ),
      ),
      '  ',
    );
  }
  if (planned.length > 0) {
    if (!(await ask.confirm('Go on?', selected.length === 0 && hurt.length === 0))) {
      print('Nothing was changed.');
      return async () => exitCodes.well;
    }
  } else print(`${terminal.paint('green', '✓')} Everything is right already: nothing to change.`);

  const workshop = lastingWorkshop(runpod.key, source, conversation);
  const secrets: Secrets = { apiKey: runpod.key, token: token?.minted.token ?? placeholder };
  return async () => {
    const end = await makeAll({ planned, credential, workshop, secrets, journal }, conversation);
    if (end !== exitCodes.well) return end;
    if (options.json === true) terminal.print(JSON.stringify({ version: 1, changes, next }, undefined, 2));
    print('\nNext');
    printList(next);
    const left = pulling.filter(
      (each) => !watched.includes(each) && !targets.some((one) => one.runpod.registry === each.registry),
    );
    if (left.length > 0) {
      print('\nThese stay unprotected');
      printList(left.map((each) => plain(describeLeft(each, host))));
    }
    if (planned.length > 0) print(`\nUndo it all: npm run setup -- --undo ${placeOptions(caller)}`);
    return exitCodes.well;
  };
};

/** What the options ask for. */
const prepareFor = ({ undo, delegate, canaryPod }: SetupOptions) => {
  if (undo === true) return prepareUndo;
  if (delegate === true) return prepareDelegate;
  return canaryPod === true ? prepareCanaryPod : prepareSetup;
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
      identity: await terminal.during('asking AWS who this is', readIdentity(caller)),
      ask,
      terminal,
      print: (line) => {
        if (options.json !== true) terminal.print(line);
      },
    };
    change = await prepareFor(options)(journalPath, conversation);
  } catch (error) {
    if (!isInterruption(error) && !context.interrupted.aborted) throw error;
    terminal.printError('\nStopped. Nothing was changed.');
    return exitCodes.interrupted;
  }
  return change();
};
