import { describe, expect, it } from 'vitest';
import { rememberPush, repositoriesOf } from '../../../../functions/lib/memory/push-window.ts';
import { createMemoryOf } from '../../../support/memories.ts';

const waitUntil = Date.parse('2026-11-23T12:00:05Z');
const window = { account: '123456789012', region: 'us-east-1', waitUntil };
const dayMs = 24 * 3_600_000;

describe('pushes within a window', () => {
  it('are remembered by repository, for longer than a run may wait', async () => {
    const memory = createMemoryOf();
    for (const repository of ['team/worker', 'other', 'team/worker']) await rememberPush(memory, window, repository);
    expect(memory.records).toEqual({
      'push 123456789012/us-east-1/2026-11-23T12:00:05Z/team/worker': {
        repository: 'team/worker',
        expiresAt: waitUntil + 15 * dayMs,
      },
      'push 123456789012/us-east-1/2026-11-23T12:00:05Z/other': {
        repository: 'other',
        expiresAt: waitUntil + 15 * dayMs,
      },
    });
  });

  it('are written once: the second of a burst writes nothing', async () => {
    const memory = createMemoryOf();
    const written: unknown[] = [];
    const counting: typeof memory = {
      ...memory,
      change: (form, name, change) =>
        memory.change(form, name, (before) => {
          const after = change(before);
          written.push(after);
          return after;
        }),
    };
    for (let times = 0; times < 2; times += 1) await rememberPush(counting, window, 'team/worker');
    expect(written).toEqual([{ repository: 'team/worker', expiresAt: waitUntil + 15 * dayMs }, undefined]);
  });

  it('are asked for by window', async () => {
    const memory = createMemoryOf();
    await rememberPush(memory, window, 'team/worker');
    await rememberPush(memory, { ...window, waitUntil: waitUntil + 10_000 }, 'later');
    await rememberPush(memory, { ...window, region: 'eu-west-1' }, 'elsewhere');
    expect(await repositoriesOf(memory, window)).toEqual(new Set(['team/worker']));
  });
});
