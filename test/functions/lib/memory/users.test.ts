import { describe, expect, it } from 'vitest';
import { rememberUsers } from '../../../../functions/lib/memory/users.ts';
import type { Outcome } from '../../../../functions/lib/report/outcome.ts';
import { createMemoryOf } from '../../../support/memories.ts';

const target = { name: 'production', runpod: { registry: 'cred', apiKey: 'secretsmanager:runpod/key' } };
const key = 'users production';
const users = (endpoints: string[], credential = 'cred') => ({ [key]: { credential, endpoints } });
const remember = (memory: ReturnType<typeof createMemoryOf>, ids: string[], isOther = (_id: string) => true) =>
  rememberUsers(memory, target, ids, isOther);

const told = (left: Outcome['left']) => ({
  'target production': {
    runs: [],
    last: {
      at: '2026-11-23T12:00:00Z',
      execution: 'x',
      trigger: 'schedule',
      outcome: { target: 'production', refreshed: true, proofs: {}, endpoints: [], ...(left && { left }) },
    },
  },
});

describe('the endpoints that use a credential', () => {
  it('are remembered in order, and none has left at the first run', async () => {
    const memory = createMemoryOf();
    expect(await remember(memory, ['b', 'a'])).toEqual([]);
    expect(memory.records).toEqual(users(['a', 'b']));
  });

  it('have left where they use something else, and stay on record until that is told', async () => {
    const memory = createMemoryOf(users(['a', 'b']));
    expect(await remember(memory, ['a'])).toEqual(['b']);
    expect(memory.records).toEqual(users(['a', 'b']));
    expect(await remember(memory, ['a'])).toEqual(['b']);
  });

  it('are forgotten once it has been told', async () => {
    const memory = createMemoryOf({ ...users(['a', 'b']), ...told([{ endpoint: 'b', evidence: 'It left.' }]) });
    expect(await remember(memory, ['a'])).toEqual([]);
    expect(memory.records[key]).toEqual({ credential: 'cred', endpoints: ['a'] });
  });

  it.each([
    ['has run', told(undefined)],
    ['is remembered without a last run', { 'target production': { runs: [] } }],
  ])('have left, whoever was told of nothing, of a target that %s', async (_what, before) => {
    expect(await remember(createMemoryOf({ ...users(['a', 'b']), ...before }), ['a'])).toEqual(['b']);
  });

  it('are forgotten where they are gone or told of in another way', async () => {
    const memory = createMemoryOf(users(['a', 'b']));
    expect(await remember(memory, ['a'], () => false)).toEqual([]);
    expect(memory.records).toEqual(users(['a']));
  });

  it('of another credential say nothing of this one', async () => {
    const memory = createMemoryOf(users(['a', 'b'], 'other'));
    expect(await remember(memory, ['a'])).toEqual([]);
    expect(memory.records).toEqual(users(['a']));
  });

  it('are written where the credential alone has changed, and where one has left', async () => {
    const changed = createMemoryOf(users(['a'], 'other'));
    await remember(changed, ['a']);
    expect(changed.records).toEqual(users(['a']));
    const before = users(['a', 'b']);
    const left = createMemoryOf({ ...before });
    await remember(left, ['a']);
    expect(left.records[key]).not.toBe(before[key]);
  });

  it('are not written where they are the same', async () => {
    const before = users(['a', 'b']);
    const memory = createMemoryOf({ ...before });
    await remember(memory, ['b', 'a']);
    expect(memory.records[key]).toBe(before[key]);
  });

  it('are told of ten at a time', async () => {
    const all = Array.from({ length: 11 }, (_, index) => `ep${index}`);
    expect(await remember(createMemoryOf(users(all)), [])).toEqual(all.slice(0, 10));
  });

  it('are ten thousand at most', async () => {
    const memory = createMemoryOf();
    await remember(
      memory,
      Array.from({ length: 10_001 }, (_, index) => String(index).padStart(5, '0')),
    );
    expect(memory.records[key]).toMatchObject({ endpoints: { length: 10_000 } });
  });
});
