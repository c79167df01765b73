import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createUnseal } from '../../functions/lib/aws/seal.ts';
import { executionArn, fetchToken, target } from '../../simulator/inputs.ts';
import { World } from '../../simulator/world.ts';
import { crossAccountTargets, deployPullRole, pullRole } from '../support/pull-role.ts';

const { arn: roleArn, externalId } = pullRole;

let world: World;
beforeAll(async () => {
  world = await World.begin({ targets: crossAccountTargets });
  deployPullRole(world);
});
afterEach(() => world.faults.clear());
afterAll(() => world.end());

const answer = (data: object | undefined) =>
  world.faults.add({
    on: /GetAuthorizationToken/,
    does: {
      answer: {
        status: 200,
        headers: { 'content-type': 'application/x-amz-json-1.1' },
        body: JSON.stringify({ authorizationData: data === undefined ? [] : [data] }),
      },
    },
  });

const encode = (text: string): string => Buffer.from(text).toString('base64');
const data = () => ({
  authorizationToken: encode('AWS:pass:with:colons'),
  expiresAt: world.clock.now() / 1000 + 43_200,
  proxyEndpoint: 'https://123456789012.dkr.ecr.us-east-1.amazonaws.com',
});

describe('fetch-token', () => {
  it('mints for the account it runs in', async () => {
    const token = await fetchToken(world);
    expect(token.registry).toBe('123456789012.dkr.ecr.us-east-1.amazonaws.com');
    expect(Date.parse(token.expiresAt) - Date.parse(token.mintedAt)).toBeCloseTo(12 * 3_600_000, -4);
    expect(Object.keys(token).sort()).toEqual(['expiresAt', 'mintedAt', 'registry', 'sealed']);
  });

  it('splits the token at its first colon alone', async () => {
    answer(data());
    const { sealed, expiresAt } = await fetchToken(world);
    const login = await createUnseal(world.platform().settings)(sealed, {
      execution: executionArn,
      target: 'production',
      credential: '6n2k8v4d',
      expiresAt,
    });
    expect(login).toEqual({ username: 'AWS', password: 'pass:with:colons' });
  });

  it('mints for another account by its role, with the external id', async () => {
    const ecr = { region: 'us-east-1', registryId: '210987654321', roleArn, externalId };
    expect((await fetchToken(world, { ...target, ecr })).registry).toBe('210987654321.dkr.ecr.us-east-1.amazonaws.com');
  });

  it('mints its own token for another account whose repositories let it in', async () => {
    const ecr = { region: 'us-east-1', registryId: '333333333333' };
    expect((await fetchToken(world, { ...target, ecr })).registry).toBe('333333333333.dkr.ecr.us-east-1.amazonaws.com');
  });

  it.each([
    ['InvalidSignatureException', 'Set the clock of the machine that asks'],
    ['UnrecognizedClientException', 'AWS does not know these credentials'],
    ['IncompleteSignature', 'The request came without its whole signature'],
    ['MissingAuthenticationTokenException', 'The request came without its whole signature'],
    ['ExpiredTokenException', 'The session has ended: sign in again.'],
    ['AccessDeniedException', 'Allow ecr:GetAuthorizationToken on * to the role that mints.'],
  ])('has a remedy of its own for %s', async (name, remedy) => {
    world.faults.add({
      on: /GetAuthorizationToken/,
      does: {
        answer: {
          status: 400,
          headers: { 'content-type': 'application/x-amz-json-1.1' },
          body: JSON.stringify({ __type: name, message: 'as AWS says it' }),
        },
      },
    });
    await expect(fetchToken(world)).rejects.toMatchObject({
      name: 'EcrAccessDeniedError',
      message: expect.stringContaining(`${name} "as AWS says it"). ${remedy}`),
    });
  });

  it('has a remedy of its own for a region whose STS is switched off', async () => {
    world.faults.add({
      on: /AssumeRole/,
      does: {
        answer: {
          status: 403,
          headers: { 'content-type': 'text/xml' },
          body: '<ErrorResponse><Error><Code>RegionDisabledException</Code><Message>STS is not activated</Message></Error></ErrorResponse>',
        },
      },
    });
    const ecr = { region: 'us-east-1', registryId: '210987654321', roleArn, externalId: 'x-1' };
    await expect(fetchToken(world, { ...target, ecr })).rejects.toMatchObject({
      name: 'EcrAccessDeniedError',
      message: expect.stringMatching(/Activate STS in this region(?!.*trust)/),
    });
  });

  it('says which role does not trust us, and what it must trust', async () => {
    const ecr = { region: 'us-east-1', roleArn, externalId: 'wrong' };
    await expect(fetchToken(world, { ...target, ecr })).rejects.toMatchObject({
      name: 'EcrAccessDeniedError',
      message: expect.stringMatching(
        /role arn:aws:iam::210987654321:role\/runpod-pull.*with the externalId of targets.yml/,
      ),
    });
    await expect(fetchToken(world, { ...target, ecr: { region: 'us-east-1', roleArn } })).rejects.toThrow(
      /fetch-token role\.$/,
    );
  });

  it('takes a role’s session without a session token', async () => {
    const xml = (inner: string) => ({
      answer: {
        status: 200,
        headers: { 'content-type': 'text/xml' },
        body: `<AssumeRoleResponse><AssumeRoleResult>${inner}</AssumeRoleResult></AssumeRoleResponse>`,
      },
    });
    const ecr = { region: 'us-east-1', roleArn, externalId };
    const repair = world.faults.add({
      on: /AssumeRole /,
      does: xml(
        '<Credentials><AccessKeyId>AKIAEMBEDDEDPERSON00</AccessKeyId><SecretAccessKey>s</SecretAccessKey></Credentials>',
      ),
    });
    expect((await fetchToken(world, { ...target, ecr })).registry).toContain('123456789012');
    repair();
    world.faults.add({ on: /AssumeRole /, does: xml('<Credentials><AccessKeyId>A</AccessKeyId></Credentials>') });
    await expect(fetchToken(world, { ...target, ecr })).rejects.toThrow(/answered without credentials/);
  });

  it.each<readonly [string, () => object | undefined, RegExp]>([
    ['nothing', () => undefined, /answered without one/],
    ['a token without a colon', () => ({ ...data(), authorizationToken: encode('AWS') }), /answered without one/],
    ['a token without a user', () => ({ ...data(), authorizationToken: encode(':password') }), /answered without one/],
    ['a token without a password', () => ({ ...data(), authorizationToken: encode('AWS:') }), /answered without one/],
    ['no registry', () => ({ ...data(), proxyEndpoint: undefined }), /registry we do not know as ECR's/],
    [
      'a registry of another region',
      () => ({ ...data(), proxyEndpoint: 'https://123456789012.dkr.ecr.eu-west-1.amazonaws.com' }),
      /do not know as ECR's/,
    ],
    [
      'a registry that is not ECR’s',
      () => ({ ...data(), proxyEndpoint: 'https://evil.example' }),
      /do not know as ECR's/,
    ],
    ['no end', () => ({ ...data(), expiresAt: undefined }), /ends within the hour/],
    ['an end in the past', () => ({ ...data(), expiresAt: world.clock.now() / 1000 - 1 }), /ends within the hour/],
    ['an end that is near', () => ({ ...data(), expiresAt: world.clock.now() / 1000 + 1800 }), /ends within the hour/],
  ])('does not take %s for a token', async (_what, build, message) => {
    answer(build());
    await expect(fetchToken(world)).rejects.toMatchObject({
      name: 'EcrUnavailableError',
      message: expect.stringMatching(message),
    });
  });
});
