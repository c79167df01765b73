import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CanaryPodState, maxPodMs, podNameOf } from '../../functions/lib/runpod/canary-pod.ts';
import { fetchToken, inputs, targetsWithPod } from '../../simulator/inputs.ts';
import { registryHost, World } from '../../simulator/world.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const stack = 'dev';

let world: World;
let begin: number;

beforeEach(async () => {
  world = await World.begin({
    targets: targetsWithPod,
    startAt: Date.parse('2026-11-23T12:00:00Z'),
    environment: { UPSTREAM_TIMEOUT_SECONDS: '2', LOG_LISTEN_SECONDS: '0.02', STACK_NAME: stack },
  });
  world.push('runpod-canary', 'v1');
  await world.invoke('update-runpod', inputs.updateRunpod(await fetchToken(world)));
  begin = world.clock.now();
});
afterEach(() => world.end());

/** Calls in the course of runs that stored a token as the test began. */
const callAll = async (...all: readonly object[]): Promise<CanaryPodState[]> =>
  world.clock.until(
    Promise.all(
      all.map((more) =>
        world.clock.work(async () => {
          const event = inputs.canaryPod({ stored: { storedAt: new Date(begin).toISOString() }, ...more });
          return (await world.invoke('canary-pod', event)) as CanaryPodState;
        }),
      ),
    ),
  );
const call = async (more: object = {}): Promise<CanaryPodState> => {
  const [state] = await callAll(more);
  if (state === undefined) throw new Error('canary-pod did not answer.');
  return state;
};

const made = () => world.runpod.createdPods.map(({ pod }) => pod);
const pass = (milliseconds: number) => world.clock.advance(milliseconds);
/** Calls again as the state machine does, until it is settled. */
const follow = async (more: object = {}): Promise<CanaryPodState> => {
  let state = await call(more);
  while (state.status === 'pending') {
    await pass(state.recheckAfterSeconds * 1000);
    state = await call({ ...more, canaryPod: state });
  }
  return state;
};
const leave = (ageMs: number, target = 'production') =>
  world.runpod.createPod({
    name: podNameOf(stack, target, world.clock.now() - ageMs),
    image: `${registryHost}/runpod-canary:v1`,
    registry: '6n2k8v4d',
    cpu: { id: 'cpu3c', vcpuCount: 2 },
  });
const other = { execution: 'arn:aws:states:us-east-1:123456789012:execution:refresh:another' };

