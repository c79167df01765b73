import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  describePermissions,
  keyPermissions,
  mintPermissions,
  podKeyPermissions,
  rolloutKeyPermissions,
} from '../../infra/permissions.ts';
import { type ContextKeys, matchesArn } from '../../simulator/iam/conditions.ts';
import { evaluate, type Identity } from '../../simulator/iam/evaluate.ts';
import type { Policy } from '../../simulator/iam/policy.ts';
import type { DeployedResource } from '../../simulator/iam/resolver.ts';
import { type DeployedRole, type DeployedStack, deployTemplate } from '../../simulator/iam/template.ts';
import { copyProject, maxPackagingMs, type Packaged } from '../../simulator/packaged.ts';
import { readExample } from '../support/example-template.ts';
import { handlerPermissions } from './handler-permissions.ts';

const place = { account: '123456789012', region: 'us-east-1', partition: 'aws' };
const provider = 'arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com';

const example = readExample('github-oidc-role.yml');
const deployExample = (Environment: string, where = place, more: Readonly<Record<string, string>> = {}) =>
  deployTemplate(example, {
    ...where,
    stackName: 'github-deploy',
    parameters: { Repository: 'team/fork', ProviderArn: provider, Environment, ...more },
  });
const administrator = deployExample('prod');
const boundaryArn = String(administrator.outputs.BoundaryArn);
const boundaryDocument = administrator.resources.get('Boundary')?.properties.PolicyDocument;

const identityOf = ({ arn, name, policies, boundary }: DeployedRole, account = place.account): Identity => ({
  kind: 'identity',
  arn,
  callerArn: `arn:aws:sts::${account}:assumed-role/${name}/session`,
  account,
  policies: policies.map(({ policy }) => policy),
  boundary,
});
const roleOf = ({ roles }: DeployedStack, logicalId: string): DeployedRole => {
  const role = roles.find((each) => each.logicalId === logicalId);
  if (role === undefined) throw new Error(`There is no role ${logicalId}.`);
  return role;
};
const deployer = identityOf(roleOf(administrator, 'DeployRole'));
const {
  Rules: { BucketOfShortStages },
} = example as {
  Rules: { BucketOfShortStages: { Assertions: [{ Assert: { 'Fn::Contains': [string[], unknown] } }] } };
};
/** Stages that may be deployed through a bucket of their own; others take one of the account. */
const [stagesWithBucket] = BucketOfShortStages.Assertions[0].Assert['Fn::Contains'];
const deployerOf = (stage: string): Identity => {
  const more = stagesWithBucket.includes(stage) ? {} : { DeploymentBucket: 'team-bucket' };
  return identityOf(roleOf(deployExample(stage, place, more), 'DeployRole'));
};

const everything: Policy = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: ['*'], Resource: ['*'] }],
};

interface Request {
  readonly action: string;
  readonly resource: string;
  readonly context?: ContextKeys;
}
const isAllowed = (by: Identity, { action, resource, context = {} }: Request): boolean =>
  evaluate({ by, action, resource, resourceAccount: place.account, context }).isAllowed;

/** The tags that serverless gives a stack, and CloudFormation each resource of it. */
const tagged = (kind: 'RequestTag' | 'ResourceTag', stage: string): ContextKeys => ({
  [`aws:${kind}/application`]: 'runpod-ecr-refresh',
  [`aws:${kind}/stage`]: stage,
});
const byCloudFormation: ContextKeys = { 'aws:CalledVia': ['cloudformation.amazonaws.com'] };

/** What targets.yml may ask for: as little as possible, and every optional part but a bucket of the account. */
const kinds = ['plain', 'full'] as const;
type Kind = (typeof kinds)[number];

const projects = {
  plain: copyProject(`
targets:
  - name: production
    ecr: { region: us-east-1 }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d }
settings: { permissionsBoundary: "${boundaryArn}" }
`),
  full: copyProject(`
targets:
  - name: production
    ecr: { region: us-east-1 }
    runpod:
      apiKey: "ssm:/runpod-ecr-refresh/production/api-key"
      rolloutKey: "ssm:/runpod-ecr-refresh/production/rollout-key"
      podKey: "secretsmanager:runpod/pods"
      registry: 6n2k8v4d
    endpoints: [{ id: 4m7x2k9q, rollout: { tag: production } }]
    canaryPod: { image: runpod-canary:v1, everyHours: 24 }
  - name: research
    ecr: { region: eu-west-1, registryId: "210987654321", roleArn: "arn:aws:iam::210987654321:role/runpod-pull", externalId: runpod }
    runpod: { apiKey: "secretsmanager:runpod/research", registry: 9q4m7x2k }
alerts: { email: [you@example.com], pager: ["secretsmanager:runpod-ecr-refresh/pager"] }
settings: { permissionsBoundary: "${boundaryArn}", digestHour: 8 }
`),
};
const packaged = new Map<Kind, Packaged['template']>();
beforeAll(() => {
  for (const kind of kinds) packaged.set(kind, projects[kind].packageStack('--stage', 'prod').template);
}, maxPackagingMs);
afterAll(() => {
  for (const kind of kinds) projects[kind].remove();
});

