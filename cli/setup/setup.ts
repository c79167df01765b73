import { resolve } from 'node:path';
import { hostOf } from '../../functions/lib/ecr/host.ts';
import { accountOf } from '../../functions/lib/targets.ts';
import { readCaller, readIdentity } from '../../stack/caller.ts';
import { CommandError, describeFailure, exitCodes, UsageError } from '../../stack/failure.ts';
import { placeOptions } from '../../stack/stack.ts';
import { type CommandContext, interruptible } from '../context.ts';
import { plain, type Terminal, wrap } from '../terminal.ts';
import { createAsk, isInterruption } from './ask.ts';
import { prepareCanaryPod } from './canary-pod.ts';
import type { Secrets } from './changes.ts';
import { chooseRepository, requireCredentials } from './choices.ts';
import type { Conversation, SetupOptions } from './conversation.ts';
import { prepareDelegate } from './delegate.ts';
import { createFindHurt, describeHurt, ecrEndpointsOf, nameOf } from './endpoints.ts';
import { findRunpod } from './find-runpod.ts';
import { Journal } from './journal.ts';
import { findKeyParameter } from './key-parameter.ts';
import { lastingWorkshop, makeAll } from './make-all.ts';
import { nextSteps, planChanges, type Wanted } from './plan.ts';
import { chooseRegistries, chooseScope, type FoundRegistry } from './scope.ts';
import { readTargetsFile, requireFolder } from './targets-file.ts';
import { prepareUndo } from './undo.ts';
import { findUnprotected } from './unprotected.ts';
import { chooseWanted, credentialNameOf, type WantedTarget } from './wanted.ts';

/** Where setup keeps what it has changed. */
const journalName = '.setup.json';

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
const describeToken = ({ token }: WantedTarget, { identity }: Conversation): string => {
  if (token === undefined) return 'a placeholder, which the first run of the deployed stack replaces by a token';
  return token.isNarrow
    ? 'the token that was just tried, which may pull and nothing else'
    : `the token that was just tried, which may do in ECR whatever ${identity.arn} may, until the first run replaces it or for 12 hours`;
};

/** What nobody can use: Runpod wants a password. */
const placeholder = { username: 'AWS', password: 'filled-by-the-first-run' };

