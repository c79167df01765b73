import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Report } from '../../functions/lib/report/report.ts';
import type { Watch } from '../../functions/lib/runpod/watch.ts';
import type { Execution } from '../../simulator/aws/step-functions.ts';
import type { FaultEffect } from '../../simulator/loopback.ts';
import type { SimulatedEndpoint } from '../../simulator/runpod/server.ts';
import { account, region, statesOf, World } from '../../simulator/world.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

let world: World;
let endpoint: SimulatedEndpoint;

beforeEach(async () => {
  world = await World.begin({ environment: { UPSTREAM_TIMEOUT_SECONDS: '0.3', LOG_LISTEN_SECONDS: '0.05' } });
  const image = world.push('team/worker', 'v1');
  endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
});

afterEach(() => world.end());

const status = (code: number, body: object = { title: 'Down', status: code, detail: 'down' }): FaultEffect => ({
  answer: { status: code, headers: { 'content-type': 'application/problem+json' }, body: JSON.stringify(body) },
});

const reportOf = (execution: Execution): Report => JSON.parse(execution.output ?? '') as Report;

const proofsOf = (execution: Execution) =>
  reportOf(execution).targets[0]?.endpoints.map(({ proof, reason }) => `${proof}: ${reason}`);

const subjects = (): string[] => world.sns.inbox.map(({ subject }) => subject);

const mainPath = [
  'WaitForTurn',
  'DiscoverEndpoints',
  'FetchToken',
  'VerifyImagePull',
  'ImagesTried',
  'UpdateRunpod',
  'TokenStored',
];
const checkOnce = ['VerifyEndpointPull', 'ProofsSettled', 'WantsRollouts'];
const begin = ['IsPush', 'ResolveTargets', 'IsForPushes', 'RefreshTargets'];
const end = ['Report', 'Notify', 'RunVerdict', 'HandOverReport', 'RefreshSucceeded'];
const succeed = ['WantsCanaryPod', 'ConcludeTarget', ...end];
const fail = ['WantsCanaryPod', 'ConcludeTarget', 'Report', 'Notify', 'RunVerdict', 'RefreshFailed'];

