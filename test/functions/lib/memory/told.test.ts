import { describe, expect, it } from 'vitest';
import type { Memory } from '../../../../functions/lib/memory/memory.ts';
import type { NotifiedStore } from '../../../../functions/lib/memory/notified.ts';
import { createTold } from '../../../../functions/lib/memory/told.ts';
import type { Notice } from '../../../../functions/lib/report/notice.ts';
import type { Report } from '../../../../functions/lib/report/report.ts';
import { createMemoryOf, createNotifiedOf } from '../../../support/memories.ts';

const now = Date.parse('2026-11-23T12:00:00Z');
const away = () => Promise.reject(new Error('away'));
const noMemory: Memory = { read: away, readAll: away, change: away, forget: away };
const noStore: NotifiedStore = { read: away, write: away };

const tell = (memory: Memory, notified: NotifiedStore) => {
  const logged: string[] = [];
  const pauses: number[] = [];
  const log = { info: () => {}, error: (message: string) => void logged.push(message) };
  const sleep = async (milliseconds: number) => void pauses.push(milliseconds);
  return { ...createTold({ memory, notified, now: () => now, sleep, log }), logged, pauses };
};

const failure = { Error: 'RunpodUnavailableError', Cause: 'Runpod is away.' };
const delayed = (name: string): Notice => ({
  kind: 'delayed',
  name,
  region: 'us-east-1',
  execution: 'arn:run',
  giveUpAt: now,
  delay: { failingSince: now, retryAt: now },
  failure,
});
const stopped: Notice = {
  kind: 'rollout-stopped',
  execution: 'arn:run',
  target: 'a',
  endpoint: 'ep',
  attempt: 1,
  failure,
};
const report: Report = {
  version: 1,
  execution: 'arn:run',
  trigger: 'schedule',
  startedAt: '2026-11-23T12:00:00Z',
  endedAt: '2026-11-23T12:00:00Z',
  outcome: 'failed',
  targets: [{ target: 'a', refreshed: false, proofs: {}, endpoints: [] }],
};
const alerts = [{ kind: 'failed', severity: 'critical', target: 'a', section: 'x', text: 'x.' }] as const;

describe('whether people know', () => {
  it('is remembered of a delay by the table', async () => {
    const told = tell(createMemoryOf(), noStore);
    expect(await told.isTold(delayed('a'), 'warning')).toBe(false);
    expect(await told.isTold(delayed('b'), 'warning')).toBe(true);
    expect(await told.isTold(delayed('b'), 'critical')).toBe(false);
    expect(told.logged).toEqual([]);
  });

  it('is remembered of a delay by the parameter where the table does not answer', async () => {
    const told = tell(noMemory, createNotifiedOf());
    expect(await told.isTold(delayed('a'), 'warning')).toBe(false);
    expect(await told.isTold(delayed('b'), 'warning')).toBe(true);
    expect(told.logged).toEqual(Array(2).fill('What people were told of a delay cannot be remembered'));
  });

  it('is not known where neither answers: they are told twice rather than not at all', async () => {
    const told = tell(noMemory, noStore);
    expect(await told.isTold(delayed('a'), 'warning')).toBe(false);
    expect(told.logged).toEqual([
      'What people were told of a delay cannot be remembered',
      'What people were told cannot be remembered',
    ]);
  });

  it('is not known of a rollout that was stopped where the table does not answer', async () => {
    const told = tell(noMemory, noStore);
    expect(await told.isTold(stopped, 'critical')).toBe(false);
    expect(told.logged).toEqual(['What people were told of a rollout cannot be remembered']);
    expect(await tell(createMemoryOf(), noStore).isTold(stopped, 'critical')).toBe(false);
  });

  it('is not asked of anything else', async () => {
    const told = tell(noMemory, noStore);
    expect(await told.isTold({ kind: 'report', report }, 'critical')).toBe(false);
    expect(told.logged).toEqual([]);
  });
});

describe('what is known', () => {
  it('is nothing where neither store answers, and the log says so of each', async () => {
    const told = tell(noMemory, noStore);
    expect(await told.read()).toEqual({ table: undefined, parameter: undefined, memories: new Map() });
    expect(told.logged).toEqual([
      'What is remembered of the targets cannot be read',
      'What people were told cannot be read',
    ]);
  });

  it('after a run is what both stores say', async () => {
    const told = tell(createMemoryOf(), createNotifiedOf());
    const remembered = await told.remember(report, await told.read(), alerts);
    expect(remembered.get('a')?.notified).toEqual({ trouble: 'failed ', severity: 'critical' });
    const { table, parameter } = await told.read();
    expect([table?.get('a')?.notified, parameter?.get('a')?.notified]).toEqual(
      Array(2).fill({ trouble: 'failed ', severity: 'critical' }),
    );
    expect(told.pauses).toEqual([1000]);
    expect(told.logged).toEqual([]);
  });

  it('after a run is what would be remembered where neither store answers', async () => {
    const told = tell(noMemory, noStore);
    const remembered = await told.remember(report, await tell(createMemoryOf(), createNotifiedOf()).read(), alerts);
    expect(remembered.get('a')?.notified).toEqual({ trouble: 'failed ', severity: 'critical' });
    expect(told.logged.toSorted()).toEqual([
      'What people were told cannot be remembered',
      'What the run came to cannot be remembered',
    ]);
  });
});
