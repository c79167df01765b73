import { describe, expect, it } from 'vitest';
import { deployTemplate } from '../../../simulator/iam/template.ts';

const place = { account: '123456789012', region: 'eu-central-1', partition: 'aws' };
const here = 'eu-central-1:123456789012';

/** What an output says in a template with these resources. */
const outputOf = (Value: unknown, rest: object = {}, options: object = {}): unknown =>
  deployTemplate({ Resources: {}, ...rest, Outputs: { Value: { Value } } }, { ...place, ...options }).outputs.Value;

describe('references', () => {
  const Resources = { Topic: { Type: 'AWS::SNS::Topic', Properties: { TopicName: 'alerts' } } };
  const Conditions = {
    IsHere: { 'Fn::Equals': [{ Ref: 'AWS::Region' }, 'eu-central-1'] },
    IsElsewhere: { 'Fn::Not': [{ Condition: 'IsHere' }] },
    Both: { 'Fn::And': [{ Condition: 'IsHere' }, { Condition: 'IsElsewhere' }] },
    Either: { 'Fn::Or': [{ Condition: 'IsHere' }, { Condition: 'IsElsewhere' }] },
  };
  const Parameters = { Stage: { Type: 'String', Default: 'dev' } };
  const rest = { Resources, Conditions, Parameters };
  it.each<[unknown, unknown]>([
    [{ Ref: 'Topic' }, `arn:aws:sns:${here}:alerts`],
    [{ 'Fn::GetAtt': ['Topic', 'TopicName'] }, 'alerts'],
    [{ 'Fn::GetAtt': 'Topic.TopicArn' }, `arn:aws:sns:${here}:alerts`],
    [{ 'Fn::Sub': '${AWS::Partition}/${Topic.TopicName}/${!Literal}' }, 'aws/alerts/${Literal}'],
    [{ 'Fn::Sub': ['${A}-${AWS::URLSuffix}', { A: { Ref: 'Stage' } }] }, 'dev-amazonaws.com'],
    [{ 'Fn::Join': [':', ['a', { Ref: 'AWS::AccountId' }]] }, 'a:123456789012'],
    [{ 'Fn::Select': ['1', { 'Fn::Split': ['-', 'a-b-c'] }] }, 'b'],
    [{ 'Fn::If': ['IsHere', 'yes', 'no'] }, 'yes'],
    [{ 'Fn::If': ['IsElsewhere', 'yes', 'no'] }, 'no'],
    [{ 'Fn::If': ['Both', 'yes', 'no'] }, 'no'],
    [{ 'Fn::If': ['Either', 'yes', 'no'] }, 'yes'],
    [{ a: { Ref: 'AWS::NoValue' }, b: [1, { Ref: 'AWS::NoValue' }] }, { b: [1] }],
    [{ Ref: 'AWS::StackName' }, 'one'],
  ])('%j is %j', (value, expected) => {
    expect(outputOf(value, rest, { stackName: 'one' })).toEqual(expected);
  });

  it('takes a parameter for its default', () => {
    expect(outputOf({ Ref: 'Stage' }, rest, { parameters: { Stage: 'production' } })).toBe('production');
  });

  it.each<[unknown, string]>([
    [{ Ref: 'Nothing' }, 'no resource Nothing'],
    [{ 'Fn::GetAtt': ['Topic', 'Arn'] }, 'no attribute Arn of AWS::SNS::Topic'],
    [{ 'Fn::Sub': '${Nothing}' }, 'no resource Nothing'],
    [{ 'Fn::Base64': 'a' }, 'no intrinsic function Fn::Base64'],
    [{ 'Fn::ImportValue': 'a' }, 'no intrinsic function Fn::ImportValue'],
    [{ 'Fn::If': ['Nothing', 1, 2] }, 'no condition Nothing'],
    [{ 'Fn::Select': [3, ['a']] }, 'no element 3'],
    [{ 'Fn::Join': ['', [{ a: 1 }]] }, 'no text'],
  ])('refuses %j', (value, message) => {
    expect(() => outputOf(value, rest)).toThrow(message);
  });

  it('refuses a type that it does not know, and resources in a circle', () => {
    expect(() => outputOf('', { Resources: { A: { Type: 'AWS::EC2::Instance' } } })).toThrow('AWS::EC2::Instance');
    const circle = { Type: 'AWS::SNS::Topic', Properties: { TopicName: { Ref: 'A' } } };
    expect(() => outputOf('', { Resources: { A: circle } })).toThrow('depends on itself');
  });

  it('leaves out a resource whose condition does not hold', () => {
    const template = { Conditions, Resources: { A: { Type: 'AWS::SNS::Topic', Condition: 'IsElsewhere' } } };
    expect([...deployTemplate(template, place).resources.keys()]).toEqual([]);
  });
});

