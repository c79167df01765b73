import { describe, expect, it } from 'vitest';
import { concludePod, isPodTrouble } from '../../../../functions/lib/report/conclude-pod.ts';

describe('a canary pod', () => {
  it('is told of as it showed', () => {
    const outcome = { proof: 'observed', reason: 'canary-pod', evidence: 'It pulled.' } as const;
    expect(concludePod(outcome, undefined)).toBe(outcome);
    expect(concludePod(undefined, undefined)).toBeUndefined();
  });

  it.each([
    ['RunpodUnauthorizedError', 'no-scope'],
    ['RunpodRequestRejectedError', 'rule-broken'],
    ['ConfigurationError', 'rule-broken'],
    ['RunpodUnavailableError', 'not-asked'],
    ['States.Timeout', 'not-asked'],
  ])('that %s kept from being followed was not tried: %s', (name, reason) => {
    const failure = { Error: name, Cause: '{"errorMessage":"It did not work."}' };
    expect(concludePod({ proof: 'observed', reason: 'canary-pod' }, failure)).toEqual({
      proof: 'not-tried',
      reason,
      evidence: 'The canary pod was not tried, or not followed to its end: It did not work.',
    });
  });

  it.each([
    ['observed', 'canary-pod', false],
    ['failed', 'login-refused', true],
    ['degraded', 'stuck', true],
    ['not-tried', 'no-capacity', false],
    ['not-tried', 'not-asked', false],
    ['not-tried', 'not-created', false],
    ['not-tried', 'no-scope', true],
    ['not-tried', 'no-balance', true],
    ['not-tried', 'rule-broken', true],
    ['not-tried', 'too-expensive', true],
    ['observed', 'no-scope', false],
  ] as const)('that is %s for %s is a trouble: %s', (proof, reason, isTrouble) => {
    expect(isPodTrouble({ proof, reason })).toBe(isTrouble);
  });
});
