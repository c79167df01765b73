import { CloudFormationClient, DescribeStackResourceCommand } from '@aws-sdk/client-cloudformation';
import { ListExecutionsCommand, SFNClient } from '@aws-sdk/client-sfn';
import { ConfigurationError } from '../functions/lib/errors.ts';

/** How `serverless` says where it deploys. */
export type AwsConfiguration = ConstructorParameters<typeof CloudFormationClient>[0] & { readonly region: string };

/** What would end rollouts that are under way. */
interface RolloutsEnd {
  readonly stackName: string;
  /** What would end them, to stand before "would stop": `this deploy, which takes rollouts away,`. */
  readonly what: string;
  /** The command that does it nevertheless. */
  readonly command: string;
}

/** The most that are counted: a stack has as many at once as endpoints that follow what is pushed. */
const maxCounted = 100;

const isMissing = (error: unknown): boolean =>
  error instanceof Error && error.name === 'ValidationError' && /does not exist/.test(error.message);
/** CloudFormation's name for it, and Step Functions' (their API references, "Common errors"). */
const isRefused = (error: unknown): boolean =>
  error instanceof Error && ['AccessDenied', 'AccessDeniedException'].includes(error.name);

/** How many rollouts of a deployed stack are under way; none where it has no machine for them. */
const countRunning = async (stackName: string, configuration: AwsConfiguration): Promise<number> => {
  try {
    const describe = new DescribeStackResourceCommand({ StackName: stackName, LogicalResourceId: 'RolloutMachine' });
    const { StackResourceDetail } = await new CloudFormationClient(configuration).send(describe);
    const stateMachineArn = StackResourceDetail?.PhysicalResourceId;
    if (stateMachineArn === undefined) return 0;
    const list = new ListExecutionsCommand({ stateMachineArn, statusFilter: 'RUNNING', maxResults: maxCounted });
    const { executions = [] } = await new SFNClient(configuration).send(list);
    return executions.length;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
};

/**
 * Stops what would end rollouts that are under way, which leave their endpoints on an image that nobody has proven. A
 * refresh that runs meanwhile may begin another after this look: to keep it from that, the triggers would have to be disabled
 * and each refresh waited for, and whatever ended the command then would leave the stack without runs.
 *
 * @throws {ConfigurationError} some are, or nobody may be asked
 */
export const refuseWithRolloutsUnderWay = async (
  { stackName, what, command }: RolloutsEnd,
  configuration: AwsConfiguration,
): Promise<void> => {
  const anyway = `${command} --param="stopRunning=yes"`;
  let running: number;
  try {
    running = await countRunning(stackName, configuration);
  } catch (error) {
    if (!isRefused(error)) throw error;
    throw new ConfigurationError(
      `Whether rollouts of ${stackName} are under way could not be asked: allow cloudformation:DescribeStackResource on the stack and states:ListExecutions on the state machine ${stackName}-rollout, or go on without with ${anyway}.`,
    );
  }
  if (running === 0) return;
  const count =
    running === 1 ? 'A rollout is' : `${running === maxCounted ? `${running} or more` : running} rollouts are`;
  throw new ConfigurationError(
    `${count} under way in ${stackName}, and ${what} would stop ${running === 1 ? 'it' : 'them'} halfway: the endpoint stays on the new image, proven or not, or on the earlier one. npm run rollout shows which. Wait until it has ended, end it with npm run rollout -- --hold ID, or stop it with ${anyway}.`,
  );
};
