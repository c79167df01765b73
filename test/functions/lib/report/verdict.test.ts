import { describe, expect, it } from 'vitest';
import type { CanaryPodOutcome, Outcome } from '../../../../functions/lib/report/outcome.ts';
import { judgeRun, lostTarget } from '../../../../functions/lib/report/verdict.ts';

const good: Outcome = { target: 'good', refreshed: true, proofs: {}, endpoints: [] };
const succeeded = { outcome: 'succeeded', error: '', cause: '' };
const withPod = (canaryPod: CanaryPodOutcome): Outcome => ({ ...good, canaryPod });

describe('a run', () => {
  it('succeeds where nothing failed, and where there is nothing', () => {
    expect(judgeRun([good, good], undefined)).toEqual(succeeded);
    expect(judgeRun([], undefined)).toEqual(succeeded);
  });

  it('fails with the error of the one target that failed', () => {
    const error = { name: 'RunpodUnauthorizedError', message: 'Runpod refused it.' };
    expect(judgeRun([good, { ...good, target: 'bad', refreshed: false, error }], undefined)).toEqual({
      outcome: 'failed',
      error: 'RunpodUnauthorizedError',
      cause: 'bad: Runpod refused it.',
    });
  });

  it('says how many more failed', () => {
    const { cause } = judgeRun([lostTarget('a'), good, lostTarget('b'), lostTarget('c')], undefined);
    expect(cause).toMatch(/^a: /);
    expect(cause).toMatch(/ So do 2 more of 4 targets\.$/);
  });

  it('fails of a target that says neither that it stored a token nor why not', () => {
    expect(judgeRun([{ ...good, refreshed: false }], undefined)).toEqual({
      outcome: 'failed',
      error: 'TargetLostError',
      cause: 'good: No token was stored.',
    });
  });

  it('fails of endpoints that cannot pull, and shows one', () => {
    const of: Outcome = {
      ...good,
      proofs: { failed: 2 },
      endpoints: [
        { endpoint: 'slow', proof: 'degraded', reason: 'stuck', evidence: 'It waits.' },
        { endpoint: 'broken', proof: 'failed', reason: 'login-refused', evidence: 'It cannot log in.' },
      ],
    };
    expect(judgeRun([of], undefined)).toEqual({
      outcome: 'failed',
      error: 'EndpointNotPullingError',
      cause: 'good: a new token is stored, but 2 of its endpoints cannot pull. broken: It cannot log in.',
    });
    expect(judgeRun([{ ...of, endpoints: [] }], undefined).cause).toMatch(/2 of its endpoints cannot pull\.$/);
    const bare: Outcome = { ...of, endpoints: [{ endpoint: 'mute', proof: 'failed', reason: 'image-missing' }] };
    expect(judgeRun([bare], undefined).cause).toMatch(/ mute: image-missing$/);
  });

  it('fails of its canary pod, and says what the pod showed', () => {
    const { error, cause } = judgeRun(
      [withPod({ proof: 'failed', reason: 'login-refused', evidence: 'It cannot log in.' })],
      undefined,
    );
    expect(error).toBe('EndpointNotPullingError');
    expect(cause).toMatch(/^good: a new token is stored, but a pod cannot pull .*\. It cannot log in\.$/);
    expect(judgeRun([withPod({ proof: 'failed', reason: 'login-refused' })], undefined).cause).toMatch(
      / login-refused$/,
    );
  });

  it.each<CanaryPodOutcome>([
    { proof: 'failed', reason: 'login-refused', isEarlier: true },
    { proof: 'degraded', reason: 'no-host' },
    { proof: 'observed', reason: 'pulled' },
    { proof: 'not-tried', reason: 'off' },
  ])('does not fail of a pod that is %j', (pod) => {
    expect(judgeRun([withPod(pod)], undefined)).toEqual(succeeded);
  });

  it('fails of how it broke down where no target did', () => {
    const failure = { Error: 'States.Runtime', Cause: 'A path is missing.' };
    expect(judgeRun([good], failure)).toEqual({
      outcome: 'failed',
      error: 'States.Runtime',
      cause: 'A path is missing.',
    });
    expect(judgeRun([lostTarget('a')], failure).error).toBe('TargetLostError');
  });
});

it('says of a lost target that nothing of it is known', () => {
  expect(lostTarget('a')).toMatchObject({ target: 'a', refreshed: false, proofs: {}, endpoints: [] });
});
