import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defined } from '../../../functions/lib/defined.ts';
import type { Target } from '../../../functions/lib/targets.ts';
import { requestsOf, runTargets, timeOfRequestsMs } from '../../../functions/lib/turns.ts';
import { targetsWithPod } from '../../../simulator/inputs.ts';
import { World } from '../../../simulator/world.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

describe('the time that requests take', () => {
  it.each([
    [0, 60, 0],
    [54, 60, minuteMs],
    [2699, 60, (2699 / 54) * minuteMs],
    // An hour’s requests are made in fifty minutes, and then it is to end.
    [2700, 60, hourMs],
    [2754, 60, hourMs + minuteMs],
    [45_000, 60, 24 * hourMs],
    [45_054, 60, 24 * hourMs + minuteMs],
    [27_000, 600, hourMs],
    [45, 1, hourMs],
  ])('for %d at %d a minute is %d ms, by all windows of the quota', (requests, perMinute, ms) => {
    expect(timeOfRequestsMs(requests, perMinute)).toBeCloseTo(ms, 3);
  });
});

describe('a target’s turn', () => {
  const turnsOf = (targets: readonly Target[], now: number, requestsPerMinute: number) =>
    runTargets(targets, targets, now, requestsPerMinute).outcomes;
  const target = (name: string, endpoints?: number): Target => ({
    name,
    ecr: { region: 'us-east-1' },
    runpod: { apiKey: 'ssm:/k', registry: name },
    ...(endpoints === undefined
      ? {}
      : { endpoints: Array.from({ length: endpoints }, (_, index) => ({ id: `e${index}` })) }),
  });

  it('comes when those before it have asked what they ask', () => {
    expect(turnsOf([target('a', 41), target('b'), target('c')], 0, 60)).toEqual([
      { name: 'a', startAt: '1970-01-01T00:00:00Z', region: 'us-east-1' },
      { name: 'b', startAt: '1970-01-01T00:01:00Z', region: 'us-east-1' },
      { name: 'c', startAt: '1970-01-01T00:01:13Z', region: 'us-east-1' },
    ]);
  });

  it('comes after the hour whose requests are used up', () => {
    const turns = turnsOf(
      Array.from({ length: 226 }, (_, index) => target(`t${index}`)),
      0,
      60,
    );
    expect([turns[224]?.startAt, turns[225]?.startAt]).toEqual(['1970-01-01T00:49:46Z', '1970-01-01T01:00:00Z']);
  });
});

describe('what a run asks of Runpod', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.begin();
  });
  afterAll(() => world.end());

  const pod = { image: 'runpod-canary:v1', everyHours: 24 };
  it.each([
    [1, undefined],
    [3, undefined],
    [30, undefined],
    [1, pod],
  ])('with %d endpoints that settle at once, and a canary pod or none, is no more than is planned with', async (count, canaryPod) => {
    if (canaryPod !== undefined) world.writeTargets(targetsWithPod);
    world.push('runpod-canary', 'v1');
    world.runpod.endpoints.clear();
    const image = world.push('team/worker', 'v1');
    for (let index = 0; index < count; index += 1) {
      world.runpod.addEndpoint({ id: `e${index}`, name: '', image, registry: '6n2k8v4d' });
    }
    let asked = 0;
    const test = (request: string): boolean => {
      asked += / ?\w+ \/(?:v2|v1|graphql)/.test(request) ? 1 : 0;
      return false;
    };
    world.faults.add({ on: { test }, does: { hang: true } });
    await world.refresh();
    expect(asked).toBeGreaterThan(count);
    expect(world.runpod.createdPods).toHaveLength(canaryPod === undefined ? 0 : 1);
    const endpoints = Array.from({ length: count }, () => ({ id: 'e' }));
    expect(asked).toBeLessThanOrEqual(requestsOf({ endpoints, ...defined({ canaryPod }) }));
  });
});
