import { isSameRegistry, parseEcrHost } from '../../functions/lib/ecr-host.ts';
import { ImageNotPullableError, TokenRejectedError } from '../../functions/lib/errors.ts';
import { send } from '../../functions/lib/exchange.ts';
import { parseImageReference } from '../../functions/lib/image-reference.ts';
import { createMintToken, type RegistryToken } from '../../functions/lib/mint-token.ts';
import { createRegistryClient, PullError } from '../../functions/lib/registry.ts';
import { createRunpodManagement, type Endpoint } from '../../functions/lib/runpod/management.ts';
import type { Target } from '../../functions/lib/targets.ts';
import { type Caller, type CallerOptions, type Identity, readCaller, readIdentity } from '../caller.ts';
import { CommandError, exitCodes, UsageError } from '../failure.ts';
import { type Credential, connect, createRunpodAccount } from '../runpod.ts';
import { deployCommand } from '../stack.ts';
import { plain, processTerminal, type Terminal, wrap } from '../terminal.ts';
import { findOpenWay, noWay } from '../update-ways.ts';
import { type Ask, createAsk, isInterruption } from './ask.ts';
import { make, versionOf, type Workshop } from './changes.ts';
import { type Change, Journal } from './journal.ts';
import { findKey } from './key.ts';
import { describeCredential, type EcrEndpoint, ecrEndpointsOf, listRepositories, mostUsed, nameOf } from './look.ts';
import { addTarget, readTargetsFile } from './targets-file.ts';
import { undoSetup } from './undo.ts';

export interface SetupOptions extends CallerOptions {
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly undo?: boolean;
  readonly keyStdin?: boolean;
  readonly name?: string;
  readonly credential?: string;
  readonly imageRegistry?: string;
  readonly roleArn?: string;
  readonly externalId?: string;
  readonly repository?: string;
  readonly endpoint?: readonly string[];
}

/** Where setup keeps what it has changed. */
export const journalPath = '.setup.json';

/** What a conversation goes by. */
interface Conversation {
  readonly options: SetupOptions;
  readonly caller: Caller;
  readonly identity: Identity;
  readonly ask: Ask;
  readonly terminal: Terminal;
  /** Prints a line for a person; nothing where machines listen. */
  readonly say: (line: string) => void;
}

/** A change that is planned: what it does, and what it is once the credential's id is known. */
interface Step {
  readonly says: string;
  readonly change: (credentialId: string) => Change;
}

const newCredential = 'new';

/** The target to set up: one of targets.yml, or a new one. */
const chooseTarget = async (
  targets: readonly Target[],
  { options: { name }, ask }: Conversation,
): Promise<{ readonly name: string; readonly existing: Target | undefined }> => {
  const usual = targets[0]?.name ?? 'production';
  const chosen =
    name ??
    (targets.length < 2
      ? usual
      : await ask.choose(
          'Which target?',
          targets.map((each) => ({ value: each.name, name: `${each.name}, credential ${each.runpod.registry}` })),
          usual,
        ));
  if (!/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/.test(chosen)) {
    throw new UsageError(`--name: expected a–z, 0–9 and - (at most 32), found ${JSON.stringify(chosen)}.`);
  }
  return { name: chosen, existing: targets.find((each) => each.name === chosen) };
};

/** The ECR registry whose images the target's endpoints pull. */
const chooseEcr = async (
  endpoints: readonly EcrEndpoint[],
  { options, ask, caller, identity, say }: Conversation,
): Promise<Target['ecr']> => {
  const own = `${identity.account}.dkr.ecr.${caller.region}.amazonaws.com`;
  const hosts = [...new Set(endpoints.map(({ host }) => host))];
  const [first] = hosts;
  const host =
    options.imageRegistry ??
    (first === undefined || hosts.length === 1
      ? (first ?? own)
      : await ask.choose(
          'Which ECR registry?',
          hosts.map((value) => ({
            value,
            name: `${value}, used by ${endpoints
              .filter((each) => each.host === value)
              .map(nameOf)
              .join(', ')}`,
          })),
          first,
        ));
  const parsed = parseEcrHost(host);
  if (parsed === undefined) {
    throw new UsageError(
      `--image-registry: expected the host name of an ECR registry, such as ${own}, found ${JSON.stringify(host)}.`,
    );
  }
  if (parsed.account === identity.account && options.roleArn === undefined) return { region: parsed.region };
  if (options.roleArn === undefined) {
    say(
      `The images are in account ${parsed.account}; you are in ${identity.account}. A role there must mint the login: docs/cross-account.md.`,
    );
  }
  const roleArn =
    options.roleArn ??
    (await ask.text(
      'ARN of that role:',
      '--role-arn',
      (typed) =>
        /^arn:aws(?:-[a-z]+)*:iam::\d{12}:role\/\S+$/.test(typed) ||
        'Such as arn:aws:iam::123456789012:role/runpod-pull',
    ));
  const { externalId } = options;
  return {
    region: parsed.region,
    registryId: parsed.account,
    roleArn,
    ...(externalId === undefined ? {} : { externalId }),
  };
};

