import { describe, expect, it } from 'vitest';
import { createConcludeTarget } from '../../functions/conclude-target.ts';
import { messageOfFailure } from '../../functions/lib/report/cause.ts';
import { createReport } from '../../functions/report.ts';
import { executionArn } from '../../simulator/inputs.ts';

const measured: Record<string, number> = {};
const report = createReport({
  now: () => Date.parse('2026-11-23T12:01:00Z'),
  meter: {
    add: (name, value) => {
      measured[name] = value;
    },
  },
});

const run = (names: string[], outcomes: unknown[], more: object = {}) =>
  report({
    execution: executionArn,
    startedAt: '2026-11-23T12:00:00.000Z',
    run: { resolved: { trigger: 'schedule', names, outcomes, concernsAll: true }, ...more },
  });

const good = { target: 'a', refreshed: true, proofs: { tested: 2 }, endpoints: [] };
const bad = {
  target: 'b',
  refreshed: false,
  error: { name: 'CredentialNotFoundError', message: 'It is gone.' },
  proofs: {},
  endpoints: [],
};

describe('report', () => {
  it('succeeds where every token was stored and no endpoint failed', async () => {
    const { report: document, verdict } = await run(['a'], [good]);
    expect(verdict).toEqual({ outcome: 'succeeded', error: '', cause: '' });
    expect(document).toEqual({
      version: 1,
      execution: executionArn,
      trigger: 'schedule',
      startedAt: '2026-11-23T12:00:00Z',
      endedAt: '2026-11-23T12:01:00Z',
      outcome: 'succeeded',
      targets: [good],
    });
    expect(measured).toMatchObject({ EndpointsTested: 2, EndpointsFailed: 0 });
  });

  it.each([
    ['a scheduled run of all targets, at its start', { trigger: 'schedule', concernsAll: true }, [12]],
    ['no run of some targets', { trigger: 'schedule', concernsAll: false }, []],
    ['no run that a push started', { trigger: 'push', concernsAll: true }, []],
    ['no run that somebody started', { trigger: 'manual', concernsAll: true }, []],
  ])('counts for the dead-man’s switch %s', async (_what, resolved, hours) => {
    const points: number[] = [];
    const counting = createReport({
      now: () => Date.parse('2026-11-23T16:00:00Z'),
      meter: {
        add: (name, _value, _dimensions, at = 0) => {
          if (name === 'ScheduledRunsReported') points.push(new Date(at).getUTCHours());
        },
      },
    });
    const { verdict } = await counting({
      execution: executionArn,
      startedAt: '2026-11-23T12:00:00.000Z',
      run: { resolved: { names: ['b'], outcomes: [bad], ...resolved } },
    });
    expect(verdict.outcome).toBe('failed');
    expect(points).toEqual(hours);
  });

  it.each<readonly [string, string[], unknown[], object, string, string]>([
    ['a token was not stored', ['a', 'b'], [good, bad], {}, 'CredentialNotFoundError', 'b: It is gone.'],
    [
      'several were not',
      ['b', 'c'],
      [bad, { ...bad, target: 'c' }],
      {},
      'CredentialNotFoundError',
      'b: It is gone. So do 1 more of 2 targets.',
    ],
    [
      'a target has no error to show',
      ['b'],
      [{ ...bad, error: undefined }],
      {},
      'TargetLostError',
      'b: No token was stored.',
    ],
    [
      'an endpoint failed',
      ['a'],
      [
        {
          ...good,
          proofs: { failed: 1 },
          endpoints: [{ endpoint: 'ep', proof: 'failed', reason: 'stuck', evidence: 'Refused.' }],
        },
      ],
      {},
      'EndpointNotPullingError',
      'a: a new token is stored, but 1 of its endpoints cannot pull. ep: Refused.',
    ],
    [
      'an endpoint failed without a sentence',
      ['a'],
      [{ ...good, proofs: { failed: 1 }, endpoints: [{ endpoint: 'ep', proof: 'failed', reason: 'stuck' }] }],
      {},
      'EndpointNotPullingError',
      'a: a new token is stored, but 1 of its endpoints cannot pull. ep: stuck',
    ],
    [
      'an endpoint failed that did not fit',
      ['a'],
      [{ ...good, proofs: { failed: 1 } }],
      {},
      'EndpointNotPullingError',
      'a: a new token is stored, but 1 of its endpoints cannot pull.',
    ],
    [
      'a target did not answer',
      ['a', 'z'],
      [good, 'crashed'],
      {},
      'TargetLostError',
      'z: Its workflow ended without an answer.',
    ],
    [
      'a token was not stored and then the map broke down',
      ['a', 'b'],
      [good, bad],
      { failure: { Error: 'States.Timeout', Cause: 'The map is at fault.' } },
      'CredentialNotFoundError',
      'b: It is gone.',
    ],
    ['the map broke down', ['a'], [good], { failure: { Error: 'States.Timeout' } }, 'States.Timeout', ''],
  ])('fails where %s', async (_what, names, outcomes, more, error, cause) => {
    const { verdict, report: document } = await run(names, outcomes, more);
    expect(verdict).toMatchObject({ outcome: 'failed', error, cause: expect.stringContaining(cause) });
    expect(document.error).toEqual({ name: error, message: verdict.cause });
  });

  it('reports a run that did not come to its targets', async () => {
    const failure = { Error: 'InvalidInputError', Cause: '{"errorMessage":"target: unknown."}' };
    const { verdict, report: document } = await report({
      execution: executionArn,
      startedAt: '2026-11-23T12:00:00Z',
      run: { failure },
    });
    expect(verdict).toEqual({ outcome: 'failed', error: 'InvalidInputError', cause: 'target: unknown.' });
    expect(document).toMatchObject({ trigger: 'manual', targets: [] });
  });
});

