import { type AttributeValue, DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { awsClientDefaults } from '../../../../functions/lib/aws/client.ts';
import { createMemory, type Memory, type MemoryForm } from '../../../../functions/lib/memory/memory.ts';
import { rememberReport } from '../../../../functions/lib/memory/remember-report.ts';
import { rememberToken, targetForm } from '../../../../functions/lib/memory/target-memory.ts';
import type { Outcome } from '../../../../functions/lib/report/outcome.ts';
import type { Report } from '../../../../functions/lib/report/report.ts';
import { json, type Loopback, type Reply, serve } from '../../../../simulator/loopback.ts';
import { World } from '../../../../simulator/world.ts';

const countForm: MemoryForm<z.ZodMiniObject<{ count: z.ZodMiniNumber }>> = {
  kind: 'delay',
  schema: z.object({ count: z.number() }),
};

let world: World;
let memory: Memory;
beforeAll(async () => {
  world = await World.begin();
  memory = createMemory(world.platform().settings);
});
afterAll(() => world.end());

const client = () => new DynamoDBClient(awsClientDefaults(world.platform().settings));
const TableName = () => world.environment.MEMORY_TABLE;
const keyOf = (kind: string, name: string) => ({ kind: { S: kind }, name: { S: name } });
const put = (kind: string, name: string, item: Record<string, AttributeValue>) =>
  client().send(new PutItemCommand({ TableName: TableName(), Item: { ...keyOf(kind, name), ...item } }));
const revisionOf = async (kind: string, name: string) =>
  (await client().send(new GetItemCommand({ TableName: TableName(), Key: keyOf(kind, name) }))).Item?.revision;

const outcome: Outcome = { target: 'a', refreshed: true, proofs: {}, endpoints: [] };
const last = { at: '2026-11-23T12:00:00Z', execution: 'x', trigger: 'schedule', outcome };

describe('a change', () => {
  it('is lost to no other that meets it, and counts the revision', async () => {
    const add = () => memory.change(countForm, 'met', (before) => ({ count: (before?.count ?? 0) + 1 }));
    await Promise.all([add(), add(), add()]);
    expect(await memory.read(countForm, 'met')).toEqual({ count: 3 });
    expect(await revisionOf('delay', 'met')).toEqual({ N: '3' });
  });

  it('gives up where it is overtaken again and again', async () => {
    let tries = 0;
    const overtaken = memory.change(countForm, 'busy', (before) => {
      tries += 1;
      return before ?? { count: 1 };
    });
    world.faults.add({
      on: /PutItem/,
      does: { answer: { status: 400, headers: {}, body: '{"__type":"x#ConditionalCheckFailedException"}' } },
    });
    await expect(overtaken).rejects.toMatchObject({ name: 'MemoryUnavailableError' });
    world.faults.clear();
    expect(tries).toBe(4);
  });
});

it('reads what was written before, and not what was a second ago', async () => {
  const asked: object[] = [];
  const { origin, close } = await serve(world.clock, world.faults, ({ body }) => {
    asked.push(JSON.parse(body));
    return json(200, { Items: [] });
  });
  const { settings } = world.platform();
  const elsewhere = createMemory({ ...settings, aws: { ...settings.aws, endpoint: origin } });
  await elsewhere.read(countForm, 'met');
  await elsewhere.readAll(countForm);
  expect(asked).toMatchObject([{ ConsistentRead: true }, { ConsistentRead: true }]);
  await close();
});

describe('an item that is none of ours', () => {
  it.each<readonly [string, Record<string, AttributeValue>]>([
    ['has nothing but its key', {}],
    ['has no revision', { record: { S: '{"count":7}' } }],
    ['has a revision that is no number', { revision: { S: 'x' }, record: { S: '{"count":7}' } }],
    ['has no record', { revision: { N: '3' } }],
    ['has a record that is no text', { revision: { N: '3' }, record: { N: '7' } }],
    ['has a record that is no JSON', { revision: { N: '3' }, record: { S: 'not json' } }],
    ['has a record of another form', { revision: { N: '3' }, record: { S: '{"count":"many"}' } }],
  ])('is written over where it %s, and from then on as any other', async (what, item) => {
    await put('delay', what, item);
    await expect(memory.readAll(countForm, what)).resolves.toBeInstanceOf(Map);
    await memory.change(countForm, what, () => ({ count: 1 }));
    await memory.change(countForm, what, (before) => ({ count: (before?.count ?? 0) + 1 }));
    expect(await memory.readAll(countForm, what)).toEqual(new Map([[what, { count: 2 }]]));
  });
});

describe('what a run came to', () => {
  it('is remembered of no more targets where the table takes too long, so that people can be told in time', async () => {
    let now = 0;
    const asked: string[] = [];
    const slow: Memory = {
      ...memory,
      change: async (_form, name, change) => {
        asked.push(name);
        await Promise.resolve();
        now += 100;
        return change(undefined);
      },
    };
    const names = Array.from({ length: 1000 }, (_, index) => `target-${index}`);
    const report: Report = {
      version: 1,
      execution: 'x',
      trigger: 'schedule',
      startedAt: last.at,
      endedAt: last.at,
      outcome: 'succeeded',
      targets: names.map((target) => ({ ...outcome, target })),
    };
    const remember = (of: Report) => rememberReport(slow, of, new Map(), [], () => now);
    await expect(remember(report)).rejects.toMatchObject({ name: 'MemoryUnavailableError' });
    expect(asked.length).toBeGreaterThanOrEqual(200);
    expect(asked.length).toBeLessThan(300);
    const few = { ...report, targets: report.targets.slice(0, 200) };
    expect([...(await remember(few)).keys()]).toEqual(names.slice(0, 200));
  });
});

describe('what is remembered of a target', () => {
  const end = '2026-11-23T18:00:00Z';
  const readRecord = async (record: object) => {
    await put('target', 'a', { revision: { N: '1' }, record: { S: JSON.stringify(record) } });
    return memory.read(targetForm, 'a');
  };

  it.each<readonly [string, object]>([
    ['has no runs and no canary pods', { expiresAt: end, last }],
    ['has runs of another form', { expiresAt: end, last, runs: [{ name: 'x' }] }],
    ['has an outcome of another form', { expiresAt: end, last: { ...last, outcome: { target: 'a' } } }],
    ['has times that are none', { expiresAt: end, heldSince: 'yesterday', last: { ...last, at: 'zzz' } }],
    ['has parts that we do not know yet', { expiresAt: end, last, later: { parts: 1 } }],
  ])('is read as far as it can be where an item %s', async (_what, record) => {
    const read = await readRecord({ ...record, notified: { trouble: 'failed E', severity: 'critical' } });
    expect(read).toMatchObject({ expiresAt: end, runs: [], notified: { trouble: 'failed E', severity: 'critical' } });
    expect(read?.heldSince).toBeUndefined();
  });

  it.each([
    ['that is no time', 'zzz', end],
    ['that no token has', '2999-01-01T00:00:00Z', end],
    ['of another run’s token, stored a moment before', '2026-11-23T18:00:30Z', '2026-11-23T18:00:30Z'],
  ])('takes the end of a new token over one %s', async (_what, expiresAt, expected) => {
    const before = await readRecord({ expiresAt, runs: [] });
    expect(rememberToken(before, end, '2026-11-23T06:00:00Z').expiresAt).toBe(expected);
  });
});

describe('the table', () => {
  const form: typeof countForm = { ...countForm, expiresAt: ({ count }) => count };
  let server: Loopback;
  let asked: (readonly [action: string, input: unknown])[];
  let answers: Reply[];
  let elsewhere: Memory;
  beforeAll(async () => {
    server = await serve(world.clock, world.faults, ({ headers, body }) => {
      asked.push([String(headers['x-amz-target']).replace('DynamoDB_20120810.', ''), JSON.parse(body)]);
      return answers.shift() ?? json(200, {});
    });
    const { settings } = world.platform();
    elsewhere = createMemory({ ...settings, aws: { ...settings.aws, endpoint: server.origin } });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    [asked, answers] = [[], []];
  });
  const item = (name: string, count: number) => ({ ...keyOf('delay', name), record: { S: JSON.stringify({ count }) } });

  it('is asked for the next page from where the last one ended', async () => {
    answers = [
      json(200, { Items: [item('a', 1)], LastEvaluatedKey: keyOf('delay', 'a') }),
      json(200, { Items: [item('b', 2)], LastEvaluatedKey: keyOf('delay', 'b') }),
      json(200, { Items: [item('c', 3)] }),
    ];
    expect([...(await elsewhere.readAll(form)).keys()]).toEqual(['a', 'b', 'c']);
    const names = { '#kind': 'kind' };
    const values = { ':kind': { S: 'delay' } };
    const query = {
      TableName: TableName(),
      ConsistentRead: true,
      KeyConditionExpression: '#kind = :kind',
      ExpressionAttributeNames: names,
      ExpressionAttributeValues: values,
    };
    expect(asked).toEqual([
      ['Query', query],
      ['Query', { ...query, ExclusiveStartKey: keyOf('delay', 'a') }],
      ['Query', { ...query, ExclusiveStartKey: keyOf('delay', 'b') }],
    ]);
  });

  it('is asked for 50 pages at most', async () => {
    answers = Array.from({ length: 51 }, (_, index) =>
      json(200, { Items: [item(`${index}`, index)], LastEvaluatedKey: keyOf('delay', `${index}`) }),
    );
    expect((await elsewhere.readAll(form)).size).toBe(50);
    expect(asked).toHaveLength(50);
  });

  it('may answer without items', async () => {
    expect(await elsewhere.readAll(form)).toEqual(new Map());
  });

  it('is given a new record on condition that there is none, and when it ends in whole seconds, rounded up', async () => {
    expect(await elsewhere.change(form, 'a', () => ({ count: 60_001 }))).toEqual({ count: 60_001 });
    expect(asked[1]).toEqual([
      'PutItem',
      {
        TableName: TableName(),
        Item: { ...item('a', 60_001), revision: { N: '1' }, expiresAt: { N: '61' } },
        ConditionExpression: 'NOT attribute_type(revision, :number)',
        ExpressionAttributeValues: { ':number': { S: 'N' } },
      },
    ]);
  });

  it('is given another record on condition that nobody has written, and no end where there is none', async () => {
    answers = [json(200, { Item: { ...item('a', 1), revision: { N: '7' } } })];
    await elsewhere.change(countForm, 'a', (before) => ({ count: (before?.count ?? 0) + 1 }));
    expect(asked[1]).toEqual([
      'PutItem',
      {
        TableName: TableName(),
        Item: { ...item('a', 2), revision: { N: '8' } },
        ConditionExpression: 'revision = :revision',
        ExpressionAttributeValues: { ':revision': { N: '7' } },
      },
    ]);
  });

  it('is left as it is where nothing changes', async () => {
    answers = [json(200, { Item: item('a', 1) })];
    expect(await elsewhere.change(form, 'a', () => undefined)).toEqual({ count: 1 });
    expect(asked.map(([action]) => action)).toEqual(['GetItem']);
  });

  it('forgets by name', async () => {
    await elsewhere.forget('delay', 'a');
    expect(asked).toEqual([['DeleteItem', { TableName: TableName(), Key: keyOf('delay', 'a') }]]);
  });

  it.each<readonly [string, () => Promise<unknown>]>([
    ['read what is remembered of delay a', () => elsewhere.read(form, 'a')],
    ['read what is remembered of each delay', () => elsewhere.readAll(form)],
    ['forget delay a', () => elsewhere.forget('delay', 'a')],
  ])('that refuses to %s is away', async (what, ask) => {
    answers = [json(400, { __type: 'AccessDeniedException', message: 'No.' })];
    await expect(ask()).rejects.toMatchObject({
      name: 'MemoryUnavailableError',
      message: `DynamoDB, asked to ${what}, failed (400 AccessDeniedException "No.").`,
      cause: { message: 'No.' },
    });
  });

  it('that refuses to be written is away, and is not asked again', async () => {
    answers = [json(200, {}), json(400, { __type: 'AccessDeniedException', message: 'No.' })];
    await expect(elsewhere.change(form, 'a', () => ({ count: 1 }))).rejects.toMatchObject({
      name: 'MemoryUnavailableError',
      message: 'DynamoDB, asked to remember something of delay a, failed (400 AccessDeniedException "No.").',
    });
    expect(asked).toHaveLength(2);
  });
});
