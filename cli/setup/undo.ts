import { basename } from 'node:path';
import { createReadApiKey } from '../../functions/lib/aws/api-key.ts';
import { defined } from '../../functions/lib/defined.ts';
import { createRunpodManagement, type Endpoint } from '../../functions/lib/runpod/management.ts';
import type { Target } from '../../functions/lib/targets.ts';
import { CommandError, describeFailure, exitCodes, UsageError } from '../../stack/failure.ts';
import { deployCommand, readStack, removeCommand, type Stack } from '../../stack/stack.ts';
import { connect, createRunpodAccount } from '../runpod.ts';
import { plain, wrap } from '../terminal.ts';
import { undo, type Workshop } from './changes.ts';
import type { Conversation } from './conversation.ts';
import { nameOf } from './endpoints.ts';
import { Journal, type JournalChange, type JournalEntry, keyOf } from './journal.ts';
import { findKey } from './key.ts';
import { readEarlierKey } from './key-parameter.ts';
import { acknowledgeInterruption } from './make-all.ts';
import { readTargetsFile } from './targets-file.ts';

/** Says what undoing a change does, to stand after "This will". */
const announce = (change: JournalChange): string => {
  switch (change.kind) {
    case 'repository':
      return `delete ECR repository ${change.name}, if setup created it and it is empty`;
    case 'image':
      return `delete image ${change.repository}:${change.tag}, if it is the one that setup pushed`;
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

/** A step of undoing, and the entries of the journal that it concerns. */
interface UndoStep {
  readonly entry: JournalEntry;
  readonly concerns: readonly JournalEntry[];
}

/** All rotations of a key are one step: back to what was there before the first. */
const foldKeys = (entries: readonly JournalEntry[]): UndoStep[] => {
  const byParameter = Map.groupBy(entries, ({ change }) => (change.kind === 'api-key' ? change.parameter : ''));
  return [...byParameter.values()].flatMap((concerns) => {
    const changes = concerns.flatMap(({ change }) => (change.kind === 'api-key' ? [change] : []));
    const [oldest, newest] = [changes[0], changes.at(-1)];
    if (oldest === undefined || newest === undefined) return [];
    const versionAfter = newest.versionAfter ?? (newest.versionBefore ?? 0) + 1;
    const { versionBefore, ...change } = oldest;
    const isDone = concerns.every((each) => each.isDone);
    return [{ entry: { change: { ...change, ...defined({ versionBefore }), versionAfter }, isDone }, concerns }];
  });
};

/** Newest first; keys last, for all the others may need one. */
const orderSteps = (entries: readonly JournalEntry[]): UndoStep[] => {
  const isKey = ({ change }: JournalEntry): boolean => change.kind === 'api-key';
  const others = entries.filter((each) => !isKey(each)).toReversed();
  return [...others.map((entry) => ({ entry, concerns: [entry] })), ...foldKeys(entries.filter(isKey))];
};

/** A stack that may be using what was set up. */
interface DeployedStage {
  readonly stack: string;
  /** What removes it. */
  readonly remove: string;
}

/** The stacks that may be using what was set up; those of which AWS does not tell are taken for deployed. */
const deployedStacks = async (stage: string | undefined, { caller, print }: Conversation): Promise<DeployedStage[]> => {
  const stages = [...new Set([caller.stage, stage ?? caller.stage])];
  const found = await Promise.all(
    stages.map(async (each) => {
      const stackName = `runpod-ecr-refresh-${each}`;
      const stack = await readStack({ ...caller, stackName }).catch((error: unknown): Pick<Stack, 'name'> => {
        print(`! Whether ${stackName} is deployed is not known: ${describeFailure(error)}`);
        return { name: stackName };
      });
      return stack === undefined ? [] : [{ stack: stack.name, remove: removeCommand({ ...caller, stage: each }) }];
    }),
  );
  return found.flat();
};

/** The endpoints that would lose their token: all that use a credential which a key of this setup keeps fresh. */
const losers = (
  endpoints: readonly Endpoint[],
  apiKeys: readonly string[],
  entries: readonly JournalEntry[],
  { caller, context, print }: Conversation,
): Endpoint[] => {
  let targets: readonly Target[] = [];
  try {
    targets = readTargetsFile(caller.settings.TARGETS_FILE, context.folder).targets;
  } catch (error) {
    // What is to be undone stands in the journal.
    print(`! Which targets there are is not known: ${describeFailure(error)}`);
  }
  const credentials = [
    ...targets.filter(({ runpod }) => apiKeys.includes(runpod.apiKey)).map(({ runpod }) => runpod.registry),
    ...entries.flatMap(({ change }) => (change.kind === 'endpoint' ? [change.after] : [])),
  ];
  return endpoints.filter(({ registry }) => registry !== null && credentials.includes(registry));
};

/** @returns whether to go on although a stack is deployed */
const confirmDeployed = async (
  deployed: readonly DeployedStage[],
  losing: readonly Endpoint[],
  { ask, options, print, terminal }: Conversation,
): Promise<boolean> => {
  if (deployed.length === 0) return true;
  const stacks = deployed.map(({ stack }) => stack).join(' and ');
  const remove = deployed.map((each) => each.remove).join('; ');
  const names = losing.length === 0 ? 'none is known' : losing.map(nameOf).join(', ');
  print(
    wrap(
      plain(
        `! ${stacks} is deployed and lives on what setup made: its runs will fail, and the endpoints that lose their token are: ${names}. To remove the stack first: ${remove}`,
      ),
      terminal.columns(),
      '  ',
    ),
  );
  if (options.evenDeployed === true) return true;
  if (options.yes === true) {
    throw new UsageError(
      `--undo: ${stacks} is deployed; endpoints that would lose their token: ${names}. Nothing was changed. Remove the stack first (${remove}), or add --even-deployed.`,
    );
  }
  return ask.confirm(`Undo it although ${stacks} is deployed?`, false);
};

/** @throws {CommandError} the journal is of elsewhere, or names a file that setup here would not write */
const requirePlace = (journal: Journal, { caller, identity }: Conversation): void => {
  const { account, region } = journal.place;
  const name = basename(journal.path);
  if (account !== identity.account || region !== caller.region) {
    throw new CommandError(
      `${name} records changes in account ${account}, ${region}; this is ${identity.account}, ${caller.region}. Name that region, and a profile of that account with --profile: npm run setup -- --undo --region ${region}`,
    );
  }
  for (const { change } of journal.entries) {
    if (change.kind === 'targets' && change.path !== caller.settings.TARGETS_FILE) {
      throw new CommandError(
        `${name} records that setup wrote ${change.path}; here it would write ${caller.settings.TARGETS_FILE}. If that file is yours, run this with TARGETS_FILE=${change.path}.`,
      );
    }
  }
};

/**
 * Asks whether to undo what setup has changed.
 *
 * @returns what undoes it, leaving alone what somebody has changed since, and ends with the exit code
 * @throws {CommandError} it was changed elsewhere
 */
export const prepareUndo = async (path: string, conversation: Conversation): Promise<() => Promise<number>> => {
  const { context, options, caller, lastingCaller, ask, terminal, print } = conversation;
  const { interrupted, folder } = context;
  const undone: string[] = [];
  const end = (): number => {
    if (options.json === true) terminal.print(JSON.stringify({ version: 1, undone }, undefined, 2));
    else if (undone.length === 0) print('There is nothing to undo.');
    else if (options.canaryPod === true)
      print(`A stack that is deployed creates pods until the next: ${deployCommand(caller)}`);
    return exitCodes.well;
  };

  const journal = Journal.read(path);
  if (journal === undefined) return async () => end();
  requirePlace(journal, conversation);
  const { apiKey, stage } = journal.place;
  const isMeant = ({ change }: JournalEntry): boolean =>
    options.canaryPod !== true || ('purpose' in change && change.purpose === 'canary-pod');
  const steps = orderSteps(journal.entries.filter(isMeant));
  if (steps.length === 0) return async () => end();
  // No run fails for want of a canary pod.
  const stacks = options.canaryPod === true ? [] : await deployedStacks(stage, conversation);

  const clientOf = (key: string, signal?: AbortSignal) =>
    connect(lastingCaller.settings, async () => key, signal)(apiKey);
  const listBy = (key: string) => createRunpodManagement(clientOf(key, interrupted), caller.settings).listEndpoints();
  const endpoints = new Map<string, Endpoint>();
  const check = async (candidate: string): Promise<void> => {
    for (const each of await listBy(candidate)) endpoints.set(each.id, each);
  };
  const needed = [...new Set(steps.flatMap(({ entry }) => keyOf(entry.change, apiKey) ?? []))];
  if (options.keyStdin === true && needed.length > 1) {
    throw new UsageError(
      `--key-stdin: setup changed things by several keys (${needed.join(', ')}). Store one that works in each, and leave the option out.`,
    );
  }
  const sources = needed.length === 0 && options.keyStdin === true ? [apiKey] : needed;
  const keys = new Map<string, string>();
  for (const source of sources) {
    const earlier = async (): Promise<string | undefined> => {
      const stored = steps.flatMap(({ entry: { change } }) => (change.kind === 'api-key' ? [change] : []));
      const change = stored.find(({ parameter }) => `ssm:${parameter}` === source);
      return change === undefined ? undefined : readEarlierKey(caller, change);
    };
    keys.set(source, (await findKey(source, check, conversation, earlier)).key);
  }
  if (sources.length === 0 && stacks.length > 0) {
    await createReadApiKey(caller.settings)(apiKey)
      .then(check)
      .catch((error: unknown) => print(`! Which endpoints use the credential is not known: ${describeFailure(error)}`));
  }
  const losing = losers([...endpoints.values()], [apiKey, ...sources], journal.entries, conversation);

  print('This will');
  for (const [index, { entry }] of steps.entries()) print(`  ${index + 1}. ${announce(entry.change)}`);
  if (!(await confirmDeployed(stacks, losing, conversation)) || !(await ask.confirm('Go on?', false))) {
    print('Nothing was changed.');
    return async () => exitCodes.well;
  }

  const describeKey = async (earlierKey: string): Promise<string> =>
    listBy(earlierKey).then(
      () => '',
      (error: unknown) => `; it does not work: ${describeFailure(error)}`,
    );
  return async () => {
    const { settings } = lastingCaller;
    const workshopFor = (change: JournalChange): Workshop => {
      const client = clientOf(keys.get(keyOf(change, apiKey) ?? '') ?? '');
      return {
        folder,
        caller: lastingCaller,
        account: createRunpodAccount(client, settings),
        management: createRunpodManagement(client, settings),
      };
    };
    for (const { entry, concerns } of steps) {
      if (interrupted.aborted) {
        print(`Stopped after ${undone.length} of ${steps.length}. Run it again to go on.`);
        return exitCodes.interrupted;
      }
      const finished = acknowledgeInterruption(conversation, announce(entry.change));
      try {
        const done = await undo(entry, workshopFor(entry.change), describeKey);
        journal.forget(concerns);
        undone.push(done);
        print(`✓ ${done}`);
      } catch (error) {
        terminal.printError(
          `Could not ${announce(entry.change)}: ${describeFailure(error)}\nStopped after ${undone.length} of ${steps.length}; the rest is as it was. Run it again to go on.`,
        );
        return exitCodes.trouble;
      } finally {
        finished();
      }
    }
    return end();
  };
};
