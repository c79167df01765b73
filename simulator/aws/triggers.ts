import { type AuthorizationCheck, operations } from '../iam/authorization.ts';
import type { Iam } from '../iam/iam.ts';
import { isRecord } from '../iam/names.ts';
import type { DeployedResource } from '../iam/resolver.ts';
import { AwsError } from './server.ts';

/** Something that could not be delivered, and lies in the stack's queue. */
interface DeadLetter {
  readonly from: string;
  readonly body: string;
}

/** A resource of the stack, which the template must have. */
export const resourceOf = ({ stack }: Iam, logicalId: string): DeployedResource & { readonly arn: string } => {
  const resource = stack.resources.get(logicalId);
  if (resource?.arn === undefined) throw new Error(`The packaged template has no ${logicalId} with an ARN.`);
  return { ...resource, arn: resource.arn };
};

/** The customer's key of a topic, a queue or a table of the stack. */
export const keyArnOf = ({ stack }: Iam, arn: string): string | undefined => {
  const { KmsMasterKeyId, SSESpecification } =
    [...stack.resources.values()].find((each) => each.arn === arn)?.properties ?? {};
  const found = isRecord(SSESpecification) ? SSESpecification.KMSMasterKeyId : KmsMasterKeyId;
  return typeof found === 'string' ? found : undefined;
};

/**
 * Scheduler, EventBridge and CloudWatch: what starts the stack's work or speaks for it, each in the role or in the name that
 * the template gives it.
 */
export class Triggers {
  readonly deadLetters: DeadLetter[] = [];
  /** Set where what a trigger calls does not answer, for as long as the trigger tries. */
  isStartLost = false;
  readonly #iam: () => Iam;

  /** @param iam asked each time, since a deploy changes it */
  constructor(iam: () => Iam) {
    this.#iam = iam;
  }

  /** What a schedule or a rule starts, by the ARN that its target names, in its role. @throws {AwsError} AWS's refusal */
  requireStart(logicalId: 'Schedule' | 'DeployRule'): void {
    const iam = this.#iam();
    const use = iam.stack.roleUses.find((each) => each.logicalId === logicalId);
    if (use?.target === undefined) throw new Error(`${logicalId} starts nothing.`);
    const isSchedule = logicalId === 'Schedule';
    const service = isSchedule ? 'scheduler.amazonaws.com' : 'events.amazonaws.com';
    // "Cross-service confused deputy prevention in EventBridge Scheduler": the schedule's group, not the schedule.
    const sourceArn = isSchedule ? use.arn.replace(/:schedule\/([^/]+)\/.*$/, ':schedule-group/$1') : use.arn;
    const { roleArn, target: stateMachineArn } = use;
    try {
      iam.require(
        iam.service(service),
        operations.serviceAssumesRole.checks({ service, roleArn, sourceArn }, iam.stack),
      );
      iam.require(iam.roleOf(logicalId), operations.startExecution.checks({ stateMachineArn }, iam.stack));
      if (this.isStartLost) throw new AwsError('ServiceUnavailable', 'Step Functions is not available.', 503);
    } catch (error) {
      if (error instanceof AwsError) this.#keep(logicalId, error.message);
      throw error;
    }
  }

  /** A rule invokes a function in EventBridge's own name. @throws {AwsError} AWS's refusal */
  requireInvocation(ruleId: string, functionArn: string, event: unknown): void {
    const iam = this.#iam();
    const { arn: ruleArn } = resourceOf(iam, ruleId);
    try {
      if (this.isStartLost) throw new AwsError('ServiceUnavailable', 'Lambda is not available.', 503);
      iam.require(
        iam.service('events.amazonaws.com'),
        operations.ruleInvokesFunction.checks({ ruleArn, functionArn }, iam.stack),
      );
    } catch (error) {
      if (error instanceof AwsError) this.#keep(ruleId, JSON.stringify(event));
      throw error;
    }
  }

  /** A function's failed invocation goes to the queue in the function's role. @throws {AwsError} AWS's refusal */
  keepInvocation(functionName: string, event: unknown): void {
    const iam = this.#iam();
    iam.require(iam.roleOf(functionName), this.#sending());
    this.deadLetters.push({ from: functionName, body: JSON.stringify(event) });
  }

  /** A schedule reaches the queue in its role, a rule in EventBridge's own name: "Using dead-letter queues" of either. */
  #keep(logicalId: string, body: string): void {
    const iam = this.#iam();
    const { arn, type } = resourceOf(iam, logicalId);
    const queueArn = resourceOf(iam, 'DeadLetterQueue').arn;
    const refusal =
      type === 'AWS::Events::Rule'
        ? iam.authorizeAll(
            iam.service('events.amazonaws.com'),
            operations.ruleKeepsEvent.checks({ ruleArn: arn, queueArn, keyArn: keyArnOf(iam, queueArn) }, iam.stack),
          )
        : iam.authorizeAll(iam.roleOf(logicalId), this.#sending());
    // Nobody is told of what cannot even be kept.
    if (refusal === undefined) this.deadLetters.push({ from: logicalId, body });
  }

  #sending(): readonly AuthorizationCheck[] {
    const iam = this.#iam();
    const queueArn = resourceOf(iam, 'DeadLetterQueue').arn;
    return operations.sendMessage.checks({ queueArn, keyArn: keyArnOf(iam, queueArn) }, iam.stack);
  }

  /** The topics that an alarm reaches: those of its actions that their policies and their keys' let CloudWatch publish to. */
  topicsOf(alarmName: string): readonly string[] {
    const iam = this.#iam();
    const alarm = [...iam.stack.resources.values()].find(
      ({ type, ref }) => type === 'AWS::CloudWatch::Alarm' && ref === alarmName,
    );
    if (alarm?.arn === undefined) throw new Error(`The stack has no alarm ${alarmName}.`);
    const { arn: alarmArn } = alarm;
    const { AlarmActions: actions } = alarm.properties;
    return (Array.isArray(actions) ? actions.map(String) : []).filter((topicArn) => {
      const checks = operations.alarmPublishes.checks(
        { alarmArn, topicArn, keyArn: keyArnOf(iam, topicArn) },
        iam.stack,
      );
      return iam.authorizeAll(iam.service('cloudwatch.amazonaws.com'), checks) === undefined;
    });
  }
}

/** What a rule's event pattern asks of an event: "Amazon EventBridge event patterns", as far as the stack uses them. */
export const matchesPattern = (pattern: unknown, event: unknown): boolean => {
  if (!isRecord(pattern)) return false;
  return Object.entries(pattern).every(([key, wanted]) => {
    const found = isRecord(event) ? event[key] : undefined;
    if (!Array.isArray(wanted)) return matchesPattern(wanted, found);
    return wanted.some((each) =>
      isRecord(each)
        ? Array.isArray(each['anything-but']) && found !== undefined && !each['anything-but'].includes(found)
        : each === found,
    );
  });
};
