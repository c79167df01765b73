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

describe('an answer of ECR’s', () => {
  const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
  const good = {
    authorizationToken: Buffer.from('A:s').toString('base64'),
    expiresAt: (now + 12 * hourMs) / 1000,
    proxyEndpoint: `https://${registry}`,
  };
  const encoded = (text: string) => ({ ...good, authorizationToken: Buffer.from(text).toString('base64') });
  const mint = (body: object, status = 200, registryId?: string) => {
    const headers = { 'content-type': 'application/x-amz-json-1.1' };
    world.faults.add({
      on: /GetAuthorizationToken/,
      does: { answer: { status, headers, body: JSON.stringify(body) } },
    });
    const ecr = { region: 'us-east-1', ...(registryId === undefined ? {} : { registryId }) };
    return createMintToken(world.platform().settings, () => now)(ecr);
  };
  const asked = 'ECR in us-east-1, asked for a token,';

  it.each([
    ['the shortest name and password', encoded('A:s'), { username: 'A', password: 's' }],
    ['a password with a colon', encoded('AWS:a:b'), { username: 'AWS', password: 'a:b' }],
  ])('may have %s', async (_what, minted, token) => {
    expect((await mint({ authorizationData: [minted] })).token).toEqual(token);
  });

  it.each([
    ['nothing', {}, 'without one'],
    ['no token', { authorizationData: [] }, 'without one'],
    ['no name', { authorizationData: [encoded(':s')] }, 'without one'],
    ['no password', { authorizationData: [encoded('AWS:')] }, 'without one'],
    ['no colon', { authorizationData: [encoded('AWS')] }, 'without one'],
    ['no registry', { authorizationData: [{ ...good, proxyEndpoint: undefined }] }, 'a registry we do not know'],
    [
      'a registry that is no URL',
      { authorizationData: [{ ...good, proxyEndpoint: registry }] },
      'a registry we do not know',
    ],
    [
      'another host',
      { authorizationData: [{ ...good, proxyEndpoint: 'https://ghcr.io' }] },
      'a registry we do not know',
    ],
    [
      'another region',
      { authorizationData: [{ ...good, proxyEndpoint: `https://${registry.replace('east-1', 'east-2')}` }] },
      'a registry we do not know',
    ],
    ['no end', { authorizationData: [{ ...good, expiresAt: undefined }] }, 'ends within the hour'],
  ])('with %s is none', async (_what, body, words) => {
    const refused = mint(body);
    await expect(refused).rejects.toMatchObject({ name: 'EcrUnavailableError' });
    await expect(refused).rejects.toThrow(asked);
    await expect(refused).rejects.toThrow(words);
  });

  it('is for the registry of the account that was asked for', async () => {
    expect((await mint({ authorizationData: [good] }, 200, '210987654321')).registry).toBe(
      '210987654321.dkr.ecr.us-east-1.amazonaws.com',
    );
  });

  it.each([
    [400, 'AccessDeniedException', 'EcrAccessDeniedError', 'refused (400 AccessDeniedException "No."). Allow ecr:'],
    [400, 'OptInRequired', 'EcrAccessDeniedError', 'refused (400 OptInRequired "No."). Enable the region'],
    [400, 'ThrottlingException', 'EcrThrottledError', 'asked us to slow down (400 ThrottlingException "No.").'],
    [500, 'ServerException', 'EcrUnavailableError', 'did not answer (500 ServerException "No.").'],
  ])('%i %s is %s', async (status, type, name, words) => {
    const refused = mint({ __type: type, message: 'No.' }, status);
    await expect(refused).rejects.toMatchObject({ name, cause: { message: 'No.' } });
    await expect(refused).rejects.toThrow(`${asked} ${words}`);
  });
});