/** The credential to keep fresh: one that there is, or a new one. */
const chooseCredential = async (
  credentials: readonly Credential[],
  all: readonly Endpoint[],
  ours: readonly EcrEndpoint[],
  begun: string | undefined,
  { options, ask }: Conversation,
): Promise<string> => {
  const usual = begun ?? mostUsed(ours, credentials) ?? newCredential;
  const choices = [
    ...credentials.map((each) => ({ value: each.id, name: plain(describeCredential(each, all)) })),
    { value: newCredential, name: 'a new one, with a fresh login' },
  ];
  const chosen =
    options.credential ??
    (credentials.length === 0
      ? newCredential
      : await ask.choose('Which Runpod credential is to be kept fresh?', choices, usual));
  if (!choices.some(({ value }) => value === chosen)) {
    throw new UsageError(
      `--credential: expected ${newCredential} or one of ${credentials.map(({ id }) => id).join(', ')}, found ${JSON.stringify(chosen)}.`,
    );
  }
  return chosen;
};

/** The endpoints for which the credential is yet to be selected. */
const chooseEndpoints = async (
  candidates: readonly EcrEndpoint[],
  { options, ask }: Conversation,
): Promise<readonly EcrEndpoint[]> => {
  const unknown = options.endpoint?.find((id) => !candidates.some((each) => each.id === id));
  if (unknown !== undefined) {
    throw new UsageError(
      `--endpoint: expected ids of endpoints that pull from this registry with another credential (${candidates.map(({ id }) => id).join(', ') || 'there are none'}), found ${JSON.stringify(unknown)}.`,
    );
  }
  if (options.endpoint !== undefined) return candidates.filter(({ id }) => options.endpoint?.includes(id));
  if (candidates.length === 0) return [];
  const without = candidates.filter(({ registry }) => registry === null);
  return ask.pick(
    'Which endpoints are to use it? (a new release replaces their workers)',
    candidates.map((value) => ({
      value,
      name: plain(`${nameOf(value)}, which uses ${value.registry ?? 'none'}: ${value.image}`),
    })),
    without,
  );
};

/**
 * Tries a fresh login on ECR, as a worker would.
 *
 * @throws {TokenRejectedError | ImageNotPullableError} it does not pull, so it is given to nobody
 */
const tryLogin = async (
  token: RegistryToken,
  images: readonly string[],
  { caller, say, terminal }: Conversation,
): Promise<void> => {
  const registry = createRegistryClient(caller.settings, send);
  const references = images.map(parseImageReference).filter((each) => each !== undefined);
  try {
    if (references.length === 0) await registry.tryLogin(token.registry, token.login);
  } catch (error) {
    throw new TokenRejectedError(
      `ECR refuses the login it minted: ${error instanceof Error ? error.message : String(error)}. Nothing was changed.`,
    );
  }
  let pulled = 0;
  const problems: string[] = [];
  for (const reference of references) {
    try {
      const { sizeInBytes } = await registry.tryImage(reference, token.login);
      pulled += 1;
      say(
        `${terminal.paint('green', '✓')} A fresh login pulls ${reference.repository} (${(sizeInBytes / 1e6).toFixed(0)} MB, linux/amd64).`,
      );
    } catch (error) {
      if (!(error instanceof PullError)) throw error;
      problems.push(error.message);
      say(`${terminal.paint('yellow', '!')} ${plain(error.message)}.`);
    }
  }
  if (references.length > 0 && pulled === 0) {
    throw new ImageNotPullableError(`A fresh login pulls none of the images: ${problems[0]}. Nothing was changed.`);
  }
};

