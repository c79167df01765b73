import { beforeAll, describe, expect, it } from 'vitest';
import { type AuthorizationCheck, operations } from '../../../simulator/iam/authorization.ts';
import { createIam, type Iam } from '../../../simulator/iam/iam.ts';
import type { DeployedResource } from '../../../simulator/iam/resolver.ts';
import { deployTemplate } from '../../../simulator/iam/template.ts';
import { maxPackagingMs, type Packaged, packageStack } from '../../../simulator/packaged.ts';

const place = { account: '123456789012', region: 'us-east-1', partition: 'aws' };

let packaged: Packaged;
let iam: Iam;
beforeAll(() => {
  packaged = packageStack();
  iam = createIam(packaged.template, place);
}, maxPackagingMs);

const ofType = (type: string): DeployedResource[] =>
  [...iam.stack.resources.values()].filter((each) => each.type === type);
const functionNames = (): string[] => ofType('AWS::Lambda::Function').map(({ ref }) => ref);
const arnOf = ({ logicalId, arn }: DeployedResource): string => {
  if (arn === undefined) throw new Error(`${logicalId} has no ARN.`);
  return arn;
};
const propertyOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Object.entries(value).find(([key]) => key === name)?.[1] : undefined;
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
/** The customer's key of a topic or a queue. */
const keyOf = (arn: string): string | undefined => {
  const found = [...iam.stack.resources.values()].find((each) => each.arn === arn)?.properties.KmsMasterKeyId;
  return typeof found === 'string' ? found : undefined;
};
const refusalOf = (service: string, checks: readonly AuthorizationCheck[]) =>
  iam.authorizeAll(iam.service(service), checks);

describe('the packaged template', () => {
  it.each([
    { account: '123456789012', region: 'us-east-1', partition: 'aws' },
    { account: '210987654321', region: 'cn-north-1', partition: 'aws-cn' },
    { account: '210987654321', region: 'us-gov-west-1', partition: 'aws-us-gov' },
  ])('resolves in $partition, and whatever it names is there', (where) => {
    const stack = deployTemplate(packaged.template, where);
    expect(stack.resources.size).toBe(Object.keys(packaged.template.Resources).length);
    const roles = new Set(stack.roles.map(({ arn }) => arn));
    const users = new Set(stack.roleUses.map(({ logicalId }) => logicalId));
    const functions = [...stack.resources.values()].filter(({ type }) => type === 'AWS::Lambda::Function');
    expect(functions.filter(({ logicalId }) => !users.has(logicalId))).toEqual([]);
    expect(stack.roleUses.filter(({ roleArn }) => !roles.has(roleArn))).toEqual([]);
    const text = JSON.stringify([[...stack.resources.values()], stack.outputs, stack.roles]);
    expect(text).not.toMatch(/undefined|\[object|"Fn::|\$\{AWS::/);
    const arns = text.match(/arn:[a-z-]+:(?:lambda|states|sqs|sns|kms|logs|events|scheduler):[^"]*/g) ?? [];
    expect(arns.length).toBeGreaterThan(50);
    expect(arns.filter((arn) => !arn.startsWith(`arn:${where.partition}:`))).toEqual([]);
  });

  it('lets the machine invoke each version that it names', () => {
    const [machine] = ofType('AWS::StepFunctions::StateMachine');
    const called = JSON.stringify(machine?.properties.DefinitionSubstitutions);
    const versions = ofType('AWS::Lambda::Version').filter(({ ref }) => called.includes(`"${ref}"`));
    expect(versions.length).toBeGreaterThan(5);
    for (const { ref: functionArn } of versions) {
      const checks = operations.invokeFunction.checks({ functionArn }, place);
      expect(iam.authorizeAll(iam.roleOf(machine?.logicalId ?? ''), checks)).toBeUndefined();
    }
  });

  it('lets each function write its own log, and no other', () => {
    const logGroups = ofType('AWS::Logs::LogGroup').map(({ ref }) => ref);
    for (const name of functionNames()) {
      const writable = logGroups.filter((logGroup) => {
        const checks = operations.writeLog.checks({ logGroup, logStream: '2026/11/25/[1]a' }, place);
        return iam.authorizeAll(iam.roleOf(name), checks) === undefined;
      });
      expect(writable).toEqual([`/aws/lambda/${name}`]);
    }
  });

  it('lets Lambda assume the roles of functions, and Step Functions and Scheduler theirs for this account alone', () => {
    const codeOf = (user: string, service: string, account: string, sourceArn?: string) => {
      const input = { service, roleArn: iam.roleOf(user).arn, sourceArn };
      return refusalOf(service, operations.serviceAssumesRole.checks(input, { ...place, account }))?.code;
    };
    for (const name of functionNames()) {
      expect(codeOf(name, 'lambda.amazonaws.com', place.account)).toBeUndefined();
      expect(codeOf(name, 'states.amazonaws.com', place.account)).toBe('AccessDenied');
    }
    const group = 'arn:aws:scheduler:us-east-1:123456789012:schedule-group/default';
    const others = [
      ...ofType('AWS::StepFunctions::StateMachine').map((each) => [each, 'states.amazonaws.com', arnOf(each)] as const),
      ...ofType('AWS::Scheduler::Schedule').map((each) => [each, 'scheduler.amazonaws.com', group] as const),
    ];
    expect(others.length).toBeGreaterThan(1);
    for (const [{ logicalId }, service, sourceArn] of others) {
      expect(codeOf(logicalId, service, place.account, sourceArn)).toBeUndefined();
      expect(codeOf(logicalId, service, '210987654321', sourceArn)).toBe('AccessDenied');
    }
  });

  it('lets every alarm through to its topics, by the policies of the topic and of its key', () => {
    const alarms = ofType('AWS::CloudWatch::Alarm');
    expect(alarms.length).toBeGreaterThan(5);
    for (const alarm of alarms) {
      const topics = listOf(alarm.properties.AlarmActions).map(String);
      expect(topics.length).toBeGreaterThan(0);
      for (const topicArn of topics) {
        const input = { alarmArn: arnOf(alarm), topicArn, keyArn: keyOf(topicArn) };
        expect(refusalOf('cloudwatch.amazonaws.com', operations.alarmPublishes.checks(input, place))).toBeUndefined();
      }
    }
  });

  it('lets every rule without a role invoke its function, and keep what it cannot deliver', () => {
    const targets = ofType('AWS::Events::Rule').flatMap((rule) =>
      listOf(rule.properties.Targets).map((target) => ({ ruleArn: arnOf(rule), target })),
    );
    expect(targets.length).toBeGreaterThan(1);
    for (const { ruleArn, target } of targets) {
      const queueArn = String(propertyOf(propertyOf(target, 'DeadLetterConfig'), 'Arn'));
      const keeping = { ruleArn, queueArn, keyArn: keyOf(queueArn) };
      expect(refusalOf('events.amazonaws.com', operations.ruleKeepsEvent.checks(keeping, place))).toBeUndefined();
      if (propertyOf(target, 'RoleArn') !== undefined) continue;
      const invoking = { ruleArn, functionArn: String(propertyOf(target, 'Arn')) };
      expect(refusalOf('events.amazonaws.com', operations.ruleInvokesFunction.checks(invoking, place))).toBeUndefined();
    }
  });
});
