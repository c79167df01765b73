import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ECRClient, GetAuthorizationTokenCommand } from '@aws-sdk/client-ecr';
import { afterEach, describe, expect, it } from 'vitest';
import { awsCause, awsClause, awsClientDefaults, awsFaultOf } from '../../../../functions/lib/aws/client.ts';

let server: Server;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

const ask = async (listener: RequestListener, timeoutSeconds = 30) => {
  server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const ecr = new ECRClient({
    ...awsClientDefaults({ UPSTREAM_TIMEOUT_SECONDS: timeoutSeconds }),
    maxAttempts: 1,
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  });
  return ecr.send(new GetAuthorizationTokenCommand({}));
};

describe('an AWS client of ours', () => {
  it('ends an answer that trickles for ever', async () => {
    const trickle = ask((_request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write(' '), 10);
      response.once('close', () => clearInterval(timer));
    }, 0.2);
    await expect(trickle).rejects.toThrow(/did not answer within 0.2 s/);
  });

  it('ends an answer that grows too large', async () => {
    const flood = ask((_request, response) => {
      response.writeHead(200);
      response.end('x'.repeat(5 * 1024 * 1024));
    });
    await expect(flood).rejects.toThrow(/more than 262144 bytes/);
  });

  it('ends an answer of too many parts', async () => {
    const parts = ask((_request, response) => {
      response.writeHead(200);
      response.end(`[${'{},'.repeat(60_000)}{}]`);
    });
    await expect(parts).rejects.toThrow(/more than 50000 JSON parts/);
  });

  it('does not hand on what a parser quotes of an answer: it may be the secret itself', async () => {
    const broken = ask((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' });
      response.end('{"authorizationToken": SecretSecret}');
    });
    const error = await broken.catch((thrown: unknown) => thrown);
    expect(String(error)).toContain('Secret');
    expect(awsClause(error)).toBe('200 with something that is not JSON');
    expect(awsClause(new SyntaxError('x'))).toBe('something that is not JSON');
    expect(awsCause(error)).toEqual({});
    expect(awsCause('anything else')).toEqual({ cause: 'anything else' });
  });

  it('ends an answer that breaks off', async () => {
    const broken = ask((_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{', () => setTimeout(() => response.destroy(), 20));
    });
    await expect(broken).rejects.toThrow();
  });
});

describe('an AWS error', () => {
  const error = (name: string, status?: number) =>
    Object.assign(new Error('why'), { name }, status === undefined ? {} : { $metadata: { httpStatusCode: status } });

  it.each([
    [error('AccessDeniedException', 400), 'denied', '400 AccessDeniedException "why"'],
    [error('ThrottlingException', 400), 'throttled', '400 ThrottlingException "why"'],
    [error('ParameterNotFound', 400), 'missing', '400 ParameterNotFound "why"'],
    [error('ValidationException', 400), 'invalid', '400 ValidationException "why"'],
    [error('AccessDeniedException', 503), 'unavailable', '503 AccessDeniedException "why"'],
    [error('AccessDeniedException', 500), 'unavailable', '500 AccessDeniedException "why"'],
    [error('AccessDeniedException', 499), 'denied', '499 AccessDeniedException "why"'],
    [error('AccessDeniedException'), 'denied', 'AccessDeniedException "why"'],
    [Object.assign(new Error('why'), { $metadata: 'x' }), 'unavailable', '"why"'],
    [Object.assign(new Error('why'), { $metadata: { httpStatusCode: '500' } }), 'unavailable', '"why"'],
    [error('TimeoutError'), 'unavailable', 'TimeoutError "why"'],
    [error('Error'), 'unavailable', '"why"'],
    [Object.assign(new Error('why'), { $metadata: null }), 'unavailable', '"why"'],
    [Object.assign(new Error('why'), { $metadata: {} }), 'unavailable', '"why"'],
    ['thrown', 'unavailable', 'no answer'],
  ])('%s is told apart', (thrown, fault, clause) => {
    expect(awsFaultOf(thrown)).toBe(fault);
    expect(awsClause(thrown)).toBe(clause);
  });
});

it.each([
  ['why   Deserialization error: to see the raw response, look.\nAnd there.', '"why"'],
  ['Deserialization error: to see the raw response, look.', '""'],
  ['why\n  Deserialization error: another one', '"why Deserialization error: another one"'],
])('leaves out where the SDK would have one look: %j', (message, clause) => {
  expect(awsClause(new Error(message))).toBe(clause);
});
