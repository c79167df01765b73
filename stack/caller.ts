import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { type AwsConnection, awsClientDefaults } from '../functions/lib/aws/client.ts';
import { defined } from '../functions/lib/defined.ts';
import { regionPattern } from '../functions/lib/ecr/host.ts';
import { readSettings, type Settings } from '../functions/lib/env.ts';
import { maxStageLength, stagePattern } from '../functions/lib/stack-place.ts';
import { createFindCredentials } from './credentials.ts';
import { awsFailure, CommandError, UsageError } from './failure.ts';

/** Which stack, and whose AWS, a command is about. */
export interface CallerOptions {
  readonly stage?: string;
  readonly region?: string;
  readonly profile?: string;
}

/** Who runs a command, and where. */
export interface Caller {
  readonly stackName: string;
  readonly stage: string;
  readonly region: string;
  /** The AWS profile that --profile named. */
  readonly profile?: string;
  readonly settings: Settings;
  /** What AWS clients of this region are made with. */
  readonly aws: ReturnType<typeof awsClientDefaults> & { readonly region: string };
}

/** What a command runs in, as far as AWS is concerned. */
interface CallerContext {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** What of the connection to AWS is not left to the SDK, which finds it where the AWS command line does. */
  readonly aws?: AwsConnection;
}

/** A state machine's history and a long list of alarms are larger than most answers. */
const maxAnswerBytes = 4 * 1024 * 1024;

/**
 * Reads who runs a command. The region is found as serverless.yml finds it, so that a command looks where the stack is.
 *
 * @throws {UsageError} an option is not of its form
 */
export const readCaller = (
  { stage = 'dev', region, profile }: CallerOptions,
  { environment = process.env, aws = {} }: CallerContext = {},
): Caller => {
  if (!stagePattern.test(stage)) {
    throw new UsageError(
      `--stage: expected letters, digits and -, at most ${maxStageLength}, found ${JSON.stringify(stage)}.`,
    );
  }
  const chosen = region ?? (environment.AWS_REGION || 'us-east-1');
  if (!regionPattern.test(chosen)) {
    const where = region === undefined ? 'AWS_REGION' : '--region';
    throw new UsageError(`${where}: expected an AWS region, such as us-east-1, found ${JSON.stringify(chosen)}.`);
  }
  const credentials = aws.credentials ?? createFindCredentials(profile, environment);
  const connection = { ...aws, ...defined({ profile }), credentials, region: chosen };
  const settings = { ...readSettings(environment), aws: connection };
  return {
    stackName: `runpod-ecr-refresh-${stage}`,
    stage,
    region: chosen,
    ...defined({ profile }),
    settings,
    aws: { ...awsClientDefaults(settings, maxAnswerBytes), region: chosen },
  };
};

/** Who AWS says that we are. */
export interface Identity {
  readonly account: string;
  readonly arn: string;
}

/** @throws {CommandError} AWS does not know us, or did not answer */
export const readIdentity = async ({ aws }: Caller): Promise<Identity> => {
  const { Account: account, Arn: arn } = await new STSClient(aws)
    .send(new GetCallerIdentityCommand({}))
    .catch((error: unknown) => {
      throw awsFailure('say who this is', 'sts:GetCallerIdentity', error);
    });
  if (account === undefined || arn === undefined) throw new CommandError('AWS did not say who this is. Try again.');
  return { account, arn };
};
