import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { awsClientDefaults } from '../../functions/lib/aws/client.ts';
import { readSettings } from '../../functions/lib/env.ts';
import { metricUnits } from '../../functions/lib/platform.ts';
import { maxFlavours, maxSwept } from '../../functions/lib/runpod/canary-pod.ts';
import { maxPatienceMs } from '../../functions/lib/runpod/client.ts';
import { maxLookMs } from '../../functions/lib/runpod/look-at-all.ts';
import { maxListMs } from '../../functions/lib/runpod/pages.ts';
import { maxSubmitMs } from '../../functions/submit-canary.ts';
import {
  type Definition,
  definitionUrl,
  parseDefinition,
  rolloutDefinitionUrl,
  statesOf,
} from '../../runner/definition.ts';
import { functionNames, pascalCase } from '../../runner/functions.ts';
import {
  maxPackagingMs,
  type Packaged,
  packagedStage,
  packageStack,
  type Resource,
  type Template,
} from '../../simulator/packaged.ts';

interface Statement {
  readonly Sid?: string;
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: Record<string, Record<string, unknown>>;
}

let packaged: Packaged;
let template: Template;

beforeAll(() => {
  packaged = packageStack();
  template = packaged.template;
}, maxPackagingMs);

const ofType = (type: string): Array<readonly [string, Resource]> =>
  Object.entries(template.Resources).filter(([, { Type }]) => Type === type);

const only = (type: string): Resource['Properties'] => {
  const found = ofType(type);
  expect(found, type).toHaveLength(1);
  return found[0]?.[1].Properties ?? {};
};

/** The state machines that ship, by the names that the template has for them and for what belongs to them. */
const machines = [
  { machine: 'StateMachine', version: 'StateMachineVersion', alias: 'LiveAlias', url: definitionUrl },
  { machine: 'RolloutMachine', version: 'RolloutMachineVersion', alias: 'RolloutAlias', url: rolloutDefinitionUrl },
] as const;

const named = (id: string): Resource['Properties'] => template.Resources[id]?.Properties ?? {};

const list = <Item>(value: Item | Item[]): Item[] => (Array.isArray(value) ? value : [value]);

const documentsOf = ({ Properties }: Resource): Statement[] => {
  const { Policies = [], PolicyDocument } = Properties as {
    Policies?: Array<{ PolicyDocument: { Statement: Statement[] } }>;
    PolicyDocument?: { Statement: Statement[] };
  };
  return [...Policies.flatMap((each) => each.PolicyDocument.Statement), ...(PolicyDocument?.Statement ?? [])];
};

const statementsOf = (role: string): Statement[] => {
  const resource = template.Resources[role];
  if (resource === undefined) throw new Error(`There is no ${role}.`);
  const attached = ofType('AWS::IAM::Policy').filter(([, { Properties }]) =>
    JSON.stringify(Properties.Roles).includes(`"${role}"`),
  );
  return [resource, ...attached.map(([, each]) => each)].flatMap(documentsOf);
};

const actionsOf = (role: string): string[] =>
  [...new Set(statementsOf(role).flatMap(({ Action }) => list(Action)))].sort();

/** A GetAtt, Ref or Sub as text, so that it can be compared. */
const text = (value: unknown): string => {
  if (typeof value === 'string') return value;
  const {
    Ref,
    'Fn::GetAtt': attribute,
    'Fn::Sub': sub,
  } = value as { Ref?: string; 'Fn::GetAtt'?: string[]; 'Fn::Sub'?: string };
  return Ref ?? sub ?? attribute?.join('.') ?? JSON.stringify(value);
};

/** A function's time-out in seconds, by its name in the definition. */
const timeoutOf = (pascalName: string): number =>
  Number(
    ofType('AWS::Lambda::Function').find(
      ([, { Properties }]) =>
        pascalCase(String(Properties.FunctionName).replace(`runpod-ecr-refresh-${packagedStage}-`, '')) === pascalName,
    )?.[1].Properties.Timeout,
  );

