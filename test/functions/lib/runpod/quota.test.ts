import { describe, expect, it } from 'vitest';
import { KeyQuota } from '../../../../functions/lib/runpod/quota.ts';

const now = Date.parse('2026-11-23T12:00:00Z');
const hourMs = 3_600_000;

const quotaOf = (limit: string | undefined, policy?: string): KeyQuota => {
  const quota = new KeyQuota();
  quota.note(
    new Map([
      ...(limit === undefined ? [] : [['ratelimit', limit] as const]),
      ...(policy === undefined ? [] : [['ratelimit-policy', policy] as const]),
    ]),
    now,
  );
  return quota;
};
const nameOf = (quota: KeyQuota, at = now): string | undefined => quota.exhausted(at)?.name;

describe('what Runpod says of a key’s quota', () => {
  it.each<readonly [string | undefined, string | undefined]>([
    [undefined, undefined],
    ['', undefined],
    ['"minute";r=1;t=12', undefined],
    ['"minute";r=0;t=12', 'minute'],
    ['"minute"; r=0; t=12', 'minute'],
    ['"minute" ;r=0 ;t=12', 'minute'],
    ['"minute";t=12;r=0', 'minute'],
    ['"minute";r=0;t=12;pk=7', 'minute'],
    ['"minute";r=7;t=12, "hour";r=0;t=1812', 'hour'],
    ['"hour";r=0;t=1812, "minute";r=0;t=12', 'hour'],
    ['"minute";r=0;t=12, "hour";r=0;t=1812', 'hour'],
    ['"minute";r=7;t=12;xr=0', undefined],
    ['"minute";r=0', undefined],
    ['"minute";t=12', undefined],
    ['minute;r=0;t=12', undefined],
    ['"minute";r=0;t=0', undefined],
    [`"${'n'.repeat(64)}";r=0;t=12`, 'n'.repeat(64)],
    [`"${'n'.repeat(65)}";r=0;t=12`, undefined],
  ])('by %s leaves none of the window %s', (limit, name) => expect(nameOf(quotaOf(limit))).toBe(name));

  it('counts until the window ends', () => {
    const quota = quotaOf('"minute";r=0;t=12');
    expect([nameOf(quota, now + 11_999), nameOf(quota, now + 12_000)]).toEqual(['minute', undefined]);
  });

  it('leaves a tenth of the quota to the owner, of a window that ends within an hour', () => {
    const policy = '"minute";q=60;w=60';
    expect(nameOf(quotaOf('"minute";r=7;t=12', policy))).toBeUndefined();
    expect(nameOf(quotaOf('"minute";r=6;t=12', policy))).toBe('minute');
    expect(nameOf(quotaOf('"minute";r=6;t=12'))).toBeUndefined();
    expect(nameOf(quotaOf('"minute";r=6;t=3600', policy))).toBe('minute');
    expect(nameOf(quotaOf('"minute";r=6;t=3601', policy))).toBeUndefined();
    expect(nameOf(quotaOf('"minute";r=0;t=3601', policy))).toBe('minute');
  });

  it('goes by the least of several answers of one window, and by what a new window says', () => {
    const quota = quotaOf('"minute";r=3;t=12', '"minute";q=20;w=60');
    quota.note(new Map([['ratelimit', '"minute";r=5;t=12']]), now + 1000);
    quota.take();
    expect(nameOf(quota)).toBe('minute');
    quota.note(new Map([['ratelimit', '"minute";r=5;t=60']]), now + 12_000);
    expect(nameOf(quota, now + 12_000)).toBeUndefined();
    quota.note(new Map([['ratelimit', '"minute";r=2;t=60']]), now + 12_000);
    expect(quota.exhausted(now + 12_000)).toMatchObject({ left: 2, reserve: 2, quota: 20, resetsAt: now + 72_000 });
  });

  it('keeps what it knows where an answer says less', () => {
    const quota = quotaOf('"minute";r=0;t=12');
    for (const less of ['"minute";t=12', '"minute";r=9', '']) quota.note(new Map([['ratelimit', less]]), now);
    expect(nameOf(quota)).toBe('minute');
  });

  it('counts each request that is made', () => {
    const quota = quotaOf('"minute";r=2;t=12');
    quota.take();
    expect(nameOf(quota)).toBeUndefined();
    quota.take();
    expect(nameOf(quota)).toBe('minute');
  });

  it('is read of sixteen windows at most', () => {
    const limit = Array.from({ length: 17 }, (_, at) => `"w${at}";r=0;t=${at + 1}`).join(', ');
    expect(nameOf(quotaOf(limit))).toBe('w15');
  });

  it('keeps nobody waiting for longer than its window', () => {
    expect(quotaOf('"day";r=0;t=86400').exhausted(now)?.resetsAt).toBe(now + 24 * hourMs);
  });
});
