import { describe, expect, it } from 'vitest';
import { operations } from '../../../simulator/iam/authorization.ts';
import { createIam } from '../../../simulator/iam/iam.ts';

const place = { account: '123456789012', region: 'us-east-1', partition: 'aws' };
const here = 'us-east-1:123456789012';

describe('a small stack', () => {
  const machineArn = `arn:aws:states:${here}:stateMachine:refresh`;
  const trust = (Service: string, Condition = {}) => ({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service }, Action: 'sts:AssumeRole', Condition }],
  });
  const policies = (...Statement: object[]) => [
    { PolicyName: 'p', PolicyDocument: { Version: '2012-10-17', Statement } },
  ];
  const keyArn = { 'Fn::GetAtt': ['Key', 'Arn'] };
  const template = {
    Resources: {
      Key: {
        Type: 'AWS::KMS::Key',
        Properties: {
          KeyPolicy: {
            Version: '2012-10-17',
            Statement: [
              {
                Effect: 'Allow',
                Principal: { AWS: { 'Fn::Sub': 'arn:${AWS::Partition}:iam::${AWS::AccountId}:root' } },
                Action: 'kms:*',
                Resource: '*',
              },
              {
                Effect: 'Allow',
                Principal: { Service: 'cloudwatch.amazonaws.com' },
                Action: ['kms:Decrypt', 'kms:GenerateDataKey*'],
                Resource: '*',
                Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
              },
            ],
          },
        },
      },
      Alias: { Type: 'AWS::KMS::Alias', Properties: { AliasName: 'alias/seal', TargetKeyId: { Ref: 'Key' } } },
      Topic: { Type: 'AWS::SNS::Topic', Properties: { TopicName: 'alarms' } },
      Alarm: { Type: 'AWS::CloudWatch::Alarm', Properties: { AlarmName: 'late' } },
      Rule: { Type: 'AWS::Events::Rule', Properties: { Name: 'push', Targets: [] } },
      Permission: {
        Type: 'AWS::Lambda::Permission',
        Properties: {
          FunctionName: { Ref: 'Function' },
          Action: 'lambda:InvokeFunction',
          Principal: 'events.amazonaws.com',
          SourceArn: { 'Fn::GetAtt': ['Rule', 'Arn'] },
        },
      },
      Function: {
        Type: 'AWS::Lambda::Function',
        Properties: { FunctionName: 'start', Role: { 'Fn::GetAtt': ['Role', 'Arn'] } },
      },
      Role: {
        Type: 'AWS::IAM::Role',
        Properties: {
          RoleName: 'starter',
          AssumeRolePolicyDocument: trust('lambda.amazonaws.com'),
          Policies: policies(
            {
              Effect: 'Allow',
              Action: 'states:StartExecution',
              Resource: machineArn,
              Condition: { 'ForAnyValue:StringEquals': { 'states:StateMachineQualifier': ['live'] } },
            },
            {
              Effect: 'Allow',
              Action: 'states:DescribeExecution',
              Resource: `arn:aws:states:${here}:execution:refresh:*`,
            },
            {
              Effect: 'Allow',
              Action: 'kms:GenerateDataKey',
              Resource: keyArn,
              Condition: {
                'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['execution', 'target'] },
                Null: { 'kms:EncryptionContext:execution': 'false', 'kms:EncryptionContext:target': 'false' },
                'ForAnyValue:StringEquals': { 'kms:ResourceAliases': 'alias/seal' },
              },
            },
            {
              Effect: 'Allow',
              Action: ['ssm:GetParameter', 'secretsmanager:GetSecretValue', 'SNS:Publish'],
              Resource: '*',
            },
            {
              Effect: 'Allow',
              Action: 'kms:Decrypt',
              Resource: '*',
              Condition: {
                StringEquals: {
                  'kms:ViaService': 'ssm.us-east-1.amazonaws.com',
                  'kms:EncryptionContext:PARAMETER_ARN': `arn:aws:ssm:${here}:parameter/runpod/key`,
                },
              },
            },
            { Effect: 'Allow', Action: 'sts:AssumeRole', Resource: 'arn:aws:iam::*:role/pull' },
          ),
        },
      },
      ScheduleRole: {
        Type: 'AWS::IAM::Role',
        Properties: {
          RoleName: 'scheduler',
          AssumeRolePolicyDocument: trust('scheduler.amazonaws.com', {
            StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } },
            ArnLike: { 'aws:SourceArn': { 'Fn::Sub': 'arn:${AWS::Partition}:scheduler:*:*:schedule-group/*' } },
          }),
        },
      },
    },
    Outputs: { Key: { Value: keyArn } },
  };
  const iam = createIam(template, place);
  const keyOf = String(iam.stack.outputs.Key);
  const start = iam.roleOf('start');
  const execution = `arn:aws:states:${here}:execution:refresh:one`;
  const refusedTo = (action: string, resource: string): string =>
    `User: arn:aws:sts::123456789012:assumed-role/starter/start is not authorized to perform: ${action} on resource: ${resource} because no identity-based policy allows the ${action} action`;

  it('starts an alias by the ARN of its machine, for which the qualifier counts', () => {
    const named = (stateMachineArn: string) =>
      iam.authorizeAll(start, operations.startExecution.checks({ stateMachineArn }, place));
    expect(named(`${machineArn}:live`)).toBeUndefined();
    const refusal = {
      code: 'AccessDeniedException',
      message: refusedTo('states:StartExecution', machineArn),
      status: 400,
    };
    expect(named(`${machineArn}:canary`)).toEqual(refusal);
    expect(named(`${machineArn}:1`)).toEqual(refusal);
    expect(named(machineArn)).toEqual(refusal);
  });

  it('describes an execution only with its key, or without its data', () => {
    const describing = (includedData?: string, executionArn = execution) =>
      iam.authorizeAll(
        start,
        operations.describeExecution.checks({ executionArn, includedData, keyArn: keyOf }, place),
      );
    expect(describing('METADATA_ONLY')).toBeUndefined();
    expect(describing()).toEqual({
      code: 'KmsAccessDeniedException',
      message: refusedTo('kms:Decrypt', keyOf),
      status: 400,
    });
    expect(describing('METADATA_ONLY', `arn:aws:states:${here}:execution:other:one`)?.code).toBe(
      'AccessDeniedException',
    );
  });

  it.each([
    [{ execution: 'e', target: 't' }, undefined],
    [{ execution: 'e' }, 'AccessDeniedException'],
    [{ execution: 'e', target: 't', more: 'm' }, 'AccessDeniedException'],
    [{}, 'AccessDeniedException'],
  ])('makes a data key for the encryption context %j: %s', (encryptionContext, code) => {
    const checks = operations.generateDataKey.checks({ keyArn: keyOf, encryptionContext }, place);
    expect(iam.authorizeAll(start, checks)?.code).toBe(code);
  });

  it('asks for the names of a key that its aliases are', () => {
    const bare = createIam(
      { ...template, Resources: { ...template.Resources, Alias: { Type: 'AWS::SNS::Topic' } } },
      place,
    );
    const checks = operations.generateDataKey.checks(
      { keyArn: keyOf, encryptionContext: { execution: 'e', target: 't' } },
      place,
    );
    expect(bare.authorizeAll(bare.roleOf('start'), checks)?.message).toBe(refusedTo('kms:GenerateDataKey', keyOf));
  });

  it("reads a parameter under a customer's key by that key, and one under AWS's own without", () => {
    const reading = (name: string, keyArn?: string) =>
      iam.authorizeAll(start, operations.getParameter.checks({ name, keyArn }, place));
    expect(reading('/runpod/key', keyOf)).toBeUndefined();
    expect(reading('/other/key')).toBeUndefined();
    expect(reading('/other/key', keyOf)?.message).toBe(refusedTo('kms:Decrypt', keyOf));
  });

  it("passes KMS's refusal on in each service's own way", () => {
    const secretArn = `arn:aws:secretsmanager:${here}:secret:key-AbCdEf`;
    expect(iam.authorizeAll(start, operations.getSecretValue.checks({ secretArn, keyArn: keyOf }, place))).toEqual({
      code: 'AccessDeniedException',
      message: 'Access to KMS is not allowed',
      status: 400,
    });
    const topicArn = `arn:aws:sns:${here}:other`;
    expect(iam.authorizeAll(start, operations.publish.checks({ topicArn, keyArn: keyOf }, place))).toMatchObject({
      code: 'KMSAccessDenied',
      message: refusedTo('kms:GenerateDataKey', keyOf),
    });
  });

  it('answers as the service would that was asked', () => {
    const role = iam.session('scheduler', 's');
    const topicArn = `arn:aws:sns:${here}:other`;
    expect(iam.authorizeAll(role, operations.publish.checks({ topicArn }, place))).toEqual({
      code: 'AuthorizationError',
      message: `User: arn:aws:sts::123456789012:assumed-role/scheduler/s is not authorized to perform: SNS:Publish on resource: ${topicArn} because no identity-based policy allows the SNS:Publish action`,
      status: 403,
    });
    const own = operations.assumeRole.checks({ roleArn: 'arn:aws:iam::123456789012:role/nobody' }, place);
    expect(iam.authorizeAll(role, own)).toEqual({
      code: 'AccessDenied',
      message:
        'User: arn:aws:sts::123456789012:assumed-role/scheduler/s is not authorized to perform: sts:AssumeRole because no role trust policy allows the sts:AssumeRole action',
      status: 403,
    });
  });

  it('assumes a role of another account by its trust and its external id', () => {
    const roleArn = 'arn:aws:iam::210987654321:role/pull';
    const another = createIam(template, place);
    const assuming = (externalId?: string) =>
      another.authorizeAll(another.roleOf('start'), operations.assumeRole.checks({ roleArn, externalId }, place));
    expect(assuming('x')?.code).toBe('AccessDenied');
    another.setResourcePolicy(roleArn, 'trust', {
      Version: '2012-10-17',
      Statement: {
        Effect: 'Allow',
        Principal: { AWS: 'arn:aws:iam::123456789012:role/starter' },
        Action: 'sts:AssumeRole',
        Condition: { StringEquals: { 'sts:ExternalId': 'x' } },
      },
    });
    expect(assuming('x')).toBeUndefined();
    expect(assuming()?.code).toBe('AccessDenied');
  });

  it('lets a service assume the role that trusts it, for its account alone', () => {
    const scheduler = iam.service('scheduler.amazonaws.com');
    const assuming = (service: string, account: string) =>
      iam.authorizeAll(
        scheduler,
        operations.serviceAssumesRole.checks(
          {
            service,
            roleArn: 'arn:aws:iam::123456789012:role/scheduler',
            sourceArn: `arn:aws:scheduler:${here}:schedule-group/default`,
          },
          { ...place, account },
        ),
      );
    expect(assuming('scheduler.amazonaws.com', place.account)).toBeUndefined();
    expect(assuming('scheduler.amazonaws.com', '210987654321')?.message).toBe(
      'User: scheduler.amazonaws.com is not authorized to perform: sts:AssumeRole because no role trust policy allows the sts:AssumeRole action',
    );
    expect(assuming('events.amazonaws.com', place.account)?.code).toBe('AccessDenied');
  });

  it('lets the rule of a permission invoke the function, and no other', () => {
    const functionArn = `arn:aws:lambda:${here}:function:start`;
    const invoking = (rule: string) =>
      iam.authorizeAll(
        start,
        operations.ruleInvokesFunction.checks({ ruleArn: `arn:aws:events:${here}:rule/${rule}`, functionArn }, place),
      );
    expect(invoking('push')).toBeUndefined();
    expect(invoking('pull')).toEqual({
      code: 'AccessDeniedException',
      message: `User: events.amazonaws.com is not authorized to perform: lambda:InvokeFunction on resource: ${functionArn} because no resource-based policy allows the lambda:InvokeFunction action`,
      status: 403,
    });
  });

  it("lets an alarm publish by the topic's default policy, and by the key's", () => {
    const alarmArn = `arn:aws:cloudwatch:${here}:alarm:late`;
    const checks = operations.alarmPublishes.checks(
      { alarmArn, topicArn: `arn:aws:sns:${here}:alarms`, keyArn: keyOf },
      place,
    );
    expect(iam.authorizeAll(start, checks)).toBeUndefined();
    const withoutSource = checks.map(({ context, ...each }) => ({
      ...each,
      context: { ...context, 'aws:SourceAccount': '1' },
    }));
    expect(iam.authorizeAll(start, withoutSource)?.code).toBe('KMSAccessDenied');
  });

  it("throws AWS's refusal where a service asks it to", () => {
    const checks = operations.startExecution.checks({ stateMachineArn: machineArn }, place);
    expect(() => iam.require(start, checks)).toThrow(
      expect.objectContaining({ code: 'AccessDeniedException', status: 400 }) as Error,
    );
  });

  it('refuses to guess: an unknown key, an unknown user of a role', () => {
    const keyArn = `arn:aws:kms:${here}:key/unknown`;
    expect(() => iam.authorizeAll(start, operations.decrypt.checks({ keyArn }, place))).toThrow('key/unknown');
    expect(() => iam.roleOf('nobody')).toThrow('nobody');
    expect(() => iam.session('nobody', 's')).toThrow('nobody');
  });
});

