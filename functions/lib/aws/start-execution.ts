import { DescribeExecutionCommand, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import type { Settings } from '../env.ts';
import { RefreshNotStartedError } from '../errors.ts';
import { awsCause, awsClause, awsClientDefaults } from './client.ts';

/** What Step Functions says when asked to start an execution of that name. */
export type StartAnswer = 'started' | 'waiting' | 'ended';

/**
 * Starts a named execution.
 *
 * @returns `started` also where the same execution was already waiting; `waiting` where one of that name waits with
 *   another input; `ended` where one of that name has already run
 * @throws {RefreshNotStartedError} Step Functions did not answer, or refused
 */
export type StartExecution = (name: string, input: object) => Promise<StartAnswer>;

/**
 * Starts executions of a state machine with the AWS SDK.
 *
 * @param stateMachineArn the machine's, or an alias's of it
 */
export const createStartExecution = (
  settings: Pick<Settings, 'UPSTREAM_TIMEOUT_SECONDS' | 'aws'>,
  stateMachineArn: string,
): StartExecution => {
  const sfn = new SFNClient(awsClientDefaults(settings));
  const [, partition, , region, account, , machine] = stateMachineArn.split(':');
  const isRunning = async (name: string): Promise<boolean> => {
    const executionArn = `arn:${partition}:states:${region}:${account}:execution:${machine}:${name}`;
    // With its data, the answer would need the machine's key: DescribeExecution in the API reference, includedData.
    const command = new DescribeExecutionCommand({ executionArn, includedData: 'METADATA_ONLY' });
    return (await sfn.send(command)).status === 'RUNNING';
  };
  return async (name, input) => {
    try {
      const command = new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) });
      const { executionArn } = await sfn.send(command);
      if (executionArn === undefined) throw new Error('it answered without an execution');
      return 'started';
    } catch (error) {
      try {
        if (!(error instanceof Error && error.name === 'ExecutionAlreadyExists')) throw error;
        return (await isRunning(name)) ? 'waiting' : 'ended';
      } catch (error) {
        throw new RefreshNotStartedError(
          `Step Functions did not start ${name} (${awsClause(error)}).`,
          awsCause(error),
        );
      }
    }
  };
};
