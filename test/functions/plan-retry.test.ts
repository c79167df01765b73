import { describe, expect, it } from 'vitest';
import { createPlanRetry } from '../../functions/plan-retry.ts';

const minuteMs = 60_000;
const now = Date.parse('2026-11-23T12:00:00Z');
const iso = (milliseconds: number): string => new Date(milliseconds).toISOString();
const planRetry = createPlanRetry({ now: () => now, retryMs: 15 * minuteMs });

/** A target that has failed for some time, and gives up some time from now, in milliseconds. */
const plan = (failingMs: number, patienceMs: number, more: object = {}) =>
  planRetry({
    giveUpAt: iso(now + patienceMs),
    delay: { rounds: 2, failingSince: iso(now - failingMs) },
    ...more,
  });

describe('plan-retry', () => {
  it('begins to count where nothing has failed before', async () => {
    expect(await planRetry({ giveUpAt: iso(now + 60 * minuteMs) })).toEqual({
      next: 'wait',
      rounds: 1,
      failingSince: '2026-11-23T12:00:00Z',
      retryAt: '2026-11-23T12:15:00Z',
    });
  });

  it('counts on, and keeps since when it fails', async () => {
    expect(await plan(20 * minuteMs, 60 * minuteMs)).toEqual({
      next: 'wait',
      rounds: 3,
      failingSince: '2026-11-23T11:40:00Z',
      retryAt: '2026-11-23T12:15:00Z',
    });
  });

  it.each<readonly [string, number, number, object, string]>([
    ['30 min of failing', 30 * minuteMs, 60 * minuteMs, {}, 'notify'],
    ['1 ms less', 30 * minuteMs - 1, 60 * minuteMs, {}, 'wait'],
    ['30 min that people know of', 30 * minuteMs, 60 * minuteMs, { notified: { published: 0 } }, 'wait'],
    ['time for one more try', minuteMs, 15 * minuteMs + 1, {}, 'wait'],
    ['no time for one more try', minuteMs, 15 * minuteMs, {}, 'give-up'],
    ['no time, although nobody was told', 30 * minuteMs, 15 * minuteMs, {}, 'give-up'],
  ])('with %s', async (_what, failingMs, patienceMs, more, next) => {
    expect((await plan(failingMs, patienceMs, more)).next).toBe(next);
  });
});
