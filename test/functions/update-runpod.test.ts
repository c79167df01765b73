import { describe, expect, it } from 'vitest';
import type { Memory } from '../../functions/lib/memory/memory.ts';
import type { RunpodClient } from '../../functions/lib/runpod/client.ts';
import { createRunpodManagement } from '../../functions/lib/runpod/management.ts';
import { createUpdateRunpod } from '../../functions/update-runpod.ts';
import { executionArn, target } from '../../simulator/inputs.ts';
import { createMemoryOf } from '../support/memories.ts';

const minuteMs = 60_000;
const now = Date.parse('2026-11-23T12:00:00Z');
const iso = (milliseconds: number): string => new Date(milliseconds).toISOString();

const nobody = () => Promise.reject(new Error('Runpod is not asked here'));
const client: RunpodClient = { now: () => now, send: nobody, ask: nobody, open: nobody };
const url = new URL('http://127.0.0.1');

/** Stores a token that was minted some time ago and ends some time from now, in milliseconds. */
const update = async (ageMs: number, lifeMs: number, memory: Pick<Memory, 'change'> = createMemoryOf()) => {
  const stored: string[] = [];
  const logged: string[] = [];
  const answer = await createUpdateRunpod({
    unseal: async (sealed, { execution, target: name }) => ({
      username: 'AWS',
      password: `${sealed} of ${name} in ${execution === executionArn ? 'this run' : execution}`,
    }),
    runpodFor: () => ({
      client,
      management: createRunpodManagement(client, { RUNPOD_API_URL: url, RUNPOD_GRAPHQL_URL: url }),
    }),
    updateCredential: async (_runpod, id, { password }) => {
      stored.push(`${password} in ${id}`);
      return { api: 'v2', unsupportedApis: [] };
    },
    memory,
    now: () => now,
    log: { info: () => {}, error: (message) => void logged.push(message) },
  })({
    execution: executionArn,
    target,
    token: { sealed: 'the token', mintedAt: iso(now - ageMs), expiresAt: iso(now + lifeMs) },
  });
  return { answer, stored, logged };
};

describe('update-runpod', () => {
  it('stores the token of this run and target, and says until when it is good', async () => {
    expect(await update(minuteMs, 12 * 60 * minuteMs)).toEqual({
      answer: {
        status: 'stored',
        storedAt: '2026-11-23T12:00:00Z',
        expiresAt: '2026-11-24T00:00:00Z',
        api: 'v2',
        unsupportedApis: [],
      },
      logged: [],
      stored: ['the token of production in this run in 6n2k8v4d'],
    });
  });

  it('remembers when it ends, and stores it where that cannot be remembered', async () => {
    const memory = createMemoryOf();
    await update(minuteMs, 12 * 60 * minuteMs, memory);
    expect(memory.records).toEqual({
      'target production': { runs: [], expiresAt: '2026-11-24T00:00:00Z', heldSince: '2026-11-23T12:00:00Z' },
    });
    const gone = { change: () => Promise.reject(new Error('gone')) };
    const { answer, logged } = await update(minuteMs, 12 * 60 * minuteMs, gone);
    expect(answer.status).toBe('stored');
    expect(logged).toEqual(['The end of the token cannot be remembered']);
  });

  it.each([
    ['is 15 min old', 15 * minuteMs, 11 * 60 * minuteMs, 'stored'],
    ['is older than 15 min', 15 * minuteMs + 1, 11 * 60 * minuteMs, 'stale'],
    ['lives 45 min more', 0, 45 * minuteMs, 'stored'],
    ['lives less than 45 min more', 0, 45 * minuteMs - 1, 'stale'],
    ['has ended', 0, -1, 'stale'],
  ])('of a token that %s', async (_what, ageMs, lifeMs, status) => {
    const { answer, stored } = await update(ageMs, lifeMs);
    expect(answer.status).toBe(status);
    expect(stored).toHaveLength(status === 'stored' ? 1 : 0);
  });
});
