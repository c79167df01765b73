/** The names and ARNs that AWS gives to what a template describes. */
import { createHash } from 'node:crypto';

/** Where a stack is deployed. */
export interface Place {
  readonly account: string;
  readonly region: string;
  readonly partition: string;
}

/** The DNS suffix of a partition: "Pseudo parameters reference", AWS::URLSuffix. */
export const urlSuffixOf = (partition: string): string => {
  const suffixes: Readonly<Record<string, string>> = {
    aws: 'amazonaws.com',
    'aws-us-gov': 'amazonaws.com',
    'aws-cn': 'amazonaws.com.cn',
    'aws-iso': 'c2s.ic.gov',
    'aws-iso-b': 'sc2s.sgov.gov',
    'aws-eusc': 'amazonaws.eu',
  };
  const suffix = suffixes[partition];
  if (suffix === undefined) throw new Error(`The simulator knows no partition ${partition}.`);
  return suffix;
};

type Properties = Readonly<Record<string, unknown>>;
type Names = (resource: {
  readonly properties: Properties;
  /** A property that must be text. */
  readonly text: (property: string) => string;
  /** A property's text, or the name that CloudFormation makes up. */
  readonly name: (property: string) => string;
  readonly arn: (service: string, rest: string) => string;
  readonly globalArn: (service: string, rest: string) => string;
  readonly id: string;
  readonly place: Place;
}) => { readonly ref: string; readonly arn?: string; readonly attributes?: Readonly<Record<string, string>> };

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const withoutQualifier = (machineArn: string): string => machineArn.split(':').slice(0, 7).join(':');

