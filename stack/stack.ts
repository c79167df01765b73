import { readFileSync } from 'node:fs';
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import * as z from 'zod/mini';
import type { Caller } from './caller.ts';
import { awsFailure } from './failure.ts';

const packageFile = new URL('../package.json', import.meta.url);

/** The version of these very files. */
export const { version: ownVersion } = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(packageFile, 'utf8')));

/** The stack as CloudFormation has it. */
export interface Stack {
  readonly name: string;
  /** CloudFormation's status, such as UPDATE_COMPLETE. */
  readonly status: string;
  /** Whether a deploy or a removal is under way. */
  readonly isBusy: boolean;
  /** The version that was deployed; `undefined` where the stack does not say. */
  readonly version: string | undefined;
  readonly stateMachine: string | undefined;
  readonly memoryTable: string | undefined;
  /** What rolls images out; `undefined` where targets.yml had no rollout when it was deployed. */
  readonly rolloutMachine: string | undefined;
  readonly alertTopic: string | undefined;
  readonly alarmTopic: string | undefined;
}

/** A stack that is whole. */
export type DeployedStack = Stack & { readonly stateMachine: string; readonly memoryTable: string };

const isMissing = (error: unknown): boolean =>
  error instanceof Error && error.name === 'ValidationError' && /does not exist/.test(error.message);

/**
 * Looks a stack up.
 *
 * @returns `undefined` where it is not deployed
 * @throws {CommandError} AWS refused, or did not answer
 */
export const readStack = async ({ aws, stackName }: Caller): Promise<Stack | undefined> => {
  const answer = await new CloudFormationClient(aws)
    .send(new DescribeStacksCommand({ StackName: stackName }))
    .catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw awsFailure(`look stack ${stackName} up`, 'cloudformation:DescribeStacks', error);
    });
  const stack = answer?.Stacks?.[0];
  const status = stack?.StackStatus ?? '';
  if (stack === undefined || status === 'REVIEW_IN_PROGRESS' || status === 'DELETE_COMPLETE') return undefined;
  const output = (key: string) => stack.Outputs?.find(({ OutputKey }) => OutputKey === key)?.OutputValue;
  return {
    name: stackName,
    status,
    isBusy: status.endsWith('_IN_PROGRESS'),
    version: output('Version'),
    stateMachine: output('StateMachineArn'),
    memoryTable: output('MemoryTable'),
    rolloutMachine: output('RolloutAliasArn'),
    alertTopic: output('AlertTopicArn'),
    alarmTopic: output('AlarmTopicArn'),
  };
};

type Place = Pick<Caller, 'stage' | 'region' | 'profile'>;

/** The options by which a command of ours meets the same stack, to be copied. */
export const placeOptions = ({ stage, region, profile }: Place): string =>
  `--stage ${stage} --region ${region}${profile === undefined ? '' : ` --profile ${profile}`}`;

const serverless = (command: string, { stage, region, profile }: Place): string =>
  `npx serverless ${command} --stage ${stage} --region ${region}${profile === undefined ? '' : ` --aws-profile ${profile}`}`;

/** The command that deploys a stage. */
export const deployCommand = (place: Place): string => serverless('deploy', place);

/** The command that removes a stage. */
export const removeCommand = (place: Place): string => serverless('remove', place);
