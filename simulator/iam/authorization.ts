/**
 * What AWS authorizes for each operation that the product calls, or that AWS calls for it: which action on which
 * resource, with which condition keys. Each row names the page that says so.
 *
 * Where the documentation leaves a value open, a row asks for each of the values that are possible, so that a policy is
 * right whichever it is; a key that AWS is not known to send is not sent.
 */
import type { ContextKeys } from './conditions.ts';
import { type Place, urlSuffixOf } from './names.ts';

/** One question to IAM. */
export interface AuthorizationCheck {
  readonly action: string;
  readonly resource: string;
  readonly context: ContextKeys;
  /** Set where a service asks in its own name, not in its caller's. */
  readonly service?: string;
  /** Set where a service asks KMS for its caller, and reports KMS's refusal in its own way. */
  readonly via?: string;
}

/** An operation, and what it is authorized by. */
interface AuthorizedOperation<Input> {
  /** Where this is documented. */
  readonly source: string;
  readonly checks: (input: Input, place: Place) => readonly AuthorizationCheck[];
}

/** A customer's KMS key; absent where AWS's own protects the data, whose policy lets the whole account use it. */
interface WithKey {
  readonly keyArn?: string | undefined;
}

export type EncryptionContext = Readonly<Record<string, string>>;

const check = (action: string, resource: string, context: ContextKeys = {}): AuthorizationCheck => ({
  action,
  resource,
  context,
});

/** "Condition keys for AWS KMS": each pair of an encryption context is a key, and their names are one more. */
const encryptionKeys = (encryptionContext: EncryptionContext): ContextKeys => ({
  ...Object.fromEntries(
    Object.entries(encryptionContext).map(([key, value]) => [`kms:EncryptionContext:${key}`, value]),
  ),
  'kms:EncryptionContextKeys': Object.keys(encryptionContext),
});

interface KmsUse {
  readonly actions: readonly string[];
  readonly keyArn: string | undefined;
  readonly service: string;
  readonly encryptionContext?: EncryptionContext;
}

/** A service uses a key for its caller. `kms:ViaService` names it as "kms:ViaService" in KMS's developer guide does. */
const viaService = (
  { actions, keyArn, service, encryptionContext = {} }: KmsUse,
  { region, partition }: Place,
): AuthorizationCheck[] =>
  keyArn === undefined
    ? []
    : actions.map((action) => ({
        ...check(action, keyArn, {
          ...encryptionKeys(encryptionContext),
          'kms:ViaService': `${service}.${region}.${urlSuffixOf(partition)}`,
        }),
        via: service,
      }));

/** The unqualified ARN of a machine, and the version or alias that a call names. */
const splitMachineArn = (arn: string): { machineArn: string; qualifier: string | undefined } => {
  const [partition, , , , , , ...rest] = arn.split(':');
  const [name = '', qualifier] = rest;
  if (partition !== 'arn' || name === '' || rest.length > 2) throw new Error(`No state machine's ARN: ${arn}`);
  return { machineArn: arn.split(':').slice(0, 7).join(':'), qualifier };
};

const onMachine = (action: string, stateMachineArn: string): AuthorizationCheck => {
  const { machineArn, qualifier } = splitMachineArn(stateMachineArn);
  return check(action, machineArn, qualifier === undefined ? {} : { 'states:StateMachineQualifier': [qualifier] });
};

/** The machine of an execution; of a Distributed Map's child, both the machine and the Map within it. */
const machineArnsOf = (executionArn: string): readonly string[] => {
  const labelled = executionArn.replace(':execution:', ':stateMachine:').split(':').slice(0, 7).join(':');
  const plain = labelled.split('/')[0] ?? labelled;
  return plain === labelled ? [plain] : [plain, labelled];
};

const readingExecution = (action: string, executionArn: string, keyArn: string | undefined, place: Place) => [
  check(action, executionArn),
  ...machineArnsOf(executionArn).flatMap((machineArn) =>
    viaService(
      {
        actions: ['kms:Decrypt'],
        keyArn,
        service: 'states',
        encryptionContext: { 'aws:states:stateMachineArn': machineArn },
      },
      place,
    ),
  ),
];

