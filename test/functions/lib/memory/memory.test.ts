import { type AttributeValue, DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { awsClientDefaults } from '../../../../functions/lib/aws/client.ts';
import { createMemory, type Memory, type MemoryForm } from '../../../../functions/lib/memory/memory.ts';
import { rememberReport } from '../../../../functions/lib/memory/remember-report.ts';
import { rememberToken, targetForm } from '../../../../functions/lib/memory/target-memory.ts';
import type { Outcome } from '../../../../functions/lib/report/outcome.ts';
import type { Report } from '../../../../functions/lib/report/report.ts';
import { json, serve } from '../../../../simulator/loopback.ts';
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