const templateOf = (kind: Kind): Packaged['template'] => {
  const template = packaged.get(kind);
  if (template === undefined) throw new Error(`The ${kind} stack is not packaged.`);
  return template;
};

/** Targets that fit no role's own policies, so that there are managed ones. */
const manyTargets = (kind: Kind) =>
  Array.from({ length: 300 }, (_, index) => ({
    name: `target-${index}`,
    ecr: { region: 'us-east-1', repositories: [`team/repository-${index}`] },
    runpod: { apiKey: `secretsmanager:runpod/key-${index}`, registry: `registry${index}` },
    ...(kind === 'plain'
      ? {}
      : {
          endpoints: [{ id: `endpoint${index}`, rollout: { tag: 'production', proveWithinMinutes: 30 } }],
          canaryPod: { image: 'runpod-canary:v1', everyHours: 24 },
        }),
  }));
const permissionsOf: Readonly<Record<Kind, readonly (typeof keyPermissions)[]>> = {
  plain: [keyPermissions, mintPermissions, describePermissions],
  full: [keyPermissions, mintPermissions, describePermissions, rolloutKeyPermissions, podKeyPermissions],
};

const stacks = new Map<string, DeployedStack>();
const stackOf = (stage: string, kind: Kind = 'full'): DeployedStack => {
  const found = stacks.get(`${stage} ${kind}`);
  if (found !== undefined) return found;
  const where = { stage, region: place.region };
  const managed = permissionsOf[kind].map((permissions) => {
    const { managedPolicies } = permissions(manyTargets(kind), where);
    if (Object.keys(managedPolicies).length === 0) throw new Error('There are too few targets for managed policies.');
    return managedPolicies;
  });
  const text = JSON.stringify(templateOf(kind))
    .replaceAll('runpod-ecr-refresh-prod', `runpod-ecr-refresh-${stage}`)
    .replaceAll('"/runpod-ecr-refresh/prod/"', `"/runpod-ecr-refresh/${stage}/"`)
    .replaceAll('/runpod-ecr-refresh/prod/notified', `/runpod-ecr-refresh/${stage}/notified`);
  const template = JSON.parse(text) as Packaged['template'];
  const deployed = deployTemplate(
    { ...template, Resources: { ...template.Resources, ...Object.assign({}, ...managed) } },
    { ...place, stackName: `runpod-ecr-refresh-${stage}`, managedPolicies: { [boundaryArn]: boundaryDocument } },
  );
  stacks.set(`${stage} ${kind}`, deployed);
  return deployed;
};

const textsOf = (value: unknown): string[] => (Array.isArray(value) ? value : [value]).map(String);
const arnOf = (stack: DeployedStack, text: string): string => {
  if (text.startsWith('arn:')) return text;
  const found = [...stack.resources.values()].find(
    ({ ref, type }) => ref === text && type !== 'AWS::Lambda::Permission',
  );
  if (found?.arn === undefined) throw new Error(`There is no ARN of ${text}.`);
  return found.arn;
};

/** What a resource's handler acts on: where it has no ARN of its own, what it belongs to. */
const subjectsOf = (stack: DeployedStack, resource: DeployedResource): string[] => {
  const { type, properties, arn } = resource;
  const of = (property: string): string[] => textsOf(properties[property]).map((each) => arnOf(stack, each));
  switch (type) {
    case 'AWS::IAM::Policy':
      return of('Roles');
    case 'AWS::SQS::QueuePolicy':
      return of('Queues');
    case 'AWS::S3::BucketPolicy':
      return of('Bucket');
    case 'AWS::Lambda::Permission':
    case 'AWS::Lambda::EventInvokeConfig':
      return of('FunctionName');
    case 'AWS::Lambda::Version':
      return [...of('FunctionName'), String(arn)];
    case 'AWS::StepFunctions::StateMachineVersion':
      return [...of('StateMachineArn'), String(arn)];
    case 'AWS::StepFunctions::StateMachineAlias':
      return [String(arn).replace(/:live$/, ''), String(arn)];
    case 'AWS::KMS::Alias':
      return [String(arn), ...of('TargetKeyId').map((each) => each)];
    case 'AWS::Logs::LogGroup': // some actions are authorized by either form
      return [String(arn).replace(/:\*$/, ''), String(arn)];
    case 'AWS::IAM::ManagedPolicy':
      return [String(arn)];
    default:
      return [String(arn)];
  }
};

/** Actions that know no resource: "Actions, resources, and condition keys" of KMS and CloudWatch Logs. */
const withoutResource = ['kms:CreateKey', 'kms:ListAliases', 'logs:DescribeLogGroups', 'logs:DescribeIndexPolicies'];

/** "IAM and AWS STS condition context keys", iam:PassedToService. */
const passedTo: Readonly<Record<string, string>> = {
  'AWS::Lambda::Function': 'lambda.amazonaws.com',
  'AWS::StepFunctions::StateMachine': 'states.amazonaws.com',
  'AWS::Scheduler::Schedule': 'scheduler.amazonaws.com',
  'AWS::Events::Rule': 'events.amazonaws.com',
};