describe('the message of a Cause', () => {
  it.each([
    ['{"errorType":"A","errorMessage":"What happened.","trace":["…"]}', 'What happened.'],
    ['States.Timeout', 'States.Timeout'],
    ['{"reason":"other"}', '{"reason":"other"}'],
    ['', 'A step did not end within its time (States.Timeout). Look at the execution.'],
    [' ', 'A step did not end within its time (States.Timeout). Look at the execution.'],
    ['{"errorMessage":""}', 'A step did not end within its time (States.Timeout). Look at the execution.'],
  ])('in %j is %j', (cause, message) => {
    expect(messageOfFailure({ Error: 'States.Timeout', Cause: cause })).toBe(message);
  });
});

describe('a target whose error is a bare name', () => {
  const bare = (name: string) => ({ ...bad, error: { name, message: '' } });

  it.each([
    ['Lambda.KMSDisabledException', 'A function cannot be called as it is deployed'],
    ['RunpodUnauthorizedError', 'A step ended without saying why (RunpodUnauthorizedError). Look at the execution.'],
  ])('is reported with what %s means', async (name, words) => {
    const { verdict, report: document } = await run(['b'], [bare(name)]);
    expect(verdict.cause).toContain(`b: ${words}`);
    // A thousand such sentences have no room in the report.
    expect(document.targets[0]?.error?.message).toBe('');
  });
});

