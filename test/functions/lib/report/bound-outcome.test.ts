import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../../../functions/lib/json.ts';
import { boundOutcome, outcomeBytesFor } from '../../../../functions/lib/report/bound-outcome.ts';
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

/** An outcome after so many cuts: each time there is one byte less than it needs. */
const cuts = (of: Outcome, count: number): Outcome => {
  let bounded = boundOutcome(of, 1e6);
  for (let cut = 0; cut < count; cut += 1) bounded = boundOutcome(of, bytesOf(bounded) - 1);
  return bounded;
};

describe('what is cut of an outcome', () => {
  const full: Outcome = {
    ...outcome,
    canaryPod: { proof: 'failed', reason: 'login-refused', evidence: long, line: long },
    rollouts: [
      { endpoint: 'same', state: 'current', why: long },
      { endpoint: 'back', state: 'current', why: 'It runs it again', isTold: true },
      { endpoint: 'moving', state: 'rolling', why: 'It rolls' },
      { endpoint: 'w1', state: 'waiting', why: 'It waits', isTold: true },
      { endpoint: 'w2', state: 'waiting', why: 'It waits', isTold: true },
      { endpoint: 'w3', state: 'waiting', why: 'It waits', isTold: true },
    ],
    unmanaged: ['1', '2', '3', '4', '5', '6'],
    left: ['1', '2', '3', '4', '5', '6'].map((each) => ({ endpoint: each, evidence: long })),
  };

  it('is nothing where it fits to the byte', () => {
    const whole = boundOutcome(full, 1e6);
    expect(boundOutcome(full, bytesOf(whole))).toEqual(whole);
    expect(boundOutcome(full, bytesOf(whole) - 1)).not.toEqual(whole);
  });

  it('is first what is told of what went well', () => {
    const bounded = cuts(full, 1);
    expect(bounded.otherUsers).toBeUndefined();
    expect(bounded.endpoints.slice(0, 4)).toEqual(boundOutcome(full, 1e6).endpoints.slice(0, 4));
    expect(bounded.endpoints.slice(4)).toEqual([
      { endpoint: 'good', name: undefined, proof: 'observed', reason: 'worker-pulled' },
      { endpoint: 'quiet', name: undefined, proof: 'tested', reason: 'token-pulled' },
    ]);
    expect(bounded.images).toEqual([{ image: 'b', problem: long }]);
    expect(bounded.rollouts?.map(({ endpoint }) => endpoint)).toEqual(['back', 'moving', 'w1', 'w2', 'w3']);
    expect(bounded.canaryPod).toEqual(full.canaryPod);
  });

  it('is then the images, what is no news, and most of each sentence', () => {
    const bounded = cuts(full, 2);
    expect(bounded.images).toBeUndefined();
    expect(bounded.rollouts?.map(({ endpoint }) => endpoint)).toEqual(['back', 'w1', 'w2']);
    expect(bounded.unmanaged).toEqual(['1', '2', '3', '4', '5']);
    expect(bounded.left?.map(({ endpoint }) => endpoint)).toEqual(['1', '2', '3', '4', '5']);
    expect(bounded.warnings).toHaveLength(2);
    expect(bounded.endpoints.map(({ endpoint }) => endpoint)).toEqual(['parked', 'silent', 'broken', 'mute']);
    expect(bounded.endpoints[1]).toEqual({ endpoint: 'silent', proof: 'degraded', reason: 'stuck' });
    expect(bounded.canaryPod).toMatchObject({ proof: 'failed', reason: 'login-refused' });
    expect(bounded.canaryPod?.line).toBeUndefined();
    for (const cut of [
      bounded.canaryPod?.evidence,
      bounded.endpoints[0]?.evidence,
      bounded.left?.[0]?.evidence,
      bounded.warnings?.[1],
    ]) {
      expect(cut).toMatch(/^x{150}/);
      expect(cut?.length).toBeLessThanOrEqual(200);
    }
  });

  it('is then the warnings, and all but a few words of each sentence', () => {
    const bounded = cuts(full, 3);
    expect(bounded.warnings).toBeUndefined();
    expect(bounded.left).toBeUndefined();
    expect(bounded.endpoints.map(({ endpoint }) => endpoint)).toEqual(['parked', 'silent', 'broken']);
    expect(bounded.canaryPod?.evidence).toMatch(/^x{40}/);
    expect(bounded.canaryPod?.evidence?.length).toBeLessThanOrEqual(60);
    expect(bounded.rollouts).toHaveLength(3);
  });

  it('is at last all but the counts, and what failed by name', () => {
    const bounded = cuts(full, 4);
    expect(bounded).toEqual({
      target: 'production',
      refreshed: true,
      error: { name: 'RunpodUnavailableError', message: '' },
      expiresAt: outcome.expiresAt,
      proofs: outcome.proofs,
      endpoints: [],
      canaryPod: { proof: 'failed', reason: 'login-refused' },
      delayTold: true,
    });
  });

  it('keeps what a pod came to that said nothing', () => {
    const pod: Outcome = { ...full, canaryPod: { proof: 'degraded', reason: 'no-host' } };
    expect(cuts(pod, 2).canaryPod).toEqual({ proof: 'degraded', reason: 'no-host' });
  });
});

describe('the room of an outcome', () => {
  it('is 16 KiB where few share it', () => {
    expect(outcomeBytesFor([])).toBe(16 * 1024);
    expect(outcomeBytesFor(['a'])).toBe(16 * 1024);
  });

  it('leaves room for the names, however many share it', () => {
    const names = Array.from({ length: 1000 }, (_, index) => `target-${index}`.padEnd(32, 'n'));
    const each = outcomeBytesFor(names);
    const all = bytesOf(names) + names.length * each;
    expect(all).toBeLessThanOrEqual(240 * 1024);
    expect(all).toBeGreaterThan(240 * 1024 - names.length);
  });
});