/** The repository to create, where setup is about one registry, of this account, that has need of one. */
const findRepository = async (
  registries: readonly FoundRegistry[],
  targets: readonly WantedTarget[],
  conversation: Conversation,
): Promise<Wanted['repository']> => {
  const [first] = targets;
  if (first === undefined || registries.length > 1 || first.ecr.roleArn !== undefined) return undefined;
  const { region, host, endpoints } = first.registry;
  if (endpoints.length > 0 && conversation.options.repository === undefined) return undefined;
  const name = await chooseRepository(region, conversation);
  return name === undefined ? undefined : { region, name, host };
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

  requireFolder(path, context.folder);
  const { content, targets } = readTargetsFile(path, context.folder);
  const scope = await chooseScope(targets, conversation);
  const { source } = scope;
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

  const registries = await chooseRegistries(pulling, scope, conversation);
  const findHurt = createFindHurt(endpoints, () =>
    terminal.during(
      'asking Runpod which templates and pods use which credential',
      runpod.management.listTemplatesAndPods().catch((error: unknown) => {
        printWrapped(`! Which templates and pods use which credential is not known: ${describeFailure(error)}`, '  ');
        return [];
      }),
    ),
  );
  const view = { credentials, endpoints, keptBy: new Map(targets.map((each) => [each.runpod.registry, each])) };
  requireCredentials(registries, view, conversation);
  const place = { account: identity.account, region: caller.region, stage: caller.stage, apiKey: source };
  const journal = Journal.open(journalPath, place);
  const findings = {
    runpod,
    view,
    journal,
    findHurt,
    names: new Set(targets.map(({ name }) => name)),
    name: scope.name,
    ignored: new Set(targets.flatMap(({ ignore = [] }) => ignore)),
  };
  const wishes = await chooseWanted(registries, findings, conversation);
  const repository = await findRepository(registries, wishes.targets, conversation);

  const newKey = wishes.targets.length === 0 ? undefined : await planKey(source, runpod.isStored, conversation);
  const planned = planChanges({
    targets: wishes.targets,
    source,
    newKey,
    repository,
    file: { path, content },
    describeToken: (target) => describeToken(target, conversation),
  });
  const changes = planned.map(({ summary }) => summary);
  const protectedOnes = wishes.targets.flatMap(({ selected, users }) => [...selected, ...users]);
  const next = nextSteps(caller, { repository }, protectedOnes.length > 0);
  const written = targets.map((target) => ({
    target,
    host: hostOf(accountOf(target, identity.account), target.ecr.region),
  }));
  const unprotected = await findUnprotected(pulling, wishes, written, findHurt, conversation);
  const printUnprotected = (): void => {
    if (unprotected.length > 0) print('\nThese stay unprotected');
    printList(unprotected.map(({ why }) => why));
  };

  if (planned.length > 0) {
    print('\nThis will');
    printList(changes);
  }
  for (const { existing, users, credential } of wishes.targets) {
    if (existing === undefined && users.length > 0) {
      printWrapped(
        plain(
          `Every refresh then gives a new token to ${users.map(nameOf).join(', ')}, which use credential ${credential} already.`,
        ),
        '',
      );
    }
  }
  const harming = wishes.targets.filter(({ hurt }) => hurt.length > 0);
  for (const { credential, hurt, registry } of harming) {
    printWrapped(
      terminal.paint(
        'red',
        plain(
          `! Credential ${credential} also holds the login of ${describeHurt(hurt)}, not from ${registry.host}: the next refresh overwrites it, and nobody can read it back. Give them a credential of their own first.`,
        ),
      ),
      '  ',
    );
  }
  if (planned.length > 0) {
    const changesEndpoints = wishes.targets.some(({ selected }) => selected.length > 0);
    if (!(await ask.confirm('Go on?', !changesEndpoints && harming.length === 0))) {
      print('Nothing was changed.');
      return async () => exitCodes.well;
    }
  } else if (wishes.targets.length > 0) {
    print(`${terminal.paint('green', '✓')} Everything is right already: nothing to change.`);
  } else {
    return async () => {
      print('Nothing was changed.');
      printUnprotected();
      return exitCodes.trouble;
    };
  }

  const workshop = lastingWorkshop(runpod.key, source, conversation);
  const tokens = new Map(wishes.targets.map(({ name, token }) => [credentialNameOf(name), token?.minted.token]));
  const secrets: Secrets = { apiKey: runpod.key, tokenOf: (credential) => tokens.get(credential) ?? placeholder };
  return async () => {
    const code = await makeAll({ planned, source, workshop, secrets, journal }, conversation);
    if (code !== exitCodes.well) return code;
    if (options.json === true) {
      terminal.print(JSON.stringify({ version: 1, changes, next, unprotected }, undefined, 2));
    }
    print('\nNext');
    printList(next);
    printUnprotected();
    if (planned.length > 0) print(`\nUndo it all: npm run setup -- --undo ${placeOptions(caller)}`);
    return exitCodes.well;
  };
};

/** @throws {UsageError} two options contradict each other, or one says nothing without another */
const requireSense = ({
  name,
  target,
  externalId,
  roleArn,
  undo,
  delegate,
  rotateKey,
  evenDeployed,
}: SetupOptions): void => {
  if (name !== undefined && target !== undefined && name !== target) {
    throw new UsageError('--target: expected the same as --name, or one of the two alone.');
  }
  if (externalId !== undefined && roleArn === undefined) {
    throw new UsageError('--external-id: expected --role-arn beside it, the role that asks for it.');
  }
  if (undo === true && delegate === true) {
    throw new UsageError(
      '--undo: it takes no delegation back, so leave --delegate out. The repository policy that lets Runpod pull is yours to remove.',
    );
  }
  if (undo === true && rotateKey === true) {
    throw new UsageError('--undo: expected without --rotate-key; it undoes rotations, too.');
  }
  if (evenDeployed === true && undo !== true) throw new UsageError('--even-deployed: expected --undo beside it.');
};

/** What the options ask for. */
const prepareFor = ({ undo, delegate, canaryPod }: SetupOptions) => {
  if (undo === true) return prepareUndo;
  if (delegate === true) return prepareDelegate;
  return canaryPod === true ? prepareCanaryPod : prepareSetup;
};

/** Sets targets up, from a Runpod key to targets.yml, or undoes that. @returns the exit code */
export const setup = async (options: SetupOptions, context: CommandContext, terminal: Terminal): Promise<number> => {
  requireSense(options);
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