/** What a handler's action asks of IAM, of this resource. */
const requestsOf = (stack: DeployedStack, stage: string, resource: DeployedResource, action: string): Request[] => {
  const { type, properties } = resource;
  const [service] = action.split(':');
  const text = JSON.stringify(properties);
  if (action === 'iam:PassRole') {
    const roles = text.match(/arn:aws:iam::\d+:role\/[\w/-]+/g) ?? [];
    const context = { 'iam:PassedToService': passedTo[type] ?? '' };
    return [...new Set(roles)].map((role) => ({ action, resource: role, context }));
  }
  const own = subjectsOf(stack, resource);
  const tags = { ...tagged('RequestTag', stage), ...byCloudFormation };
  if (withoutResource.includes(action)) return [{ action, resource: '*', context: tags }];
  if (service === 'kms') {
    // A key that is only being made has no tags yet, and is no particular one.
    if (action === 'kms:TagResource')
      return [{ action, resource: 'arn:aws:kms:us-east-1:123456789012:key/new', context: tags }];
    const keys = text.match(/arn:aws:kms:[\w-]+:\d+:key\/[\w-]+/g) ?? [];
    return [...new Set([...own.filter((each) => each.includes(':kms:')), ...keys])].map((each) => ({
      action,
      resource: each,
      context: { ...tagged('ResourceTag', stage), ...byCloudFormation },
    }));
  }
  if (type === 'AWS::Lambda::Function' && service === 's3') {
    const { S3Bucket = '', S3Key = '' } = (properties.Code ?? {}) as { S3Bucket?: string; S3Key?: string };
    return [{ action, resource: `arn:aws:s3:::${S3Bucket}/${S3Key}` }];
  }
  if (type === 'AWS::IAM::Role' || type === 'AWS::IAM::Policy') {
    return own.map((each) => ({ action, resource: each, context: { 'iam:PermissionsBoundary': boundaryArn } }));
  }
  if (type === 'AWS::IAM::ManagedPolicy' && action.endsWith('RolePolicy')) {
    return textsOf(properties.Roles).map((role) => ({
      action,
      resource: arnOf(stack, role),
      context: { 'iam:PermissionsBoundary': boundaryArn },
    }));
  }
  if (action === 'lambda:AddPermission') {
    return own.map((each) => ({
      action,
      resource: each,
      context: { 'lambda:Principal': String(properties.Principal) },
    }));
  }
  // A version or an alias is named by its machine or function where an action concerns all of them.
  return own.map((each) => ({ action, resource: each }));
};

/**
 * What handlers may call for properties that this template does not set, by type: the role may not call it, and needs not.
 */
const unused: Readonly<Record<string, readonly (readonly [property: string, actions: RegExp])[]>> = {
  'AWS::S3::Bucket': [
    ['AbacStatus', /BucketAbac$/],
    ['AccelerateConfiguration', /:PutAccelerate/],
    ['AnalyticsConfigurations', /:(?:Put|DeleteBucket)Analytics/],
    ['CorsConfiguration', /:(?:Put|Delete)BucketC/i],
    ['IntelligentTieringConfigurations', /:PutIntelligent/],
    ['InventoryConfigurations', /:PutInventory/],
    ['LifecycleConfiguration', /:(?:Put|DeleteBucket)Lifecycle/],
    ['LoggingConfiguration', /:PutBucketLogging$/],
    ['MetadataTableConfiguration', /^s3tables:|:(?:Create|Update|Delete)BucketMetadata/],
    ['MetricsConfigurations', /:(?:Put|DeleteBucket)Metrics/],
    ['NotificationConfiguration', /:PutBucketNotification$/],
    ['ObjectLockConfiguration', /:Put(?:Bucket)?ObjectLock/],
    ['OwnershipControls', /:PutBucketOwnershipControls$/],
    ['AccessControl', /:(?:PutObjectAcl|PutBucketAcl)$/],
    ['PublicAccessBlockConfiguration', /:PutBucketPublicAccessBlock$/],
    ['ReplicationConfiguration', /:(?:Put|Delete)(?:Bucket)?Replication|^iam:PassRole$/],
    ['VersioningConfiguration', /:PutBucketVersioning$/],
    ['WebsiteConfiguration', /:(?:Put|Delete)BucketWebsite$/],
    ['BucketEncryption, taken away', /:DeleteBucketEncryption$/],
  ],
  'AWS::Logs::LogGroup': [
    ['DataProtectionPolicy', /:(?:Put|Delete)DataProtectionPolicy$|:CreateLogDelivery$|^firehose:|^s3:/],
    ['FieldIndexPolicies', /:(?:Put|Delete)IndexPolicy$/],
    ['KmsKeyId', /KmsKey$/],
    ['ResourcePolicyDocument', /ResourcePolicy$|ResourcePolicies$/],
    ['DeletionProtectionEnabled', /DeletionProtection$/],
    ['BearerTokenAuthenticationEnabled', /BearerToken/],
  ],
  'AWS::Lambda::Function': [
    ['ReservedConcurrentExecutions', /FunctionConcurrency$/],
    ['VpcConfig', /^ec2:/],
    ['FileSystemConfigs', /^elasticfilesystem:|^s3files:/],
    ['KmsKeyArn', /^kms:/],
    ['CodeSigningConfigArn', /:(?:Put|Delete)FunctionCodeSigning|:GetCodeSigningConfig$/],
    ['Layers', /:GetLayerVersion$/],
    ['RuntimeManagementConfig', /:PutRuntimeManagement/],
    ['RecursiveLoop', /:PutFunctionRecursion/],
    ['FunctionScalingConfig', /:PutFunctionScaling/],
    ['CapacityProviderConfig', /CapacityProvider$/],
  ],
  'AWS::Lambda::Version': [
    ['ProvisionedConcurrencyConfig', /:PutProvisionedConcurrency/],
    ['RuntimePolicy', /:PutRuntimeManagement/],
    ['FunctionScalingConfig', /:PutFunctionScaling/],
  ],
  'AWS::KMS::Key': [['Enabled, as false', /:DisableKey$/]],
  'AWS::IAM::Role': [['PermissionsBoundary, taken away', /:DeleteRolePermissionsBoundary$/]],
  'AWS::IAM::Policy': [['Users and Groups', /User|Group/]],
  'AWS::IAM::ManagedPolicy': [['Users and Groups', /:(?:At|De)tach(?:User|Group)/]],
  'AWS::StepFunctions::StateMachine': [['DefinitionS3Location', /^s3:/]],
  'AWS::StepFunctions::StateMachineAlias': [['DeploymentPreference.Alarms', /^cloudwatch:/]],
  'AWS::DynamoDB::Table': [
    ['ImportSourceSpecification', /Import|^logs:|^s3:/],
    ['KinesisStreamSpecification', /:(?:En|Dis)ableKinesis|^kinesis:|^iam:/],
    ['ContributorInsightsSpecification', /:UpdateContributorInsights$/],
    ['ResourcePolicy', /:(?:Put|Delete)ResourcePolicy$/],
  ],
  'AWS::SNS::Topic': [
    ['DataProtectionPolicy', /:PutDataProtection/],
    ['DeliveryStatusLogging', /^iam:/],
  ],
};
const isUnused = (type: string, action: string): boolean =>
  (unused[type] ?? []).some(([, actions]) => actions.test(action));

