import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FetchTokenOutput } from '../../functions/fetch-token.ts';
import { type CanaryPodState, podNameOf } from '../../functions/lib/runpod/canary-pod.ts';
import type { Watch } from '../../functions/lib/runpod/watch.ts';
import { fetchToken, inputs, targetsWithPod } from '../../simulator/inputs.ts';
import { registryHost, World } from '../../simulator/world.ts';
import { type FailureName, failureNames, failures, nameOfEnd } from '../support/failures.ts';

let world: World;

/** Seconds that an upstream gets: few where it is known to hang, and plenty where a busy machine is slow. */
const [patient, hasty] = ['10', '0.25'];
const be = (seconds: string): void => {
  if (world.environment.UPSTREAM_TIMEOUT_SECONDS === seconds) return;
  world.environment = { ...world.environment, UPSTREAM_TIMEOUT_SECONDS: seconds };
  world.restart();
};
let token: FetchTokenOutput;

beforeAll(async () => {
  world = await World.begin({
    targets: targetsWithPod,
    environment: { UPSTREAM_TIMEOUT_SECONDS: '10', LOG_LISTEN_SECONDS: '0.05' },
  });
  const image = world.push('team/worker', 'v1');
  const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
  world.runpod.startWorker(endpoint);
  token = await fetchToken(world);
});

afterEach(() => {
  world.faults.clear();
  be(patient);
});
afterAll(() => world.end());

const usual: Record<FailureName, string> = {
  '401': 'RunpodUnauthorizedError',
  '403': 'RunpodUnauthorizedError',
  '404': 'RunpodUnavailableError',
  '405': 'RunpodUnavailableError',
  '410': 'RunpodUnavailableError',
  '429 with Retry-After': 'RunpodRateLimitedError',
  '500': 'RunpodUnavailableError',
  '503': 'RunpodUnavailableError',
  reset: 'RunpodUnavailableError',
  hang: 'RunpodUnavailableError',
  'truncated JSON': 'RunpodUnavailableError',
  'HTML 200': 'RunpodUnavailableError',
  'empty 200': 'RunpodUnavailableError',
  'a body that never ends': 'RunpodUnavailableError',
};

const discover = () => world.invoke('discover-endpoints', inputs.discoverEndpoints());
const update = () => world.invoke('update-runpod', inputs.updateRunpod(token));
const look = async (): Promise<Watch> =>
  (await world.invoke(
    'verify-endpoint-pull',
    inputs.verifyEndpointPull({ storedAt: new Date(world.clock.now() - 1000).toISOString() }),
  )) as Watch;
