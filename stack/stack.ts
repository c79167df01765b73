import { readFileSync } from 'node:fs';
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import * as z from 'zod/mini';
import type { Caller } from './caller.ts';
import { awsFailure, CommandError } from './failure.ts';

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
  /** Whether it cannot be used: its first deploy failed, or it is half removed. */
  readonly isBroken: boolean;
  /** The version that was deployed; `undefined` where the stack does not say. */
  readonly version: string | undefined;
  readonly stateMachine: string | undefined;
  readonly memoryTable: string | undefined;
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
    isBroken: /^(?:CREATE_FAILED|ROLLBACK_COMPLETE|ROLLBACK_FAILED|DELETE_FAILED|UPDATE_ROLLBACK_FAILED)$/.test(status),
    version: output('Version'),
    stateMachine: output('StateMachineArn'),
    memoryTable: output('MemoryTable'),
    alertTopic: output('AlertTopicArn'),
    alarmTopic: output('AlarmTopicArn'),
  };
};

/** The command that deploys a stage. */
export const deployCommand = ({ stage, region }: Caller): string =>
  `npx serverless deploy --stage ${stage} --region ${region}`;

/** @throws {CommandError} there is no such stack, or nothing can be read of it yet */
export const requireStack = async (caller: Caller): Promise<DeployedStack> => {
  const stack = await readStack(caller);
  if (stack === undefined) {
    throw new CommandError(
      `There is no stack ${caller.stackName} in ${caller.region}. Deploy it: ${deployCommand(caller)}; or name its stage and region.`,
    );
  }
  const { stateMachine, memoryTable } = stack;
  if (stateMachine !== undefined && memoryTable === undefined && !stack.isBroken) {
    throw new CommandError(
      `Stack ${stack.name} is of an earlier release, without a memory. Deploy again: ${deployCommand(caller)}.`,
    );
  }
  if (stateMachine === undefined || memoryTable === undefined || stack.isBroken) {
    throw new CommandError(
      stack.isBusy
        ? `Stack ${stack.name} is being deployed for the first time (${stack.status}). Try again in a few minutes.`
        : `Stack ${stack.name} is not whole (${stack.status}). Remove it (npx serverless remove --stage ${caller.stage} --region ${caller.region}) and deploy it again.`,
    );
  }
  return { ...stack, stateMachine, memoryTable };
};