/**
 * What services ask of whoever makes a resource beside what its handler publishes: "DynamoDB encryption at rest usage notes",
 * Key policy for a customer managed key, https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
 */
const beyondHandlers: Readonly<Record<string, readonly string[]>> = {
  'AWS::DynamoDB::Table': [
    ...['Encrypt', 'Decrypt', 'ReEncryptFrom', 'ReEncryptTo', 'DescribeKey', 'CreateGrant'],
    ...['GenerateDataKey', 'GenerateDataKeyWithoutPlaintext'],
  ].map((each) => `kms:${each}`),
};

const operationsOf = (type: string) => {
  const permissions = handlerPermissions[type];
  if (permissions === undefined) throw new Error(`What does the handler of ${type} call? See handler-permissions.ts.`);
  const { create, read, update = [], delete: remove } = permissions;
  // An update that fails is rolled back by updates, and by deleting what was made.
  return { create: [...create, ...(beyondHandlers[type] ?? [])], read, update, remove };
};
/** Secrets that CloudFormation reads itself: "Using dynamic references to specify template values". */
const secretsOf = ({ properties }: DeployedResource): Request[] =>
  [...JSON.stringify(properties).matchAll(/\{\{resolve:secretsmanager:([^:}]+):SecretString\}\}/g)].map(([, name]) => ({
    action: 'secretsmanager:GetSecretValue',
    resource: `arn:aws:secretsmanager:us-east-1:123456789012:secret:${name}-AbCdEf`,
    context: byCloudFormation,
  }));
const neededOf = (stage: string, kind: Kind = 'full'): Request[] => {
  const stack = stackOf(stage, kind);
  return [...stack.resources.values()].flatMap((resource) => [
    ...secretsOf(resource),
    ...[...new Set(Object.values(operationsOf(resource.type)).flat())]
      .filter((action) => !isUnused(resource.type, action))
      .flatMap((action) => requestsOf(stack, stage, resource, action)),
  ]);
};

/**
 * What `serverless deploy`, `serverless remove`, infra/before-deploy.ts and infra/under-way.ts ask themselves, in their sources in
 * node_modules/serverless/lib/plugins/aws. sts:GetCallerIdentity needs no permission.
 */