/** A path within IAM begins and ends with a slash; a plain one is not written. */
const iamPath = (properties: Properties): string =>
  typeof properties.Path === 'string' ? properties.Path.replace(/^\//, '') : '';

/**
 * What `Ref` and `Fn::GetAtt` give for each type: "Return values" in each type's page of the CloudFormation template
 * reference. ARNs: "Resource types" in each service's page of the Service Authorization Reference.
 */
export const namesByType: Readonly<Record<string, Names>> = {
  'AWS::S3::Bucket': ({ name, place }) => {
    const ref = name('BucketName').toLowerCase();
    return { ref, attributes: { Arn: `arn:${place.partition}:s3:::${ref}` } };
  },
  'AWS::S3::BucketPolicy': ({ text }) => ({ ref: text('Bucket') }),
  'AWS::Logs::LogGroup': ({ name, arn }) => {
    const ref = name('LogGroupName');
    return { ref, attributes: { Arn: `${arn('logs', `log-group:${ref}`)}:*` } };
  },
  'AWS::Logs::MetricFilter': ({ name }) => ({ ref: name('FilterName') }),
  'AWS::Logs::ResourcePolicy': ({ text }) => ({ ref: text('PolicyName') }),
  'AWS::Lambda::Function': ({ name, arn }) => {
    const ref = name('FunctionName');
    return { ref, attributes: { Arn: arn('lambda', `function:${ref}`) } };
  },
  // A first deploy publishes version 1.
  'AWS::Lambda::Version': ({ text, arn }) => {
    const ref = `${arn('lambda', `function:${functionNameOf(text('FunctionName'))}`)}:1`;
    return { ref, arn: ref, attributes: { FunctionArn: ref, Version: '1' } };
  },
  'AWS::Lambda::Alias': ({ text, arn }) => {
    const ref = `${arn('lambda', `function:${functionNameOf(text('FunctionName'))}`)}:${text('Name')}`;
    return { ref, arn: ref, attributes: { AliasArn: ref } };
  },
  'AWS::Lambda::Permission': ({ id }) => ({ ref: id, attributes: { Id: id } }),
  'AWS::Lambda::EventInvokeConfig': ({ id }) => ({ ref: id }),
  'AWS::KMS::Key': ({ id, arn }) => {
    const digits = createHash('sha256').update(id).digest('hex');
    const ref = digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
    return { ref, attributes: { KeyId: ref, Arn: arn('kms', `key/${ref}`) } };
  },
  'AWS::KMS::Alias': ({ text, arn }) => {
    const ref = text('AliasName');
    return { ref, arn: arn('kms', ref) };
  },
  'AWS::IAM::Role': ({ name, properties, globalArn }) => {
    const ref = name('RoleName');
    return { ref, attributes: { Arn: globalArn('iam', `role/${iamPath(properties)}${ref}`), RoleId: `AROA${ref}` } };
  },
  'AWS::IAM::ManagedPolicy': ({ name, properties, globalArn }) => {
    const ref = globalArn('iam', `policy/${iamPath(properties)}${name('ManagedPolicyName')}`);
    return { ref, arn: ref, attributes: { PolicyArn: ref } };
  },
  'AWS::IAM::Policy': ({ id }) => ({ ref: id, attributes: { Id: id } }),
  'AWS::IAM::RolePolicy': ({ text }) => ({ ref: text('PolicyName') }),
  'AWS::StepFunctions::StateMachine': ({ name, arn }) => {
    const Name = name('StateMachineName');
    const ref = arn('states', `stateMachine:${Name}`);
    return { ref, attributes: { Arn: ref, Name, StateMachineRevisionId: createHash('md5').update(ref).digest('hex') } };
  },
  'AWS::StepFunctions::StateMachineVersion': ({ text }) => {
    const ref = `${text('StateMachineArn')}:1`;
    return { ref, attributes: { Arn: ref } };
  },
  'AWS::StepFunctions::StateMachineAlias': ({ text, properties }) => {
    const { DeploymentPreference, RoutingConfiguration } = properties;
    const version = Array.isArray(RoutingConfiguration) ? RoutingConfiguration[0] : DeploymentPreference;
    const versionArn = isRecord(version) ? version.StateMachineVersionArn : undefined;
    if (typeof versionArn !== 'string') throw new Error(`The alias ${text('Name')} points at no version.`);
    const ref = `${withoutQualifier(versionArn)}:${text('Name')}`;
    return { ref, attributes: { Arn: ref } };
  },
  'AWS::Scheduler::Schedule': ({ name, properties, arn }) => {
    const ref = name('Name');
    const group = typeof properties.GroupName === 'string' ? properties.GroupName : 'default';
    return { ref, attributes: { Arn: arn('scheduler', `schedule/${group}/${ref}`) } };
  },
  'AWS::Events::Rule': ({ name, properties, arn }) => {
    const ruleName = name('Name');
    const bus = typeof properties.EventBusName === 'string' ? properties.EventBusName.split('/').at(-1) : 'default';
    const ref = bus === 'default' ? ruleName : `${bus}|${ruleName}`;
    const path = bus === 'default' ? ruleName : `${bus}/${ruleName}`;
    return { ref, attributes: { Arn: arn('events', `rule/${path}`) } };
  },
  'AWS::SQS::Queue': ({ name, arn, place }) => {
    const QueueName = name('QueueName');
    const ref = `https://sqs.${place.region}.${urlSuffixOf(place.partition)}/${place.account}/${QueueName}`;
    return { ref, attributes: { Arn: arn('sqs', QueueName), QueueName, QueueUrl: ref } };
  },
  'AWS::SQS::QueuePolicy': ({ id }) => ({ ref: id }),
  'AWS::SNS::Topic': ({ name, arn }) => {
    const TopicName = name('TopicName');
    const ref = arn('sns', TopicName);
    return { ref, arn: ref, attributes: { TopicArn: ref, TopicName } };
  },
  'AWS::SNS::TopicPolicy': ({ id }) => ({ ref: id }),
  'AWS::SNS::Subscription': ({ text, id }) => ({ ref: `${text('TopicArn')}:${id}` }),
  'AWS::CloudWatch::Alarm': ({ name, arn }) => {
    const ref = name('AlarmName');
    return { ref, attributes: { Arn: arn('cloudwatch', `alarm:${ref}`) } };
  },
  'AWS::CloudWatch::Dashboard': ({ name, globalArn }) => {
    const ref = name('DashboardName');
    return { ref, arn: globalArn('cloudwatch', `dashboard/${ref}`) };
  },
  'AWS::DynamoDB::Table': ({ name, arn }) => {
    const ref = name('TableName');
    return { ref, attributes: { Arn: arn('dynamodb', `table/${ref}`) } };
  },
  'AWS::SSM::Parameter': ({ name, arn }) => {
    const ref = name('Name');
    return { ref, arn: arn('ssm', `parameter/${ref.replace(/^\//, '')}`) };
  },
  'AWS::SecretsManager::Secret': ({ name, arn, id }) => {
    const ref = `${arn('secretsmanager', `secret:${name('Name')}`)}-${suffixOf(id, 6)}`;
    return { ref, arn: ref, attributes: { Id: ref } };
  },
};

const functionNameOf = (nameOrArn: string): string => nameOrArn.replace(/^arn:.*:function:/, '').replace(/:.*$/, '');

/** Stands for the random letters that AWS appends; the same for the same resource, so that runs repeat. */
export const suffixOf = (id: string, length: number): string =>
  createHash('sha256').update(id).digest('hex').slice(0, length).toUpperCase();
