import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../../../functions/lib/json.ts';
import { boundOutcome } from '../../../../functions/lib/report/bound-outcome.ts';
import { type Outcome, outcomeSchema } from '../../../../functions/lib/report/outcome.ts';

const long = 'x'.repeat(900);

const outcome: Outcome = {
  target: 'production',
  refreshed: true,
  error: { name: 'RunpodUnavailableError', message: long },
  way: 'graphql',
  missingWays: ['v2'],
  storedAt: '2026-11-23T12:00:00Z',
  expiresAt: '2026-11-24T00:00:00Z',
  proofs: { observed: 1, tested: 1, degraded: 2, failed: 2 },
  endpoints: [
    {
      endpoint: 'good',
      proof: 'observed',
      reason: 'worker-pulled',
      evidence: long,
      worker: 'w',
      line: long,
      at: '2026-11-23T12:00:00Z',
    },
    { endpoint: 'quiet', proof: 'tested', reason: 'token-pulled', evidence: long },
    { endpoint: 'parked', proof: 'degraded', reason: 'parked', evidence: long },
    { endpoint: 'silent', proof: 'degraded', reason: 'stuck' },
    { endpoint: 'broken', proof: 'failed', reason: 'login-refused', evidence: long, line: long },
    { endpoint: 'mute', proof: 'failed', reason: 'image-missing' },
  ],
  images: [
    { image: 'a', digest: 'sha256:1', sizeInBytes: 1, layers: 1 },
    { image: 'b', problem: long },
  ],
  otherUsers: ['template t'],
  warnings: [long, long, long],
  delayedRounds: 3,
  delayTold: true,
};

describe('a bounded outcome', () => {
  it.each([
    16_384, 6000, 3000, 1500, 1000, 500, 300,
  ])('fits %i bytes, and keeps counts and what is in trouble longest', (bytes) => {
    const bounded = boundOutcome(outcome, bytes);
    expect(bytesOf(bounded)).toBeLessThanOrEqual(bytes);
    expect(outcomeSchema.safeParse(bounded).success).toBe(true);
    expect(bounded).toMatchObject({ target: 'production', proofs: outcome.proofs, expiresAt: outcome.expiresAt });
    expect(bounded.error?.name).toBe('RunpodUnavailableError');
    const [first] = bounded.endpoints;
    if (first) expect(['failed', 'degraded']).toContain(first.proof);
  });

  it('is whole where it fits, with endpoints in trouble first', () => {
    const bounded = boundOutcome(outcome, 1e6);
    expect(bounded.images).toEqual(outcome.images);
    expect(bounded.endpoints.map(({ endpoint }) => endpoint)).toEqual([
      'parked',
      'silent',
      'broken',
      'mute',
      'good',
      'quiet',
    ]);
  });

  it('may have nothing to cut', () => {
    const bare: Outcome = { target: 'a', refreshed: true, proofs: {}, endpoints: [] };
    expect(boundOutcome(bare, 0)).toEqual(bare);
  });

  it.each([
    { ...outcome, error: undefined },
    { ...outcome, refreshed: false, proofs: {}, expiresAt: undefined },
  ])('fits its share of 256 KiB with a thousand targets of the longest names, whatever happened to them', ({
    error,
    expiresAt,
    ...each
  }) => {
    const target = 'n'.repeat(32);
    const share = Math.floor((240 * 1024 - 1000 * (target.length + 3)) / 1000);
    const worst: Outcome = {
      ...each,
      target,
      ...(error === undefined ? {} : { error: { ...error, name: 'RunpodUpdateUnsupportedError' } }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    };
    expect(bytesOf(boundOutcome(worst, share))).toBeLessThanOrEqual(share);
  });
});