const askedByServerless = (stage: string, kind: Kind = 'full'): Request[] => {
  const stack = `arn:aws:cloudformation:us-east-1:123456789012:stack/runpod-ecr-refresh-${stage}/0f-1e`;
  const bucket = [...stackOf(stage, kind).resources.values()].find(({ type }) => type === 'AWS::S3::Bucket')?.arn ?? '';
  const functions = [...stackOf(stage, kind).resources.values()].filter(({ type }) => type === 'AWS::Lambda::Function');
  return [
    ...[
      ...['CreateStack', 'UpdateStack', 'DeleteStack', 'DescribeStacks', 'DescribeStackEvents', 'GetTemplate'],
      ...['DescribeStackResource', 'DescribeStackResources', 'ListStackResources', 'TagResource', 'UntagResource'],
      // and by whoever mends a stack that stands still: "Continue rolling back an update"
      ...['ContinueUpdateRollback', 'CancelUpdateStack', 'RollbackStack'],
    ].map((action) => ({ action: `cloudformation:${action}`, resource: stack })),
    { action: 'cloudformation:ValidateTemplate', resource: '*' },
    { action: 's3:ListBucket', resource: bucket },
    ...['GetObject', 'PutObject', 'AbortMultipartUpload', 'DeleteObject'].map((action) => ({
      action: `s3:${action}`,
      resource: `${bucket}/serverless/runpod-ecr-refresh/${stage}/1-x/notify.zip`,
    })),
    ...functions.map(({ arn = '' }) => ({ action: 'lambda:GetFunction', resource: arn })),
    ...functions.map(({ arn = '' }) => ({ action: 'lambda:ListTags', resource: arn })),
    { action: 'cloudwatch:PutMetricData', resource: '*', context: { 'cloudwatch:namespace': 'RunpodEcrRefresh' } },
    {
      action: 'states:ListExecutions',
      resource: `arn:aws:states:us-east-1:123456789012:stateMachine:runpod-ecr-refresh-${stage}-rollout`,
    },
  ];
};

/** The same asked for roles that have the boundary of another stage. */
const boundedBy = (stage: string, requests: readonly Request[]): Request[] => {
  const boundary = String(deployExample(stage).outputs.BoundaryArn);
  return requests.map((request) =>
    request.context?.['iam:PermissionsBoundary'] === undefined
      ? request
      : { ...request, context: { ...request.context, 'iam:PermissionsBoundary': boundary } },
  );
};

const allowedBy = (by: Identity, requests: readonly Request[]): Request[] =>
  requests.filter((request) => isAllowed(by, request));

/** Resources that policies name and that none of these requests is about. */
const namedInVain = (policies: readonly Policy[], requests: readonly Request[]): string[] =>
  policies
    .flatMap(({ Statement }) =>
      Statement.flatMap(({ Resource = [], NotResource = [] }) => [...Resource, ...NotResource]),
    )
    .filter((pattern) => !requests.some(({ resource }) => matchesArn(pattern, resource)));

