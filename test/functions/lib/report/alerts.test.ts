import { describe, expect, it } from 'vitest';
import { heldUntil } from '../../../../functions/lib/memory/target-memory.ts';
import {
  type Alert,
  composeAlerts,
  composeDelay,
  composeDigest,
  deadline,
  knownAfter,
} from '../../../../functions/lib/report/alerts.ts';
import type { Outcome } from '../../../../functions/lib/report/outcome.ts';
import type { Report } from '../../../../functions/lib/report/report.ts';
import { rememberAll } from '../../../support/memories.ts';

const hourMs = 3_600_000;
const now = Date.parse('2026-11-23T12:50:00Z');

const good: Outcome = {
  target: 'production',
  refreshed: true,
  expiresAt: '2026-11-23T18:02:00Z',
  proofs: {},
  endpoints: [],
};
const failed: Outcome = {
  target: 'production',
  refreshed: false,
  error: { name: 'RunpodUnauthorizedError', message: 'Runpod refused the new token (401).' },
  proofs: {},
  endpoints: [],
};
const endpoint = (proof: 'failed' | 'degraded', reason: string, evidence?: string) => ({
  ...good,
  endpoints: [{ endpoint: 'ep', proof, reason, ...(evidence === undefined ? {} : { evidence }) }],
});

const report = (...targets: Outcome[]): Report => ({
  version: 1,
  execution: 'arn',
  trigger: 'schedule',
  startedAt: '2026-11-23T12:00:00Z',
  endedAt: '2026-11-23T12:00:00Z',
  outcome: 'succeeded',
  targets,
});

/** What is remembered of production after these runs, newest first. */
const production = (scheduleHours: number, ...reports: Report[]) =>
  rememberAll(reports, scheduleHours * hourMs).get('production');

const compose = (outcome: Outcome, ...earlier: Outcome[]) =>
  composeAlerts(
    report(outcome),
    rememberAll(
      earlier.map((each) => report(each)),
      6 * hourMs,
    ),
    now,
    6 * hourMs,
  );

describe('an alert of an error that says nothing', () => {
  it.each([
    [
      'States.Timeout',
      'StepTimedOut',
      'production: A step did not end within its time (States.Timeout). Look at the execution. Pulls',
    ],
    [
      'Lambda.ResourceNotFoundException',
      'FunctionNotCallable',
      'production: A function cannot be called as it is deployed',
    ],
  ])('says what %s means, and leads to its section', (name, section, words) => {
    const [alert] = compose({ ...failed, error: { name, message: '' } }, good);
    expect(alert?.section).toBe(section);
    expect(alert?.text).toContain(words);
  });
});

