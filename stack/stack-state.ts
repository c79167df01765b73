import type { Caller } from './caller.ts';
import { CommandError } from './failure.ts';
import { type DeployedStack, deployCommand, readStack, removeCommand, type Stack } from './stack.ts';

/** How a stack stands, and what is to be done about it. */
interface StackState {
  /** wrong: it does not work, or cannot be deployed. warning: it works, or soon will. */
  readonly mark: 'ok' | 'warning' | 'wrong';
  /** To stand behind the stack's name. */
  readonly text: string;
  readonly remedy: string;
}

const wait = (text: string): StackState => ({ mark: 'warning', text, remedy: 'Look again in a few minutes.' });

/**
 * Judges each of CloudFormation's states. A stack without outputs was never deployed whole, whatever its status: osls
 * makes the deployment bucket in a first change, which may stand alone.
 *
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html (stack status codes)
 */
export const judgeStack = ({ name, status, stateMachine }: Stack, caller: Caller): StackState => {
  const { region } = caller;
  const deploy = deployCommand(caller);
  const error = `See its error (aws cloudformation describe-stack-events --stack-name ${name} --region ${region})`;
  switch (status) {
    case 'DELETE_IN_PROGRESS':
      return { mark: 'wrong', text: 'is being removed', remedy: `Once it is gone, deploy it again: ${deploy}` };
    case 'DELETE_FAILED':
      return {
        mark: 'wrong',
        text: 'is half removed',
        remedy: `${error}, and remove it again: ${removeCommand(caller)}`,
      };
    case 'CREATE_FAILED':
    case 'ROLLBACK_COMPLETE':
    case 'ROLLBACK_FAILED':
      // Such a stack can only be deleted; nothing of it is in use, for it never was.
      return {
        mark: 'wrong',
        text: 'was not deployed: its first deploy failed',
        remedy: `${error}, remove what is left (${removeCommand(caller)}), and deploy again: ${deploy}`,
      };
    case 'UPDATE_ROLLBACK_FAILED':
      return {
        mark: 'wrong',
        text: 'is stuck between two versions',
        remedy: `${error}, mend it, and let the rollback go on: aws cloudformation continue-update-rollback --stack-name ${name} --region ${region}. Do not remove the stack: that ends the roles, and with them the tokens`,
      };
  }
  if (status.endsWith('_IN_PROGRESS')) {
    return wait(stateMachine === undefined ? 'is being deployed for the first time' : 'is being deployed');
  }
  if (stateMachine === undefined) {
    return {
      mark: 'wrong',
      text: 'was not deployed whole: its first deploy was cut off, for it has no outputs',
      remedy: `${error}, and deploy again: ${deploy}`,
    };
  }
  if (status === 'IMPORT_ROLLBACK_FAILED') {
    return {
      mark: 'warning',
      text: 'has an import that failed, and was not taken back whole',
      remedy: `${error}, and mend what it names`,
    };
  }
  if (status === 'UPDATE_FAILED' || status.endsWith('ROLLBACK_COMPLETE')) {
    return {
      mark: 'warning',
      text: 'runs as before: its last deploy failed',
      remedy: `${error}, and deploy again: ${deploy}`,
    };
  }
  return { mark: 'ok', text: 'is deployed', remedy: '' };
};

/** @throws {CommandError} there is no such stack, or nothing can be read of it */
export const requireStack = async (caller: Caller): Promise<DeployedStack> => {
  const stack = await readStack(caller);
  if (stack === undefined) {
    throw new CommandError(
      `There is no stack ${caller.stackName} in ${caller.region}. Deploy it: ${deployCommand(caller)}; or name its stage and region with --stage and --region.`,
    );
  }
  const { stateMachine, memoryTable } = stack;
  if (stateMachine !== undefined && memoryTable !== undefined) return { ...stack, stateMachine, memoryTable };
  if (stateMachine !== undefined) {
    throw new CommandError(
      `Stack ${stack.name} is of an earlier release, without a memory. Deploy again: ${deployCommand(caller)}.`,
    );
  }
  const { text, remedy } = judgeStack(stack, caller);
  throw new CommandError(`Stack ${stack.name} ${text} (${stack.status}). ${remedy}.`.replace(/\.\.$/, '.'));
};
