import {
  DeleteParameterCommand,
  GetParameterCommand,
  type ParameterHistory,
  PutParameterCommand,
  paginateGetParameterHistory,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { defined } from '../../functions/lib/defined.ts';
import type { Caller } from '../../stack/caller.ts';
import { awsFailure } from '../../stack/failure.ts';
import type { ChangeOf } from './journal.ts';

/** AWS's own key, by which Parameter Store encrypts where no other is named. */
const ownKeyOfAws = 'alias/aws/ssm';

/** A parameter as it is now. */
interface KeyParameter {
  readonly version: number;
  /** The customer's KMS key that encrypts it; `undefined` for AWS's own. */
  readonly kmsKey: string | undefined;
}

const historyOf = async ({ aws }: Caller, parameter: string, isDecrypted: boolean): Promise<ParameterHistory[]> => {
  const pages = paginateGetParameterHistory(
    { client: new SSMClient(aws) },
    { Name: parameter, WithDecryption: isDecrypted },
  );
  const versions: ParameterHistory[] = [];
  for await (const { Parameters = [] } of pages) versions.push(...Parameters);
  return versions;
};

const isMissing = (error: unknown): boolean => error instanceof Error && error.name === 'ParameterNotFound';

/** The version of a parameter that is current; `undefined` where there is no such parameter. */
const versionOf = async ({ aws }: Caller, parameter: string): Promise<number | undefined> => {
  try {
    const { Parameter } = await new SSMClient(aws).send(new GetParameterCommand({ Name: parameter }));
    return Parameter?.Version;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw awsFailure(`look parameter ${parameter} up`, 'ssm:GetParameter', error);
  }
};

/**
 * Looks a parameter up; `undefined` where there is none. A parameter that is overwritten without naming its KMS key goes
 * over to AWS's own, and only its history tells which it has:
 * https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html (KeyId)
 */
export const findKeyParameter = async (caller: Caller, parameter: string): Promise<KeyParameter | undefined> => {
  const version = await versionOf(caller, parameter);
  if (version === undefined) return undefined;
  const history = await historyOf(caller, parameter, false).catch((error: unknown) => {
    throw awsFailure(`show the KMS key of parameter ${parameter}`, 'ssm:GetParameterHistory', error);
  });
  const kmsKey = history.find((each) => each.Version === version)?.KeyId;
  return { version, kmsKey: kmsKey === ownKeyOfAws ? undefined : kmsKey };
};

/** Stores a key. @returns the version that holds it */
export const storeKey = async (
  { aws }: Caller,
  { parameter, versionBefore, kmsKey }: ChangeOf<'api-key'>,
  apiKey: string,
): Promise<number | undefined> => {
  const command = new PutParameterCommand({
    Name: parameter,
    Type: 'SecureString',
    Value: apiKey,
    Overwrite: versionBefore !== undefined,
    ...defined({ KeyId: kmsKey }),
  });
  const { Version } = await new SSMClient(aws).send(command).catch((error: unknown) => {
    const keyRights = kmsKey === undefined ? '' : ` and kms:Encrypt on ${kmsKey}`;
    throw awsFailure(`store parameter ${parameter}`, `ssm:PutParameter${keyRights}`, error);
  });
  return Version;
};

const earlierKey = async (
  caller: Caller,
  { parameter, versionBefore }: ChangeOf<'api-key'>,
): Promise<ParameterHistory | undefined> => {
  const history = await historyOf(caller, parameter, true);
  return history.find(({ Version }) => Version === versionBefore);
};

/** The key that a parameter held before; `undefined` where it held none, or that can no longer be read. */
export const readEarlierKey = async (caller: Caller, change: ChangeOf<'api-key'>): Promise<string | undefined> => {
  if (change.versionBefore === undefined) return undefined;
  return (await earlierKey(caller, change).catch(() => undefined))?.Value;
};

/**
 * Undoes the storing of a key, or of several one after another, unless somebody has changed the parameter since.
 *
 * @param change with the version before the first and the one after the last
 * @param isDone whether AWS said that it was stored
 * @param describe what is to be said of the earlier key
 */
export const undoKey = async (
  change: ChangeOf<'api-key'>,
  isDone: boolean,
  caller: Caller,
  describe: (key: string) => Promise<string>,
): Promise<string> => {
  const { parameter, versionBefore } = change;
  const versionAfter = change.versionAfter ?? (versionBefore ?? 0) + 1;
  const ssm = new SSMClient(caller.aws);
  const current = await versionOf(caller, parameter);
  if (current === undefined) return `ssm:${parameter} is gone already`;
  if (current === versionBefore) return `ssm:${parameter} was not replaced`;
  if (current !== versionAfter) return `left ssm:${parameter}: it has been changed since`;
  if (!isDone && versionBefore === undefined) {
    return `left ssm:${parameter}: setup was cut off while it stored it, so it may be somebody else's. Look, and delete it: aws ssm delete-parameter --name ${parameter} --region ${caller.region}`;
  }
  try {
    if (versionBefore === undefined) {
      await ssm.send(new DeleteParameterCommand({ Name: parameter }));
      return `deleted ssm:${parameter}`;
    }
    const before = await earlierKey(caller, change);
    if (before?.Value === undefined)
      return `left ssm:${parameter}: Parameter Store no longer has its version ${versionBefore}`;
    const { Value, Type = 'SecureString', KeyId } = before;
    const command = { Name: parameter, Type, Value, Overwrite: true, ...defined({ KeyId }) };
    await ssm.send(new PutParameterCommand(command));
    return `put the earlier key back into ssm:${parameter}${await describe(Value)}`;
  } catch (error) {
    throw awsFailure(
      `restore parameter ${parameter}`,
      'ssm:DeleteParameter, ssm:GetParameterHistory and ssm:PutParameter',
      error,
    );
  }
};
