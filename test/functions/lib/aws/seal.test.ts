import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSeal, createUnseal } from '../../../../functions/lib/aws/seal.ts';
import { World } from '../../../../simulator/world.ts';

const login = { username: 'AWS', password: 'p'.repeat(2714) };
const context = {
  execution: 'arn:one',
  target: 'production',
  credential: '6n2k8v4d',
  expiresAt: '2026-11-25T06:00:00Z',
};

let world: World;
beforeAll(async () => {
  world = await World.begin();
});
afterAll(() => world.end());

const seal = () => createSeal(world.platform().settings)(login, context);
const unseal = (sealed: string, of = context) => createUnseal(world.platform().settings)(sealed, of);

describe('a login sealed by an earlier release', () => {
  it('opens with this one', async () => {
    // Frozen: the form v1, under a data key of 32 bytes of 7, as release 0.1.0 wrote it.
    const frozen =
      'v1.YW4gZW5jcnlwdGVkIGRhdGEga2V5.AwMDAwMDAwMDAwMD.XtzWcD9aMCMXJWFmyRaoX88Qwp_V5ucHQKzjk9nHIcuRzgkC7JrWYrM-w5ZAJi_M7BV2kXNfTlPF';
    const Plaintext = Buffer.alloc(32, 7).toString('base64');
    const repair = world.faults.add({
      on: /TrentService.Decrypt/,
      does: {
        answer: {
          status: 200,
          headers: { 'content-type': 'application/x-amz-json-1.1' },
          body: JSON.stringify({ Plaintext }),
        },
      },
    });
    expect(await unseal(frozen)).toEqual({ username: 'AWS', password: 'as it was' });
    repair();
  });
});

describe('a sealed login', () => {
  it('opens for the run, the target, the credential and the end that it was sealed for', async () => {
    const sealed = await seal();
    expect(await unseal(sealed)).toEqual(login);
    expect(sealed).toMatch(/^v2(?:\.[\w-]+){3}$/);
    expect(sealed.length).toBeLessThan(2 * login.password.length);
    expect(sealed).not.toContain(login.password.slice(0, 20));
  });

  it.each([
    { ...context, execution: 'arn:two' },
    { ...context, target: 'other' },
  ])('does not open for %j', async (other) => {
    await expect(unseal(await seal(), other)).rejects.toMatchObject({ name: 'ConfigurationError' });
  });

  it.each([
    { ...context, credential: '7p3m9w5e' },
    { ...context, expiresAt: '2026-11-25T07:00:00Z' },
  ])('of the same run and target does not open for %j', async (other) => {
    await expect(unseal(await seal(), other)).rejects.toMatchObject({ name: 'InvalidInputError' });
  });

  it('is different each time', async () => {
    expect(await seal()).not.toBe(await seal());
  });

  it.each<readonly [string, (sealed: string) => string]>([
    ['is empty', () => ''],
    ['is of another version', (sealed) => sealed.replace('v2', 'v3')],
    ['lacks a part', (sealed) => sealed.split('.').slice(0, 3).join('.')],
    ['has a part too many', (sealed) => `${sealed}.x`],
    ['has no key', (sealed) => sealed.replace(/^v2\.[^.]+/, 'v2.')],
    ['has a short iv', (sealed) => sealed.replace(/\.[\w-]{16}\./, '.AAAA.')],
    ['is huge', (sealed) => `${sealed}${'A'.repeat(40_000)}`],
    ['says that it is of the last version', (sealed) => sealed.replace('v2', 'v1')],
    ['is damaged', (sealed) => `${sealed.slice(0, -8)}AAAAAAAA`],
  ])('that %s is refused, naming the field', async (_what, damage) => {
    await expect(unseal(damage(await seal()))).rejects.toMatchObject({
      name: 'InvalidInputError',
      message: expect.stringContaining('token.sealed: expected a token'),
    });
  });

  it('does not open while its key is disabled', async () => {
    const sealed = await seal();
    world.kms.isEnabled = false;
    await expect(unseal(sealed)).rejects.toMatchObject({
      name: 'ConfigurationError',
      message: expect.stringContaining('key is enabled'),
    });
    world.kms.isEnabled = true;
  });
});