describe('a run that goes well', () => {
  it('tells once of an endpoint that has left the credential for an image of elsewhere', async () => {
    const image = world.push('team/worker', 'v1');
    world.runpod.addEndpoint({ id: 'stays', name: 'stays', image, registry: '6n2k8v4d' });
    await world.refresh({});
    endpoint.image = 'acme/worker:1';
    endpoint.registry = null;
    const told = await world.refresh({});
    const [outcome] = reportOf(told).targets;
    const evidence = expect.stringMatching(/^Endpoint images \(4m7x2k9q\) no longer uses credential 6n2k8v4d/);
    expect([outcome?.left, outcome?.warnings]).toEqual([[{ endpoint: '4m7x2k9q', evidence }], [evidence]]);
    expect(subjects()).toEqual(['[WARNING] runpod-ecr-refresh: production left']);
    const later = await world.refresh({});
    expect(reportOf(later).targets[0]).not.toHaveProperty('left');
    expect(subjects()).toHaveLength(1);
    expect([told.status, later.status]).toEqual(['SUCCEEDED', 'SUCCEEDED']);
  });

  it('does not tell in each run of an endpoint that has left while the memory takes nothing, and then once', async () => {
    await world.refresh({});
    endpoint.image = 'acme/worker:1';
    endpoint.registry = null;
    const repair = world.faults.add({ on: /PutItem/, does: { reset: true } });
    for (let run = 0; run < 3; run += 1) expect(await world.refresh({})).toMatchObject({ status: 'SUCCEEDED' });
    expect(subjects()).toEqual([]);
    repair();
    for (let run = 0; run < 3; run += 1) await world.refresh({});
    expect(subjects()).toEqual(['[WARNING] runpod-ecr-refresh: production left']);
  });

  it('mints, tries, stores and watches, in this order', async () => {
    const execution = await world.refresh({});
    expect(statesOf(execution)).toEqual([...begin, ...mainPath, ...checkOnce, ...succeed]);
    expect(execution.status).toBe('SUCCEEDED');
    expect(proofsOf(execution)).toEqual(['tested: token-pulled']);
    expect(world.sns.inbox).toEqual([]);
  });

  it('waits for a worker that is starting, and observes its pull', async () => {
    world.runpod.startWorker(endpoint);
    world.runpod.propagationMs = 5 * minuteMs;
    await world.clock.advance(minuteMs);
    const execution = await world.refresh();
    expect(statesOf(execution)).toContain('WaitToRecheck');
    expect(proofsOf(execution)).toEqual(['observed: worker-pulled']);
  });

  it('refreshes a credential that nothing uses, and still tries its token', async () => {
    world.runpod.endpoints.clear();
    const execution = await world.refresh();
    expect(statesOf(execution)).toEqual([...begin, ...mainPath, ...succeed]);
    expect(world.runpod.stored).toHaveLength(1);
  });

  it('lets nothing of what it was started with reach the report', async () => {
    const forged = { target: 'production', refreshed: true, proofs: {}, endpoints: [] };
    const resolved = { trigger: 'schedule', names: ['production'], concernsAll: true, outcomes: [forged] };
    const execution = await world.refresh({ resolved, failure: { Error: 'Forged', Cause: 'forged' } });
    expect(execution).toMatchObject({ status: 'FAILED', error: 'InvalidInputError' });
    expect(statesOf(execution)).toContain('ResolvingFailed');
    expect(JSON.stringify([world.sns.inbox, world.measurements, execution.cause])).not.toMatch(/forged/i);
    expect(world.measurements.map(({ name }) => name)).not.toContain('ScheduledRunsReported');
  });

  it('waits for a push’s window to close', async () => {
    const waitUntil = new Date(world.clock.now() + minuteMs).toISOString();
    const startedAt = world.clock.now();
    const execution = await world.refresh({ trigger: 'push', registry: { account, region }, waitUntil });
    expect(statesOf(execution).slice(0, 3)).toEqual(['IsPush', 'WaitForPushes', 'ResolveTargets']);
    expect(world.clock.now() - startedAt).toBeGreaterThanOrEqual(minuteMs);
    expect(reportOf(execution)).toMatchObject({ trigger: 'push', outcome: 'succeeded' });
  });

  it('does nothing on a push to a registry that no target pulls from', async () => {
    const execution = await world.refresh({ trigger: 'push', registry: { account: '999999999999', region } });
    expect(statesOf(execution)).toEqual([...begin, ...end]);
    expect(world.ecr.count).toBe(0);
  });
});

