import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Report } from '../../functions/lib/report/report.ts';
import type { Execution } from '../../simulator/aws/step-functions.ts';
import { targetsWithPod } from '../../simulator/inputs.ts';
import { statesOf, World } from '../../simulator/world.ts';

const minuteMs = 60_000;

let world: World;

beforeEach(async () => {
  world = await World.begin({
    targets: targetsWithPod,
    environment: { UPSTREAM_TIMEOUT_SECONDS: '0.5', LOG_LISTEN_SECONDS: '0.05' },
  });
  world.push('runpod-canary', 'v1');
  const image = world.push('team/worker', 'v1');
  world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
});

afterEach(() => world.end());

const podOf = ({ output }: Execution) => (JSON.parse(output ?? '') as Report).targets[0]?.canaryPod;

describe('a canary pod', () => {
  it('pulls with what Runpod holds once the token has reached its hosts, is seen, and is deleted', async () => {
    world.runpod.propagationMs = 9 * minuteMs;
    const execution = await world.refresh();
    expect(execution.status).toBe('SUCCEEDED');
    expect(podOf(execution)).toMatchObject({ proof: 'observed', reason: 'canary-pod' });
    const [created, ...others] = world.runpod.createdPods;
    expect(others).toEqual([]);
    expect(created?.pod).toMatchObject({ registry: '6n2k8v4d', cpu: { id: 'cpu3c', vcpuCount: 2 } });
    const [stored] = world.runpod.stored;
    expect((created?.pod.createdAt ?? 0) - (stored?.at ?? 0)).toBeGreaterThanOrEqual(10 * minuteMs);
    expect((created?.deletedAt ?? 0) - (created?.pod.createdAt ?? 0)).toBeLessThan(2 * minuteMs);
    expect(world.runpod.pods).toEqual([]);
    expect(statesOf(execution)).toContain('WaitForCanaryPod');
  });
});
