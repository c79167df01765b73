import { describe, expect, it } from 'vitest';
import { isStale } from '../../../../functions/lib/ecr/stale-token.ts';

const minuteMs = 60_000;
const mintedAt = Date.parse('2026-11-23T12:00:00Z');
const token = { mintedAt, expiresAt: mintedAt + 12 * 60 * minuteMs };

describe('a token that waits to be stored', () => {
  it('is stale a quarter of an hour after it was minted', () => {
    expect(isStale(token, 0, mintedAt + 15 * minuteMs)).toBe(false);
    expect(isStale(token, 0, mintedAt + 15 * minuteMs + 1)).toBe(true);
  });

  it('is stale where it ends within three quarters of an hour', () => {
    const now = mintedAt + minuteMs;
    expect(isStale({ mintedAt, expiresAt: now + 45 * minuteMs }, 0, now)).toBe(false);
    expect(isStale({ mintedAt, expiresAt: now + 45 * minuteMs - 1 }, 0, now)).toBe(true);
  });

  it('is given up the third time', () => {
    const late = mintedAt + 16 * minuteMs;
    expect(isStale(token, 1, late)).toBe(true);
    expect(() => isStale(token, 2, late)).toThrow(
      'Three tokens in a row were minted more than 15 min before they could be stored, or end too soon; the last at 2026-11-23T12:00:00Z.',
    );
    expect(isStale(token, 2, mintedAt)).toBe(false);
  });
});
