import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resourceOf } from '../../simulator/aws/triggers.ts';
import { statesOf, World } from '../../simulator/world.ts';

let world: World;
beforeEach(async () => {
  world = await World.begin({ environment: { LOG_LISTEN_SECONDS: '0.05' } });
  const image = world.push('team/worker', 'v1');
  world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
});
afterEach(() => world.end());

const arnOf = (logicalId: string): string => resourceOf(world.iam, logicalId).arn;

/** Nobody may do this to a key, a topic or a function any more. */
const deny = (arn: string, kind: 'key' | 'resource', Action: string, Principal: object | '*' = '*'): void =>
  world.setResourcePolicy(arn, kind, {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Principal: '*', Action: '*', Resource: '*' },
      { Effect: 'Deny', Principal, Action, Resource: '*' },
    ],
  });

describe('a call that AWS refuses', () => {
  it('of a function is answered with AWS’s own sentence, and the run says so', async () => {
    deny(arnOf('SealKey'), 'key', 'kms:GenerateDataKey');
    const execution = await world.refresh();
    expect(execution).toMatchObject({ status: 'FAILED', error: 'ConfigurationError' });
    expect(execution.cause).toMatch(
      /User: arn:aws:sts::123456789012:assumed-role\/runpod-ecr-refresh-dev-FetchTokenRole-\w+\/runpod-ecr-refresh-dev-fetch-token is not authorized to perform: kms:GenerateDataKey on resource: arn:a/,
    );
  });

  it('of the machine to a function ends the run as an error of Lambda’s', async () => {
    const functionArn = String(
      Object.values(resourceOf(world.iam, 'StateMachine').properties.DefinitionSubstitutions ?? {}).find((each) =>
        String(each).includes('resolve-targets'),
      ),
    );
    deny(functionArn, 'resource', 'lambda:InvokeFunction');
    const execution = await world.refresh();
    expect(execution).toMatchObject({ status: 'FAILED', error: 'Lambda.AWSLambdaException' });
    expect(execution.cause).toMatch(/StateMachineRole.*lambda:InvokeFunction on resource: arn:aws:lambd/);
  });

  it('of the machine to its key ends the run before its first state', async () => {
    deny(arnOf('StackKey'), 'key', 'kms:GenerateDataKey');
    const execution = await world.refresh();
    expect(execution).toMatchObject({ status: 'FAILED', error: 'KmsAccessDeniedException' });
    expect(statesOf(execution)).not.toContain('ResolveTargets');
  });

  it('of the machine to the topic leaves people without a word', async () => {
    deny(arnOf('AlertTopic'), 'resource', 'SNS:Publish');
    world.runpod.credentials.clear();
    const execution = await world.refresh();
    expect(statesOf(execution)).toContain('NotifyPlainly');
    expect(world.sns.inbox.filter(({ topicArn }) => topicArn === arnOf('AlertTopic'))).toEqual([]);
  });

  it('of Scheduler starts nothing, and what it was to start lies in the queue', () => {
    world.setResourcePolicy(resourceOf(world.iam, 'TriggerRole').arn, 'trust', {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sts:AssumeRole' }],
    });
    expect(() => world.start({ trigger: 'schedule' })).toThrow(
      /User: scheduler\.amazonaws\.com is not authorized to perform: sts:AssumeRole because no role trust policy allows/,
    );
    expect(world.stepFunctions.executions.size).toBe(0);
    expect(world.triggers.deadLetters.map(({ from }) => from)).toEqual(['Schedule']);
    world.start({ trigger: 'deploy' });
    expect(world.stepFunctions.executions.size).toBe(1);
  });

  it('of EventBridge invokes nothing, and its event lies in the queue as far as the queue’s key lets it', async () => {
    deny(arnOf('StartDashrefreshLambdaFunction'), 'resource', 'lambda:InvokeFunction');
    await expect(world.deliverPush('team/worker', 'v1')).rejects.toThrow(/User: events\.amazonaws\.com is not/);
    expect(world.triggers.deadLetters.map(({ from }) => from)).toEqual(['PushRule']);
    deny(arnOf('StackKey'), 'key', 'kms:*', { Service: 'events.amazonaws.com' });
    await expect(world.deliverPush('team/worker', 'v1')).rejects.toThrow(/User: events\.amazonaws\.com is not/);
    expect(world.triggers.deadLetters).toHaveLength(1);
  });

  it('of CloudWatch drops an alarm silently, as a topic’s key does that it may not use', () => {
    world.ring('RunFailed');
    expect(world.sns.inbox.map(({ topicArn, subject }) => [topicArn, subject])).toEqual([
      [arnOf('AlarmTopic'), 'ALARM: "runpod-ecr-refresh-dev-RunFailed"'],
    ]);
    deny(arnOf('StackKey'), 'key', 'kms:*', { Service: 'cloudwatch.amazonaws.com' });
    world.ring('RunFailed');
    expect(world.sns.inbox).toHaveLength(1);
  });

  it('is any that nobody has allowed, such as changing the key that a function reads', async () => {
    const { aws } = world.platform('update-runpod').settings;
    const putting = new SSMClient({ ...aws }).send(
      new PutParameterCommand({
        Name: '/runpod-ecr-refresh/production/api-key',
        Value: 'rpa_other',
        Type: 'SecureString',
        Overwrite: true,
      }),
    );
    await expect(putting).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringContaining('ssm:PutParameter'),
    });
    expect(world.secrets.parameters.get('/runpod-ecr-refresh/production/api-key')).toBe(world.apiKey);
  });
});

describe('a push', () => {
  it('to a repository that no target names is filtered out by the rule', async () => {
    world.writeTargets(`
targets:
  - name: production
    ecr: { region: us-east-1, repositories: [team/worker] }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d }
`);
    expect(await world.deliverPush('team/other', 'v1')).toBeUndefined();
    expect(await world.deliverPush('team/worker', '')).toBeUndefined();
    expect(await world.deliverPush('team/worker', 'v1')).toMatchObject({ answer: 'started' });
  });
});
