import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Report } from '../../functions/lib/report/report.ts';
import { podNameOf } from '../../functions/lib/runpod/canary-pod.ts';
import { stackName } from '../../simulator/aws/stack.ts';
import type { Execution } from '../../simulator/aws/step-functions.ts';
import { targetsWithPod } from '../../simulator/inputs.ts';
import type { FaultEffect } from '../../simulator/loopback.ts';
import { registryHost, statesOf, World } from '../../simulator/world.ts';
import { digestOfTag } from '../support/rollouts.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

let world: World;

beforeEach(async () => {
  world = await World.begin({
    targets: targetsWithPod,
    environment: { UPSTREAM_TIMEOUT_SECONDS: '0.5', LOG_LISTEN_SECONDS: '0.05', STACK_NAME: stackName },
  });
  world.push('runpod-canary', 'v1');
  const image = world.push('team/worker', 'v1');
  world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
});

afterEach(() => world.end());

const podOf = ({ output }: Execution) => (JSON.parse(output ?? '') as Report).targets[0]?.canaryPod;
const created = () => world.runpod.createdPods;
const subjects = (): string[] => world.sns.inbox.map(({ subject }) => subject);

const status = (code: number, detail: string): FaultEffect => ({
  answer: {
    status: code,
    headers: { 'content-type': 'application/problem+json' },
    body: JSON.stringify({ title: 'x', status: code, detail }),
  },
});

/** A pod that a run left which crashed, as old as this. */
const leavePod = (ageMs: number, stack = stackName): void => {
  world.runpod.createPod({
    name: podNameOf(stack, 'production', world.clock.now() - ageMs),
    image: `${registryHost}/runpod-canary:v1`,
    registry: '6n2k8v4d',
    cpu: { id: 'cpu3c', vcpuCount: 2 },
  });
};

describe('a canary pod', () => {
  it('pulls with what Runpod holds once the token has reached its hosts, is seen, and is deleted', async () => {
    world.runpod.propagationMs = 9 * minuteMs;
    const execution = await world.refresh();
    expect(execution.status).toBe('SUCCEEDED');
    expect(podOf(execution)).toMatchObject({ proof: 'observed', reason: 'canary-pod' });
    const [first, ...others] = created();
    expect(others).toEqual([]);
    expect(first?.pod).toMatchObject({ registry: '6n2k8v4d', cpu: { id: 'cpu3c', vcpuCount: 2 } });
    const [stored] = world.runpod.stored;
    expect((first?.pod.createdAt ?? 0) - (stored?.at ?? 0)).toBeGreaterThanOrEqual(10 * minuteMs);
    expect((first?.deletedAt ?? 0) - (first?.pod.createdAt ?? 0)).toBeLessThan(2 * minuteMs);
    expect(world.runpod.pods).toEqual([]);
    expect(statesOf(execution)).toContain('WaitForCanaryPod');
    expect(subjects()).toEqual([]);
  });

  it('is created for a credential that nothing else uses', async () => {
    world.runpod.endpoints.clear();
    expect(podOf(await world.refresh())).toMatchObject({ proof: 'observed' });
  });

  it('is created at most as often as the target says, and what the last one showed is told meanwhile', async () => {
    await world.refresh();
    await world.clock.advance(5 * hourMs);
    expect(podOf(await world.refresh())).toMatchObject({ proof: 'observed', isEarlier: true });
    expect(created()).toHaveLength(1);
    await world.clock.advance(20 * hourMs);
    const again = podOf(await world.refresh());
    expect(again?.proof).toBe('observed');
    expect(again?.isEarlier).toBeUndefined();
    expect(created()).toHaveLength(2);
    expect(world.runpod.pods).toEqual([]);
  });

  it('is created by one of two runs that overlap', async () => {
    const [one, other] = [world.start(), world.start()];
    await world.clock.until(one.ended);
    await world.clock.until(other.ended);
    expect(created()).toHaveLength(1);
    expect(world.runpod.pods).toEqual([]);
  });

  it('that is refused with what Runpod holds fails the target, in the host’s own words, once', async () => {
    world.runpod.propagationMs = 3 * hourMs;
    const execution = await world.refresh();
    expect(execution).toMatchObject({ status: 'FAILED', error: 'EndpointNotPullingError' });
    expect(execution.cause).toContain('no basic auth credentials');
    expect(world.runpod.pods).toEqual([]);
    const told = world.sns.inbox.map(({ text }) => text).join();
    expect(told).toContain('no basic auth credentials');
    // The next run does not try again so soon: it neither fails for it, nor says that all is well.
    world.runpod.propagationMs = 0;
    await world.clock.advance(5 * hourMs);
    expect((await world.refresh()).status).toBe('SUCCEEDED');
    expect(subjects()).toHaveLength(1);
    await world.clock.advance(20 * hourMs);
    expect(podOf(await world.refresh())).toMatchObject({ proof: 'observed' });
    expect(subjects()).toEqual([expect.anything(), expect.stringMatching(/well again|recovered/i)]);
  });

  it('whose image is missing degrades the target', async () => {
    world.writeTargets(targetsWithPod.replace('canary:v1', 'canary:v2'));
    const execution = await world.refresh();
    expect(execution.status).toBe('SUCCEEDED');
    expect(podOf(execution)).toMatchObject({ proof: 'degraded', reason: 'image-missing' });
    expect(world.runpod.pods).toEqual([]);
  });

  it('whose program does not run has pulled all the same', async () => {
    world.runpod.programFaults.set(await digestOfTag(world, 'v1', 'runpod-canary'), 'cannot start');
    const pod = podOf(await world.refresh());
    expect(pod, JSON.stringify(pod)).toMatchObject({ proof: 'observed' });
  });
});

