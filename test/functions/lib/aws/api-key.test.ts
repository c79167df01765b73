import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createReadApiKey } from '../../../../functions/lib/aws/api-key.ts';
import { WorldClock } from '../../../../simulator/clock.ts';
import { Faults, json, type Loopback, type Reply, serve } from '../../../../simulator/loopback.ts';

let server: Loopback;
let answer: Reply;
let asked: unknown[];

beforeAll(async () => {
  server = await serve(new WorldClock(), new Faults(), ({ headers, body }) => {
    asked.push([headers['x-amz-target'], JSON.parse(body)]);
    return answer;
  });
});
afterAll(() => server.close());
beforeEach(() => {
  asked = [];
});

const create = () => {
  const credentials = { accessKeyId: 'AKIA', secretAccessKey: 'secret' };
  return createReadApiKey({
    UPSTREAM_TIMEOUT_SECONDS: 5,
    aws: { endpoint: server.origin, region: 'us-east-1', credentials },
  });
};
const parameter = (Value: unknown) => json(200, { Parameter: { Value } });
const errorOf = (reading: Promise<string>): Promise<unknown> => reading.catch((error: unknown) => error);

describe('a Runpod API key', () => {
  it('is read of a parameter, opened, and without the blanks around it', async () => {
    answer = parameter(' rpa_0123456789\n');
    expect(await create()('ssm:/runpod/key')).toBe('rpa_0123456789');
    expect(asked).toEqual([['AmazonSSM.GetParameter', { Name: '/runpod/key', WithDecryption: true }]]);
  });

  it('is read of a secret, whose ARN has colons', async () => {
    answer = json(200, { SecretString: 'rpa_0123456789' });
    const arn = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:key-AbCdEf';
    expect(await create()(`secretsmanager:${arn}`)).toBe('rpa_0123456789');
    expect(asked).toEqual([['secretsmanager.GetSecretValue', { SecretId: arn }]]);
  });

  it('is asked for once in some minutes, and again where it was refused', async () => {
    answer = parameter('rpa_0123456789');
    const read = create();
    for (const fresh of [false, false, true]) await read('ssm:/runpod/key', fresh);
    expect(asked).toHaveLength(2);
  });

  it.each([
    ['a'.repeat(8), true],
    ['a'.repeat(512), true],
    ['a'.repeat(7), false],
    ['a'.repeat(513), false],
    ['two words', false],
    ['schlüssel', false],
    [undefined, false],
  ])('has 8 to 512 printable characters: %s', async (value, isKey) => {
    answer = parameter(value);
    const read = errorOf(create()('ssm:/runpod/key'));
    if (isKey) expect(await read).toBe(value);
    else {
      expect(await read).toMatchObject({
        name: 'ConfigurationError',
        message:
          'ssm:/runpod/key does not hold a Runpod API key: expected 8 to 512 printable characters without spaces. Store the bare key there.',
      });
    }
  });

  it('is none where a secret holds bytes', async () => {
    answer = json(200, { SecretBinary: Buffer.from('rpa_0123456789').toString('base64') });
    expect(await errorOf(create()('secretsmanager:key'))).toMatchObject({
      name: 'ConfigurationError',
      message: expect.stringContaining('does not hold a Runpod API key'),
    });
  });

  it.each([
    ['ParameterNotFound', 'ConfigurationError', 'does not exist (400 ParameterNotFound "No."). Store the key there'],
    ['AccessDeniedException', 'ConfigurationError', 'AWS refused to read ssm:/runpod/key (400 AccessDeniedException'],
    ['ValidationException', 'ConfigurationError', 'AWS cannot read ssm:/runpod/key (400 ValidationException "No.").'],
    ['InternalServerError', 'SecretStoreUnavailableError', 'AWS did not say what ssm:/runpod/key holds (400 Internal'],
  ])('that cannot be read for %s is a %s', async (type, name, message) => {
    answer = json(400, { __type: type, message: 'No.' });
    const error = await errorOf(create()('ssm:/runpod/key'));
    expect(error).toMatchObject({ name, message: expect.stringContaining(message) });
    expect(error).toHaveProperty('cause');
  });
});
