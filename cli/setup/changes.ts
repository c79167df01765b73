import { existsSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { CreateRepositoryCommand, DeleteRepositoryCommand, ECRClient } from '@aws-sdk/client-ecr';
import type { RegistryToken } from '../../functions/lib/aws/seal.ts';
import { defined } from '../../functions/lib/defined.ts';
import type { RunpodManagement } from '../../functions/lib/runpod/management.ts';
import type { Caller } from '../../stack/caller.ts';
import { awsFailure } from '../../stack/failure.ts';
import type { RunpodAccount } from '../runpod.ts';
import { canaryTags, findRepository } from './canary-repository.ts';
import { makeImage, undoImage } from './image-change.ts';
import { type ChangeOf, isCreatedBy, type JournalChange, type JournalEntry, writeWhole } from './journal.ts';
import { storeKey, undoKey } from './key-parameter.ts';

/** What changes are made with. */
export interface Workshop {
  /** What relative paths are relative to. */
  readonly folder: string;
  readonly caller: Caller;
  readonly account: RunpodAccount;
  readonly management: RunpodManagement;
}

/** What a change needs that no record may keep. */
export interface Secrets {
  readonly apiKey: string;
  /** The token that a credential is created with, by its name, or that an image is tried with, by its repository. */
  readonly tokenOf: (name: string) => RegistryToken;
}

/**
 * Makes a change. To make it twice is harmless.
 *
 * @returns the change, with what has become known by it
 */
export const make = async (change: JournalChange, workshop: Workshop, secrets: Secrets): Promise<JournalChange> => {
  const { folder, caller, account } = workshop;
  switch (change.kind) {
    case 'repository': {
      const { name: repositoryName, purpose } = change;
      // What is proven with one image today is proven with the same image next year.
      const canary = { imageTagMutability: 'IMMUTABLE', tags: canaryTags } as const;
      const command = new CreateRepositoryCommand({ repositoryName, ...(purpose === undefined ? {} : canary) });
      const rights = `ecr:CreateRepository${purpose === undefined ? '' : ' and ecr:TagResource'}`;
      const isCreated = await new ECRClient({ ...caller.aws, region: change.region }).send(command).then(
        () => true,
        (error: unknown) => {
          if (error instanceof Error && error.name === 'RepositoryAlreadyExistsException') return false;
          throw awsFailure(`create repository ${repositoryName}`, rights, error);
        },
      );
      return isCreated ? change : { ...change, wasThere: true };
    }
    case 'image':
      await makeImage(change, workshop, secrets);
      return change;
    case 'api-key': {
      const versionAfter = await storeKey(caller, change, secrets.apiKey);
      return { ...change, ...defined({ versionAfter }) };
    }
    case 'credential': {
      const { id } = await account.createCredential(change.name, secrets.tokenOf(change.name));
      return { ...change, id };
    }
    case 'endpoint':
      await account.setCredential(change.endpoint, change.after);
      return change;
    case 'targets':
      writeWhole(resolve(folder, change.path), change.after, 0o644);
      return change;
  }
};

const undoRepository = async (
  { region, name, wasThere = false, purpose }: ChangeOf<'repository'>,
  isDone: boolean,
  { caller }: Workshop,
): Promise<string> => {
  if (wasThere) return `left repository ${name}: it was there before`;
  const isTagged = !isDone && purpose !== undefined && (await findRepository(caller, region, name))?.isOurs === true;
  if (!isDone && !isTagged)
    return `left repository ${name}: setup was cut off while it created it, so it may be somebody else's`;
  const ecr = new ECRClient({ ...caller.aws, region });
  try {
    await ecr.send(new DeleteRepositoryCommand({ repositoryName: name }));
    return `deleted repository ${name}`;
  } catch (error) {
    const reason = error instanceof Error ? error.name : '';
    if (reason === 'RepositoryNotEmptyException') return `left repository ${name}: it holds images`;
    if (reason === 'RepositoryNotFoundException') return `repository ${name} is gone already`;
    throw awsFailure(`delete repository ${name}`, 'ecr:DeleteRepository', error);
  }
};

const undoCredential = async (change: ChangeOf<'credential'>, { account, management }: Workshop): Promise<string> => {
  const { name } = change;
  // One that was created in the moment of a crash is known by its name alone.
  const id = (await account.listCredentials()).find((each) => isCreatedBy(change, each))?.id;
  if (id === undefined)
    return `credential ${name} ${change.id === undefined ? 'was not created' : `(${change.id}) is gone already`}`;
  const users = (await management.listEndpoints()).filter(({ registry }) => registry === id);
  const others = (await management.listOtherUsers(id)).map((user) => user.name);
  const inUse = [...users.map((each) => `endpoint ${each.id}`), ...others];
  if (inUse.length > 0) return `left credential ${name} (${id}): ${inUse.join(', ')} use it`;
  await account.deleteCredential(id);
  return `deleted credential ${name} (${id})`;
};

const undoEndpoint = async (
  { endpoint, before, after }: ChangeOf<'endpoint'>,
  { account, management }: Workshop,
): Promise<string> => {
  const found = await management.getEndpoint(endpoint);
  if (found === undefined) return `endpoint ${endpoint} is gone already`;
  if (found.registry !== after) return `left endpoint ${endpoint}: it does not use credential ${after}`;
  if (before !== null && !(await account.listCredentials()).some(({ id }) => id === before)) {
    return `left endpoint ${endpoint}: credential ${before}, which it had before, is gone`;
  }
  await account.setCredential(endpoint, before);
  return `selected ${before === null ? 'no credential' : `credential ${before}`} for endpoint ${endpoint} again`;
};

const undoTargets = ({ path, before, after }: ChangeOf<'targets'>, { folder }: Workshop): string => {
  const file = resolve(folder, path);
  const current = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  if (current === before) return `${path} is as it was before`;
  if (current !== after) return `left ${path}: it has been changed since`;
  if (before === undefined) rmSync(file);
  else writeWhole(file, before, 0o644);
  return before === undefined ? `deleted ${path}` : `put the earlier ${path} back`;
};

/** Undoes a change, unless somebody has changed the thing since. @returns what was done, or why nothing was */
export const undo = async (
  { change, isDone }: JournalEntry,
  workshop: Workshop,
  describeKey: (key: string) => Promise<string>,
): Promise<string> => {
  switch (change.kind) {
    case 'repository':
      return undoRepository(change, isDone, workshop);
    case 'image':
      return undoImage(change, workshop);
    case 'api-key':
      return undoKey(change, isDone, workshop.caller, describeKey);
    case 'credential':
      return undoCredential(change, workshop);
    case 'endpoint':
      return undoEndpoint(change, workshop);
    case 'targets':
      return undoTargets(change, workshop);
  }
};