describe('an upstream that fails for a moment', () => {
  it.each([
    ['Runpod when listing', /GET \/v2\/serverless$/, 'DiscoverEndpoints', status(503)],
    ['Runpod when storing', /PATCH \/v2/, 'UpdateRunpod', status(500)],
    [
      'Runpod by its quota',
      /PATCH \/v2/,
      'UpdateRunpod',
      { answer: { status: 429, headers: { 'retry-after': '12' }, body: '{}' } },
    ],
    ['ECR when minting', /GetAuthorizationToken/, 'FetchToken', { reset: true as const }],
    ['ECR’s registry', /\/manifests\//, 'VerifyImagePull', status(503)],
    ['ECR’s registry by its quota', /\/manifests\//, 'VerifyImagePull', status(429)],
    ['KMS when sealing', /GenerateDataKey/, 'FetchToken', { reset: true as const }],
    ['KMS when opening', /Decrypt/, 'VerifyImagePull', { reset: true as const }],
    ['the key’s store', /GetParameter/, 'DiscoverEndpoints', { reset: true as const }],
  ])('is tried again: %s', async (_who, on, state, does) => {
    // Twice: the AWS clients try again once by themselves.
    world.faults.add({ on, does, times: 2 });
    const execution = await world.refresh();
    expect(execution.status).toBe('SUCCEEDED');
    const retried = execution.events.filter((event) => event.type === 'StateRetried').map((event) => event.state.name);
    expect(retried).toContain(state);
    expect(statesOf(execution)).not.toContain('PlanRetry');
  });

  it('is tried again: Runpod when looking at the endpoints', async () => {
    let lists = 0;
    // The first list is that of DiscoverEndpoints.
    const on = { test: (what: string) => / \/v2\/serverless$/.test(what) && ++lists === 2 };
    world.faults.add({ on, does: status(503) });
    const execution = await world.refresh();
    const retried = execution.events.filter((event) => event.type === 'StateRetried').map((event) => event.state.name);
    expect(retried).toEqual(['VerifyEndpointPull']);
    expect(proofsOf(execution)).toEqual(['tested: token-pulled']);
  });

  it('is asked again at the next look, and no state is retried: Runpod when looking at one endpoint', async () => {
    world.faults.add({ on: /\/workers$/, does: status(503), times: 2 });
    const execution = await world.refresh();
    expect(execution.events.filter((event) => event.type === 'StateRetried')).toEqual([]);
    expect(statesOf(execution).filter((state) => state === 'VerifyEndpointPull')).toHaveLength(3);
    expect(proofsOf(execution)).toEqual(['tested: token-pulled']);
  });

  it('is not asked again before its Retry-After is over', async () => {
    world.faults.add({
      on: /PATCH \/v2/,
      does: { answer: { status: 429, headers: { 'retry-after': '12' }, body: '{}' } },
      times: 1,
    });
    const execution = await world.refresh();
    const refusedAt = execution.events.find((event) => event.type === 'StateFailed')?.timestamp ?? 0;
    expect(world.runpod.stored[0]?.at).toBeGreaterThanOrEqual(refusedAt + 12_000);
  });
});

describe('an upstream that keeps failing', () => {
  it('is waited for: people are told once, and again when it is over', async () => {
    await world.refresh();
    await world.clock.advance(6 * hourMs);
    const repair = world.faults.add({ on: /PATCH \/v2/, does: status(503) });
    const execution = world.start();
    await world.clock.advance(2 * hourMs);
    repair();
    await world.clock.until(execution.ended);
    expect(execution.status).toBe('SUCCEEDED');
    const states = statesOf(execution);
    expect(states.filter((state) => state === 'NotifyDelayed')).toHaveLength(1);
    expect(states.filter((state) => state === 'FetchToken').length).toBeGreaterThan(3);
    expect(states.filter((state) => state === 'DiscoverEndpoints')).toHaveLength(1);
    expect(subjects()).toEqual([
      expect.stringContaining('production delayed'),
      expect.stringContaining('production recovered'),
    ]);
  });

  it('is given up on half an hour before the next scheduled run, with its own error', async () => {
    world.faults.add({ on: /GET \/v2\/serverless$/, does: status(503) });
    const startedAt = world.clock.now();
    const execution = await world.refresh();
    expect(execution.status).toBe('FAILED');
    expect(execution.error).toBe('RunpodUnavailableError');
    const hours = (world.clock.now() - startedAt) / hourMs;
    expect(hours).toBeGreaterThan(2);
    expect(hours).toBeLessThanOrEqual(2.5);
    expect(statesOf(execution).slice(-7)).toEqual(['RetryPlanned', ...fail]);
    expect(subjects()).toEqual([expect.stringContaining('delayed'), expect.stringContaining('failed')]);
  });

  it('does not end the wait where people cannot be told', async () => {
    const repair = world.faults.add({ on: /PATCH \/v2/, does: status(503) });
    const mute = world.faults.add({ on: /Publish/, does: { reset: true } });
    const execution = world.start();
    await world.clock.advance(hourMs);
    mute();
    await world.clock.advance(hourMs);
    repair();
    await world.clock.until(execution.ended);
    expect(execution.status).toBe('SUCCEEDED');
    expect(subjects().filter((each) => each.endsWith('delayed'))).toHaveLength(1);
  });

  it('is never given an old token: one that has waited too long is minted anew', async () => {
    const { invoke } = world;
    let isFirst = true;
    world.invoke = async (name, event) => {
      const answer = await invoke(name, event);
      if (name !== 'fetch-token' || !isFirst) return answer;
      isFirst = false;
      // As a redriven execution brings it back.
      return { ...(answer as object), mintedAt: new Date(world.clock.now() - 16 * minuteMs).toISOString() };
    };
    const execution = await world.refresh();
    expect(execution.status).toBe('SUCCEEDED');
    expect(statesOf(execution).filter((state) => state === 'FetchToken')).toHaveLength(2);
    expect(world.runpod.stored).toHaveLength(1);
  });
});

describe('a token that is too old again and again', () => {
  it('is minted anew twice, and then the run fails', async () => {
    const { invoke } = world;
    world.invoke = async (name, event) => {
      const answer = await invoke(name, event);
      if (name !== 'fetch-token') return answer;
      return { ...(answer as object), mintedAt: new Date(world.clock.now() - 16 * minuteMs).toISOString() };
    };
    const execution = await world.refresh();
    expect(execution).toMatchObject({ status: 'FAILED', error: 'TokenStaleError' });
    expect(statesOf(execution).filter((state) => state === 'CountStale')).toHaveLength(2);
    expect(statesOf(execution).filter((state) => state === 'FetchToken')).toHaveLength(3);
    expect(world.runpod.stored).toEqual([]);
  });
});

describe('a refusal', () => {
  const deny = (code: string): FaultEffect => ({
    answer: {
      status: 400,
      headers: { 'content-type': 'application/x-amz-json-1.1' },
      body: JSON.stringify({ __type: code, message: 'no' }),
    },
  });

  it.each([
    [
      'AWS will not mint',
      () => world.faults.add({ on: /GetAuthorizationToken/, does: deny('AccessDeniedException') }),
      'EcrAccessDeniedError',
    ],
    [
      'ECR refuses its own token',
      () =>
        world.faults.add({ on: /\/v2\/team/, does: { answer: { status: 401, body: 'no basic auth credentials' } } }),
      'TokenRejectedError',
    ],
    [
      'the role that mints may pull nothing',
      () =>
        world.faults.add({
          on: /\/manifests\//,
          does: {
            answer: {
              status: 403,
              body: '{"errors":[{"code":"DENIED","message":"User: x is not authorized to perform: ecr:BatchGetImage"}]}',
            },
          },
        }),
      'ImageNotPullableError',
    ],
    [
      'what uses the credential pulls from another registry alone',
      () => {
        for (const each of world.runpod.endpoints.values()) each.image = 'team/worker:v1';
      },
      'WrongRegistryError',
    ],
    ['Runpod refuses the key', () => world.runpod.keys.clear(), 'RunpodUnauthorizedError'],
    [
      'the key may only read',
      () => world.runpod.keys.set(world.apiKey, new Set(['secrets:read', 'serverless:read'])),
      'RunpodUnauthorizedError',
    ],
    ['the credential is gone', () => world.runpod.credentials.clear(), 'CredentialNotFoundError'],
    [
      'Runpod calls the request invalid',
      () => world.faults.add({ on: /PATCH \/v2/, does: status(422) }),
      'RunpodRequestRejectedError',
    ],
    [
      'Runpod has no way to store',
      () => Object.assign(world.runpod.offers, { v2: false, graphql: false, v1: false }),
      'RunpodUpdateUnsupportedError',
    ],
    ['the key’s parameter is missing', () => world.secrets.parameters.clear(), 'ConfigurationError'],
  ])('ends the run at once with its own error: %s', async (_what, happen, error) => {
    happen();
    const startedAt = world.clock.now();
    const execution = await world.refresh();
    expect(execution.status).toBe('FAILED');
    expect(execution.error).toBe(error);
    expect(statesOf(execution).slice(-6)).toEqual(fail);
    expect(statesOf(execution)).not.toContain('PlanRetry');
    expect(world.clock.now() - startedAt).toBeLessThan(minuteMs);
    expect(world.runpod.stored).toEqual([]);
    expect(subjects()).toEqual([expect.stringContaining('production failed')]);
  });

  it('of an execution input names the field', async () => {
    const execution = await world.refresh({ target: 'production' });
    expect(execution).toMatchObject({ status: 'FAILED', error: 'InvalidInputError' });
    expect(execution.cause).toContain('does not know "target"');
    expect(statesOf(execution)).toEqual([
      'IsPush',
      'ResolveTargets',
      'ResolvingFailed',
      'Report',
      'Notify',
      'RunVerdict',
      'RefreshFailed',
    ]);
  });

  it('of a waitUntil that is no time is one, too', async () => {
    const execution = await world.refresh({ trigger: 'push', waitUntil: 'soon' });
    expect(execution).toMatchObject({ status: 'FAILED', error: 'InvalidInputError' });
    expect(execution.cause).toContain('waitUntil');
  });
});

describe('the ways of storing a token', () => {
  it.each([
    [{ v2: true, graphql: true, v1: true }, 'v2'],
    [{ v2: false, graphql: true, v1: true }, 'graphql'],
    [{ v2: false, graphql: false, v1: true }, 'v1'],
  ])('with %j on offer the token is stored by %s', async (offers, way) => {
    Object.assign(world.runpod.offers, offers);
    const execution = await world.refresh();
    expect(execution.status).toBe('SUCCEEDED');
    expect(world.runpod.stored.map((each) => each.way)).toEqual([way]);
    expect(reportOf(execution).targets[0]?.way).toBe(way);
  });

  it('never go on to the next because of a failure', async () => {
    world.faults.add({ on: /PATCH \/v2/, does: status(500) });
    const execution = await world.refresh();
    expect(execution.error).toBe('RunpodUnavailableError');
    expect(world.runpod.stored).toEqual([]);
  });
});

describe('an endpoint in trouble', () => {
  it('fails the run when its worker is still refused after the propagation window', async () => {
    world.runpod.propagationMs = 12 * hourMs;
    world.runpod.startWorker(endpoint);
    await world.clock.advance(minuteMs);
    const startedAt = world.clock.now();
    const execution = await world.refresh();
    expect(execution).toMatchObject({ status: 'FAILED', error: 'EndpointNotPullingError' });
    expect(world.clock.now() - startedAt).toBeGreaterThan(10 * minuteMs);
    expect(world.runpod.stored).toHaveLength(1);
  });

  it('fails the run when it uses another credential', async () => {
    world.writeTargets(`
targets:
  - name: production
    ecr: { region: us-east-1 }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d }
    endpoints: [4m7x2k9q]
`);
    endpoint.registry = 'other';
    const execution = await world.refresh();
    expect(execution).toMatchObject({ status: 'FAILED', error: 'EndpointNotPullingError' });
    expect(execution.cause).toContain('uses credential other instead of 6n2k8v4d');
  });

  it('is told of when it is parked, and does not fail the run', async () => {
    endpoint.workersMax = 0;
    const execution = await world.refresh();
    expect(execution.status).toBe('SUCCEEDED');
    expect(proofsOf(execution)).toEqual(['degraded: parked']);
    expect(subjects()).toEqual([expect.stringContaining('production degraded')]);
  });

  it('that cannot be looked at leaves the stored token undoubted', async () => {
    world.faults.add({ on: /\/workers$/, does: status(503) });
    const execution = await world.refresh();
    expect(execution.status).toBe('SUCCEEDED');
    expect(proofsOf(execution)).toEqual(['degraded: not-looked']);
    expect(reportOf(execution).targets[0]?.endpoints[0]?.evidence).toContain('RunpodUnavailableError');
    expect(world.runpod.stored).toHaveLength(1);
  });

  it('with a bad image among good ones fails alone, and the token is stored', async () => {
    const gone = '123456789012.dkr.ecr.us-east-1.amazonaws.com/team/gone:v1';
    world.runpod.addEndpoint({ id: 'gone', name: 'gone', image: gone, registry: '6n2k8v4d' });
    const execution = await world.refresh();
    expect(execution).toMatchObject({ status: 'FAILED', error: 'EndpointNotPullingError' });
    expect(execution.cause).toContain('NAME_UNKNOWN');
    expect(world.runpod.stored).toHaveLength(1);
  });
});

describe('a canary', () => {
  beforeEach(() => {
    world.writeTargets(`
targets:
  - name: production
    ecr: { region: us-east-1 }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d }
    endpoints: [{ id: 4m7x2k9q, canary: { input: { prompt: hello } } }]
`);
  });

  it('makes a worker start, and its pull is observed', async () => {
    const execution = await world.refresh();
    expect(statesOf(execution)).toContain('SubmitCanary');
    expect(proofsOf(execution)).toEqual(['observed: worker-pulled']);
  });

  it('completes on a worker that had pulled before', async () => {
    await world.refresh();
    await world.clock.advance(hourMs);
    const execution = await world.refresh();
    expect(proofsOf(execution)).toEqual(['tested: canary-completed']);
    expect(endpoint.workers).toHaveLength(1);
  });

  it('that fails is told apart from a pull that fails', async () => {
    await world.refresh();
    await world.clock.advance(hourMs);
    world.runpod.jobsFail = true;
    const execution = await world.refresh();
    expect(proofsOf(execution)).toEqual(['degraded: canary-failed']);
  });

  it('is cancelled when its time is up, and is never submitted twice', async () => {
    world.runpod.propagationMs = 12 * hourMs;
    const execution = await world.refresh();
    expect(execution.error).toBe('EndpointNotPullingError');
    expect([...world.runpod.jobs.values()].map(({ cancelled }) => cancelled)).toEqual([true]);
  });

  it('that cannot be submitted is not submitted again', async () => {
    world.faults.add({ on: /POST \/jobs/, does: status(503), times: 1 });
    const execution = await world.refresh();
    expect(proofsOf(execution)).toEqual(['degraded: canary-failed']);
    expect(world.runpod.jobs.size).toBe(0);
  });
});

describe('an image that is not the newest', () => {
  it('is reported with the pushes it is behind, and fails nothing', async () => {
    for (const tag of ['v2', 'v3']) {
      await world.clock.advance(minuteMs);
      world.push('team/worker', tag);
    }
    const execution = await world.refresh();
    expect(execution.status).toBe('SUCCEEDED');
    expect(reportOf(execution).targets[0]?.images).toMatchObject([{ behindBy: 2, layers: 3 }]);
  });

  it('is reported without them where ECR does not tell', async () => {
    const does = (body: object): FaultEffect => ({
      answer: { status: 200, headers: { 'content-type': 'application/x-amz-json-1.1' }, body: JSON.stringify(body) },
    });
    for (const fault of [{ reset: true as const }, does({}), does({ imageDetails: [], nextToken: 'more' })]) {
      world.faults.clear();
      world.faults.add({ on: /DescribeImages/, does: fault });
      const each = await world.refresh();
      expect(reportOf(each).targets[0]?.images?.[0]).not.toHaveProperty('behindBy');
    }
    const execution = await world.refresh();
    expect(reportOf(execution).targets[0]?.images?.[0]).not.toHaveProperty('behindBy');
  });
});

describe('telling people', () => {
  it('is left to Step Functions itself when notify cannot, and the run keeps its own error', async () => {
    world.runpod.credentials.clear();
    world.faults.add({ on: /Publish/, does: { reset: true } });
    const execution = await world.refresh();
    expect(statesOf(execution).slice(-4)).toEqual(['Notify', 'NotifyPlainly', 'RunVerdict', 'RefreshFailed']);
    expect(execution.error).toBe('CredentialNotFoundError');
    expect(world.sns.inbox).toHaveLength(1);
    expect(world.sns.inbox[0]?.text).toContain('Runpod has no registry credential 6n2k8v4d');
  });

  it('may fail altogether without changing how the run ends', async () => {
    world.runpod.credentials.clear();
    world.sns.topics.clear();
    const execution = await world.refresh();
    expect(execution).toMatchObject({ status: 'FAILED', error: 'CredentialNotFoundError' });
  });

  it('does not say the same twice, and says when it is over', async () => {
    const credential = world.runpod.credentials.get('6n2k8v4d');
    world.runpod.credentials.clear();
    for (let run = 0; run < 4; run += 1) {
      await world.refresh();
      await world.clock.advance(6 * hourMs);
    }
    expect(subjects()).toEqual([expect.stringContaining('failed')]);
    if (credential) world.runpod.credentials.set('6n2k8v4d', credential);
    await world.refresh();
    await world.refresh();
    expect(subjects()).toEqual([expect.stringContaining('failed'), expect.stringContaining('recovered')]);
  });
});

describe('names of Runpod’s that are 200 KB long', () => {
  const long = 'n'.repeat(200 * 1024);
  const maxStateBytes = 256 * 1024;

  it('leave every state of a target’s workflow within what Step Functions hold', async () => {
    const [, worker] = ['v1', 'v2'].map((tag) => world.push('team/worker', tag));
    world.runpod.endpoints.clear();
    world.runpod.addEndpoint({ id: 'nameless', name: long, image: worker ?? '', registry: '6n2k8v4d' });
    world.runpod.addEndpoint({ id: 'imageless', name: 'i', image: `${worker}${long}`, registry: '6n2k8v4d' });
    world.runpod.addEndpoint({ id: 'elsewhere', name: 'e', image: worker ?? '', registry: long });
    for (let index = 0; index < 150; index += 1) {
      const image = `${worker?.split(':')[0]}:${'t'.repeat(120)}${index}`;
      world.runpod.addEndpoint({
        id: `${'e'.repeat(180)}${index}`,
        name: long.slice(0, 1000),
        image,
        registry: '6n2k8v4d',
      });
    }
    let largest = 0;
    const answers = new Map<string, unknown>();
    const invoke = world.invoke;
    world.invoke = async (name, event) => {
      const answer = await invoke(name, event);
      for (const payload of [event, answer])
        largest = Math.max(largest, Buffer.byteLength(JSON.stringify(payload ?? null)));
      answers.set(name, answer);
      return answer;
    };
    await world.refresh();
    expect(largest).toBeGreaterThan(32 * 1024);
    expect(largest).toBeLessThan(maxStateBytes);
    expect(answers.get('conclude-target')).toMatchObject({ refreshed: true });
    expect(answers.get('discover-endpoints')).toMatchObject({
      endpoints: 152,
      warnings: [expect.stringMatching(/^Endpoint e \(elsewhere\) pulls .{0,500}$/)],
    });
    const watch = answers.get('verify-endpoint-pull') as Watch;
    expect(Object.values(watch.proofs).reduce((sum, count) => sum + count, 0)).toBe(152);
  });
});

describe('a function that breaks down', () => {
  const breakDown = (name: string, message = 'Task timed out after 60.00 seconds'): void => {
    const invoke = world.invoke;
    world.invoke = (each, event) =>
      each === name
        ? Promise.reject(Object.assign(new Error(message), { name: 'Lambda.Unknown' }))
        : invoke(each, event);
  };

  it('in the middle of a target is waited for like an upstream', async () => {
    breakDown('fetch-token');
    const execution = await world.refresh();
    expect(statesOf(execution)).toContain('PlanRetry');
    expect(execution).toMatchObject({ status: 'FAILED', error: 'Lambda.Unknown' });
  });

  it('while planning ends the target with the error it met', async () => {
    breakDown('plan-retry');
    world.faults.add({ on: /PATCH \/v2/, does: status(503) });
    const execution = await world.refresh();
    expect(execution).toMatchObject({ status: 'FAILED', error: 'RunpodUnavailableError' });
  });

  it('while reporting still ends the run red, and tells people', async () => {
    breakDown('report');
    const execution = await world.refresh();
    expect(statesOf(execution).slice(-4)).toEqual(['ReportMissing', 'NotifyPlainly', 'RunVerdict', 'RefreshFailed']);
    expect(execution).toMatchObject({ status: 'FAILED', error: 'Lambda.Unknown' });
    expect(world.sns.inbox).toHaveLength(1);
  });

  it('while concluding loses no token that is stored: the child ends with what is known', async () => {
    breakDown('conclude-target');
    const execution = await world.refresh();
    expect(statesOf(execution)).toEqual(expect.arrayContaining(['TargetNotConcluded', 'ConcludeStored']));
    expect(execution.status).toBe('SUCCEEDED');
    expect(reportOf(execution).targets).toEqual([
      {
        target: 'production',
        refreshed: true,
        expiresAt: expect.any(String),
        proofs: { degraded: 1 },
        endpoints: [{ endpoint: 'all', proof: 'degraded', reason: 'not-looked', evidence: 'Not looked at.' }],
      },
    ]);
    expect(subjects()).toEqual([expect.stringContaining('production degraded')]);
  });

  it('while concluding hides no error that was met before', async () => {
    breakDown('conclude-target');
    world.runpod.credentials.clear();
    const execution = await world.refresh();
    expect(statesOf(execution)).toContain('ConcludeFailed');
    expect(execution).toMatchObject({ status: 'FAILED', error: 'CredentialNotFoundError' });
  });

  it('while concluding what says neither how it failed nor what it stored still names the target', async () => {
    breakDown('conclude-target', '');
    const invoke = world.invoke;
    const storedAt = new Date(world.clock.now()).toISOString();
    world.invoke = async (each, event) =>
      each === 'update-runpod' ? { status: 'stored', storedAt } : invoke(each, event);
    const execution = await world.refresh();
    expect(statesOf(execution)).toContain('ConcludeLost');
    expect(execution).toMatchObject({ status: 'FAILED', error: 'Lambda.Unknown' });
    expect(execution.cause).toContain('production: A function ended without an answer');
  });
});