describe('what people are told', () => {
  it('names the endpoints that pull without the credential, and says what to do', () => {
    const [alert] = compose({ ...good, unmanaged: ['images (4m7x2k9q)', 'b'] }, good);
    expect(alert?.text).toBe(
      'production: a new token is stored, but these endpoints pull from its registry without it: images (4m7x2k9q), b. They fail at their next cold start. Select the target’s credential for them, or list them under ignore in targets.yml.',
    );
  });

  it('tells of what left the credential beside what else there is, which stays known', () => {
    const left = [{ endpoint: 'x', evidence: 'Endpoint x no longer uses credential cred.' }];
    expect(compose({ ...good, left }, good)).toMatchObject([
      { kind: 'left', severity: 'warning', text: 'production: Endpoint x no longer uses credential cred.' },
    ]);
    const kinds = (...outcomes: [Outcome, ...Outcome[]]) => compose(...outcomes).map(({ kind }) => kind);
    expect(kinds({ ...failed, left }, failed)).toEqual(['left']);
    expect(kinds({ ...good, left }, failed)).toEqual(['left', 'recovered']);
    expect(kinds(failed, { ...failed, left }, failed)).toEqual([]);
  });

  it.each<readonly [string, Outcome, Outcome[], string[]]>([
    ['nothing while all is well', good, [good], []],
    ['nothing on the first run that goes well', good, [], []],
    ['a failure', failed, [good], ['critical failed']],
    ['a failure without any history', failed, [], ['critical failed']],
    ['nothing of the same failure', failed, [failed, { ...good, expiresAt: '2026-11-23T17:00:00Z' }], []],
    ['another failure', { ...failed, error: { name: 'Other', message: 'x.' } }, [failed], ['critical failed']],
    ['a failure without an error', { ...good, refreshed: false }, [good], ['critical failed']],
    ['its end', good, [failed], ['info recovered']],
    ['an endpoint without the credential', { ...good, unmanaged: ['a (1)'] }, [good], ['warning degraded']],
    ['nothing of the same one', { ...good, unmanaged: ['a (1)'] }, [{ ...good, unmanaged: ['a (1)'] }], []],
    [
      'another one',
      { ...good, unmanaged: ['a (1)', 'b (2)'] },
      [{ ...good, unmanaged: ['a (1)'] }],
      ['warning degraded'],
    ],
    ['that it uses it now', good, [{ ...good, unmanaged: ['a (1)'] }], ['info recovered']],
    ['the end of a delay that was told', { ...good, delayTold: true }, [good], ['info recovered']],
    [
      'an end that does not say until when',
      { target: 'production', refreshed: true, proofs: {}, endpoints: [] },
      [failed],
      ['info recovered'],
    ],
    [
      'nothing of the same failure after another delay, which was not told',
      { ...failed, delayTold: true },
      [failed],
      [],
    ],
    ['the same failure once it is critical', failed, [failed, good], ['critical failed']],
    [
      'the end of a delay of what was degraded before and still is',
      { ...endpoint('degraded', 'parked'), delayTold: true },
      [endpoint('degraded', 'parked')],
      ['warning degraded'],
    ],
    [
      'an endpoint that cannot pull',
      endpoint('failed', 'login-refused', 'It is refused.'),
      [good],
      ['critical failed'],
    ],
    ['a degraded endpoint', endpoint('degraded', 'parked'), [good], ['warning degraded']],
    ['nothing of the same degradation', endpoint('degraded', 'parked'), [endpoint('degraded', 'parked', 'x')], []],
    [
      'that a degraded endpoint now fails',
      endpoint('failed', 'login-refused'),
      [endpoint('degraded', 'parked')],
      ['critical failed'],
    ],
  ])('is %s', (_what, outcome, earlier, expected) => {
    expect(compose(outcome, ...earlier).map(({ severity, kind }) => `${severity} ${kind}`)).toEqual(expected);
  });

  it('is a warning while the next run can still make it', () => {
    const until = (expiresAt: string) => compose(failed, { ...good, expiresAt })[0]?.severity;
    expect(until('2026-11-23T18:50:00.000Z')).toBe('critical');
    expect(until('2026-11-23T18:50:00.001Z')).toBe('warning');
  });

  it('has a sentence, a deadline and a remedy', () => {
    expect(compose(failed, good)[0]?.text).toBe(
      'production: Runpod refused the new token (401). Pulls keep working until 18:02 UTC, 5 h 12 min from now.',
    );
  });

  it('names five endpoints and counts the rest', () => {
    const endpoints = Array.from({ length: 7 }, (_, index) => ({
      endpoint: `ep${index}`,
      proof: 'failed' as const,
      reason: 'stuck',
    }));
    const [alert] = compose({ ...good, endpoints });
    expect(alert?.text).toContain('ep4: stuck And 2 more.');
    expect(alert?.text).not.toContain('ep5');
    const [five] = compose({ ...good, endpoints: endpoints.slice(0, 5) });
    expect(five?.text).toMatch(/ep4: stuck$/);
  });

  it('of a delay says how long, when we try again, and until when pulls work', () => {
    const tries = { failingSince: now - hourMs / 2, retryAt: now + hourMs / 4, giveUpAt: now + 5 * hourMs };
    expect(composeDelay('production', 'Runpod is down.', tries, production(6, report(good)), now)).toEqual({
      kind: 'delayed',
      severity: 'warning',
      target: 'production',
      section: 'delayed',
      text: 'production: the refresh has not got through for 30 min: Runpod is down. We try again at 13:05 UTC and keep trying until 17:50 UTC. Pulls keep working until 18:02 UTC, 5 h 12 min from now.',
      deadline: 'Pulls keep working until 18:02 UTC, 5 h 12 min from now.',
    });
  });
});

it('a delay is critical once little time is left, or nobody knows how much', () => {
  const tries = { failingSince: now, retryAt: now, giveUpAt: now };
  const of = (earlier: Report[]) => composeDelay('production', 'x.', tries, production(6, ...earlier), now)?.severity;
  expect(of([report({ ...good, expiresAt: '2026-11-23T15:50:00.000Z' })])).toBe('critical');
  expect(of([report({ ...good, expiresAt: '2026-11-23T15:50:00.001Z' })])).toBe('warning');
  expect(of([])).toBe('critical');
});