describe('the role that GitHub deploys with', () => {
  it.each(kinds)('may do what deploying, updating, rolling back and removing the %s stack takes', (kind) => {
    const needed = [...neededOf('prod', kind), ...askedByServerless('prod', kind)];
    expect(needed.length).toBeGreaterThan(500);
    expect(needed.filter((request) => !isAllowed(deployer, request))).toEqual([]);
  });

  it('may call nothing for properties that the template does not set', () => {
    const stack = stackOf('prod');
    for (const [type, properties] of Object.entries(unused)) {
      const resource = [...stack.resources.values()].find((each) => each.type === type);
      const actions = Object.values(operationsOf(type)).flat();
      for (const [property, pattern] of properties) {
        const concerned = actions.filter((action) => pattern.test(action));
        expect(concerned, `${type} ${property}`).not.toEqual([]);
        // A bucket's settings may all be read: s3:Get* keeps the policy short.
        const requests = concerned.flatMap((action) =>
          resource === undefined || action.startsWith('s3:Get') ? [] : requestsOf(stack, 'prod', resource, action),
        );
        // What another type needs of the same resource is no permission of this one's.
        const others = new Set(neededOf('prod').map(({ action }) => action));
        expect(
          allowedBy(deployer, requests).filter(({ action }) => !others.has(action)),
          type,
        ).toEqual([]);
      }
      const set = [...stack.resources.values()].flatMap((each) =>
        each.type === type ? Object.keys(each.properties) : [],
      );
      expect(properties.map(([property]) => property).filter((property) => set.includes(property))).toEqual([]);
    }
  });

  it('has no action that nothing needs', () => {
    const needed = new Set(
      [...neededOf('prod'), ...askedByServerless('prod')].map(({ action }) => action.toLowerCase()),
    );
    const allowed = deployer.policies.flatMap(({ Statement }) =>
      Statement.flatMap(({ Effect, Action = [] }) => (Effect === 'Allow' ? Action : [])),
    );
    expect(allowed.filter((action) => action !== 's3:Get*' && !needed.has(action.toLowerCase()))).toEqual([]);
  });

  it('names nothing that the stack does not have', () => {
    const needed = kinds.flatMap((kind) => [...neededOf('prod', kind), ...askedByServerless('prod', kind)]);
    expect(namedInVain(deployer.policies, needed)).toEqual([]);
  });

  it('can not change itself, its policies or the boundary', () => {
    const own = [deployer.arn];
    const policies = [...administrator.resources.values()].flatMap(({ type, arn }) =>
      type === 'AWS::IAM::ManagedPolicy' && arn !== undefined ? [arn] : [],
    );
    expect(policies).toHaveLength(6);
    expect(policies).toContain(boundaryArn);
    const onRoles = [
      ...['PutRolePolicy', 'AttachRolePolicy', 'DetachRolePolicy', 'DeleteRolePolicy', 'UpdateAssumeRolePolicy'],
      ...[
        'PutRolePermissionsBoundary',
        'DeleteRolePermissionsBoundary',
        'UpdateRole',
        'DeleteRole',
        'TagRole',
        'PassRole',
      ],
    ];
    const onPolicies = [
      'CreatePolicy',
      'CreatePolicyVersion',
      'SetDefaultPolicyVersion',
      'DeletePolicyVersion',
      'DeletePolicy',
    ];
    const context = { 'iam:PermissionsBoundary': boundaryArn, 'iam:PassedToService': 'lambda.amazonaws.com' };
    const requests = [
      ...onRoles.flatMap((each) => own.map((resource) => ({ action: `iam:${each}`, resource, context }))),
      ...onPolicies.flatMap((each) => policies.map((resource) => ({ action: `iam:${each}`, resource, context }))),
    ];
    expect(allowedBy(deployer, requests)).toEqual([]);
  });

  it.each([
    'CreateRole',
    'PutRolePolicy',
    'AttachRolePolicy',
    'UpdateAssumeRolePolicy',
    'PutRolePermissionsBoundary',
  ])('can %s only with the boundary', (each) => {
    const action = `iam:${each}`;
    const resource = roleOf(stackOf('prod'), 'NotifyRole').arn;
    const asking = (boundary?: string) =>
      isAllowed(deployer, {
        action,
        resource,
        context: boundary === undefined ? {} : { 'iam:PermissionsBoundary': boundary },
      });
    expect(asking(boundaryArn)).toBe(true);
    expect(asking()).toBe(false);
    expect(asking('arn:aws:iam::123456789012:policy/other')).toBe(false);
    expect(asking(String(deployExample('dev').outputs.BoundaryArn))).toBe(false);
  });

  it('can take the boundary off no role', () => {
    const resource = roleOf(stackOf('prod'), 'NotifyRole').arn;
    const context = { 'iam:PermissionsBoundary': boundaryArn };
    expect(isAllowed(deployer, { action: 'iam:DeleteRolePermissionsBoundary', resource, context })).toBe(false);
  });

  it.each(['ec2', 'ecs-tasks', 'cloudformation', 'codebuild', 'glue'])('can pass a role to no %s', (service) => {
    const resource = roleOf(stackOf('prod'), 'NotifyRole').arn;
    const passing = (name: string) =>
      isAllowed(deployer, {
        action: 'iam:PassRole',
        resource,
        context: { 'iam:PassedToService': `${name}.amazonaws.com` },
      });
    expect(passing('lambda')).toBe(true);
    expect(passing(service)).toBe(false);
  });

  it.each([
    ['prod', 'prod-eu'],
    ['prod', 'dev'],
    ['prod', 'prod2'],
    ['prod', 'prod-2'],
    ['prod', 'prod-notify'],
    ['prod-eu', 'prod'],
    // CloudFormation cuts the names of roles and buckets of these short, to the same letters.
    ['stage', 'stage-eu'],
    ['staging', 'staging-eu'],
    ['product', 'production'],
  ])('of %s has no reach into %s', (stage, other) => {
    const role = deployerOf(stage);
    const ofNoStage = [
      ...['kms:ListAliases', 'logs:DescribeLogGroups', 'logs:DescribeIndexPolicies'],
      ...['cloudformation:ValidateTemplate', 'cloudwatch:PutMetricData', 'secretsmanager:GetSecretValue'],
    ];
    const needed = [...neededOf(other), ...askedByServerless(other)];
    const requests = boundedBy(stage, needed).filter(({ action }) => !ofNoStage.includes(action));
    expect(requests.length).toBeGreaterThan(500);
    expect(allowedBy(role, requests)).toEqual([]);
  });

  it('can neither use nor administer another key, nor make one its own', () => {
    const actions = [...new Set(neededOf('prod').map(({ action }) => action))].filter((each) =>
      each.startsWith('kms:'),
    );
    expect(actions.length).toBeGreaterThan(10);
    const resource = 'arn:aws:kms:us-east-1:123456789012:key/11111111-2222-4333-8444-555555555555';
    const others: ContextKeys[] = [{}, tagged('ResourceTag', 'dev'), { 'aws:ResourceTag/stage': 'prod' }];
    const requests = others.flatMap((tags) =>
      [...actions, 'kms:CreateGrant', 'kms:Encrypt', 'kms:DisableKey'].map((action) => ({
        action,
        resource,
        context: { ...tags, ...tagged('RequestTag', 'prod') },
      })),
    );
    expect(allowedBy(deployer, requests).filter(({ action }) => action !== 'kms:ListAliases')).toEqual([]);
    // Its alias may stand for its own key alone.
    expect(isAllowed(deployer, { action: 'kms:CreateAlias', resource, context: byCloudFormation })).toBe(false);
  });

  it.each([
    ['iam:CreateUser', 'arn:aws:iam::123456789012:user/runpod-ecr-refresh-prod-x'],
    ['iam:PassRole', 'arn:aws:iam::123456789012:role/Admin'],
    ['iam:CreateRole', 'arn:aws:iam::123456789012:role/Admin'],
    ['sts:AssumeRole', 'arn:aws:iam::123456789012:role/Admin'],
    ['cloudformation:CreateStack', 'arn:aws:cloudformation:us-east-1:123456789012:stack/other/1'],
    ['cloudformation:CreateChangeSet', 'arn:aws:cloudformation:us-east-1:123456789012:stack/runpod-ecr-refresh-prod/1'],
    ['s3:GetObject', 'arn:aws:s3:::other/key'],
    ['ssm:GetParameter', 'arn:aws:ssm:us-east-1:123456789012:parameter/runpod-ecr-refresh/prod/api-key'],
    ['secretsmanager:GetSecretValue', 'arn:aws:secretsmanager:us-east-1:123456789012:secret:runpod-AbCdEf'],
    [
      'secretsmanager:GetSecretValue',
      'arn:aws:secretsmanager:us-east-1:123456789012:secret:runpod-ecr-refresh/pager-AbCdEf',
    ],
    ['logs:PutResourcePolicy', '*'],
  ])('can not %s on %s', (action, resource) => {
    const context = { 'iam:PermissionsBoundary': boundaryArn, 'iam:PassedToService': 'lambda.amazonaws.com' };
    expect(isAllowed(deployer, { action, resource, context })).toBe(false);
  });

  it('lets nobody but a rule of EventBridge invoke a function', () => {
    const resource = 'arn:aws:lambda:us-east-1:123456789012:function:runpod-ecr-refresh-prod-notify';
    const adding = (principal: string) =>
      isAllowed(deployer, { action: 'lambda:AddPermission', resource, context: { 'lambda:Principal': principal } });
    expect(adding('events.amazonaws.com')).toBe(true);
    expect(adding('*')).toBe(false);
    expect(adding('210987654321')).toBe(false);
  });

  it('uses a bucket of the account only under its own stage', () => {
    const role = identityOf(roleOf(deployExample('prod', place, { DeploymentBucket: 'team-bucket' }), 'DeployRole'));
    const putting = (key: string) => isAllowed(role, { action: 's3:PutObject', resource: `arn:aws:s3:::${key}` });
    expect(putting('team-bucket/serverless/runpod-ecr-refresh/prod/1/notify.zip')).toBe(true);
    expect(putting('team-bucket/serverless/runpod-ecr-refresh/prod-eu/1/notify.zip')).toBe(false);
    expect(putting('team-bucket/serverless/other/prod/1/notify.zip')).toBe(false);
    expect(
      isAllowed(deployer, {
        action: 's3:PutObject',
        resource: 'arn:aws:s3:::team-bucket/serverless/runpod-ecr-refresh/prod/1',
      }),
    ).toBe(false);
  });

  it('is trusted for one repository and its environment alone', () => {
    const [statement] = roleOf(administrator, 'DeployRole').trust.Statement;
    expect(statement?.Action).toEqual(['sts:AssumeRoleWithWebIdentity']);
    expect(statement?.Condition).toEqual({
      StringEquals: {
        'token.actions.githubusercontent.com:aud': ['sts.amazonaws.com'],
        'token.actions.githubusercontent.com:sub': ['repo:team/fork:environment:prod'],
      },
    });
  });

  /** "IAM and AWS STS quotas": https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html */
  it.each(['aws', 'aws-us-gov', 'aws-cn'])('fits IAM’s quotas in %s, with the longest stage', (partition) => {
    const bucket = 'b'.repeat(63);
    const { resources } = deployExample('production', { ...place, partition }, { DeploymentBucket: bucket });
    const policies = [...resources.values()].filter(({ type }) => type === 'AWS::IAM::ManagedPolicy');
    const lengths = policies.map(({ properties }) => JSON.stringify(properties.PolicyDocument).length);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(6144);
    const attached = textsOf(resources.get('DeployRole')?.properties.ManagedPolicyArns);
    expect(attached).toHaveLength(policies.length - 1); // all but the boundary
    expect(attached.length).toBeLessThanOrEqual(10);
  });

  it.each([
    'staging',
    'production',
  ])('may deploy %s, whose names CloudFormation cuts, through a bucket of the account', (stage) => {
    const needed = boundedBy(stage, [...neededOf(stage), ...askedByServerless(stage)]).filter(
      ({ action }) => !action.startsWith('s3:'),
    );
    expect(needed.length).toBeGreaterThan(500);
    expect(needed.filter((request) => !isAllowed(deployerOf(stage), request))).toEqual([]);
  });

  it('makes a bucket for stages alone of whose names CloudFormation cuts nothing', () => {
    expect(stagesWithBucket).toContain('prod');
    expect(stagesWithBucket.filter((stage) => `runpod-ecr-refresh-${stage}`.length >= 24)).toEqual([]);
  });
});

