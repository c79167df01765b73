import { existsSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { CreateRepositoryCommand, DeleteRepositoryCommand, ECRClient } from '@aws-sdk/client-ecr';
import {
  DeleteParameterCommand,
  GetParameterCommand,
  PutParameterCommand,
  paginateGetParameterHistory,
  SSMClient,
} from '@aws-sdk/client-ssm';
import type { RegistryToken } from '../../functions/lib/aws/seal.ts';
import type { RunpodManagement } from '../../functions/lib/runpod/management.ts';
import type { Caller } from '../../stack/caller.ts';
import { awsFailure } from '../../stack/failure.ts';
import type { RunpodAccount } from '../runpod.ts';
import { type JournalChange, writeWhole } from './journal.ts';

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
  /** The token that a credential is created with. */
  readonly token: RegistryToken;
}

/**
 * Makes a change. To make it twice is harmless.
 *
 * @returns the change, with what has become known by it
 */
export const make = async (
  change: JournalChange,
  { folder, caller, account }: Workshop,
  secrets: Secrets,
): Promise<JournalChange> => {
  switch (change.kind) {
    case 'repository': {
      const command = new CreateRepositoryCommand({ repositoryName: change.name });
      await new ECRClient({ ...caller.aws, region: change.region }).send(command).catch((error: unknown) => {
        if (error instanceof Error && error.name === 'RepositoryAlreadyExistsException') return;
        throw awsFailure(`create repository ${change.name}`, 'ecr:CreateRepository', error);
      });
      return change;
    }
    case 'api-key': {
      const command = new PutParameterCommand({
        Name: change.parameter,
        Type: 'SecureString',
        Value: secrets.apiKey,
        Overwrite: change.versionBefore !== undefined,
      });
      await new SSMClient(caller.aws).send(command).catch((error: unknown) => {
        throw awsFailure(`store parameter ${change.parameter}`, 'ssm:PutParameter', error);
      });
      return change;
    }
    case 'credential': {
      const { id } = await account.createCredential(change.name, secrets.token);
      return { ...change, id };
    }
    case 'endpoint':
      await account.setCredential(change.endpoint, change.after);
      return change;
    case 'targets':
      writeWhole(resolve(folder, change.path), change.after);
      return change;
  }
};

/** The version of a parameter that is current; `undefined` where there is no such parameter. */
export const versionOf = async ({ aws }: Caller, parameter: string): Promise<number | undefined> => {
  try {
    const { Parameter } = await new SSMClient(aws).send(new GetParameterCommand({ Name: parameter }));
    return Parameter?.Version;
  } catch (error) {
    if (error instanceof Error && error.name === 'ParameterNotFound') return undefined;
    throw awsFailure(`look parameter ${parameter} up`, 'ssm:GetParameter', error);
  }
};

const valueOfVersion = async (ssm: SSMClient, parameter: string, version: number): Promise<string | undefined> => {
  const pages = paginateGetParameterHistory({ client: ssm }, { Name: parameter, WithDecryption: true });
  for await (const { Parameters = [] } of pages) {
    const found = Parameters.find(({ Version }) => Version === version)?.Value;
    if (found !== undefined) return found;
  }
  return undefined;
};

const undoApiKey = async (
  { parameter, versionBefore }: Extract<JournalChange, { kind: 'api-key' }>,
  { caller }: Workshop,
): Promise<string> => {
  const ssm = new SSMClient(caller.aws);
  const current = await versionOf(caller, parameter);
  if (current === undefined) return `ssm:${parameter} is gone already`;
  if (current !== (versionBefore ?? 0) + 1) {
    return current === versionBefore
      ? `ssm:${parameter} was not replaced`
      : `left ssm:${parameter}: it has been changed since`;
  }
  try {
    if (versionBefore === undefined) {
      await ssm.send(new DeleteParameterCommand({ Name: parameter }));
      return `deleted ssm:${parameter}`;
    }
    const before = await valueOfVersion(ssm, parameter, versionBefore);
    if (before === undefined)
      return `left ssm:${parameter}: Parameter Store no longer has its version ${versionBefore}`;
    await ssm.send(new PutParameterCommand({ Name: parameter, Type: 'SecureString', Value: before, Overwrite: true }));
    return `put the earlier key back into ssm:${parameter}`;
  } catch (error) {
    throw awsFailure(
      `restore parameter ${parameter}`,
      'ssm:DeleteParameter, ssm:GetParameterHistory and ssm:PutParameter',
      error,
    );
  }
};

const undoRepository = async (
  { region, name }: Extract<JournalChange, { kind: 'repository' }>,
  { caller }: Workshop,
): Promise<string> => {
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

const undoCredential = async (
  { id: knownId, name }: Extract<JournalChange, { kind: 'credential' }>,
  { account, management }: Workshop,
): Promise<string> => {
  // One that was created in the moment of a crash is known by its name alone.
  const id = knownId ?? (await account.listCredentials()).find((each) => each.name === name)?.id;
  if (id === undefined) return `credential ${name} was not created`;
  const users = (await management.listEndpoints()).filter(({ registry }) => registry === id);
  const others = (await management.listOtherUsers(id)).map((user) => user.name);
  const inUse = [...users.map((each) => `endpoint ${each.id}`), ...others];
  if (inUse.length > 0) return `left credential ${name} (${id}): ${inUse.join(', ')} use it`;
  await account.deleteCredential(id);
  return `deleted credential ${name} (${id})`;
};

const undoEndpoint = async (
  { endpoint, before, after }: Extract<JournalChange, { kind: 'endpoint' }>,
  { account, management }: Workshop,
): Promise<string> => {
  const found = await management.getEndpoint(endpoint);
  if (found === undefined) return `endpoint ${endpoint} is gone already`;
  if (found.registry !== after) return `left endpoint ${endpoint}: it does not use credential ${after}`;
  await account.setCredential(endpoint, before);
  return `selected ${before === null ? 'no credential' : `credential ${before}`} for endpoint ${endpoint} again`;
};

const undoTargets = (
  { path, before, after }: Extract<JournalChange, { kind: 'targets' }>,
  { folder }: Workshop,
): string => {
  const file = resolve(folder, path);
  const current = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  if (current !== after) return `left ${path}: it has been changed since`;
  if (before === undefined) rmSync(file);
  else writeWhole(file, before);
  return before === undefined ? `deleted ${path}` : `put the earlier ${path} back`;
};

/** Undoes a change, unless somebody has changed the thing since. @returns what was done, or why nothing was */
export const undo = async (change: JournalChange, workshop: Workshop): Promise<string> => {
  switch (change.kind) {
    case 'repository':
      return undoRepository(change, workshop);
    case 'api-key':
      return undoApiKey(change, workshop);
    case 'credential':
      return undoCredential(change, workshop);
    case 'endpoint':
      return undoEndpoint(change, workshop);
    case 'targets':
      return undoTargets(change, workshop);
  }
};
