import { afterEach, describe, expect, it, vi } from 'vitest';
import { createMintAndStore } from '../../bench/guide/lambda.ts';
import { World } from '../../simulator/world.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('a world', () => {
  it.each([
    ['an endpoint of its own', { AWS_ENDPOINT_URL_KMS: 'http://127.0.0.1:1' }],
    ['no endpoint at all', { AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' }],
    ['a profile and a region', { AWS_PROFILE: 'of-nobody', AWS_REGION: 'eu-west-1', AWS_DEFAULT_REGION: 'eu-west-1' }],
    ['FIPS endpoints', { AWS_USE_FIPS_ENDPOINT: 'true' }],
    ['dual-stack endpoints', { AWS_USE_DUALSTACK_ENDPOINT: 'true' }],
    ['another session', { AWS_ACCESS_KEY_ID: 'AKIAOFNOBODY00000000', AWS_SESSION_TOKEN: 'of-another-session' }],
  ])('heeds no AWS variable of its process, such as %s', async (_what, variables) => {
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    const world = await World.begin();
    const execution = await world.refresh();
    await world.end();
    expect(execution.status).toBe('SUCCEEDED');
  });

  it('lives beside another in one process, each with an AWS of its own, and leaves the environment alone', async () => {
    const before = { ...process.env };
    const worlds = [await World.begin({ passwordMark: 'one' }), await World.begin({ passwordMark: 'other' })];
    for (const world of worlds) {
      const image = world.push('team/worker', 'v1');
      world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
    }
    // The first one's clients are made when the second has begun, and the other way round.
    const ended = await Promise.all(worlds.toReversed().map((world) => world.refresh()));
    expect(ended.map(({ status }) => status)).toEqual(['SUCCEEDED', 'SUCCEEDED']);
    expect(worlds.map(({ ecr, runpod }) => [ecr.count, runpod.stored.length])).toEqual([
      [1, 1],
      [1, 1],
    ]);
    expect(worlds.map(({ runpod }) => runpod.stored[0]?.token.password.replace(/^(one|other).*$/, '$1'))).toEqual([
      'one',
      'other',
    ]);
    expect(process.env).toEqual(before);
    for (const world of worlds) await world.end();
  });

  it('has the guide’s Lambda mint in that world, too', async () => {
    const [world, other] = [await World.begin(), await World.begin()];
    world.runpod.offers.v1 = true;
    await createMintAndStore(world, `${world.environment.RUNPOD_REST_URL}/containerregistryauth`, '6n2k8v4d')();
    expect([world.ecr.count, world.runpod.stored.length, other.ecr.count]).toEqual([1, 1, 0]);
    await world.end();
    await other.end();
  });
});