it('a delay is not told to those who know that the target fails, unless it has become critical', () => {
  const tries = { failingSince: now, retryAt: now, giveUpAt: now };
  const of = (...earlier: Outcome[]) => {
    const reports = earlier.map((each) => report(each));
    return composeDelay('production', 'x.', tries, production(4, ...reports), now)?.severity;
  };
  expect(of(failed)).toBeUndefined();
  expect(of(failed, good)).toBeUndefined();
  expect(of(failed, { ...good, expiresAt: '2026-11-23T15:00:00Z' })).toBeUndefined();
  const long = { ...report({ ...good, expiresAt: '2026-11-23T15:00:00Z' }), endedAt: '2026-11-23T06:00:00Z' };
  const early = { ...report(failed), endedAt: '2026-11-23T08:00:00Z' };
  expect(composeDelay('production', 'x.', tries, production(4, early, long), now)?.severity).toBe('critical');
});

describe('the digest', () => {
  const daily = (...reports: Report[]) =>
    composeDigest(rememberAll(reports, 6 * hourMs), now).map(({ severity, text }) => `${severity} ${text}`);

  it('has a line for each target that a run of the last day concerned', () => {
    const old = { ...report({ ...good, target: 'old' }), endedAt: '2026-11-22T12:00:00Z' };
    expect(
      daily(report({ ...good, proofs: { observed: 2 } }, { ...failed, target: 'other' }), report(failed), old),
    ).toEqual([
      'info production: Pulls keep working until 18:02 UTC, 5 h 12 min from now. 2 runs in 24 hours, 1 failed. Endpoints at the last: 2 observed.',
      'critical other: Until when pulls keep working is unknown: no earlier run on record stored a token. 1 run in 24 hours, 1 failed.',
    ]);
  });

  it('says of five endpoints that follow something where they stand, unless that is where they should', () => {
    const rollouts = [
      { endpoint: 'ep0', state: 'current', why: 'it has team/worker:v1' },
      ...Array.from({ length: 6 }, (_, index) => ({ endpoint: `ep${index + 1}`, state: 'refused', why: 'it ended' })),
    ];
    const [text] = daily(report({ ...good, rollouts }));
    expect(text?.match(/Rollout of \w+: refused, it ended\./g)).toHaveLength(5);
    expect(text).not.toContain('ep0');
  });

  it('counts a run that ended a day ago to the millisecond, and none before', () => {
    const at = (endedAt: string) => ({ ...report(good), endedAt });
    expect(daily(at('2026-11-22T12:50:00.000Z'))[0]).toContain('1 run in 24 hours');
    expect(daily(at('2026-11-22T12:49:59.999Z'))[0]).toContain('no run of the last 24 hours');
  });

  it('is critical from the moment at which pulls stop working', () => {
    expect(daily(report({ ...good, expiresAt: '2026-11-23T12:50:00.000Z' }))[0]).toMatch(/^critical /);
    expect(daily(report({ ...good, expiresAt: '2026-11-23T12:50:00.001Z' }))[0]).toMatch(/^info /);
  });

  it('warns of a target that is in trouble, and alarms where nothing has run', () => {
    expect(daily(report(failed), report(good))[0]).toMatch(/^warning production: /);
    expect(daily()).toEqual([
      'critical every target: no run of the last 24 hours is on record. Unless the memory has just been lost, nothing renews the tokens.',
    ]);
  });
});

describe('the deadline', () => {
  it.each<readonly [string, Outcome[], string]>([
    [
      'is unknown without history',
      [],
      'Until when pulls keep working is unknown: no earlier run on record stored a token.',
    ],
    [
      'is unknown where every earlier run failed',
      [failed],
      'Until when pulls keep working is unknown: no earlier run on record stored a token.',
    ],
    ['is the end of the last good token', [failed, good], 'Pulls keep working until 18:02 UTC, 5 h 12 min from now.'],
    [
      'is the latest of several',
      [good, { ...good, expiresAt: '2026-11-23T13:00:00Z' }],
      'Pulls keep working until 18:02 UTC, 5 h 12 min from now.',
    ],
    [
      'may have passed',
      [{ ...good, expiresAt: '2026-11-23T12:00:00Z' }],
      'Pulls stopped working at 12:00 UTC, 50 min ago.',
    ],
    [
      'is over at its very end',
      [{ ...good, expiresAt: '2026-11-23T12:50:00Z' }],
      'Pulls stopped working at 12:50 UTC, 0 min ago.',
    ],
    [
      'is in minutes below an hour',
      [{ ...good, expiresAt: '2026-11-23T13:49:00Z' }],
      'Pulls keep working until 13:49 UTC, 59 min from now.',
    ],
    [
      'is in hours from an hour on',
      [{ ...good, expiresAt: '2026-11-23T13:50:00Z' }],
      'Pulls keep working until 13:50 UTC, 1 h 0 min from now.',
    ],
    [
      'follows our clock where that is five minutes slow',
      [{ ...good, expiresAt: '2026-11-23T12:55:00Z' }],
      'Pulls keep working until 12:55 UTC, 5 min from now.',
    ],
    [
      'ignores what is no time',
      [
        { target: 'production', refreshed: true, proofs: {}, endpoints: [] },
        { ...good, expiresAt: 'soon' },
        { ...good, target: 'other' },
      ],
      'Until when pulls keep working is unknown: no earlier run on record stored a token.',
    ],
  ])('%s', (_what, earlier, expected) => {
    expect(deadline(heldUntil(production(6, ...earlier.map((each) => report(each)))), now)).toBe(expected);
  });
});

