import { DescribeExecutionCommand, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import * as z from 'zod/mini';
import { awsCause, awsClause, awsClientDefaults } from './lib/aws/client.ts';
import { regionPattern } from './lib/ecr/host.ts';
import { requireSetting, type Settings } from './lib/env.ts';
import { RefreshNotStartedError } from './lib/errors.ts';
import { isoSeconds, lambda, type Platform, parseInput } from './lib/platform.ts';

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

/** What start-refresh needs from outside. */
export interface StartRefreshDeps {
  readonly startExecution: StartExecution;
  readonly now: () => number;
  readonly windowSeconds: number;
}

/** An "ECR Image Action" event, as far as we read it. It only hints that now is a good time to look. */
const eventSchema = z.object({
  account: z.string().check(z.regex(/^\d{12}$/, 'expected an AWS account id of 12 digits')),
  region: z.string().check(z.regex(regionPattern, 'expected an AWS region')),
});

/** What start-refresh answers. */
export interface StartRefreshOutput {
  readonly execution: string;
  readonly answer: StartAnswer;
}

const maxRestarts = 5;

/**
 * Starts one refresh for all the pushes to a registry that arrive within a window. The execution's name is the registry
 * and the window, and its input is the same for every push in it, so Step Functions itself drops the doubles; the
 * execution then waits for its window to close and misses none.
 *
 * @throws {RefreshNotStartedError} the event should be delivered again
 */
export const createStartRefresh =
  ({ startExecution, now, windowSeconds }: StartRefreshDeps) =>
  async (event: unknown): Promise<StartRefreshOutput> => {
    const { account, region } = parseInput('start-refresh', eventSchema, event);
    const windowMs = windowSeconds * 1000;
    const opened = Math.floor(now() / windowMs) * windowMs;
    const input = { trigger: 'push', registry: { account, region }, waitUntil: isoSeconds(opened + windowMs) };
    const window = `push-${account}-${region}-${isoSeconds(opened).replaceAll(/[-:]/g, '')}`;

    // A run of this name that has ended did not see this push: it was stopped, or failed, before its window closed.
    for (let attempt = 1; attempt <= maxRestarts; attempt += 1) {
      const execution = attempt === 1 ? window : `${window}-${attempt}`;
      const answer = await startExecution(execution, input);
      if (answer !== 'ended') return { execution, answer };
    }
    throw new RefreshNotStartedError(`Step Functions has already ended ${maxRestarts} refreshes of ${window}.`);
  };

/** Starts executions with the AWS SDK. */
export const createStartExecution = (settings: Settings): StartExecution => {
  const stateMachineArn = requireSetting(settings, 'STATE_MACHINE_ARN');
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

export const buildStartRefresh = ({ settings, now }: Platform) =>
  createStartRefresh({
    startExecution: createStartExecution(settings),
    now,
    windowSeconds: settings.PUSH_WINDOW_SECONDS,
  });

export const handler = lambda('start-refresh', buildStartRefresh);