/** Everything that one statement allows, where the values that its conditions ask for are given. */
const asked = (
  stack: DeployedStack,
  { Action = [], Resource = [], Condition = {} }: Policy['Statement'][number],
): Request[] => {
  const given = Object.entries(Condition).flatMap(([operator, keys]) =>
    Object.entries(keys).map(([key, values]) =>
      operator === 'Null' ? [key, 'given'] : [key, operator.startsWith('For') ? values : (values[0] ?? '')],
    ),
  );
  const own = [...stack.resources.values()].flatMap(({ type, arn }) =>
    type === 'AWS::KMS::Key' && arn !== undefined ? [arn] : [],
  );
  return Action.flatMap((action) =>
    Resource.map((resource) => ({
      action,
      resource,
      context: { ...Object.fromEntries(given), ...(own.includes(resource) ? tagged('ResourceTag', 'prod') : {}) },
    })),
  );
};

describe('the boundary', () => {
  /** A role of the stack into which a deploy has written all there is. */
  const bounded = (): Identity => ({ ...identityOf(roleOf(stackOf('prod'), 'NotifyRole')), policies: [everything] });

  it.each([
    ['plain', 15],
    ['full', 22],
  ] as const)('is on every role of the %s stack', (kind, count) => {
    const { roles } = stackOf('prod', kind);
    expect(roles).toHaveLength(count);
    expect(roles.filter(({ boundary }) => boundary === undefined)).toEqual([]);
  });

  /** Of the packaged templates, whose targets are the example's; many targets name keys wherever they like. */
  const askedBy = (kind: Kind): Request[] => {
    const stack = deployTemplate(templateOf(kind), {
      ...place,
      stackName: 'runpod-ecr-refresh-prod',
      managedPolicies: { [boundaryArn]: boundaryDocument },
    });
    return stack.roles.flatMap(({ policies }) =>
      policies.flatMap(({ policy }) => policy.Statement.flatMap((statement) => asked(stack, statement))),
    );
  };

  it.each(kinds)('holds every statement of every role of the %s stack', (kind) => {
    const requests = askedBy(kind);
    expect(requests.length).toBeGreaterThan(50);
    expect(requests.filter((request) => !isAllowed(bounded(), request))).toEqual([]);
  });

  it('holds no action and no resource that no role has', () => {
    const { boundary } = bounded();
    const given = new Set(askedBy('full').map(({ action }) => action));
    const held = boundary?.Statement.flatMap(({ Action = [] }) => Action) ?? [];
    expect(held.length).toBeGreaterThan(20);
    expect(held.filter((action) => !given.has(action))).toEqual([]);
    expect(namedInVain(boundary === undefined ? [] : [boundary], kinds.flatMap(askedBy))).toEqual([]);
  });

  it.each([
    ['iam:CreateUser', '*'],
    ['iam:PutRolePolicy', 'arn:aws:iam::123456789012:role/runpod-ecr-refresh-prod-NotifyRole-X'],
    ['sts:AssumeRole', 'arn:aws:iam::123456789012:role/Admin'],
    ['s3:GetObject', 'arn:aws:s3:::any/key'],
    ['ssm:GetParameter', 'arn:aws:ssm:us-east-1:123456789012:parameter/other'],
    ['ssm:PutParameter', 'arn:aws:ssm:us-east-1:123456789012:parameter/runpod-ecr-refresh/x'],
    ['secretsmanager:GetSecretValue', 'arn:aws:secretsmanager:us-east-1:123456789012:secret:database-AbCdEf'],
    ['kms:Decrypt', 'arn:aws:kms:us-east-1:123456789012:key/other'],
    ['ecr:PutImage', 'arn:aws:ecr:us-east-1:123456789012:repository/team/worker'],
    ['lambda:InvokeFunction', 'arn:aws:lambda:us-east-1:123456789012:function:other:1'],
    ['lambda:InvokeFunction', 'arn:aws:lambda:us-east-1:123456789012:function:runpod-ecr-refresh-prod-eu-notify:1'],
    ['lambda:InvokeFunction', 'arn:aws:lambda:us-east-1:123456789012:function:runpod-ecr-refresh-prod-2-roll-back:1'],
    ['states:StartExecution', 'arn:aws:states:us-east-1:123456789012:stateMachine:runpod-ecr-refresh-prod-eu'],
    ['states:StartExecution', 'arn:aws:states:us-east-1:123456789012:stateMachine:runpod-ecr-refresh-prod-eu-rollout'],
    [
      'logs:PutLogEvents',
      'arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/runpod-ecr-refresh-prod-eu-roll-back:log-stream:1',
    ],
    ['sns:Publish', 'arn:aws:sns:us-east-1:123456789012:runpod-ecr-refresh-prod-eu-alerts'],
    ['dynamodb:PutItem', 'arn:aws:dynamodb:us-east-1:123456789012:table/runpod-ecr-refresh-prod-eu'],
    ['ssm:PutParameter', 'arn:aws:ssm:us-east-1:123456789012:parameter/runpod-ecr-refresh/prod-eu/notified'],
    ['ssm:PutParameter', 'arn:aws:ssm:us-east-1:123456789012:parameter/runpod-ecr-refresh/prod/api-key'],
  ])('refuses %s on %s', (action, resource) => {
    expect(isAllowed(bounded(), { action, resource })).toBe(false);
  });
});
