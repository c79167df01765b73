import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createMintToken } from '../../../../functions/lib/ecr/mint-token.ts';
import { World } from '../../../../simulator/world.ts';

const hourMs = 3_600_000;
const now = Date.parse('2026-11-23T12:00:00Z');

let world: World;
beforeAll(async () => {
  world = await World.begin();
});
afterEach(() => world.faults.clear());
afterAll(() => world.end());

const mintOneThatEndsAt = (expiresAt: number) => {
  const minted = {
    authorizationToken: Buffer.from('AWS:secret').toString('base64'),
    expiresAt: expiresAt / 1000,
    proxyEndpoint: 'https://123456789012.dkr.ecr.us-east-1.amazonaws.com',
  };
  world.faults.add({
    on: /GetAuthorizationToken/,
    does: {
      answer: {
        status: 200,
        headers: { 'content-type': 'application/x-amz-json-1.1' },
        body: JSON.stringify({ authorizationData: [minted] }),
      },
    },
  });
  return createMintToken(world.platform().settings, () => now)({ region: 'us-east-1' });
};

describe('a token of ECR’s', () => {
  it.each([
    [1, 1],
    [11, 11],
    [12, 12],
    [13, 12],
    [24 * 365, 12],
  ])('that ends in %d h counts for %d h', async (hours, expected) => {
    expect(await mintOneThatEndsAt(now + hours * hourMs)).toEqual({
      token: { username: 'AWS', password: 'secret' },
      registry: '123456789012.dkr.ecr.us-east-1.amazonaws.com',
      expiresAt: now + expected * hourMs,
    });
  });

  it('that ends within the hour is none', async () => {
    await expect(mintOneThatEndsAt(now + hourMs - 1000)).rejects.toMatchObject({ name: 'EcrUnavailableError' });
  });
});