describe('canary-pod', () => {
  it('waits until the token has reached Runpod’s hosts', async () => {
    expect(await call()).toEqual({ status: 'pending', recheckAfterSeconds: 600 });
    await pass(10 * minuteMs - 500);
    expect(await call()).toEqual({ status: 'pending', recheckAfterSeconds: 1 });
    expect(made()).toEqual([]);
  });

  it('creates a pod then, with the credential, and hands it to the next look', async () => {
    await pass(10 * minuteMs);
    const state = await call();
    const [pod] = made();
    expect(pod).toMatchObject({
      name: podNameOf(stack, 'production', begin + 10 * minuteMs),
      image: `${registryHost}/runpod-canary:v1`,
      registry: '6n2k8v4d',
    });
    expect(state).toEqual({
      status: 'pending',
      recheckAfterSeconds: 20,
      pod: {
        name: pod?.name,
        id: pod?.id,
        startedAt: '2026-11-23T12:10:00Z',
      },
    });
  });

  it('follows it to its end, and remembers what it showed', async () => {
    expect(await follow()).toMatchObject({ status: 'settled', outcome: { proof: 'observed', reason: 'canary-pod' } });
    expect(world.runpod.pods).toEqual([]);
    // The same run: its own.
    expect(await follow()).toMatchObject({ outcome: { proof: 'observed' } });
    const later = await follow(other);
    expect(later).toMatchObject({ status: 'settled', outcome: { proof: 'observed', isEarlier: true } });
    expect(made()).toHaveLength(1);
  });

  it('creates another when so many hours have passed since the last began, and not before', async () => {
    await follow();
    const [first] = made();
    const again = (atMs: number) => ({
      ...other,
      stored: { storedAt: new Date(atMs - 10 * minuteMs).toISOString() },
    });
    const due = (first?.createdAt ?? 0) + 24 * hourMs;
    await pass(due - 1000 - world.clock.now());
    expect(await call(again(due))).toMatchObject({ status: 'settled', outcome: { isEarlier: true } });
    await pass(1000);
    expect(await call(again(due))).toMatchObject({ status: 'pending', pod: {} });
    expect(made()).toHaveLength(2);
  });

  it.each([
    ['nothing was stored', { stored: undefined }],
    ['what was stored has no time', { stored: {} }],
    ['there is no token', { token: undefined }],
  ])('creates none where %s, and sweeps', async (_, more) => {
    leave(hourMs);
    await pass(10 * minuteMs);
    expect(await call(more)).toEqual({ status: 'settled' });
    expect(world.runpod.pods).toEqual([]);
    expect(made()).toHaveLength(1);
  });

  it('uses the key that is for pods where there is one', async () => {
    await pass(10 * minuteMs);
    const { discovered } = inputs.canaryPod();
    const { apiKey: podKey, ...rest } = discovered.target.runpod;
    const having = (runpod: object) => ({ discovered: { ...discovered, target: { ...discovered.target, runpod } } });
    await expect(call(having({ ...rest, apiKey: 'ssm:/another' }))).rejects.toMatchObject({
      name: 'ConfigurationError',
    });
    expect(await call(having({ ...rest, apiKey: 'ssm:/another', podKey }))).toMatchObject({ pod: {} });
  });

  it('waits for another pod of the target, a minute at the most, and not for one of another target', async () => {
    await pass(10 * minuteMs);
    leave(minuteMs, 'staging');
    leave(5 * minuteMs);
    expect(await call()).toEqual({ status: 'pending', recheckAfterSeconds: 60 });
    await pass(2 * minuteMs + 30_000);
    expect(await call()).toEqual({ status: 'pending', recheckAfterSeconds: 31 });
    await pass(31_000);
    expect(await call()).toMatchObject({ status: 'pending', pod: {} });
    expect(made()).toHaveLength(3);
  });

  it('follows by its name what it created before it crashed', async () => {
    await pass(10 * minuteMs);
    await call();
    await pass(minuteMs);
    // Nothing is known of the first answer.
    expect(await call()).toMatchObject({ status: 'settled', outcome: { proof: 'observed' } });
    expect(made()).toHaveLength(1);
    expect(world.runpod.pods).toEqual([]);
  });

  it('creates one for two runs that come at once', async () => {
    await pass(10 * minuteMs);
    const states = await callAll({}, other);
    expect(states).toContainEqual({ status: 'pending', recheckAfterSeconds: 60 });
    expect(states).toContainEqual(expect.objectContaining({ pod: expect.anything() }));
    expect(made()).toHaveLength(1);
  });

  it('creates none where it cannot read when the last one was, and sweeps', async () => {
    await follow();
    leave(hourMs);
    world.faults.add({ on: /DynamoDB_20120810.GetItem/, does: { reset: true } });
    await expect(call()).rejects.toMatchObject({ name: 'MemoryUnavailableError' });
    expect(made()).toHaveLength(2);
    expect(world.runpod.pods).toEqual([]);
    expect(await call({ stored: undefined })).toEqual({ status: 'settled' });
  });

  it('creates no second one where it cannot read that it created one, and Runpod does not list that yet', async () => {
    await pass(10 * minuteMs);
    await call();
    let isListed = false;
    const beforeListed = (request: string): boolean => {
      isListed ||= request.startsWith('GET /v2/pods');
      return !isListed && request.includes('DynamoDB_20120810.GetItem');
    };
    world.faults.add({ on: { test: beforeListed }, does: { reset: true } });
    world.faults.add({
      on: /GET \/v2\/pods/,
      does: { answer: { status: 200, headers: { 'content-type': 'application/json' }, body: '{"pods":[]}' } },
    });
    await expect(call()).rejects.toMatchObject({ name: 'MemoryUnavailableError' });
    expect(made()).toHaveLength(1);
  });

  it('creates none where it cannot write that it does', async () => {
    await pass(10 * minuteMs);
    world.faults.add({ on: /DynamoDB_20120810.PutItem/, does: { reset: true } });
    await expect(call()).rejects.toMatchObject({ name: 'MemoryUnavailableError' });
    expect(made()).toEqual([]);
  });

  it('tells what the pod showed also where that cannot be remembered', async () => {
    await pass(10 * minuteMs);
    const canaryPod = await call();
    await pass(minuteMs);
    world.faults.add({ on: /DynamoDB_20120810.PutItem/, does: { reset: true } });
    expect(await call({ canaryPod })).toMatchObject({ status: 'settled', outcome: { proof: 'observed' } });
    expect(world.logs.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('What became of the canary pod cannot be remembered'),
    );
  });

  it('is tried again by the next run where none was created', async () => {
    await pass(10 * minuteMs);
    for (const cpu of world.runpod.cpus) cpu.hasCapacity = false;
    expect(await call()).toMatchObject({ status: 'settled', outcome: { proof: 'not-tried', reason: 'no-capacity' } });
    for (const cpu of world.runpod.cpus) cpu.hasCapacity = true;
    expect(await call(other)).toMatchObject({ status: 'pending', pod: {} });
  });

  it('is tried again by the next run where Runpod asked to slow down, and says that it did', async () => {
    await pass(10 * minuteMs);
    const refuse = () => world.faults.add({ on: /POST \/v2\/pods$/, does: { answer: { status: 429 } }, times: 1 });
    refuse();
    await expect(call()).rejects.toMatchObject({ name: 'RunpodRateLimitedError' });
    refuse();
    let writes = 0;
    const isLater = (request: string): boolean => {
      if (request.includes('PutItem')) writes += 1;
      return request.includes('PutItem') && writes > 1;
    };
    world.faults.add({ on: { test: isLater }, does: { reset: true } });
    await expect(call(other)).rejects.toMatchObject({ name: 'RunpodRateLimitedError' });
    expect(made()).toEqual([]);
    world.faults.clear();
    expect(await call(other)).toMatchObject({ status: 'pending' });
  });

  it('leaves to another run what that has begun since', async () => {
    await pass(10 * minuteMs);
    await call();
    const [first] = made();
    if (first === undefined) throw new Error('There is no pod.');
    await pass(hourMs);
    const { discovered } = inputs.canaryPod();
    const hourly = { discovered: { ...discovered, canaryPod: { ...discovered.canaryPod, everyHours: 1 } } };
    const second = {
      ...hourly,
      ...other,
      stored: { storedAt: new Date(world.clock.now() - 10 * minuteMs).toISOString() },
    };
    const canaryPod = await call(second);
    // The first run is taken up again: its pod was swept, and it does not know of any.
    const unanswered = { pod: { name: first.name, startedAt: new Date(first.createdAt).toISOString() } };
    expect(await call({ canaryPod: unanswered })).toMatchObject({ outcome: { reason: 'not-created' } });
    await pass(minuteMs);
    expect(await call({ ...second, canaryPod })).toMatchObject({ status: 'settled' });
    expect(await call({ ...second, execution: `${other.execution}-2` })).toMatchObject({ status: 'settled' });
    expect(made()).toHaveLength(2);
  });

  it('deletes a pod that it followed when its time is over, whatever it is', async () => {
    world.runpod.cpus.length = 1;
    await pass(10 * minuteMs);
    const canaryPod = await call();
    world.faults.add({ on: /\/logs/, does: { answer: { status: 404 } } });
    await pass(maxPodMs);
    expect(await call({ canaryPod })).toMatchObject({ status: 'settled', outcome: { reason: 'pull-not-seen' } });
    expect(world.runpod.pods).toEqual([]);
  });
});
