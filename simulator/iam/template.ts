/** A packaged CloudFormation template as it would be deployed: its roles, who runs in them, and every policy. */
import type { ResourcePolicy } from './evaluate.ts';
import { isRecord, type Place } from './names.ts';
import { type Policy, readPolicy } from './policy.ts';
import { type DeployedResource, Resolver, type TemplateOptions } from './resolver.ts';

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
interface RoleUse {
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

const arnOf = ({ logicalId, arn }: DeployedResource): string => {
  if (arn === undefined) throw new Error(`${logicalId} has no ARN.`);
  return arn;
};

const pick = (resources: readonly DeployedResource[], ...types: string[]): DeployedResource[] =>
  resources.filter(({ type }) => types.includes(type));

const readRoles = (
  resources: readonly DeployedResource[],
  { managedPolicies = {} }: TemplateOptions,
): readonly DeployedRole[] => {
  const own = new Map(pick(resources, 'AWS::IAM::ManagedPolicy').map((each) => [each.ref, each]));
  const managedPolicy = (arn: string, role: string): Policy => {
    const found = own.get(arn);
    if (found !== undefined) return readPolicy(found.properties.PolicyDocument, found.logicalId);
    if (!Object.hasOwn(managedPolicies, arn)) throw new Error(`${role}: what does the managed policy ${arn} say?`);
    return readPolicy(managedPolicies[arn], arn);
  };
  const attachable = pick(resources, 'AWS::IAM::Policy', 'AWS::IAM::RolePolicy', 'AWS::IAM::ManagedPolicy');
  return pick(resources, 'AWS::IAM::Role').map((role): DeployedRole => {
    const { logicalId, ref, properties } = role;
    const { PermissionsBoundary: boundary } = properties;
    const attached = attachable.filter(
      ({ properties: { Roles, RoleName } }) => textsOf(Roles).includes(ref) || RoleName === ref,
    );
    const documents = [...recordsOf(properties.Policies), ...attached.map((each) => each.properties)];
    return {
      logicalId,
      name: ref,
      arn: arnOf(role),
      trust: readPolicy(properties.AssumeRolePolicyDocument, `${logicalId}'s trust policy`),
      policies: [
        ...documents.map(({ PolicyName, ManagedPolicyName, PolicyDocument }) => {
          const name = String(PolicyName ?? ManagedPolicyName);
          return { name, policy: readPolicy(PolicyDocument, `${logicalId}'s ${name}`) };
        }),
        ...textsOf(properties.ManagedPolicyArns).map((arn) => ({ name: arn, policy: managedPolicy(arn, logicalId) })),
      ],
      boundary: typeof boundary === 'string' ? managedPolicy(boundary, logicalId) : undefined,
    };
  });
};

const readRoleUses = (resources: readonly DeployedResource[]): readonly RoleUse[] => {
  const use = (resource: DeployedResource, name: string, roleArn: unknown, target?: unknown): RoleUse[] => {
    if (typeof roleArn !== 'string') return [];
    const { logicalId } = resource;
    return [{ logicalId, name, arn: arnOf(resource), roleArn, ...(typeof target === 'string' ? { target } : {}) }];
  };
  return [
    ...pick(resources, 'AWS::Lambda::Function').flatMap((each) => use(each, each.ref, each.properties.Role)),
    ...pick(resources, 'AWS::StepFunctions::StateMachine').flatMap((each) =>
      use(each, each.attributes.Name ?? '', each.properties.RoleArn),
    ),
    ...pick(resources, 'AWS::Scheduler::Schedule').flatMap((each) =>
      recordsOf([each.properties.Target]).flatMap(({ Arn, RoleArn }) => use(each, each.ref, RoleArn, Arn)),
    ),
    ...pick(resources, 'AWS::Events::Rule').flatMap((each) =>
      recordsOf(each.properties.Targets).flatMap(({ Id, Arn, RoleArn }) =>
        use(each, `${each.ref}/${String(Id)}`, RoleArn, Arn),
      ),
    ),
  ];
};

const readResourcePolicies = (
  resources: readonly DeployedResource[],
  roles: readonly DeployedRole[],
  { account, region, partition }: Place,
): ReadonlyMap<string, ResourcePolicy> => {
  const policies = new Map<string, ResourcePolicy>(
    roles.map(({ arn, trust }) => [arn, { kind: 'trust', policy: trust }]),
  );
  const add = (arn: string, kind: ResourcePolicy['kind'], document: unknown, name: string): void => {
    const policy = readPolicy(document, name);
    const before = policies.get(arn)?.policy.Statement ?? [];
    policies.set(arn, { kind, policy: { ...policy, Statement: [...before, ...policy.Statement] } });
  };
  for (const key of pick(resources, 'AWS::KMS::Key')) {
    add(arnOf(key), 'key', key.properties.KeyPolicy, `${key.logicalId}'s key policy`);
  }
  for (const { logicalId, properties } of pick(resources, 'AWS::SNS::TopicPolicy')) {
    for (const topic of textsOf(properties.Topics)) add(topic, 'resource', properties.PolicyDocument, logicalId);
  }
  for (const { ref, logicalId } of pick(resources, 'AWS::SNS::Topic')) {
    if (!policies.has(ref)) add(ref, 'resource', defaultTopicPolicy(ref, account), logicalId);
  }
  for (const { logicalId, properties } of pick(resources, 'AWS::SQS::QueuePolicy')) {
    for (const url of textsOf(properties.Queues)) {
      const queue = pick(resources, 'AWS::SQS::Queue').find(({ ref }) => ref === url);
      if (queue === undefined) throw new Error(`${logicalId} concerns a queue that the template does not have: ${url}`);
      add(arnOf(queue), 'resource', properties.PolicyDocument, logicalId);
    }
  }
  for (const permission of pick(resources, 'AWS::Lambda::Permission')) {
    const named = String(permission.properties.FunctionName);
    const functionArn = named.startsWith('arn:')
      ? named
      : `arn:${partition}:lambda:${region}:${account}:function:${named}`;
    const statement = permissionStatement(permission, functionArn);
    add(functionArn, 'resource', { Version: '2012-10-17', Statement: statement }, permission.logicalId);
  }
  return policies;
};

/**
 * Reads a template as it would be deployed.
 *
 * @param template the object of `.serverless/cloudformation-template-update-stack.json`
 * @throws what the template names and the simulator does not know
 */
export const deployTemplate = (template: unknown, options: TemplateOptions): DeployedStack => {
  const resolver = new Resolver(template, options);
  const resources = resolver.resources();
  const all = [...resources.values()];
  const roles = readRoles(all, options);
  const { account, region, partition } = options;
  return {
    account,
    region,
    partition,
    resources,
    outputs: resolver.outputs(),
    roles,
    roleUses: readRoleUses(all),
    resourcePolicies: readResourcePolicies(all, roles, options),
  };
};