const settings = readSettings({});
const { UPSTREAM_TIMEOUT_SECONDS: upstreamSeconds, LOG_LISTEN_SECONDS: listenSeconds } = settings;
/** Each try has the time once until an answer begins, and once more until it ends. */
const awsSeconds = awsClientDefaults(settings).maxAttempts * 2 * upstreamSeconds;
/** Nothing waits long for the memory. */
const memorySeconds = 2 * 2 * 3;
const quietSeconds = maxPatienceMs / 1000;
/** A list's last page is begun just in time, and waits for its turn. */
const listSeconds = maxListMs / 1000 + quietSeconds + upstreamSeconds;

const logging = ['logs:CreateLogStream', 'logs:PutLogEvents'];

describe('least privilege', () => {
  it('gives each function a role of its own', () => {
    const roles = ofType('AWS::Lambda::Function').map(([, { Properties }]) => text(Properties.Role));
    expect(roles).toHaveLength(functionNames.length);
    expect(new Set(roles).size).toBe(roles.length);
    expect(roles.sort()).toEqual(functionNames.map((name) => `${pascalCase(name)}Role.Arn`).sort());
  });

  it.each<readonly [string, string[]]>([
    [
      'StartRefreshRole',
      [
        'dynamodb:GetItem',
        'dynamodb:PutItem',
        'kms:Decrypt',
        'kms:GenerateDataKey',
        ...logging,
        'sqs:SendMessage',
        'states:DescribeExecution',
        'states:StartExecution',
      ],
    ],
    ['ResolveTargetsRole', logging],
    ['FindConcernedRole', ['dynamodb:Query', 'kms:Decrypt', ...logging, 'ssm:GetParameter']],
    ['DiscoverEndpointsRole', ['dynamodb:GetItem', 'dynamodb:PutItem', 'kms:Decrypt', ...logging, 'ssm:GetParameter']],
    [
      'FetchTokenRole',
      [
        'ecr:BatchGetImage',
        'ecr:GetAuthorizationToken',
        'ecr:GetDownloadUrlForLayer',
        'kms:GenerateDataKey',
        ...logging,
      ],
    ],
    ['VerifyImagePullRole', ['dynamodb:GetItem', 'ecr:DescribeImages', 'kms:Decrypt', ...logging]],
    [
      'StartRolloutsRole',
      [
        'dynamodb:GetItem',
        'dynamodb:PutItem',
        'dynamodb:Query',
        'ecr:DescribeImages',
        'kms:Decrypt',
        ...logging,
        'states:DescribeExecution',
        'states:StartExecution',
      ],
    ],
    ['PlanRolloutRole', ['dynamodb:GetItem', 'dynamodb:PutItem', 'kms:Decrypt', ...logging, 'ssm:GetParameter']],
    ['ApplyRolloutRole', ['dynamodb:GetItem', 'dynamodb:PutItem', 'kms:Decrypt', ...logging, 'ssm:GetParameter']],
    [
      'WatchRolloutRole',
      [
        'dynamodb:GetItem',
        'dynamodb:PutItem',
        'kms:Decrypt',
        ...logging,
        'ssm:GetParameter',
        'states:DescribeExecution',
        'states:StartExecution',
      ],
    ],
    ['RollBackRole', ['dynamodb:GetItem', 'dynamodb:PutItem', 'kms:Decrypt', ...logging, 'ssm:GetParameter']],
    ['UpdateRunpodRole', ['dynamodb:GetItem', 'dynamodb:PutItem', 'kms:Decrypt', ...logging, 'ssm:GetParameter']],
    ['CanaryPodRole', ['dynamodb:GetItem', 'dynamodb:PutItem', 'kms:Decrypt', ...logging, 'ssm:GetParameter']],
    ['SubmitCanaryRole', ['kms:Decrypt', ...logging, 'ssm:GetParameter']],
    ['VerifyEndpointPullRole', ['kms:Decrypt', ...logging, 'ssm:GetParameter']],
    ['PlanRetryRole', logging],
    ['ConcludeTargetRole', logging],
    ['ReportRole', logging],
    [
      'NotifyRole',
      [
        'dynamodb:DeleteItem',
        'dynamodb:GetItem',
        'dynamodb:PutItem',
        'dynamodb:Query',
        'kms:Decrypt',
        'kms:GenerateDataKey*',
        ...logging,
        'sns:Publish',
        'ssm:GetParameter',
        'ssm:PutParameter',
      ],
    ],
    ['TriggerRole', ['kms:Decrypt', 'kms:GenerateDataKey', 'sqs:SendMessage', 'states:StartExecution']],
  ])('lets %s do nothing but its work', (role, actions) => {
    expect(actionsOf(role)).toEqual(actions);
  });

  it('names every resource but where AWS knows no narrower', () => {
    const wide: string[] = [];
    for (const [name] of ofType('AWS::IAM::Role')) {
      for (const { Sid = '', Resource } of statementsOf(name)) {
        if (list(Resource).some((each) => text(each) === '*')) wide.push(`${name}.${Sid}`);
      }
    }
    expect(wide.sort()).toEqual([
      'FetchTokenRole.MintToken',
      'RolloutMachineRole.DeliverLogs',
      'RolloutMachineRole.Trace',
      'StateMachineRole.DeliverLogs',
      'StateMachineRole.Trace',
    ]);
  });

  it('says beside each of those which AWS page knows no narrower', () => {
    const sources = ['infra/permissions.ts', 'infra/workflow.yml', 'infra/rollout.yml', 'infra/key.yml']
      .map((path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'))
      .join('\n');
    expect(sources.match(/no narrower resource[ (:]+"/g)).toHaveLength(5);
  });

  it('allows no wildcard in an action but the family of data keys', () => {
    for (const [name] of ofType('AWS::IAM::Role')) {
      expect(actionsOf(name).filter((action) => action.includes('*') && action !== 'kms:GenerateDataKey*')).toEqual([]);
    }
  });

  it('lets tokens be sealed and opened only for an execution and a target', () => {
    for (const role of ['FetchTokenRole', 'VerifyImagePullRole', 'UpdateRunpodRole', 'StartRolloutsRole']) {
      const statement = statementsOf(role).find(({ Sid }) => /^(?:SealTokens|OpenSealedTokens)$/.test(Sid ?? ''));
      expect(statement?.Resource).toEqual({ 'Fn::GetAtt': ['SealKey', 'Arn'] });
      expect(statement?.Condition).toEqual({
        'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['execution', 'target'] },
        Null: { 'kms:EncryptionContext:execution': 'false', 'kms:EncryptionContext:target': 'false' },
      });
    }
  });

  it('puts a condition on every other use of the key', () => {
    for (const [name] of ofType('AWS::IAM::Role')) {
      for (const { Action, Condition } of statementsOf(name)) {
        if (list(Action).some((each) => each.startsWith('kms:'))) expect(Condition, name).toBeDefined();
      }
    }
  });

  it('lets each remember its own kinds of things alone, and start what is live alone', () => {
    const conditions = ofType('AWS::IAM::Role').flatMap(([name]) =>
      statementsOf(name).flatMap(({ Sid = '', Action, Condition = {} }) =>
        list(Action)
          // A machine starts its own children, which have no version.
          .filter((each) => each.startsWith('dynamodb:') || (each === 'states:StartExecution' && !/Machine/.test(name)))
          .map((action) => [`${name}.${Sid} ${action}`, JSON.stringify(Condition), action] as const),
      ),
    );
    expect(conditions.length).toBeGreaterThan(20);
    for (const [where, condition, action] of conditions) {
      const needed = action.startsWith('dynamodb:')
        ? /^\{"ForAllValues:StringEquals":\{"dynamodb:LeadingKeys":\["\w+"/
        : /^\{"ForAnyValue:StringEquals":\{"states:StateMachineQualifier":\["live"\]\}/;
      expect(condition, where).toMatch(needed);
    }
  });

  it('lets only the keys be read that targets.yml names', () => {
    const resources = statementsOf('UpdateRunpodRole')
      .filter(({ Action }) => list(Action).includes('ssm:GetParameter'))
      .flatMap(({ Resource }) => list(Resource).map(text));
    expect(resources).toEqual([
      'arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/runpod-ecr-refresh/production/api-key',
    ]);
  });

  it('trusts each role to its service alone, and outside Lambda for this account alone', () => {
    for (const [name, { Properties }] of ofType('AWS::IAM::Role')) {
      const [trust] = (
        Properties.AssumeRolePolicyDocument as {
          Statement: Array<{ Principal: { Service: unknown }; Condition?: unknown }>;
        }
      ).Statement;
      const services = list(trust?.Principal.Service);
      if (services.includes('lambda.amazonaws.com')) expect(services).toEqual(['lambda.amazonaws.com']);
      else expect(JSON.stringify(trust?.Condition), name).toContain('aws:SourceAccount');
    }
  });

  it.each(machines)('lets $machine call its functions’ versions and run its own children, and nothing else', ({
    machine,
  }) => {
    const { DefinitionSubstitutions } = named(machine);
    const functions = Object.keys(DefinitionSubstitutions as object).filter((name) => name.endsWith('FunctionArn'));
    const invoke = statementsOf(`${machine}Role`).filter(({ Action }) =>
      list(Action).includes('lambda:InvokeFunction'),
    );
    const called = invoke.flatMap(({ Resource }) => list(Resource).map(text));
    expect(called).toHaveLength(functions.length);
    expect(called.every((each) => each.endsWith('LambdaFunction.Arn}:*'))).toBe(true);
    const children = statementsOf(`${machine}Role`).filter(({ Action }) =>
      list(Action).some((each) => each.startsWith('states:')),
    );
    for (const { Resource } of children) {
      for (const each of list(Resource).map(text)) expect(each).toContain(`:runpod-ecr-refresh-${packagedStage}`);
    }
  });
});

describe('the functions', () => {
  it('run on Node 24 and arm64, with logs that end', () => {
    for (const [, { Properties }] of ofType('AWS::Lambda::Function')) {
      expect(Properties).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'] });
    }
    const groups = ofType('AWS::Logs::LogGroup');
    expect(groups).toHaveLength(functionNames.length + machines.length);
    for (const [, { Properties }] of groups) expect(Properties.RetentionInDays).toBe(30);
  });

  it('end before the state that waits for them', () => {
    const states = machines.flatMap(({ machine }) => [...statesOf(named(machine).Definition as Definition)]);
    const waits = states.flatMap(({ name, state: { Resource = '', TimeoutSeconds = 0 } }) => {
      const called = /^\$\{(\w+)FunctionArn\}$/.exec(Resource)?.[1];
      return called === undefined ? [] : [{ name, called, TimeoutSeconds }];
    });
    expect(new Set(waits.map(({ called }) => called)).size).toBe(functionNames.length - 1);
    for (const { name, called, TimeoutSeconds } of waits) {
      expect(timeoutOf(called), name).toBeLessThan(TimeoutSeconds);
    }
  });

  /**
   * What each calls, one after another, where all goes as badly as it can without an end: calls of AWS, which are tried
   * again; exchanges with Runpod, which are not; and seconds of anything else.
   */
  const callsOf: Readonly<
    Record<string, { readonly aws: number; readonly runpod?: number; readonly seconds?: number }>
  > = {
    'start-refresh': { aws: 2, seconds: 2 * memorySeconds }, // start, describe; what was pushed is read and written
    'resolve-targets': { aws: 0 },
    // The last key; before it what was pushed, and four minutes of other keys.
    'find-concerned': { aws: 2, seconds: memorySeconds + 240 + quietSeconds + listSeconds },
    // The credential in two APIs, endpoints, templates beside pods; what people know and who uses it are read, and that is written.
    'discover-endpoints': { aws: 2, runpod: 2, seconds: quietSeconds + 2 * listSeconds + 3 * memorySeconds },
    'fetch-token': { aws: 3 }, // STS, ECR, KMS
    'update-runpod': { aws: 3, runpod: 10, seconds: quietSeconds }, // KMS; each of three APIs, and after it the credential in two
    'submit-canary': { aws: 2, runpod: 2, seconds: maxSubmitMs / 1000 + quietSeconds },
    // The list; then the last endpoint's workers, a job and its end, and ten logs by fives, each in two parts, resumed once.
    'verify-endpoint-pull': {
      aws: 2,
      runpod: 5,
      seconds: maxLookMs / 1000 + quietSeconds + 4 * (upstreamSeconds + 2 * listenSeconds),
    },
    // The key; what is remembered read, and changed once, twice or three times; the endpoint; and what each does besides.
    'plan-rollout': { aws: 2, runpod: 2, seconds: quietSeconds + 3 * memorySeconds },
    'apply-rollout': { aws: 4, runpod: 4, seconds: quietSeconds + 7 * memorySeconds },
    'watch-rollout': {
      aws: 4, // a refresh is started, too
      runpod: 5,
      seconds: quietSeconds + 5 * memorySeconds + 4 * (upstreamSeconds + 2 * listenSeconds),
    },
    'roll-back': { aws: 4, runpod: 5, seconds: quietSeconds + 5 * memorySeconds },
    // The key; the memory read, and changed twice; the pods, those that are swept, the catalogue, tries to create one.
    'canary-pod': {
      aws: 2,
      runpod: maxSwept + 1 + maxFlavours,
      seconds: quietSeconds + listSeconds + 5 * memorySeconds,
    },
    'plan-retry': { aws: 0 },
    'conclude-target': { aws: 0 },
    report: { aws: 0 },
    // The table and the parameter are read; beside the table the parameter is read and written, twice; two topics.
    notify: { aws: 2, seconds: 5 * memorySeconds },
  };

  it('have the time that their calls may take', () => {
    // How many images there are, and of how many layers, nobody knows beforehand: it gets what a slow day takes.
    expect(Object.keys(callsOf)).toEqual(
      functionNames.filter((name) => name !== 'verify-image-pull' && name !== 'start-rollouts'),
    );
    for (const [name, { aws, runpod = 0, seconds = 0 }] of Object.entries(callsOf)) {
      const worst = aws * awsSeconds + runpod * upstreamSeconds + seconds;
      expect(timeoutOf(pascalCase(name)), name).toBeGreaterThan(worst);
    }
  });

  it('set no other time for a call than the one that is reckoned with', () => {
    for (const [name, { Properties }] of ofType('AWS::Lambda::Function')) {
      const { Variables } = Properties.Environment as { Variables: Record<string, unknown> };
      expect(Object.keys(Variables), name).not.toContain('UPSTREAM_TIMEOUT_SECONDS');
      expect(Object.keys(Variables), name).not.toContain('LOG_LISTEN_SECONDS');
    }
  });

  it('are each one bundle of at most 600 KB', () => {
    for (const name of functionNames) {
      const { size } = statSync(join(packaged.unpack(name), 'functions', `${name}.mjs`));
      expect(size, name).toBeLessThanOrEqual(600 * 1024);
    }
  });

  it('have no secret in their environment', () => {
    for (const [, { Properties }] of ofType('AWS::Lambda::Function')) {
      const { Variables } = Properties.Environment as { Variables: Record<string, unknown> };
      expect(Object.keys(Variables).filter((name) => /PASSWORD|TOKEN|API_KEY|SECRET/.test(name))).toEqual([]);
    }
  });
});

describe.each(machines)('the state machine $machine', ({ machine, version, alias, url }) => {
  it('has every placeholder filled in, and nothing filled in that it does not use', () => {
    const { Definition, DefinitionSubstitutions } = named(machine);
    const used = new Set([...JSON.stringify(Definition).matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name));
    expect([...used].sort()).toEqual(Object.keys(DefinitionSubstitutions as object).sort());
  });

  it('is the very file that the tests run', () => {
    const { Definition } = named(machine);
    expect(Definition).toEqual(parseDefinition(readFileSync(url, 'utf8')));
  });

  it('stays within what CloudFormation and Step Functions take, with every alias written out', () => {
    const { Definition } = named(machine);
    // https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    expect(Buffer.byteLength(JSON.stringify(Definition))).toBeLessThan(1024 * 1024);
    // https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    expect(Buffer.byteLength(JSON.stringify(template))).toBeLessThan(1024 * 1024);
  });

  it('calls the published version of each function', () => {
    const substitutions = named(machine).DefinitionSubstitutions as Record<string, { Ref?: string }>;
    for (const [name, { Ref = '' }] of Object.entries(substitutions)) {
      if (!name.endsWith('FunctionArn')) continue;
      const called = template.Resources[Ref];
      expect(called?.Type, name).toBe('AWS::Lambda::Version');
      const { Ref: functionId = '' } = called?.Properties.FunctionName as { Ref?: string };
      const { FunctionName } = template.Resources[functionId]?.Properties ?? {};
      expect(`${pascalCase(String(FunctionName).replace(`runpod-ecr-refresh-${packagedStage}-`, ''))}FunctionArn`).toBe(
        name,
      );
    }
  });

  it('is versioned behind an alias, logs errors without data, traces, and encrypts', () => {
    expect(named(machine)).toMatchObject({
      StateMachineType: 'STANDARD',
      LoggingConfiguration: { Level: 'ERROR', IncludeExecutionData: false },
      TracingConfiguration: { Enabled: true },
      EncryptionConfiguration: { Type: 'CUSTOMER_MANAGED_KMS_KEY', KmsKeyId: { 'Fn::GetAtt': ['StackKey', 'Arn'] } },
    });
    expect(named(version)).toMatchObject({
      StateMachineRevisionId: { 'Fn::GetAtt': [machine, 'StateMachineRevisionId'] },
    });
    expect(named(alias)).toMatchObject({
      Name: 'live',
      DeploymentPreference: { Type: 'ALL_AT_ONCE' },
    });
  });
});

describe('the triggers', () => {
  it('start the alias on a schedule, with retries, a window and a dead-letter queue', () => {
    expect(only('AWS::Scheduler::Schedule')).toMatchObject({
      ScheduleExpression: 'rate(3 hours)',
      FlexibleTimeWindow: { Mode: 'FLEXIBLE' },
      Target: {
        Arn: { Ref: 'LiveAlias' },
        Input: '{"trigger":"schedule"}',
        RetryPolicy: { MaximumRetryAttempts: 20 },
        DeadLetterConfig: { Arn: { 'Fn::GetAtt': ['DeadLetterQueue', 'Arn'] } },
      },
    });
  });

  it('start a refresh on tagged pushes that succeeded, and keep what cannot be started', () => {
    expect(template.Resources.PushRule?.Properties).toMatchObject({
      EventPattern: {
        source: ['aws.ecr'],
        'detail-type': ['ECR Image Action', 'ECR Replication Action'],
        detail: { 'action-type': ['PUSH', 'REPLICATE'], result: ['SUCCESS'], 'image-tag': [{ 'anything-but': [''] }] },
      },
      Targets: [{ DeadLetterConfig: { Arn: { 'Fn::GetAtt': ['DeadLetterQueue', 'Arn'] } } }],
    });
    expect(only('AWS::Lambda::EventInvokeConfig')).toMatchObject({
      DestinationConfig: { OnFailure: { Destination: { 'Fn::GetAtt': ['DeadLetterQueue', 'Arn'] } } },
    });
  });

  it('start a run after each deploy of this very stack', () => {
    expect(template.Resources.DeployRule?.Properties).toMatchObject({
      EventPattern: {
        'detail-type': ['CloudFormation Stack Status Change'],
        detail: {
          'stack-id': [{ Ref: 'AWS::StackId' }],
          'status-details': { status: ['CREATE_COMPLETE', 'UPDATE_COMPLETE', 'UPDATE_ROLLBACK_COMPLETE'] },
        },
      },
      Targets: [{ Arn: { Ref: 'LiveAlias' }, Input: '{"trigger":"deploy"}' }],
    });
  });

  it('send the daily digest to those alone who ask for it', () => {
    expect(template.Resources.DigestRule?.Properties).toMatchObject({
      State: 'DISABLED',
      Targets: [
        {
          Arn: { 'Fn::GetAtt': ['NotifyLambdaFunction', 'Arn'] },
          Input: { 'Fn::Sub': '{"kind":"digest","stateMachine":"${StateMachine}"}' },
        },
      ],
    });
  });

  it('let every rule use the queue, and every service the key', () => {
    const { Statement: queue } = only('AWS::SQS::QueuePolicy').PolicyDocument as { Statement: Statement[] };
    const sources = JSON.stringify(queue);
    for (const [name] of ofType('AWS::Events::Rule')) expect(sources).toContain(name);
    const { Statement: key } = template.Resources.StackKey?.Properties.KeyPolicy as {
      Statement: Array<Statement & { Principal: { Service?: string } }>;
    };
    const ofServices = key.filter(({ Principal }) => Principal.Service !== undefined);
    expect(ofServices.map(({ Principal, Condition }) => [Principal.Service, Condition])).toEqual([
      ['cloudwatch.amazonaws.com', { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } }],
      // It sends nothing that a condition could be on.
      ['events.amazonaws.com', undefined],
      ['delivery.logs.amazonaws.com', { StringEquals: { 'kms:EncryptionContext:SourceArn': expect.anything() } }],
    ]);
  });
});

describe('the alarms', () => {
  const alarms = () => ofType('AWS::CloudWatch::Alarm');

  it('tell when they begin and when they end, and say what they mean', () => {
    expect(alarms().length).toBeGreaterThan(8);
    for (const [name, { Properties }] of alarms()) {
      expect(Properties.AlarmActions, name).toEqual([{ Ref: 'AlarmTopic' }]);
      expect(Properties.OKActions, name).toEqual([{ Ref: 'AlarmTopic' }]);
      expect(Properties.AlarmDescription).toMatch(new RegExp(`runbook\\.md(?:#${name.toLowerCase()}$|, ${name}\\)$)`));
      expect(['breaching', 'notBreaching', 'ignore']).toContain(Properties.TreatMissingData);
    }
  });

  it('have a dead-man’s switch that takes silence for failure, while an hour is left', () => {
    expect(template.Resources.NoSuccess?.Properties).toMatchObject({
      MetricName: 'ScheduledRunsReported',
      Period: 300,
      EvaluationPeriods: 78,
      ComparisonOperator: 'LessThanThreshold',
      Threshold: 1,
      TreatMissingData: 'breaching',
    });
  });

  it('watch metrics that the functions emit', () => {
    const ours = alarms().filter(([, { Properties }]) => Properties.Namespace === 'RunpodEcrRefresh');
    for (const [, { Properties }] of ours) expect(Object.keys(metricUnits)).toContain(Properties.MetricName);
    expect(ours.map(([name]) => name).toSorted()).toEqual(['NoSuccess', 'TokenEndsSoon']);
  });

  it('look no further back than CloudWatch does', () => {
    for (const [name, { Properties }] of alarms()) {
      const { Period = 3600 } = Properties; // RunThrottled's is in its metrics
      expect(Number(Period) * Number(Properties.EvaluationPeriods), name).toBeLessThanOrEqual(86_400);
    }
  });

  it('are on a dashboard that is valid JSON once deployed', () => {
    const { DashboardBody } = only('AWS::CloudWatch::Dashboard');
    const filled = text(DashboardBody).replaceAll(/\$\{[^}]+\}/g, 'x');
    const { widgets } = JSON.parse(filled) as { widgets: Array<{ type: string }> };
    expect(widgets.map(({ type }) => type)).toContain('text');
    expect(filled).toContain('MinutesFromPushToProven');
    expect(widgets.length).toBeGreaterThan(4);
  });

  it('are all on the dashboard', () => {
    const body = text(only('AWS::CloudWatch::Dashboard').DashboardBody);
    const shown = [...body.matchAll(/\$\{(\w+)\.Arn\}/g)].map(([, id]) => id);
    expect(shown.toSorted()).toEqual(
      alarms()
        .map(([id]) => id)
        .toSorted(),
    );
  });

  it('name our metrics as they are emitted, and so does the dashboard', () => {
    /** The functions that measure: those that call measureRun, measureTokens and concludeBy. */
    const emittedBy = (name: string): string =>
      name === 'MinutesFromPushToProven' ? 'watch-rollout' : name.endsWith('TokenSecondsLeft') ? 'notify' : 'report';
    const stack = `runpod-ecr-refresh-${packagedStage}`;
    const body = text(only('AWS::CloudWatch::Dashboard').DashboardBody).replaceAll(/\$\{[^}]+\}/g, 'x');
    const { widgets } = JSON.parse(body) as { widgets: Array<{ properties: { metrics?: unknown[][] } }> };
    const rows = widgets.flatMap(({ properties: { metrics = [] } }) => {
      // A dot stands for what the row before has in its place.
      let before: readonly unknown[] = [];
      return metrics.map((row) => {
        before = row.filter((each) => typeof each === 'string').map((each, at) => (each === '.' ? before[at] : each));
        return before;
      });
    });
    const ours = rows.filter(([namespace]) => namespace === 'RunpodEcrRefresh');
    expect(ours.map(([, name]) => name)).toHaveLength(6);
    for (const [, name, ...dimensions] of ours) {
      expect(Object.keys(metricUnits)).toContain(name);
      expect(dimensions, String(name)).toEqual(['service', emittedBy(String(name)), 'Stack', stack]);
    }
    for (const [, { Properties }] of alarms().filter(([, each]) => each.Properties.Namespace === 'RunpodEcrRefresh')) {
      expect(Properties.Dimensions).toEqual([
        { Name: 'service', Value: emittedBy(text(Properties.MetricName)) },
        { Name: 'Stack', Value: stack },
      ]);
    }
  });
});

describe('the stack', () => {
  it('encrypts what waits: topics and queues under its key, which rotates', () => {
    for (const [, { Properties }] of ofType('AWS::KMS::Key')) {
      expect(Properties).toMatchObject({ EnableKeyRotation: true });
    }
    for (const [name, { Properties }] of [...ofType('AWS::SNS::Topic'), ...ofType('AWS::SQS::Queue')]) {
      expect(Properties.KmsMasterKeyId, name).toEqual({ 'Fn::GetAtt': ['StackKey', 'Arn'] });
    }
  });

  it('says what becomes of everything that holds something', () => {
    for (const type of [
      'AWS::KMS::Key',
      'AWS::SQS::Queue',
      'AWS::StepFunctions::StateMachine',
      'AWS::StepFunctions::StateMachineVersion',
    ]) {
      for (const [name, { DeletionPolicy, UpdateReplacePolicy }] of ofType(type)) {
        expect([DeletionPolicy, UpdateReplacePolicy], name).not.toContain(undefined);
      }
    }
  });

  it('refers only to what is there', () => {
    const known = new Set([
      ...Object.keys(template.Resources),
      'AWS::AccountId',
      'AWS::Partition',
      'AWS::Region',
      'AWS::StackId',
      'AWS::URLSuffix',
      'AWS::StackName',
    ]);
    const { StateMachine, RolloutMachine, ...others } = template.Resources;
    const properties = [StateMachine, RolloutMachine].map((machine) => {
      const { Definition: _, ...rest } = machine?.Properties ?? {};
      return rest;
    });
    const json = JSON.stringify([others, properties, template.Outputs]);
    const referred = [
      ...[...json.matchAll(/"Ref":"([^"]+)"/g)].map(([, name]) => name),
      ...[...json.matchAll(/"Fn::GetAtt":\["([^"]+)"/g)].map(([, name]) => name),
      ...[...json.matchAll(/\$\{([^}.!]+)(?:\.[^}]+)?\}/g)].map(([, name]) => name),
    ];
    expect(referred.length).toBeGreaterThan(100);
    expect(referred.filter((name) => name !== undefined && !known.has(name))).toEqual([]);
  });

  it('lives beside another stage: every name and export bears its stage, which no source names', () => {
    const { Resources, Outputs } = template;
    const names = [
      ...Object.values(Resources).flatMap(({ Type, Properties }) =>
        Object.entries(Properties)
          .filter(([key]) =>
            /^(?:FunctionName|Name|RoleName|TopicName|QueueName|StateMachineName|LogGroupName|AliasName|DashboardName|AlarmName)$/.test(
              key,
            ),
          )
          .filter(([, value]) => typeof value === 'string' && value !== 'live')
          .map(([, value]) => `${Type} ${value}`),
      ),
      ...Object.values(Outputs).flatMap(({ Export }) =>
        Export === undefined ? [] : [`export ${JSON.stringify(Export.Name)}`],
      ),
    ];
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter((name) => !name.includes(packagedStage))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
    const root = new URL('../../', import.meta.url);
    const sources = ['serverless.yml', ...globSync('infra/**/*.{yml,ts,cjs}', { cwd: root })];
    expect(sources.length).toBeGreaterThan(5);
    expect(sources.filter((path) => readFileSync(new URL(path, root), 'utf8').includes(packagedStage))).toEqual([]);
  });
});
