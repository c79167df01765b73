/** Reads a packaged CloudFormation template as CloudFormation would deploy it: every reference becomes a name or an ARN. */
import { createHash } from 'node:crypto';
import type { ResourcePolicy } from './evaluate.ts';
import { type Policy, readPolicy } from './policy.ts';

/** Where a stack is deployed. */
export interface Place {
  readonly account: string;
  readonly region: string;
  readonly partition: string;
}

export interface TemplateOptions extends Place {
  /** Names that CloudFormation makes up begin with it. */
  readonly stackName?: string;
  /** The template's parameters, where they differ from their defaults. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Documents of managed policies that roles name and the template does not have, by ARN. */
  readonly managedPolicies?: Readonly<Record<string, unknown>>;
}

/** A resource as it is deployed. */
export interface DeployedResource {
  readonly logicalId: string;
  readonly type: string;
  /** What `Ref` gives. */
  readonly ref: string;
  readonly arn: string | undefined;
  /** What `Fn::GetAtt` gives. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** A role as it is deployed. */
export interface DeployedRole {
  readonly logicalId: string;
  readonly name: string;
  readonly arn: string;
  readonly trust: Policy;
  readonly policies: readonly { readonly name: string; readonly policy: Policy }[];
  readonly boundary?: Policy | undefined;
}

/** Something that runs in a role: a function, a state machine, a schedule, or a rule's target. */
export interface RoleUse {
  readonly logicalId: string;
  readonly name: string;
  readonly arn: string;
  /** Of a rule's target, what it starts. */
  readonly target?: string;
  readonly roleArn: string;
}

/** A template as it is deployed. */
export interface DeployedStack extends Place {
  readonly resources: ReadonlyMap<string, DeployedResource>;
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly roles: readonly DeployedRole[];
  readonly roleUses: readonly RoleUse[];
  /** Policies of keys, roles, topics, queues and functions, by ARN. */
  readonly resourcePolicies: ReadonlyMap<string, ResourcePolicy>;
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

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const withoutQualifier = (machineArn: string): string => machineArn.split(':').slice(0, 7).join(':');

/** A path within IAM begins and ends with a slash; a plain one is not written. */
const iamPath = (properties: Properties): string =>
  typeof properties.Path === 'string' ? properties.Path.replace(/^\//, '') : '';

/**
 * What `Ref` and `Fn::GetAtt` give for each type: "Return values" in each type's page of the CloudFormation template
 * reference. ARNs: "Resource types" in each service's page of the Service Authorization Reference.
 */
const namesByType: Readonly<Record<string, Names>> = {
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
const suffixOf = (id: string, length: number): string =>
  createHash('sha256').update(id).digest('hex').slice(0, length).toUpperCase();

const noValue = Symbol('AWS::NoValue');

/** Values within a template, as CloudFormation resolves them. */
class Resolver {
  readonly #options: TemplateOptions;
  readonly #template: Record<string, unknown>;
  readonly #deployed = new Map<string, DeployedResource>();
  readonly #underWay = new Set<string>();

  constructor(template: unknown, options: TemplateOptions) {
    if (!isRecord(template) || !isRecord(template.Resources)) throw new Error('This is no CloudFormation template.');
    this.#template = template;
    this.#options = options;
  }

  #section(name: string): Record<string, unknown> {
    const section = this.#template[name];
    return isRecord(section) ? section : {};
  }

  resources(): ReadonlyMap<string, DeployedResource> {
    for (const [id, resource] of Object.entries(this.#section('Resources'))) {
      const condition = isRecord(resource) ? resource.Condition : undefined;
      if (typeof condition !== 'string' || this.#isTrue({ Condition: condition })) this.#deploy(id);
    }
    return this.#deployed;
  }

  outputs(): Record<string, unknown> {
    const outputs = Object.entries(this.#section('Outputs')).flatMap(([name, output]) => {
      if (!isRecord(output)) throw new Error(`The output ${name} is no object.`);
      const { Condition, Value } = output;
      return Condition === undefined || this.#isTrue({ Condition }) ? [[name, this.resolve(Value)]] : [];
    });
    return Object.fromEntries(outputs);
  }

  #deploy(id: string): DeployedResource {
    const done = this.#deployed.get(id);
    if (done !== undefined) return done;
    const resource = this.#section('Resources')[id];
    if (!isRecord(resource) || typeof resource.Type !== 'string')
      throw new Error(`The template has no resource ${id}.`);
    const { Type: type, Properties = {} } = resource;
    const names = Object.hasOwn(namesByType, type) ? namesByType[type] : undefined;
    if (names === undefined) throw new Error(`${id}: the simulator knows no resource of type ${type}.`);
    if (this.#underWay.has(id)) throw new Error(`${id} depends on itself.`);
    this.#underWay.add(id);
    const properties = this.resolve(Properties);
    if (!isRecord(properties)) throw new Error(`${id}: its properties are no object.`);
    const { stackName = 'stack', account, region, partition } = this.#options;
    const text = (property: string): string => {
      const value = properties[property];
      if (typeof value !== 'string') throw new Error(`${id}: its ${property} is no text.`);
      return value;
    };
    const {
      ref,
      attributes = {},
      arn: ownArn = attributes.Arn,
    } = names({
      properties,
      text,
      name: (property) =>
        properties[property] === undefined
          ? `${stackName.slice(0, 24)}-${id.slice(0, 24)}-${suffixOf(id, 12)}`
          : text(property),
      arn: (service, rest) => `arn:${partition}:${service}:${region}:${account}:${rest}`,
      globalArn: (service, rest) => `arn:${partition}:${service}::${account}:${rest}`,
      id,
      place: this.#options,
    });
    const deployed = { logicalId: id, type, ref, arn: ownArn, attributes, properties };
    this.#underWay.delete(id);
    this.#deployed.set(id, deployed);
    return deployed;
  }

  #ref(name: string): unknown {
    const { account, region, partition, stackName = 'stack', parameters = {} } = this.#options;
    switch (name) {
      case 'AWS::AccountId':
        return account;
      case 'AWS::Region':
        return region;
      case 'AWS::Partition':
        return partition;
      case 'AWS::URLSuffix':
        return urlSuffixOf(partition);
      case 'AWS::StackName':
        return stackName;
      case 'AWS::StackId':
        return `arn:${partition}:cloudformation:${region}:${account}:stack/${stackName}/00000000-0000-4000-8000-000000000000`;
      case 'AWS::NoValue':
        return noValue;
      default: {
        const parameter = this.#section('Parameters')[name];
        if (!isRecord(parameter)) return this.#deploy(name).ref;
        const value = parameters[name] ?? parameter.Default;
        if (value === undefined) throw new Error(`The template's parameter ${name} has no value.`);
        return value;
      }
    }
  }

  #attribute(id: string, name: string): string {
    const { type, attributes } = this.#deploy(id);
    const value = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
    if (value === undefined) throw new Error(`${id}: the simulator knows no attribute ${name} of ${type}.`);
    return value;
  }

  #text(value: unknown): string {
    const resolved = this.resolve(value);
    if (typeof resolved === 'string') return resolved;
    if (typeof resolved === 'number' || typeof resolved === 'boolean') return String(resolved);
    throw new Error(`This gives no text: ${JSON.stringify(value)}`);
  }