/** An endpoint that could not be asked about is no error of the look: it is told by the error's name. */
const verify = async () => {
  const { pending, endpoints } = await look();
  const untold = endpoints.find(({ reason }) => reason === 'not-looked');
  const name = pending[0]?.error ?? /\((\w+): /.exec(untold?.evidence ?? '')?.[1];
  if (name !== undefined) throw Object.assign(new Error('not asked'), { name });
};

/** What each call of ours becomes under each failure of Runpod's; what is not said is as usual. */
const calls: Array<{
  readonly call: string;
  readonly on: RegExp;
  readonly invoke: () => Promise<unknown>;
  readonly but?: Partial<Record<FailureName, string>>;
}> = [
  // GraphQL's list still knows a credential that v2 does not.
  { call: 'find the credential', on: /GET \/v2\/registries\//, invoke: discover, but: { '404': 'fine' } },
  { call: 'list the endpoints', on: /GET \/v2\/serverless(\?|$)/, invoke: discover },
  // Templates and pods are for the report alone.
  {
    call: 'list the pods',
    on: /GET \/v2\/pods/,
    invoke: discover,
    but: Object.fromEntries(failureNames.map((name) => [name, 'fine'])),
  },
  {
    call: 'store by v2',
    on: /PATCH \/v2\/registries\//,
    invoke: update,
    but: { '404': 'fine', '405': 'fine', '410': 'fine' },
  },
  { call: 'list the endpoints at a look', on: /GET \/v2\/serverless(\?|$)/, invoke: verify },
  { call: 'list the workers', on: /\/workers$/, invoke: verify },
  {
    call: 'show a worker’s log',
    on: /\/logs\?/,
    invoke: verify,
    // A stream may say nothing, or too much, or break off: what was heard stands.
    but: { 'HTML 200': 'fine', 'empty 200': 'fine', 'truncated JSON': 'fine', 'a body that never ends': 'fine' },
  },
];

describe.each(calls)('when Runpod is asked to $call', ({ on, invoke, but = {} }) => {
  it.each(failureNames)('and fails with %s', async (name) => {
    if (name === 'hang') be(hasty);
    world.restart();
    const repair = world.faults.add({ on, does: failures[name] });
    const expected = but[name] ?? usual[name];
    // On the world's clock: a 429 that matters little still makes the next call wait.
    expect(await nameOfEnd(world.clock.until(world.clock.work(invoke)))).toBe(expected);
    repair();
    world.restart();
    expect(await nameOfEnd(invoke())).toBe('fine');
  });
});

it('takes a worker for one from before where Runpod does not say when it started', async () => {
  const body = JSON.stringify({ workers: [{ id: 'w', status: 'IDLE', startedAt: null }] });
  const repair = world.faults.add({ on: /\/workers$/, does: { answer: { status: 200, body } } });
  expect(await look()).toMatchObject({ proofs: { tested: 1 } });
  repair();
});

describe('when v2 has no PATCH and GraphQL is asked to store', () => {
  const patch = { on: /PATCH \/v2\//, does: failures['405'] };

  it.each(failureNames)('and fails with %s', async (name) => {
    if (name === 'hang') be(hasty);
    world.restart();
    const repairs = [world.faults.add(patch), world.faults.add({ on: /POST \/graphql/, does: failures[name] })];
    // Gone from GraphQL too, it is v1's turn, which has no such operation either.
    const gone: FailureName[] = ['404', '405', '410'];
    expect(await nameOfEnd(update())).toBe(gone.includes(name) ? 'RunpodUpdateUnsupportedError' : usual[name]);
    for (const repair of repairs) repair();
  });
});

describe('when neither v2 nor GraphQL can store and v1 is asked to', () => {
  it.each(failureNames)('and fails with %s', async (name) => {
    if (name === 'hang') be(hasty);
    world.restart();
    const repairs = [
      world.faults.add({ on: /PATCH \/v2\//, does: failures['410'] }),
      world.faults.add({ on: /POST \/graphql/, does: failures['405'] }),
      world.faults.add({ on: /PATCH \/v1\//, does: failures[name] }),
    ];
    const gone: FailureName[] = ['404', '405', '410'];
    expect(await nameOfEnd(update())).toBe(gone.includes(name) ? 'RunpodUpdateUnsupportedError' : usual[name]);
    for (const repair of repairs) repair();
  });
});

/** What a call of canary-pod came to: an error's name, `pending`, or the proof, its reason, and whether a pod is left. */
const podEnd = async (event: object): Promise<string> => {
  let state: CanaryPodState | undefined;
  const name = await nameOfEnd(
    world.clock.until(
      world.clock.work(async () => {
        state = (await world.invoke('canary-pod', event)) as CanaryPodState;
      }),
    ),
  );
  if (state?.status !== 'settled') return state?.status ?? name;
  const { proof, reason, evidence } = state.outcome ?? {};
  expect(evidence).toMatch(/^[A-Z].*[.]$/s);
  return `${proof} ${reason}${evidence?.includes('could not be deleted') === true ? ', and left' : ''}`;
};

let pods = 0;
/** For a target of its own each time: a target has one pod in a day. */
const anotherPod = (more: object = {}): object => {
  pods += 1;
  return inputs.canaryPod({ name: `production-${pods}`, ...more });
};
/** A pod that was created a moment ago, and what has been found by it. */
const underWay = (found?: object): object => {
  const name = podNameOf('dev', 'production', world.clock.now());
  const pod = {
    name,
    image: `${registryHost}/team/worker:v1`,
    registry: '6n2k8v4d',
    cpu: { id: 'cpu3c', vcpuCount: 2 },
  };
  const { id } = world.runpod.createPod(pod);
  const startedAt = new Date(world.clock.now()).toISOString();
  return anotherPod({ canaryPod: { pod: { name, id, startedAt, ...(found === undefined ? {} : { found }) } } });
};
const seen = { proof: 'observed', reason: 'canary-pod', evidence: 'It was seen.' };

/** What each call for a canary pod becomes under each failure of Runpod's; what is not said is looked at again. */
const podCalls: Array<{
  readonly call: string;
  readonly on: RegExp;
  readonly event: () => object;
  /** Seconds of listening, where a log must have been heard however busy the machine is. */
  readonly listenSeconds?: string;
  readonly but?: Partial<Record<FailureName, string>>;
}> = [
  { call: 'list the pods before one is created', on: /GET \/v2\/pods(\?|$)/, event: anotherPod, but: usual },
  // What is documented of prices stands in for it.
  { call: 'list the kinds of CPU', on: /GET \/v2\/catalog/, event: anotherPod },
  {
    call: 'create a pod',
    on: /POST \/v2\/pods$/,
    event: anotherPod,
    // The state machine tells the errors as not tried.
    but: {
      '401': 'RunpodUnauthorizedError',
      '403': 'not-tried no-scope',
      '404': 'not-tried rule-broken',
      '429 with Retry-After': 'RunpodRateLimitedError',
    },
  },
  {
    call: 'list the pods at a look',
    on: /GET \/v2\/pods(\?|$)/,
    event: () => underWay(),
    // Its id is known, so its log is read, and it is deleted.
    listenSeconds: '0.5',
    but: Object.fromEntries(failureNames.map((name) => [name, 'observed canary-pod'])),
  },
  { call: 'show a pod’s log', on: /\/pods\/.*\/logs/, event: () => underWay() },
  {
    call: 'delete a pod',
    on: /DELETE \/v2\/pods/,
    event: () => underWay(seen),
    but: {
      '401': 'observed canary-pod, and left',
      '403': 'observed canary-pod, and left',
      // Gone already; or deleted, and nothing said besides.
      '404': 'observed canary-pod',
      'empty 200': 'observed canary-pod',
    },
  },
];

describe.each(podCalls)('when Runpod is asked to $call', ({ on, event, listenSeconds = '0.05', but = {} }) => {
  beforeAll(async () => {
    // Pods pull with what Runpod holds.
    await update();
  });

  it.each(failureNames)('and fails with %s', async (name) => {
    world.environment = { ...world.environment, LOG_LISTEN_SECONDS: listenSeconds };
    if (name === 'hang') be(hasty);
    world.restart();
    const repair = world.faults.add({ on, does: failures[name] });
    expect(await podEnd(event())).toBe(but[name] ?? 'pending');
    repair();
    world.restart();
    expect(await podEnd(event())).toMatch(/^pending$|^observed canary-pod$/);
  });
});