describe('conclude-target', () => {
  const conclude = (state: object) =>
    createConcludeTarget({ now: () => Date.parse('2026-11-23T12:00:30Z') })({
      name: 'a',
      outcomeBytes: 10_000,
      startAt: '2026-11-23T12:00:00Z',
      ...state,
    });
  const discovered = { endpoints: 1, otherUsers: [], warnings: [] };
  const settled = { status: 'settled', pending: [], unseen: 0, endpoints: [], proofs: {} };
  const stored = { status: 'stored', storedAt: 's', expiresAt: 'e', api: 'v2', unsupportedApis: [] };

  it('sums up a target that went well', async () => {
    const endpoints = [{ endpoint: 'ep', proof: 'tested', reason: 'token-pulled', evidence: 'It pulled.' }];
    const watch = { ...settled, endpoints, proofs: { tested: 1 } };
    expect(await conclude({ discovered, stored, watch, images: { images: [] } })).toEqual({
      target: 'a',
      refreshed: true,
      way: 'v2',
      storedAt: 's',
      expiresAt: 'e',
      seconds: 30,
      proofs: { tested: 1 },
      endpoints,
    });
  });

  it('says of templates and pods by name whose images cannot be pulled', async () => {
    const images = [
      { image: 'good', digest: 'sha256:1' },
      { image: 'gone', problem: 'it is gone' },
      { image: 'slow', problem: 'ECR was slow', isPassing: true },
    ];
    const users = ['good', 'gone', 'slow', 'elsewhere'].map((image) => ({ name: `template ${image}`, image }));
    const state = { discovered: { ...discovered, otherUsers: users }, images: { images } };
    const endpoints = [{ endpoint: 'ep', proof: 'tested', reason: 'token-pulled' }];
    const watch = { ...settled, endpoints, proofs: { tested: 1 } };
    expect(await conclude({ ...state, stored, watch })).toMatchObject({
      proofs: { tested: 1, degraded: 1 },
      endpoints: [
        {
          endpoint: 'template gone',
          proof: 'degraded',
          reason: 'image-not-pullable',
          evidence: 'The new token is stored, but its image cannot be pulled with it: it is gone.',
        },
        ...endpoints,
      ],
    });
    // Nothing is said of them where no token was stored.
    expect(await conclude({ ...state, failure: { Error: 'X', Cause: '' } })).toMatchObject({
      proofs: {},
      endpoints: [],
    });
  });

  it('keeps what people should know besides', async () => {
    const outcome = await conclude({
      discovered: { ...discovered, otherUsers: [{ name: 'pod p', image: 'i' }], unmanaged: ['e'], warnings: ['w'] },
      stored: { ...stored, unsupportedApis: ['v2'] },
      watch: settled,
      delay: { rounds: 2 },
      notified: {},
      failure: { Error: 'RunpodUnavailableError', Cause: 'an earlier round' },
    });
    expect(outcome).toMatchObject({
      refreshed: true,
      otherUsers: ['pod p'],
      unmanaged: ['e'],
      warnings: ['w'],
      missingWays: ['v2'],
      delayedRounds: 2,
      delayTold: true,
    });
    expect(outcome).not.toHaveProperty('error');
  });

  it('counts a delay as told of where nobody knows whether people were, and not where nothing was new to them', async () => {
    const state = { discovered, stored, watch: settled };
    const notifyFailure = { Error: 'NotificationError', Cause: 'SNS did not answer.' };
    expect(await conclude({ ...state, notifyFailure })).toMatchObject({ delayTold: true });
    expect(await conclude({ ...state, notified: { published: 0 } })).not.toHaveProperty('delayTold');
    expect(await conclude(state)).not.toHaveProperty('delayTold');
  });

  it('sums up a target that failed', async () => {
    expect(await conclude({ failure: { Error: 'E', Cause: 'It broke.' } })).toEqual({
      target: 'a',
      refreshed: false,
      error: { name: 'E', message: 'It broke.' },
      seconds: 30,
      proofs: {},
      endpoints: [],
    });
    expect(await conclude({ stored: { status: 'stale' } })).toMatchObject({ refreshed: false });
  });

  it('never takes an endpoint for proven that nobody looked at', async () => {
    expect(
      await conclude({ discovered: { ...discovered, endpoints: 7 }, stored: { status: 'stored' }, watch: {} }),
    ).toMatchObject({
      refreshed: true,
      proofs: { degraded: 7 },
      endpoints: [{ endpoint: 'all', reason: 'not-looked' }],
    });
    expect(await conclude({ stored })).toMatchObject({ endpoints: [], proofs: {} });
  });

  it('says which endpoints had not settled when watching broke down, and how it did', async () => {
    const watch = {
      status: 'pending',
      recheckAfterSeconds: 15,
      pending: [{ id: 'waiting', since: 1, due: 2 }],
      next: 'x',
      unseen: 3,
      endpoints: [{ endpoint: 'bad', proof: 'failed', reason: 'login-refused' }],
      proofs: { failed: 1, tested: 5 },
    };
    const watchFailure = { Error: 'RunpodUnavailableError', Cause: '{"errorMessage":"It is down."}' };
    const { proofs, endpoints } = await conclude({ discovered, stored, watch, watchFailure });
    expect(proofs).toEqual({ failed: 1, tested: 5, degraded: 4 });
    expect(endpoints.map(({ endpoint }) => endpoint)).toEqual(['bad', 'waiting', 'others']);
    expect(endpoints[1]?.evidence).toContain('(RunpodUnavailableError: It is down.)');
  });
});