  #list(value: unknown): unknown[] {
    const resolved = this.resolve(value);
    if (!Array.isArray(resolved)) throw new Error(`This gives no list: ${JSON.stringify(value)}`);
    return resolved;
  }

  #substitute(value: unknown): string {
    const [text, variables] = Array.isArray(value) ? value : [value, {}];
    if (typeof text !== 'string' || !isRecord(variables)) throw new Error(`No Fn::Sub: ${JSON.stringify(value)}`);
    return text.replace(/\$\{([^}]*)\}/g, (_, name: string) => {
      if (name.startsWith('!')) return `\${${name.slice(1)}}`;
      if (Object.hasOwn(variables, name)) return this.#text(variables[name]);
      const [id = '', ...attribute] = name.trim().split('.');
      return attribute.length === 0 ? this.#text({ Ref: id }) : this.#attribute(id, attribute.join('.'));
    });
  }

  #isTrue(value: unknown): boolean {
    if (isRecord(value)) {
      const [[name, argument] = []] = Object.entries(value);
      switch (name) {
        case 'Condition':
          if (typeof argument !== 'string' || !Object.hasOwn(this.#section('Conditions'), argument)) {
            throw new Error(`The template has no condition ${String(argument)}.`);
          }
          return this.#isTrue(this.#section('Conditions')[argument]);
        case 'Fn::Equals': {
          const [one, other] = this.#list(argument);
          return String(one) === String(other);
        }
        case 'Fn::Not':
          return Array.isArray(argument) && !this.#isTrue(argument[0]);
        case 'Fn::And':
          return Array.isArray(argument) && argument.every((each) => this.#isTrue(each));
        case 'Fn::Or':
          return Array.isArray(argument) && argument.some((each) => this.#isTrue(each));
      }
    }
    throw new Error(`The simulator knows no such condition: ${JSON.stringify(value)}`);
  }

  #intrinsic(name: string, argument: unknown): unknown {
    switch (name) {
      case 'Ref':
        return this.#ref(String(argument));
      case 'Fn::GetAtt': {
        const [id = '', ...attribute] = Array.isArray(argument) ? argument.map(String) : String(argument).split('.');
        return this.#attribute(id, attribute.join('.'));
      }
      case 'Fn::Sub':
        return this.#substitute(argument);
      case 'Fn::Join': {
        const [separator, parts] = Array.isArray(argument) ? argument : [];
        return this.#list(parts)
          .map((part) => this.#text(part))
          .join(String(separator));
      }
      case 'Fn::Split': {
        const [separator, text] = Array.isArray(argument) ? argument : [];
        return this.#text(text).split(String(separator));
      }
      case 'Fn::Select': {
        const [index, from] = Array.isArray(argument) ? argument : [];
        const list = this.#list(from);
        if (!(Number(index) in list)) throw new Error(`Fn::Select finds no element ${String(index)}.`);
        return list[Number(index)];
      }
      case 'Fn::If': {
        if (!Array.isArray(argument) || argument.length !== 3)
          throw new Error('Fn::If takes a condition and two values.');
        const [condition, yes, no] = argument;
        return this.resolve(this.#isTrue({ Condition: condition }) ? yes : no);
      }
      default:
        throw new Error(`The simulator knows no intrinsic function ${name}.`);
    }
  }

  resolve(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((each) => this.resolve(each)).filter((each) => each !== noValue);
    if (!isRecord(value)) return value;
    const entries = Object.entries(value);
    const [[name, argument] = []] = entries;
    if (name !== undefined && (name.startsWith('Fn::') || (name === 'Ref' && entries.length === 1))) {
      if (entries.length > 1) throw new Error(`${name} stands beside other keys.`);
      return this.#intrinsic(name, argument);
    }
    return Object.fromEntries(
      entries.map(([key, each]) => [key, this.resolve(each)]).filter(([, each]) => each !== noValue),
    );
  }
}

const textsOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
const recordsOf = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.filter(isRecord) : []);

/**
 * What AddPermission makes of its parameters, as GetPolicy shows it.
 * https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
 */
const permissionStatement = ({ properties }: DeployedResource, functionArn: string): Record<string, unknown> => {
  const { Action, Principal, SourceArn, SourceAccount, PrincipalOrgID, ...rest } = properties;
  const unknown = Object.keys(rest).filter((name) => name !== 'FunctionName');
  if (unknown.length > 0) throw new Error(`The simulator knows no ${unknown.join(', ')} of a permission.`);
  const isService = /\.amazonaws\.com(\.cn)?$/.test(String(Principal));
  const equal = {
    ...(SourceAccount === undefined ? {} : { 'aws:SourceAccount': SourceAccount }),
    ...(PrincipalOrgID === undefined ? {} : { 'aws:PrincipalOrgID': PrincipalOrgID }),
  };
  return {
    Effect: 'Allow',
    Principal: isService ? { Service: Principal } : { AWS: Principal },
    Action,
    Resource: functionArn,
    Condition: {
      ...(Object.keys(equal).length === 0 ? {} : { StringEquals: equal }),
      ...(SourceArn === undefined ? {} : { ArnLike: { 'aws:SourceArn': SourceArn } }),
    },
  };
};

/**
 * The policy that a topic has until it is given another: whatever acts for its own account may publish.
 * "Overview of managing access in Amazon SNS"; CloudWatch's alarms reach a topic by it.
 */
const defaultTopicPolicy = (topicArn: string, account: string): unknown => ({
  Version: '2008-10-17',
  Id: '__default_policy_ID',
  Statement: [
    {
      Sid: '__default_statement_ID',
      Effect: 'Allow',
      Principal: { AWS: '*' },
      Action: ['SNS:Publish', 'SNS:Subscribe', 'SNS:GetTopicAttributes', 'SNS:ListSubscriptionsByTopic'],
      Resource: topicArn,
      Condition: { StringEquals: { 'AWS:SourceOwner': account } },
    },
  ],
});

/** Deploys a template in thought. @throws what the template names and the simulator does not know */
export const deployTemplate = (template: unknown, options: TemplateOptions): DeployedStack => {
  const resolver = new Resolver(template, options);
  const resources = resolver.resources();
  const { account, region, partition, managedPolicies = {} } = options;
  const all = [...resources.values()];
  const ofType = (...types: string[]): DeployedResource[] => all.filter(({ type }) => types.includes(type));
  const arnOf = ({ logicalId, arn }: DeployedResource): string => {
    if (arn === undefined) throw new Error(`${logicalId} has no ARN.`);
    return arn;
  };

  const managed = new Map(
    ofType('AWS::IAM::ManagedPolicy').map(({ ref, logicalId, properties }) => [
      ref,
      readPolicy(properties.PolicyDocument, logicalId),
    ]),
  );
  const managedPolicy = (arn: string, role: string): Policy => {
    const found = managed.get(arn);
    if (found !== undefined) return found;
    if (!Object.hasOwn(managedPolicies, arn)) throw new Error(`${role}: what does the managed policy ${arn} say?`);
    return readPolicy(managedPolicies[arn], arn);
  };

  const roles = ofType('AWS::IAM::Role').map((role): DeployedRole => {
    const { logicalId, ref, properties } = role;
    const { PermissionsBoundary: boundary } = properties;
    const attached = ofType('AWS::IAM::Policy', 'AWS::IAM::RolePolicy', 'AWS::IAM::ManagedPolicy').filter(
      ({ properties: { Roles, RoleName } }) => textsOf(Roles).includes(ref) || RoleName === ref,
    );
    const inline = [...recordsOf(properties.Policies), ...attached.map((each) => each.properties)];
    return {
      logicalId,
      name: ref,
      arn: arnOf(role),
      trust: readPolicy(properties.AssumeRolePolicyDocument, `${logicalId}'s trust policy`),
      policies: [
        ...inline.map(({ PolicyName, ManagedPolicyName, PolicyDocument }) => {
          const name = String(PolicyName ?? ManagedPolicyName);
          return { name, policy: readPolicy(PolicyDocument, `${logicalId}'s ${name}`) };
        }),
        ...textsOf(properties.ManagedPolicyArns).map((arn) => ({ name: arn, policy: managedPolicy(arn, logicalId) })),
      ],
      boundary: typeof boundary === 'string' ? managedPolicy(boundary, logicalId) : undefined,
    };
  });

  const use = (resource: DeployedResource, name: string, roleArn: unknown, target?: unknown): RoleUse[] =>
    typeof roleArn !== 'string'
      ? []
      : [
          {
            logicalId: resource.logicalId,
            name,
            arn: arnOf(resource),
            roleArn,
            ...(typeof target === 'string' ? { target } : {}),
          },
        ];
  const roleUses = [
    ...ofType('AWS::Lambda::Function').flatMap((each) => use(each, each.ref, each.properties.Role)),
    ...ofType('AWS::StepFunctions::StateMachine').flatMap((each) =>
      use(each, each.attributes.Name ?? '', each.properties.RoleArn),
    ),
    ...ofType('AWS::Scheduler::Schedule').flatMap((each) =>
      recordsOf([each.properties.Target]).flatMap(({ Arn, RoleArn }) => use(each, each.ref, RoleArn, Arn)),
    ),
    ...ofType('AWS::Events::Rule').flatMap((each) =>
      recordsOf(each.properties.Targets).flatMap(({ Id, Arn, RoleArn }) =>
        use(each, `${each.ref}/${String(Id)}`, RoleArn, Arn),
      ),
    ),
  ];

  const resourcePolicies = new Map<string, ResourcePolicy>();
  const add = (arn: string, kind: ResourcePolicy['kind'], document: unknown, name: string): void => {
    const policy = readPolicy(document, name);
    const before = resourcePolicies.get(arn)?.policy.Statement ?? [];
    resourcePolicies.set(arn, { kind, policy: { ...policy, Statement: [...before, ...policy.Statement] } });
  };
  for (const role of roles) resourcePolicies.set(role.arn, { kind: 'trust', policy: role.trust });
  for (const key of ofType('AWS::KMS::Key')) {
    add(arnOf(key), 'key', key.properties.KeyPolicy, `${key.logicalId}'s key policy`);
  }
  for (const { logicalId, properties } of ofType('AWS::SNS::TopicPolicy')) {
    for (const topic of textsOf(properties.Topics)) add(topic, 'resource', properties.PolicyDocument, logicalId);
  }
  for (const { ref, logicalId } of ofType('AWS::SNS::Topic')) {
    if (!resourcePolicies.has(ref)) add(ref, 'resource', defaultTopicPolicy(ref, account), logicalId);
  }
  for (const { logicalId, properties } of ofType('AWS::SQS::QueuePolicy')) {
    for (const url of textsOf(properties.Queues)) {
      const queue = ofType('AWS::SQS::Queue').find(({ ref }) => ref === url);
      if (queue === undefined) throw new Error(`${logicalId} concerns a queue that the template does not have: ${url}`);
      add(arnOf(queue), 'resource', properties.PolicyDocument, logicalId);
    }
  }
  for (const permission of ofType('AWS::Lambda::Permission')) {
    const named = String(permission.properties.FunctionName);
    const functionArn = named.startsWith('arn:')
      ? named
      : `arn:${partition}:lambda:${region}:${account}:function:${named}`;
    const statement = permissionStatement(permission, functionArn);
    add(functionArn, 'resource', { Version: '2012-10-17', Statement: statement }, permission.logicalId);
  }
  return { account, region, partition, resources, outputs: resolver.outputs(), roles, roleUses, resourcePolicies };
};