describe('a whole alert', () => {
  const pod = (proof: 'failed' | 'degraded' | 'observed', evidence?: string): Outcome => ({
    ...good,
    canaryPod: { proof, reason: 'some-reason', ...(evidence === undefined ? {} : { evidence }) },
  });
  const broken = { kind: 'failed', severity: 'critical', target: 'production', section: 'EndpointNotPullingError' };
  const degraded = { kind: 'degraded', severity: 'warning', target: 'production', section: 'degraded' };

  it('of endpoints that cannot pull names no other', () => {
    const endpoints: Outcome['endpoints'] = [
      { endpoint: 'fine', proof: 'observed', reason: 'pulled' },
      { endpoint: 'slow', proof: 'degraded', reason: 'stuck' },
      { endpoint: 'broken', proof: 'failed', reason: 'login-refused', evidence: 'It is refused.' },
      { endpoint: 'mute', proof: 'failed', reason: 'image-missing' },
    ];
    expect(compose({ ...good, endpoints }, good)).toEqual([
      {
        ...broken,
        text: 'production: a new token is stored, but not every endpoint can pull. broken: It is refused. mute: image-missing',
      },
    ]);
  });

  it('of endpoints that something else keeps from working names no other', () => {
    const endpoints: Outcome['endpoints'] = [
      { endpoint: 'fine', proof: 'observed', reason: 'pulled' },
      { endpoint: 'slow', proof: 'degraded', reason: 'stuck', evidence: 'It waits.' },
    ];
    expect(compose({ ...pod('degraded'), endpoints }, good)).toEqual([
      {
        ...degraded,
        text: 'production: a new token is stored, but something else keeps endpoints from working. slow: It waits.',
      },
    ]);
  });

  it('of a pod that cannot pull comes before what is degraded', () => {
    const endpoints: Outcome['endpoints'] = [{ endpoint: 'slow', proof: 'degraded', reason: 'stuck' }];
    const text = 'production: a new token is stored, but a pod cannot pull with what Runpod holds. It is refused.';
    expect(compose({ ...pod('failed', 'It is refused.'), endpoints }, good)).toEqual([{ ...broken, text }]);
  });

  it('of a pod that shows nothing says so', () => {
    const words = 'production: a new token is stored, but its canary pod does not show whether it pulls.';
    expect(compose(pod('degraded', 'No host took it.'), good)).toEqual([
      { ...degraded, text: `${words} No host took it.` },
    ]);
    expect(compose(pod('degraded'), good)).toEqual([{ ...degraded, text: `${words} some-reason` }]);
  });

  it('of an endpoint without the credential says so where the pod pulls', () => {
    expect(compose({ ...pod('observed'), unmanaged: ['a'] }, good)).toMatchObject([
      { ...degraded, text: expect.stringContaining('without it: a. They fail') },
    ]);
  });

  it('of the end says until when pulls work, where that is known', () => {
    const recovered = { kind: 'recovered', severity: 'info', target: 'production', section: 'recovered' };
    const words = 'production: a new token is stored and all is well again.';
    expect(compose(good, failed)).toEqual([
      { ...recovered, text: `${words} Pulls keep working until 18:02 UTC, 5 h 12 min from now.` },
    ]);
    const { expiresAt: _, ...endless } = good;
    expect(compose(endless, failed)).toEqual([{ ...recovered, text: `${words} ${deadline(undefined, now)}` }]);
  });

  it('of a failure without an error says what is known', () => {
    const until = 'Pulls keep working until 18:02 UTC, 5 h 12 min from now.';
    expect(compose({ ...good, refreshed: false }, good)).toEqual([
      {
        ...broken,
        section: 'TargetLostError',
        text: `production: No token was stored. ${until}`,
        deadline: until,
      },
    ]);
  });
});