describe('a canary pod that cannot be had', () => {
  it('is tried on the cheapest flavours, six at the most, and told as not tried', async () => {
    for (const cpu of world.runpod.cpus) cpu.hasCapacity = false;
    const execution = await world.refresh();
    expect(execution.status).toBe('SUCCEEDED');
    expect(podOf(execution)).toMatchObject({
      proof: 'not-tried',
      reason: 'no-capacity',
      evidence: expect.stringMatching(/no longer any instances available.*6 kinds of CPU were tried/),
    });
    expect(subjects()).toEqual([]);
    // Nothing was created, so the next run tries again.
    for (const cpu of world.runpod.cpus) cpu.hasCapacity = cpu.id === 'cpu5g';
    expect(podOf(await world.refresh())).toMatchObject({ proof: 'observed' });
    expect(created().map(({ pod }) => pod.cpu.id)).toEqual(['cpu5g']);
  });

  it.each([
    ['no-balance', 402, 'Your balance is too low.', 1],
    ['no-scope', 403, 'access denied', 1],
    ['rule-broken', 422, 'Request validation failed.', 1],
    ['rule-broken', 400, 'disk is too small', 1],
    ['no-scope', 401, 'invalid api key', 1],
  ])('is told as %s (%i), once, and never fails the refresh', async (reason, code, detail, told) => {
    world.faults.add({ on: /POST \/v2\/pods$/, does: status(code, detail) });
    for (let run = 0; run < 2; run += 1) {
      const execution = await world.refresh();
      expect(execution.status).toBe('SUCCEEDED');
      expect(podOf(execution)).toMatchObject({ proof: 'not-tried', reason, evidence: expect.stringContaining(detail) });
    }
    expect(subjects()).toHaveLength(told);
    expect(created()).toEqual([]);
  });

  it('takes the flavour that is documented where the catalogue cannot be read', async () => {
    world.faults.add({ on: /catalog/, does: status(403, 'access denied') });
    expect(podOf(await world.refresh())).toMatchObject({ proof: 'observed' });
    expect(created().map(({ pod }) => pod.cpu.id)).toEqual(['cpu3c']);
  });

  it('is not created where the memory does not say when the last one was', async () => {
    world.faults.add({ on: /DynamoDB_20120810/, does: { reset: true } });
    const execution = await world.refresh();
    expect(podOf(execution)).toMatchObject({ proof: 'not-tried', reason: 'not-asked' });
    expect(created()).toEqual([]);
  });
});