/** Context keys of a service that acts for a resource: "The confused deputy problem" in IAM's guide. */
const actingFor = (sourceArn: string, { account }: Place): ContextKeys => ({
  'aws:SourceArn': sourceArn,
  'aws:SourceAccount': account,
});

const operation = <Input>(
  source: string,
  checks: AuthorizedOperation<Input>['checks'],
): AuthorizedOperation<Input> => ({ source, checks });

const parameterArnOf = (name: string, { account, region, partition }: Place): string =>
  name.startsWith('arn:') ? name : `arn:${partition}:ssm:${region}:${account}:parameter/${name.replace(/^\//, '')}`;

const servicePage = (service: string): string =>
  `https://docs.aws.amazon.com/service-authorization/latest/reference/list_${service}.html`;
const stepFunctionsPage = (page: string): string => `https://docs.aws.amazon.com/step-functions/latest/dg/${page}.html`;

const onRepository = (action: string): AuthorizedOperation<{ repositoryArn: string }> =>
  operation(servicePage('amazonelasticcontainerregistry'), ({ repositoryArn }) => [check(action, repositoryArn)]);

const onPush = (...actions: readonly string[]): AuthorizedOperation<{ repositoryArn: string }> =>
  operation('https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html', ({ repositoryArn }) =>
    actions.map((action) => check(action, repositoryArn)),
  );