describe('what people know after a run', () => {
  const told: Alert = { kind: 'failed', severity: 'critical', target: 'production', section: 'x', text: 'x.' };
  const troubleOf = (outcome: Outcome) => knownAfter(outcome, undefined, told)?.trouble;
  const named = (length: number): Outcome => ({ ...failed, error: { name: 'x'.repeat(length), message: '' } });

  it('is the trouble, in at most 40 characters', () => {
    expect(troubleOf(named(33))).toBe(`failed ${'x'.repeat(33)}`);
    expect(troubleOf(named(34))).toMatch(/^failed x{13}…[0-9a-f]{16}$/);
    expect(troubleOf(named(35))).not.toBe(troubleOf(named(34)));
    expect(troubleOf({ ...failed, error: undefined })).toBe('failed ');
  });

  it('is what is in trouble, in one order, and nothing of what is well', () => {
    const endpoints: Outcome['endpoints'] = [
      { endpoint: 'c', proof: 'failed', reason: 'r' },
      { endpoint: 'b', proof: 'degraded', reason: 'r' },
      { endpoint: 'a', proof: 'observed', reason: 'r' },
    ];
    expect(troubleOf({ ...good, endpoints })).toBe('degraded b r, failed c r');
    expect(troubleOf({ ...good, endpoints: endpoints.toReversed() })).toBe('degraded b r, failed c r');
    expect(troubleOf({ ...good, unmanaged: ['u'] })).toBe('unmanaged u');
    expect(troubleOf({ ...good, canaryPod: { proof: 'degraded', reason: 'r' } })).toBe('canary-pod degraded r');
    expect(troubleOf({ ...good, canaryPod: { proof: 'observed', reason: 'r' } })).toBeUndefined();
  });

  it('is what they knew where they were not told, as long as it is the same', () => {
    const notified = { trouble: 'failed RunpodUnauthorizedError', severity: 'warning' } as const;
    expect(knownAfter(failed, { runs: [], notified }, undefined)).toEqual(notified);
    expect(knownAfter(named(1), { runs: [], notified }, undefined)).toBeUndefined();
    expect(knownAfter(failed, { runs: [] }, undefined)).toBeUndefined();
    expect(knownAfter(failed, undefined, undefined)).toBeUndefined();
    // An earlier release wrote troubles at their full length.
    const whole = { ...notified, trouble: `failed ${'x'.repeat(50)}` };
    expect(knownAfter(named(50), { runs: [], notified: whole }, undefined)).toEqual(whole);
  });

  it('is an end only once they were told of it', () => {
    const notified = { trouble: 'failed x', severity: 'warning' } as const;
    expect(knownAfter(good, { runs: [], notified }, undefined)).toEqual(notified);
    expect(knownAfter(good, { runs: [], notified }, told)).toBeUndefined();
    expect(knownAfter(good, undefined, undefined)).toBeUndefined();
  });
});

describe('a line of the digest', () => {
  it('has all that an alert has', () => {
    const proofs = { observed: 2, failed: 1 };
    const memories = rememberAll([report({ ...good, proofs })], 6 * hourMs);
    expect(composeDigest(memories, now)).toEqual([
      {
        kind: 'digest',
        severity: 'info',
        target: 'production',
        section: 'digest',
        text: 'production: Pulls keep working until 18:02 UTC, 5 h 12 min from now. 1 run in 24 hours, none failed. Endpoints at the last: 2 observed, 1 failed.',
      },
    ]);
  });

  it('is of no target whose last run cannot be read', () => {
    const [memory] = rememberAll([report(good)], 6 * hourMs).values();
    const memories = new Map([['production', { ...memory, runs: memory?.runs ?? [], last: undefined }]]);
    expect(composeDigest(memories, now)).toMatchObject([
      { kind: 'digest', severity: 'critical', target: 'every target', section: 'nosuccess' },
    ]);
  });

  it('stands for all where the memory does not answer', () => {
    expect(composeDigest(undefined, now)).toMatchObject([
      { kind: 'digest', severity: 'warning', target: 'every target', section: 'MemoryUnavailableError' },
    ]);
  });
});