describe('a canary pod that is left', () => {
  it('by a crash is deleted by the next run, whatever becomes of that', async () => {
    leavePod(hourMs);
    world.faults.add({ on: /GetAuthorizationToken/, does: status(400, '{"__type":"AccessDeniedException"}') });
    await world.refresh();
    expect(world.runpod.pods).toEqual([]);
  });

  it('a moment ago is waited for, and deleted when its time is up', async () => {
    leavePod(minuteMs);
    await world.refresh();
    expect(world.runpod.pods).toEqual([]);
  });

  it('of another stack is left alone', async () => {
    leavePod(hourMs, 'runpod-ecr-refresh-other');
    await world.refresh();
    expect(world.runpod.pods).toHaveLength(1);
  });

  it('because deleting fails for a while is deleted in the end', async () => {
    world.faults.add({ on: /DELETE \/v2\/pods/, does: status(500, 'oh no'), times: 4 });
    expect(podOf(await world.refresh())).toMatchObject({ proof: 'observed' });
    expect(world.runpod.pods).toEqual([]);
  });

  it('because deleting fails for long is told, costs no second one, and is deleted by the next run that can', async () => {
    const repair = world.faults.add({ on: /DELETE \/v2\/pods/, does: status(500, 'oh no') });
    expect(podOf(await world.refresh())).toMatchObject({
      proof: 'observed',
      evidence: expect.stringContaining('could not be deleted'),
    });
    await world.clock.advance(30 * hourMs);
    expect((await world.refresh()).status).toBe('SUCCEEDED');
    expect(created()).toHaveLength(1);
    repair();
    await world.refresh();
    expect(created()).toHaveLength(2);
    expect(world.runpod.pods).toEqual([]);
  });

  it('is found by its name where its creation was not answered, followed, and deleted', async () => {
    world.faults.add({ on: /POST \/v2\/pods$/, does: { lost: true } });
    expect(podOf(await world.refresh())).toMatchObject({ proof: 'observed' });
    expect(created()).toHaveLength(1);
    expect(world.runpod.pods).toEqual([]);
  });

  it('though Runpod lists none any more is deleted by its id', async () => {
    const { invoke } = world;
    world.invoke = async (name, event) => {
      const answer = await invoke(name, event);
      if (created().length > 0) world.faults.add({ on: /GET \/v2\/pods(?:\?|$)/, does: status(500, 'no list') });
      return answer;
    };
    expect(podOf(await world.refresh())).toMatchObject({ proof: 'observed' });
    expect(world.runpod.pods).toEqual([]);
  });

  it('is not created again where its creation was not answered', async () => {
    world.faults.add({ on: /POST \/v2\/pods$/, does: { reset: true } });
    const execution = await world.refresh();
    expect(execution.status).toBe('SUCCEEDED');
    expect(podOf(execution)).toMatchObject({ proof: 'not-tried', reason: 'not-created' });
  });

  it.each(['before', 'after'] as const)('by a function that crashes %s its work is followed on', async (when) => {
    const { invoke } = world;
    let calls = 0;
    world.invoke = async (name, event) => {
      if (name !== 'canary-pod') return invoke(name, event);
      calls += 1;
      const isCrash = calls % 2 === 1;
      const crash = Object.assign(new Error('The process died.'), { name: 'Lambda.Unknown' });
      if (isCrash && when === 'before') throw crash;
      const answer = await invoke(name, event);
      if (isCrash) throw crash;
      return answer;
    };
    expect(podOf(await world.refresh())).toMatchObject({ proof: 'observed' });
    expect(created()).toHaveLength(1);
    expect(world.runpod.pods).toEqual([]);
  });
});