describe('names and ARNs', () => {
  const named = (Type: string, Properties: object): object => ({ A: { Type, Properties } });
  it.each<[string, object, string, string | undefined]>([
    ['AWS::S3::Bucket', { BucketName: 'b' }, 'b', 'arn:aws:s3:::b'],
    ['AWS::Logs::LogGroup', { LogGroupName: '/a/b' }, '/a/b', `arn:aws:logs:${here}:log-group:/a/b:*`],
    ['AWS::Lambda::Function', { FunctionName: 'f' }, 'f', `arn:aws:lambda:${here}:function:f`],
    [
      'AWS::Lambda::Version',
      { FunctionName: `arn:aws:lambda:${here}:function:f` },
      `arn:aws:lambda:${here}:function:f:1`,
      `arn:aws:lambda:${here}:function:f:1`,
    ],
    ['AWS::KMS::Alias', { AliasName: 'alias/a' }, 'alias/a', `arn:aws:kms:${here}:alias/a`],
    ['AWS::StepFunctions::StateMachine', { StateMachineName: 'm' }, `arn:aws:states:${here}:stateMachine:m`, undefined],
    ['AWS::Scheduler::Schedule', { Name: 's' }, 's', `arn:aws:scheduler:${here}:schedule/default/s`],
    ['AWS::Scheduler::Schedule', { Name: 's', GroupName: 'g' }, 's', `arn:aws:scheduler:${here}:schedule/g/s`],
    ['AWS::Events::Rule', { Name: 'r' }, 'r', `arn:aws:events:${here}:rule/r`],
    ['AWS::Events::Rule', { Name: 'r', EventBusName: 'bus' }, 'bus|r', `arn:aws:events:${here}:rule/bus/r`],
    [
      'AWS::SQS::Queue',
      { QueueName: 'q' },
      'https://sqs.eu-central-1.amazonaws.com/123456789012/q',
      `arn:aws:sqs:${here}:q`,
    ],
    ['AWS::CloudWatch::Alarm', { AlarmName: 'a' }, 'a', `arn:aws:cloudwatch:${here}:alarm:a`],
    ['AWS::CloudWatch::Dashboard', { DashboardName: 'd' }, 'd', 'arn:aws:cloudwatch::123456789012:dashboard/d'],
    ['AWS::DynamoDB::Table', { TableName: 't' }, 't', `arn:aws:dynamodb:${here}:table/t`],
    ['AWS::SSM::Parameter', { Name: '/a/b' }, '/a/b', `arn:aws:ssm:${here}:parameter/a/b`],
  ])('%s %j', (type, properties, ref, arn) => {
    const resource = deployTemplate({ Resources: named(type, properties) }, place).resources.get('A');
    expect(resource).toMatchObject({ ref, arn: arn ?? ref });
  });

  it('are those of an alias by way of its version', () => {
    const { outputs } = deployTemplate(
      {
        Resources: {
          Machine: { Type: 'AWS::StepFunctions::StateMachine', Properties: { StateMachineName: 'm' } },
          Version: {
            Type: 'AWS::StepFunctions::StateMachineVersion',
            Properties: { StateMachineArn: { Ref: 'Machine' } },
          },
          Alias: {
            Type: 'AWS::StepFunctions::StateMachineAlias',
            Properties: { Name: 'live', DeploymentPreference: { StateMachineVersionArn: { Ref: 'Version' } } },
          },
        },
        Outputs: { Version: { Value: { Ref: 'Version' } }, Alias: { Value: { Ref: 'Alias' } } },
      },
      place,
    );
    const machine = `arn:aws:states:${here}:stateMachine:m`;
    expect(outputs).toEqual({ Version: `${machine}:1`, Alias: `${machine}:live` });
  });

  it('of a role has its path, a made-up name where there is none, and every kind of policy', () => {
    const PolicyDocument = { Version: '2012-10-17', Statement: { Effect: 'Allow', Action: 'a:b', Resource: '*' } };
    const AssumeRolePolicyDocument = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: 'lambda.amazonaws.com' } }],
    };
    const foreign = 'arn:aws:iam::aws:policy/Foreign';
    const template = {
      Resources: {
        Worker: {
          Type: 'AWS::IAM::Role',
          Properties: {
            Path: '/teams/',
            AssumeRolePolicyDocument,
            Policies: [{ PolicyName: 'inline', PolicyDocument }],
            ManagedPolicyArns: [{ Ref: 'Managed' }, foreign],
            PermissionsBoundary: { Ref: 'Managed' },
          },
        },
        Managed: { Type: 'AWS::IAM::ManagedPolicy', Properties: { ManagedPolicyName: 'managed', PolicyDocument } },
        Attached: {
          Type: 'AWS::IAM::Policy',
          Properties: { PolicyName: 'attached', Roles: [{ Ref: 'Worker' }], PolicyDocument },
        },
      },
    };
    expect(() => deployTemplate(template, place)).toThrow(foreign);
    const { roles } = deployTemplate(template, { ...place, managedPolicies: { [foreign]: PolicyDocument } });
    const [role] = roles;
    expect(role?.name).toMatch(/^stack-Worker-[0-9A-F]{12}$/);
    expect(role?.arn).toBe(`arn:aws:iam::123456789012:role/teams/${role?.name}`);
    expect(role?.policies.map(({ name }) => name)).toEqual([
      'inline',
      'attached',
      'arn:aws:iam::123456789012:policy/managed',
      foreign,
    ]);
    expect(role?.boundary?.Statement[0]?.Action).toEqual(['a:b']);
  });

  it("refuses a permission of a function with what it does not know, such as a URL's", () => {
    const Properties = {
      FunctionName: 'f',
      Action: 'lambda:InvokeFunctionUrl',
      Principal: '*',
      FunctionUrlAuthType: 'NONE',
    };
    const Resources = { A: { Type: 'AWS::Lambda::Permission', Properties } };
    expect(() => deployTemplate({ Resources }, place)).toThrow('FunctionUrlAuthType');
  });
});