describe('what AWS authorizes', () => {
  it.each(Object.entries(operations))('%s has a source', (_, { source }) => {
    expect(source).toMatch(/https:\/\/docs\.aws\.amazon\.com\//);
  });

  it('asks for both contexts that the data of a child may have', () => {
    const executionArn = `arn:aws:states:${here}:execution:refresh/RefreshTargets:one`;
    const checks = operations.runExecution.checks({ executionArn, keyArn: `arn:aws:kms:${here}:key/1` }, place);
    const machine = `arn:aws:states:${here}:stateMachine:refresh`;
    expect(
      checks.map(({ action, context }) => [action, context['kms:EncryptionContext:aws:states:stateMachineArn']]),
    ).toEqual([
      ['kms:GenerateDataKey', machine],
      ['kms:Decrypt', machine],
      ['kms:GenerateDataKey', `${machine}/RefreshTargets`],
      ['kms:Decrypt', `${machine}/RefreshTargets`],
    ]);
  });

  it('names services as their partition does', () => {
    const china = { account: '123456789012', region: 'cn-north-1', partition: 'aws-cn' };
    const [, decrypt] = operations.getParameter.checks(
      { name: '/a', keyArn: 'arn:aws-cn:kms:cn-north-1:1:key/1' },
      china,
    );
    expect(decrypt?.context['kms:ViaService']).toBe('ssm.cn-north-1.amazonaws.com.cn');
  });
});