/** Makes the changes, noting each before and after. @returns how many were made */
const makeAll = async (
  steps: readonly Step[],
  chosenCredential: string,
  workshop: Workshop,
  secrets: Parameters<typeof make>[2],
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
  const { settings } = caller;
  say(
    wrap(`AWS: you are ${identity.arn}, in account ${identity.account}, ${caller.region}.`, terminal.columns(), '  '),
  );

  const file = readTargetsFile(settings.TARGETS_FILE);
  const { name, existing } = await chooseTarget(file.targets, conversation);
  const source = existing?.runpod.apiKey ?? `ssm:/runpod-ecr-refresh/${name}/api-key`;

  let [endpoints, credentials]: [readonly Endpoint[], readonly Credential[]] = [[], []];
  const clientOf = (key: string) => connect(settings, async () => key)(source);
  const { key, isStored } = await findKey(
    caller,
    source,
    options.keyStdin === true,
    async (tried) => {
      const client = clientOf(tried);
      [endpoints, credentials] = await Promise.all([
        createRunpodManagement(client, settings).listEndpoints(),
        createRunpodAccount(client, settings).listCredentials(),
      ]);
    },
    ask,
    terminal,
  );
  const client = clientOf(key);
  const management = createRunpodManagement(client, settings);
  const account = createRunpodAccount(client, settings);

  const ecrEndpoints = ecrEndpointsOf(endpoints);
  say(
    `Runpod: ${endpoints.length} endpoints, of which ${ecrEndpoints.length} pull from ECR; ${credentials.length} registry credentials.`,
  );
  for (const each of ecrEndpoints)
    say(
      `  ${plain(`${nameOf(each)} pulls ${each.image} with ${each.registry === null ? 'no credential' : `credential ${each.registry}`}`)}`,
    );

  const ecr = existing?.ecr ?? (await chooseEcr(ecrEndpoints, conversation));
  const token = await createMintToken(settings, Date.now)(ecr);
  const ours = ecrEndpoints.filter(({ host }) => isSameRegistry(host, token.registry));

  const journal = Journal.open(journalPath, { account: identity.account, region: caller.region, apiKey: source });
  const begun = journal.entries
    .map(({ change }) =>
      change.kind === 'credential' ? credentials.find((each) => each.name === change.name)?.id : undefined,
    )
    .findLast((id) => id !== undefined);
  const chosen =
    existing?.runpod.registry ?? (await chooseCredential(credentials, endpoints, ours, begun, conversation));
  const owner = file.targets.find(({ runpod }) => runpod.registry === chosen);
  if (owner !== undefined && owner !== existing) {
    throw new UsageError(
      `--credential: ${chosen} is kept fresh by target ${owner.name} already. Set that one up with --name ${owner.name}.`,
    );
  }
  if (chosen === newCredential) await account.requireCreation();
  else {
    await management.requireCredential(chosen);
    const { way } = await findOpenWay(client, settings, chosen);
    if (way === undefined) throw new CommandError(noWay(chosen));
    say(`${terminal.paint('green', '✓')} The key may update credential ${chosen}, by ${way}.`);
  }

  const repositories =
    ours.length > 0 || ecr.roleArn !== undefined ? undefined : await listRepositories(caller, ecr.region);
  const mustCreate = options.repository !== undefined && !repositories?.includes(options.repository);
  const repository =
    options.repository !== undefined
      ? mustCreate
        ? options.repository
        : undefined
      : repositories?.length === 0 &&
          terminal.isInteractive &&
          options.yes !== true &&
          (await ask.confirm(`There is no ECR repository in ${ecr.region}. Create one?`))
        ? await ask.text(
            'Its name:',
            '--repository',
            (typed) => /^[a-z0-9]+(?:[._/-]+[a-z0-9]+)*$/.test(typed) || 'Such as team/worker',
            'worker',
          )
        : undefined;

  const selected = await chooseEndpoints(
    ours.filter(({ registry }) => registry !== chosen),
    conversation,
  );
  const watched = [...selected, ...ours.filter(({ registry }) => registry === chosen)];
  await tryLogin(token, [...new Set(watched.map(({ image }) => image))], conversation);

  const versionBefore =
    source.startsWith('ssm:') && !isStored ? await versionOf(caller, source.slice('ssm:'.length)) : undefined;
  if (!isStored && !source.startsWith('ssm:')) {
    throw new CommandError(
      `${source}, where targets.yml says the key is, holds another one. Store the key there yourself: setup writes to Parameter Store only.`,
    );
  }
  const target = (registry: string): Target => ({ name, ecr, runpod: { apiKey: source, registry } });
  const steps: Step[] = [
    ...(repository === undefined
      ? []
      : [
          {
            says: `create ECR repository ${repository} in ${ecr.region}`,
            change: (): Change => ({ kind: 'repository', region: ecr.region, name: repository }),
          },
        ]),
    ...(isStored
      ? []
      : [
          {
            says: `${versionBefore === undefined ? 'store' : 'replace'} the Runpod API key in ${source}, as a SecureString`,
            change: (): Change => ({
              kind: 'api-key',
              parameter: source.slice('ssm:'.length),
              ...(versionBefore === undefined ? {} : { versionBefore }),
            }),
          },
        ]),
    ...(chosen === newCredential
      ? [
          {
            says: `create credential runpod-ecr-refresh-${name} at Runpod, with the login that was just tried`,
            change: (): Change => ({ kind: 'credential', name: `runpod-ecr-refresh-${name}` }),
          },
        ]
      : []),
    ...selected.map(
      (endpoint): Step => ({
        says: plain(
          `select ${chosen === newCredential ? 'it' : `credential ${chosen}`} for endpoint ${nameOf(endpoint)}, which uses ${endpoint.registry ?? 'none'}`,
        ),
        change: (after) => ({ kind: 'endpoint', endpoint: endpoint.id, before: endpoint.registry, after }),
      }),
    ),
    ...(existing === undefined
      ? [
          {
            says: `write target ${name} to ${settings.TARGETS_FILE}`,
            change: (id: string): Change => ({
              kind: 'targets',
              path: settings.TARGETS_FILE,
              ...(file.content === undefined ? {} : { before: file.content }),
              after: addTarget(file.content, target(id)),
            }),
          },
        ]
      : []),
  ];
  // What would be written is checked before anything is changed.
  if (existing === undefined) addTarget(file.content, target(chosen));

  const next = [
    ...(repository === undefined
      ? []
      : [
          `Push an image: docker build --platform linux/amd64 -t ${token.registry}/${repository}:v1 . && docker push ${token.registry}/${repository}:v1`,
        ]),
    ...(watched.length > 0
      ? []
      : [
          'Create a Runpod endpoint with your ECR image, and select the credential under Container Registry Auth; or run this again then.',
        ]),
    `Deploy: ${deployCommand(caller)}`,
    `See how it fares: npm run status -- --stage ${caller.stage} --region ${caller.region}`,
  ];
  if (steps.length === 0) {
    if (options.json === true) terminal.print(JSON.stringify({ version: 1, changes: [], next }, undefined, 2));
    say(`${terminal.paint('green', '✓')} Everything is right already: nothing to change.`);
    for (const line of next) say(`  ${wrap(line, terminal.columns(), '    ')}`);
    return exitCodes.well;
  }
  say('\nThis will');
  for (const [index, { says }] of steps.entries()) say(`  ${index + 1}. ${wrap(says, terminal.columns(), '     ')}`);
  if (!(await ask.confirm('Go on?'))) {
    say('Nothing was changed.');
    return exitCodes.well;
  }

  const workshop: Workshop = { caller, account, management };
  const count = await makeAll(
    steps,
    chosen,
    workshop,
    { apiKey: key, login: token.login },
    journal,
    interrupted,
    conversation,
  );
  if (count < steps.length) {
    terminal.complain(
      `Stopped after ${count} of ${steps.length} changes. Run it again to go on, or undo them: npm run setup -- --undo`,
    );
    return exitCodes.interrupted;
  }
  if (options.json === true) {
    terminal.print(JSON.stringify({ version: 1, changes: steps.map(({ says }) => says), next }, undefined, 2));
  }
  say('\nNext');
  for (const [index, line] of next.entries()) say(`  ${index + 1}. ${wrap(line, terminal.columns(), '     ')}`);
  say(`\nUndo it all: npm run setup -- --undo`);
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
    if (options.undo === true) return await undoSetup({ caller, identity, ask, say, path: journalPath, isJson });
    return await converse({ options, caller, identity, ask, terminal, say }, interrupted);
  } catch (error) {
    if (!isInterruption(error)) throw error;
    terminal.complain('\nStopped. Nothing was changed.');
    return exitCodes.interrupted;
  }
};
