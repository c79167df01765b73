import { DynamoDBClient, QueryCommand } from '@aws-sdk/client-dynamodb';
import { afterEach, describe, expect, it } from 'vitest';
import { awsClientDefaults } from '../../functions/lib/aws/client.ts';
import type { Report } from '../../functions/lib/report/report.ts';
import type { Execution } from '../../simulator/aws/step-functions.ts';
import { matchesPattern, resourceOf } from '../../simulator/aws/triggers.ts';
import { statesOf, World } from '../../simulator/world.ts';

const minuteMs = 60_000;

/** Two keys: one of the targets `a` and `b`, one of `c`. Each target has an endpoint, on an image of its own repository. */
const targets = `
targets:
  - { name: a, ecr: { region: us-east-1 }, runpod: { apiKey: "ssm:/runpod-ecr-refresh/one", registry: cred-a } }
  - { name: b, ecr: { region: us-east-1 }, runpod: { apiKey: "ssm:/runpod-ecr-refresh/one", registry: cred-b } }
  - { name: c, ecr: { region: us-east-1 }, runpod: { apiKey: "ssm:/runpod-ecr-refresh/two", registry: cred-c } }
`;

let world: World;
afterEach(() => world.end());

const begin = async (): Promise<void> => {
  world = await World.begin({ targets, environment: { LOG_LISTEN_SECONDS: '0.05' } });
  for (const [key, names] of Object.entries({ one: ['a', 'b'], two: ['c'] })) {
    const owner = `rpa_the_key_${key}`;
    world.secrets.parameters.set(`/runpod-ecr-refresh/${key}`, owner);
    world.runpod.keys.set(owner, new Set(['*']));
    for (const name of names) {
      const registry = `cred-${name}`;
      const image = world.push(`team/${name}`, 'v1');
      world.runpod.addCredential(registry, 'ecr', { username: 'AWS', password: 'none' });
      world.runpod.addEndpoint({ id: `endpoint-${name}`, name, image, registry, owner });
    }
  }
  world.push('team/nobody', 'v1');
};

/** Delivers pushes, and lets the runs end that they have started. */
const pushTo = async (...repositories: string[]): Promise<Execution[]> => {
  for (const repository of repositories) await world.deliverPush(repository, 'v1');
  const executions = [...world.stepFunctions.executions.values()];
  for (const { ended } of executions) await world.clock.until(ended);
  return executions;
};

const namesIn = ({ output }: Execution): string[] =>
  (JSON.parse(output ?? '') as Report).targets.map(({ target }) => target);