export const operations = {
  // Step Functions, as functions, schedules and rules call it
  startExecution: operation<{ stateMachineArn: string }>(stepFunctionsPage('auth-version-alias'), (input) => [
    onMachine('states:StartExecution', input.stateMachineArn),
  ]),
  describeExecution: operation<{ executionArn: string; includedData?: string | undefined } & WithKey>(
    'https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html (includedData)',
    ({ executionArn, includedData, keyArn }, place) =>
      readingExecution(
        'states:DescribeExecution',
        executionArn,
        includedData === 'METADATA_ONLY' ? undefined : keyArn,
        place,
      ),
  ),
  getExecutionHistory: operation<{ executionArn: string } & WithKey>(
    stepFunctionsPage('encryption-at-rest'),
    ({ executionArn, keyArn }, place) => readingExecution('states:GetExecutionHistory', executionArn, keyArn, place),
  ),
  listExecutions: operation<{ stateMachineArn: string }>(servicePage('stepfunctions'), ({ stateMachineArn }) => [
    onMachine('states:ListExecutions', stateMachineArn),
  ]),
  listMapRuns: operation<{ executionArn: string }>(servicePage('stepfunctions'), ({ executionArn }) => [
    check('states:ListMapRuns', executionArn),
  ]),

  // Step Functions, as an execution's own role
  /** Every state's input and output, of a run and of its children. */
  runExecution: operation<{ executionArn: string } & WithKey>(
    stepFunctionsPage('encryption-at-rest'),
    ({ executionArn, keyArn }, place) =>
      machineArnsOf(executionArn).flatMap((machineArn) =>
        viaService(
          {
            actions: ['kms:GenerateDataKey', 'kms:Decrypt'],
            keyArn,
            service: 'states',
            encryptionContext: { 'aws:states:stateMachineArn': machineArn },
          },
          place,
        ),
      ),
  ),
  /** A Distributed Map starts its machine anew for each item: the unqualified ARN, whatever the run was started by. */
  startChildExecution: operation<{ machineArn: string }>(stepFunctionsPage('iam-policies-eg-dist-map'), (input) => [
    check('states:StartExecution', splitMachineArn(input.machineArn).machineArn),
  ]),
  followChildExecution: operation<{ executionArn: string }>(
    stepFunctionsPage('iam-policies-eg-dist-map'),
    ({ executionArn }) => [
      check('states:DescribeExecution', executionArn),
      check('states:StopExecution', executionArn),
    ],
  ),
  invokeFunction: operation<{ functionArn: string }>(stepFunctionsPage('lambda-iam'), ({ functionArn }) => [
    check('lambda:InvokeFunction', functionArn),
  ]),
  /** The role makes the delivery; with a customer's key it makes a data key, too, which the delivery service opens. */
  deliverExecutionLogs: operation<WithKey>(
    `${stepFunctionsPage('cw-logs')} and ${stepFunctionsPage('encryption-at-rest')} (CloudWatch Logs)`,
    ({ keyArn }, { account, region, partition }) => {
      const logs = `arn:${partition}:logs:${region}:${account}:*`;
      const actions = ['CreateLogDelivery', 'GetLogDelivery', 'UpdateLogDelivery', 'DeleteLogDelivery'];
      const more = ['ListLogDeliveries', 'PutResourcePolicy', 'DescribeResourcePolicies', 'DescribeLogGroups'];
      return [
        ...[...actions, ...more].map((action) => check(`logs:${action}`, '*')),
        ...(keyArn === undefined
          ? []
          : [
              check('kms:GenerateDataKey', keyArn, encryptionKeys({ SourceArn: logs })),
              {
                ...check('kms:Decrypt', keyArn, encryptionKeys({ SourceArn: logs })),
                service: 'delivery.logs.amazonaws.com',
              },
            ]),
      ];
    },
  ),
  trace: operation<object>(stepFunctionsPage('xray-iam'), () =>
    ['PutTraceSegments', 'PutTelemetryRecords', 'GetSamplingRules', 'GetSamplingTargets'].map((action) =>
      check(`xray:${action}`, '*'),
    ),
  ),

  // KMS, as the product itself calls it
  generateDataKey: operation<{ keyArn: string; encryptionContext?: EncryptionContext; alias?: string }>(
    servicePage('awskeymanagementservice'),
    ({ keyArn, encryptionContext = {}, alias }) => [
      check('kms:GenerateDataKey', keyArn, {
        ...encryptionKeys(encryptionContext),
        ...(alias === undefined ? {} : { 'kms:RequestAlias': alias }),
      }),
    ],
  ),
  decrypt: operation<{ keyArn: string; encryptionContext?: EncryptionContext; alias?: string }>(
    servicePage('awskeymanagementservice'),
    ({ keyArn, encryptionContext = {}, alias }) => [
      check('kms:Decrypt', keyArn, {
        ...encryptionKeys(encryptionContext),
        ...(alias === undefined ? {} : { 'kms:RequestAlias': alias }),
      }),
    ],
  ),

  // The memory
  useTable: operation<{ action: `dynamodb:${string}`; tableArn: string; leadingKeys: readonly string[] } & WithKey>(
    'https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html (dynamodb:LeadingKeys); https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html (Decrypt: the user is the principal that accesses the table; GenerateDataKey: DynamoDB itself)',
    ({ action, tableArn, leadingKeys, keyArn }, place) => [
      check(action, tableArn, { 'dynamodb:LeadingKeys': [...leadingKeys] }),
      ...viaService({ actions: ['kms:Decrypt'], keyArn, service: 'dynamodb' }, place),
    ],
  ),

  // Parameters and secrets
  getParameter: operation<{ name: string } & WithKey>(
    'https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html',
    ({ name, keyArn }, place) => {
      const arn = parameterArnOf(name, place);
      const encryptionContext = { PARAMETER_ARN: arn };
      return [
        check('ssm:GetParameter', arn),
        ...viaService({ actions: ['kms:Decrypt'], keyArn, service: 'ssm', encryptionContext }, place),
      ];
    },
  ),
  /** A Standard parameter is encrypted by the key itself, without a data key. */
  putParameter: operation<{ name: string } & WithKey>(
    'https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html',
    ({ name, keyArn }, place) => {
      const arn = parameterArnOf(name, place);
      const encryptionContext = { PARAMETER_ARN: arn };
      return [
        check('ssm:PutParameter', arn),
        ...viaService({ actions: ['kms:Encrypt'], keyArn, service: 'ssm', encryptionContext }, place),
      ];
    },
  ),
  deleteParameter: operation<{ name: string }>(servicePage('awssystemsmanager'), ({ name }, place) => [
    check('ssm:DeleteParameter', parameterArnOf(name, place)),
  ]),
  getParameterHistory: operation<{ name: string } & WithKey>(
    'https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html',
    ({ name, keyArn }, place) => {
      const arn = parameterArnOf(name, place);
      const encryptionContext = { PARAMETER_ARN: arn };
      return [
        check('ssm:GetParameterHistory', arn),
        ...viaService({ actions: ['kms:Decrypt'], keyArn, service: 'ssm', encryptionContext }, place),
      ];
    },
  ),
  getSecretValue: operation<{ secretArn: string; versionId?: string } & WithKey>(
    'https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html',
    ({ secretArn, versionId = '00000000-0000-4000-8000-000000000000', keyArn }, place) => {
      const encryptionContext = { SecretARN: secretArn, SecretVersionId: versionId };
      return [
        check('secretsmanager:GetSecretValue', secretArn),
        ...viaService({ actions: ['kms:Decrypt'], keyArn, service: 'secretsmanager', encryptionContext }, place),
      ];
    },
  ),

  // ECR: also what a token may do, which has its minter's rights
  getAuthorizationToken: operation<object>(servicePage('amazonelasticcontainerregistry'), () => [
    check('ecr:GetAuthorizationToken', '*'),
  ]),
  getManifest: onRepository('ecr:BatchGetImage'),
  getLayer: onRepository('ecr:GetDownloadUrlForLayer'),
  describeImages: onRepository('ecr:DescribeImages'),
  describeRepositories: onRepository('ecr:DescribeRepositories'),
  listTagsOfRepository: onRepository('ecr:ListTagsForResource'),
  /** "ecr:TagResource" is asked for where tags are given: the user guide, "Tagging a private repository". */
  createRepository: operation<{ repositoryArn: string; hasTags: boolean }>(
    servicePage('amazonelasticcontainerregistry'),
    ({ repositoryArn, hasTags }) => [
      check('ecr:CreateRepository', repositoryArn),
      ...(hasTags ? [check('ecr:TagResource', repositoryArn)] : []),
    ],
  ),
  deleteRepository: onRepository('ecr:DeleteRepository'),
  deleteImage: onRepository('ecr:BatchDeleteImage'),

  // ECR's registry API, as a push uses it
  checkLayer: onPush('ecr:BatchCheckLayerAvailability'),
  beginLayer: onPush('ecr:InitiateLayerUpload'),
  /** One PUT brings the bytes and ends the upload. */
  endLayer: onPush('ecr:UploadLayerPart', 'ecr:CompleteLayerUpload'),
  putManifest: onPush('ecr:PutImage'),

  // What a person's commands ask of a deployed stack
  describeStack: operation<{ stackName: string }>(
    servicePage('awscloudformation'),
    ({ stackName }, { account, region, partition }) => [
      check(
        'cloudformation:DescribeStacks',
        `arn:${partition}:cloudformation:${region}:${account}:stack/${stackName}/*`,
      ),
    ],
  ),
  getSchedule: operation<{ name: string }>(
    servicePage('amazoneventbridgescheduler'),
    ({ name }, { account, region, partition }) => [
      check('scheduler:GetSchedule', `arn:${partition}:scheduler:${region}:${account}:schedule/default/${name}`),
    ],
  ),
  describeRule: operation<{ name: string }>(
    servicePage('amazoneventbridge'),
    ({ name }, { account, region, partition }) => [
      check('events:DescribeRule', `arn:${partition}:events:${region}:${account}:rule/${name}`),
    ],
  ),
  describeAlarms: operation<object>(servicePage('amazoncloudwatch'), (_, { account, region, partition }) => [
    check('cloudwatch:DescribeAlarms', `arn:${partition}:cloudwatch:${region}:${account}:alarm:*`),
  ]),
  listSubscriptions: operation<{ topicArn: string }>(servicePage('amazonsns'), ({ topicArn }) => [
    check('SNS:ListSubscriptionsByTopic', topicArn),
  ]),

  // SNS and SQS, by somebody's role
  publish: operation<{ topicArn: string } & WithKey>(
    'https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html',
    ({ topicArn, keyArn }, place) => [
      check('SNS:Publish', topicArn),
      ...viaService(
        {
          actions: ['kms:GenerateDataKey', 'kms:Decrypt'],
          keyArn,
          service: 'sns',
          encryptionContext: { 'aws:sns:topicArn': topicArn },
        },
        place,
      ),
    ],
  ),
  // Policies in use name kms:EncryptionContext:aws:sqs:arn; no page says that it is sent, so it is not.
  sendMessage: operation<{ queueArn: string } & WithKey>(
    'https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html',
    ({ queueArn, keyArn }, place) => [
      check('sqs:sendmessage', queueArn),
      ...viaService({ actions: ['kms:GenerateDataKey', 'kms:Decrypt'], keyArn, service: 'sqs' }, place),
    ],
  ),

  // STS
  assumeRole: operation<{ roleArn: string; externalId?: string | undefined; sessionName?: string | undefined }>(
    servicePage('awssecuritytokenservice'),
    ({ roleArn, externalId, sessionName }) => [
      check('sts:AssumeRole', roleArn, {
        ...(externalId === undefined ? {} : { 'sts:ExternalId': externalId }),
        ...(sessionName === undefined ? {} : { 'sts:RoleSessionName': sessionName }),
      }),
    ],
  ),
  getFederationToken: operation<{ name: string }>(
    servicePage('awssecuritytokenservice'),
    ({ name }, { account, partition }) => [
      check('sts:GetFederationToken', `arn:${partition}:sts::${account}:federated-user/${name}`),
    ],
  ),
  getCallerIdentity: operation<object>(
    'https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html: no permissions are required',
    () => [],
  ),
  /** Scheduler sends its group, EventBridge its rule, Step Functions the machine; Lambda is not known to send any. */
  serviceAssumesRole: operation<{ service: string; roleArn: string; sourceArn?: string | undefined }>(
    'The confused deputy page of each service, such as https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html',
    ({ service, roleArn, sourceArn }, place) => [
      { ...check('sts:AssumeRole', roleArn, sourceArn === undefined ? {} : actingFor(sourceArn, place)), service },
    ],
  ),

  // EventBridge and CloudWatch, in their own names
  /** A rule's target without a role. EventBridge is known to name the rule; whether the account, too, is not documented. */
  ruleInvokesFunction: operation<{ ruleArn: string; functionArn: string }>(
    'https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html',
    ({ ruleArn, functionArn }) => [
      {
        ...check('lambda:InvokeFunction', functionArn, { 'aws:SourceArn': ruleArn }),
        service: 'events.amazonaws.com',
      },
    ],
  ),
  /** A rule keeps what it cannot deliver. Its key's policy sees neither source: sns-key-management says so of topics. */
  ruleKeepsEvent: operation<{ ruleArn: string; queueArn: string } & WithKey>(
    'https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html',
    ({ ruleArn, queueArn, keyArn }, place) =>
      [
        check('sqs:sendmessage', queueArn, { 'aws:SourceArn': ruleArn }),
        ...viaService({ actions: ['kms:GenerateDataKey', 'kms:Decrypt'], keyArn, service: 'sqs' }, place),
      ].map((each) => ({ ...each, service: 'events.amazonaws.com' })),
  ),
  alarmPublishes: operation<{ alarmArn: string; topicArn: string } & WithKey>(
    'https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html and sns-key-management.html',
    ({ alarmArn, topicArn, keyArn }, place) =>
      [
        check('SNS:Publish', topicArn, { ...actingFor(alarmArn, place), 'aws:SourceOwner': place.account }),
        ...viaService(
          {
            actions: ['kms:GenerateDataKey', 'kms:Decrypt'],
            keyArn,
            service: 'sns',
            encryptionContext: { 'aws:sns:topicArn': topicArn },
          },
          place,
        ).map((each) => ({ ...each, context: { ...each.context, ...actingFor(alarmArn, place) } })),
      ].map((each) => ({ ...each, service: 'cloudwatch.amazonaws.com' })),
  ),

  // The rest
  writeLog: operation<{ logGroup: string; logStream: string }>(
    servicePage('amazoncloudwatchlogs'),
    ({ logGroup, logStream }, { account, region, partition }) => {
      const group = `arn:${partition}:logs:${region}:${account}:log-group:${logGroup}`;
      return [
        check('logs:CreateLogStream', `${group}:log-stream:${logStream}`),
        check('logs:PutLogEvents', `${group}:log-stream:${logStream}`),
      ];
    },
  ),
} as const;
