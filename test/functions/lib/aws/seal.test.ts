import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
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

describe('KMS', () => {
  const answers = (on: RegExp, body: object, status = 200): void => {
    const headers = { 'content-type': 'application/x-amz-json-1.1' };
    world.faults.add({ on, does: { answer: { status, headers, body: JSON.stringify(body) } } });
  };
  const bytes = (count: number) => Buffer.alloc(count, 7).toString('base64');
  afterEach(() => world.faults.clear());

  it.each([
    ['no key', { CiphertextBlob: bytes(40) }],
    ['no encrypted key', { Plaintext: bytes(32) }],
    ['a key that is too short', { Plaintext: bytes(31), CiphertextBlob: bytes(40) }],
    ['a key that is too long', { Plaintext: bytes(33), CiphertextBlob: bytes(40) }],
  ])('that answers with %s seals nothing', async (_what, body) => {
    answers(/GenerateDataKey/, body);
    await expect(seal()).rejects.toMatchObject({
      name: 'KmsUnavailableError',
      message: 'KMS answered without a data key.',
    });
  });

  it.each([
    ['no key', {}],
    ['a key that is too short', { Plaintext: bytes(31) }],
    ['a key that is too long', { Plaintext: bytes(33) }],
  ])('that answers with %s opens nothing', async (_what, body) => {
    const sealed = await seal();
    answers(/Decrypt/, body);
    await expect(unseal(sealed)).rejects.toMatchObject({
      name: 'KmsUnavailableError',
      message: 'KMS answered without a data key.',
    });
  });

  it('that is away is not a matter of configuration, and what was asked of it is said', async () => {
    const sealed = await seal();
    answers(/TrentService/, { __type: 'KMSInternalException', message: 'Later.' }, 500);
    await expect(seal()).rejects.toMatchObject({
      name: 'KmsUnavailableError',
      message: 'KMS did not make a data key (500 KMSInternalException "Later.").',
      cause: { message: 'Later.' },
    });
    await expect(unseal(sealed)).rejects.toMatchObject({
      name: 'KmsUnavailableError',
      message: 'KMS did not open the sealed token (500 KMSInternalException "Later.").',
    });
  });

  it.each([
    'AccessDeniedException',
    'NotFoundException',
    'DisabledException',
  ])('that refuses with %s is a matter of configuration', async (name) => {
    answers(/TrentService/, { __type: name, message: 'No.' }, 400);
    await expect(seal()).rejects.toMatchObject({
      name: 'ConfigurationError',
      message: expect.stringContaining(`KMS refused to make a data key (400 ${name} "No.")`),
    });
  });

  it.each([
    ['', 'found something else'],
    ['v2', 'found something else'],
    [`v2.AAAA.${'A'.repeat(12)}.AAAA`, 'found something else'],
    [`v2..${'A'.repeat(16)}.AAAA`, 'found something else'],
    [`v2.AAAA.${'A'.repeat(16)}.${'A'.repeat(32_768 - 25)}`, 'damaged'],
    [`v2.AAAA.${'A'.repeat(16)}.${'A'.repeat(32_768 - 24)}`, 'found something else'],
  ])('is asked only of what has the form of a sealed login (row %#)', async (sealed, found) => {
    answers(/Decrypt/, { Plaintext: bytes(32) });
    await expect(unseal(sealed)).rejects.toMatchObject({
      name: 'InvalidInputError',
      message: expect.stringContaining(found),
    });
  });
});