describe('pushes to a registry', () => {
  it('cost one run a window, of the targets whose endpoints use one of their repositories', async () => {
    await begin();
    const [execution, ...others] = await pushTo('team/a', 'team/nobody', 'team/c', 'team/a');
    expect(others).toEqual([]);
    expect(execution?.status).toBe('SUCCEEDED');
    expect(execution === undefined ? [] : namesIn(execution)).toEqual(['a', 'c']);
    expect(world.runpod.stored.map(({ credential }) => credential).toSorted()).toEqual(['cred-a', 'cred-c']);
  });

  it.each([
    ['a push', {}, true],
    [
      'an image that was replicated from another region',
      { 'detail-type': 'ECR Replication Action', action: 'REPLICATE' },
      true,
    ],
    ['a child of an index, which has no tag', { tag: '' }, false],
    ['an image that was deleted', { action: 'DELETE' }, false],
    ['a push that failed', { result: 'FAILURE' }, false],
    ['what a scan found', { 'detail-type': 'ECR Image Scan', action: undefined }, false],
  ])('start a run for %s: %j', async (_what, {
    action = 'PUSH',
    result = 'SUCCESS',
    tag = 'v1',
    ...more
  }: Record<string, string | undefined>, isStarted) => {
    await begin();
    // https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html
    const event = {
      version: '0',
      'detail-type': 'ECR Image Action',
      source: 'aws.ecr',
      account: '123456789012',
      region: 'us-east-1',
      detail: {
        result,
        'repository-name': 'team/b',
        'image-digest': `sha256:${'0'.repeat(64)}`,
        'source-account': '123456789012',
        'source-region': 'us-west-2',
        'action-type': action,
        'image-tag': tag,
      },
      ...more,
    };
    expect(matchesPattern(resourceOf(world.iam, 'PushRule').properties.EventPattern, event)).toBe(isStarted);
    if (!isStarted) return;
    await world.invoke('start-refresh', event);
    const [execution] = await pushTo();
    expect(execution === undefined ? [] : namesIn(execution)).toEqual(['b']);
  });

  it('on either side of a window’s end, and twice, are each covered by a run, whichever is delivered first', async () => {
    await begin();
    const windowMs = 60_000;
    const end = Math.ceil(world.clock.now() / windowMs) * windowMs;
    await world.clock.advance(end - 1 - world.clock.now());
    await world.deliverPush('team/a', 'v1');
    await world.clock.advance(1);
    await world.deliverPush('team/b', 'v1');
    await world.deliverPush('team/a', 'v1');
    const executions = await pushTo('team/b');
    expect(executions.map(namesIn)).toEqual([['a'], ['a', 'b']]);
  });

  it('that concern nobody mint, store and tell nothing, in eight transitions at most', async () => {
    await begin();
    const asked: string[] = [];
    world.onQuestion = ({ action }) => void asked.push(action);
    const [execution] = await pushTo('team/nobody');
    expect(execution).toMatchObject({ status: 'SUCCEEDED' });
    const states = execution === undefined ? [] : statesOf(execution);
    expect(states.at(-1)).toBe('NothingConcerned');
    expect(states.length).toBeLessThanOrEqual(8);
    expect([world.ecr.count, world.runpod.stored, world.sns.inbox]).toEqual([0, [], []]);
    expect(asked.filter((action) => action === 'ssm:GetParameter')).toHaveLength(2);
    expect(world.measurements.map(({ name }) => name)).not.toContain('ScheduledRunsReported');
  });

  it('of an image that the endpoint has by its digest concern it as well', async () => {
    await begin();
    const endpoint = world.runpod.endpoints.get('endpoint-b');
    if (endpoint !== undefined) endpoint.image = endpoint.image.replace(':v1', `@sha256:${'0'.repeat(64)}`);
    const [execution] = await pushTo('team/b');
    expect(execution === undefined ? [] : statesOf(execution)).toContain('RefreshTargets');
  });

  it('are left to the schedule where Runpod cannot be asked whom they concern', async () => {
    await begin();
    world.faults.add({ on: /\/v2\/serverless/, does: { answer: { status: 503, headers: {}, body: '{}' } } });
    const [execution] = await pushTo('team/a');
    expect(execution).toMatchObject({ status: 'SUCCEEDED' });
    expect(execution === undefined ? '' : statesOf(execution).at(-1)).toBe('NothingConcerned');
    expect([world.ecr.count, world.sns.inbox]).toEqual([0, []]);
  });

  it('of one key for which Runpod does not answer hold up no other key', async () => {
    await begin();
    world.runpod.keys.delete('rpa_the_key_two');
    const [execution] = await pushTo('team/a', 'team/c');
    expect(execution === undefined ? [] : namesIn(execution)).toEqual(['a']);
  });

  it('may be to any repository where the memory has lost which', async () => {
    await begin();
    world.faults.add({ on: /DynamoDB_20120810.Query/, does: { reset: true } });
    const [execution] = await pushTo('team/a');
    expect(execution === undefined ? [] : namesIn(execution)).toEqual(['a', 'b', 'c']);
  });

  it('are delivered again where the memory does not take them, and start nothing', async () => {
    await begin();
    world.faults.add({ on: /DynamoDB/, does: { reset: true } });
    await expect(world.deliverPush('team/a', 'v1')).rejects.toMatchObject({ name: 'MemoryUnavailableError' });
    expect(world.stepFunctions.executions.size).toBe(0);
  });

  it('are forgotten by the table itself, two weeks after their run', async () => {
    await begin();
    await world.deliverPush('team/a', 'v1');
    const { settings } = world.platform();
    const { Items: [item] = [] } = await new DynamoDBClient(awsClientDefaults(settings)).send(
      new QueryCommand({
        TableName: settings.MEMORY_TABLE,
        KeyConditionExpression: 'kind = :kind',
        ExpressionAttributeValues: { ':kind': { S: 'push' } },
      }),
    );
    const days = (Number(item?.expiresAt?.N) * 1000 - world.clock.now()) / (24 * 60 * minuteMs);
    expect(days).toBeCloseTo(15, 2);
    const table = world.iam.stack.resources.get('MemoryTable');
    expect(table?.properties.TimeToLiveSpecification).toEqual({ AttributeName: 'expiresAt', Enabled: true });
  });
});
