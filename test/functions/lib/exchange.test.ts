import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ExchangeError, exchange, openExchange } from '../../../functions/lib/exchange.ts';
import { type Send, send } from '../../../functions/lib/http.ts';

let server: Server;

const serve = async (listener: RequestListener): Promise<URL> => {
  server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
};

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const bounds = { timeoutMs: 30_000, maxBytes: 1000, listenMs: 100 };
const timeoutMs = 200;

const faultOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return 'fine';
  } catch (error) {
    return error instanceof ExchangeError ? error.fault : `not an ExchangeError: ${String(error)}`;
  }
};

const readAll = async (chunks: AsyncIterable<Uint8Array>): Promise<number> => {
  let bytes = 0;
  for await (const chunk of chunks) bytes += chunk.byteLength;
  return bytes;
};

describe('an exchange', () => {
  it('reads the whole answer, whatever its status, and follows no redirect', async () => {
    const url = await serve((_request, response) =>
      response.writeHead(307, { location: 'http://evil.example/' }).end('elsewhere'),
    );
    const answer = await exchange(send, { url, ...bounds });
    expect([answer.status, new TextDecoder().decode(answer.body)]).toEqual([307, 'elsewhere']);
  });

  it('may have nothing to read', async () => {
    const url = await serve((_request, response) => response.writeHead(204).end());
    expect((await exchange(send, { url, method: 'PATCH', body: '{}', ...bounds })).body).toHaveLength(0);
  });

  it.each<readonly [string, RequestListener, string]>([
    ['never answers', () => {}, 'timed out'],
    ['begins and never ends', (_request, response) => void response.writeHead(200).write('x'), 'timed out'],
    ['resets the connection', (request) => void request.socket.resetAndDestroy(), 'broken off'],
    [
      'breaks off in the middle',
      (_request, response) =>
        void response.writeHead(200, { 'content-length': '10' }).write('x', () => response.destroy()),
      'broken off',
    ],
    [
      'changes to a protocol that nobody asked for',
      (request) =>
        void request.socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
      'broken off',
    ],
    ['speaks no HTTP', (request) => void request.socket.write('SSH-2.0-x\r\n'), 'unreachable'],
    ['sends too much', (_request, response) => void response.end('x'.repeat(2000)), 'too large'],
    ['sends too many JSON parts', (_request, response) => void response.end('['.repeat(50_001)), 'too many parts'],
    [
      'sends 64 KB of headers',
      (_request, response) => void response.writeHead(200, { big: 'x'.repeat(65_536) }).end(),
      'too many headers',
    ],
  ])('with a server that %s says so', async (_what, listener, fault) => {
    const url = await serve(listener);
    const maxBytes = fault === 'too many parts' ? 100_000 : bounds.maxBytes;
    const hurried = fault === 'timed out' ? { timeoutMs } : {};
    expect(await faultOf(exchange(send, { url, ...bounds, maxBytes, ...hurried }))).toBe(fault);
  });

  it('reads the beginning of an error that never ends: its status is what counts', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(503);
      const write = (): void => {
        while (!response.destroyed && response.write('x'.repeat(10_000))) {}
        if (!response.destroyed) response.once('drain', write);
      };
      write();
    });
    const { status, body } = await exchange(send, { url, ...bounds });
    expect([status, body.length]).toEqual([503, 64 * 1024]);
  });

  const closesTheFirst = async (): Promise<{ url: URL; methods: string[] }> => {
    const methods: string[] = [];
    const url = await serve((request, response) => {
      methods.push(request.method ?? '');
      if (methods.length === 1) request.socket.resetAndDestroy();
      else response.end('there');
    });
    return { url, methods };
  };

  it('is begun once more when a connection turns out to be closed', async () => {
    const { url, methods } = await closesTheFirst();
    expect((await exchange(send, { url, ...bounds })).status).toBe(200);
    expect(methods).toEqual(['GET', 'GET']);
  });

  it('that changes something is not repeated: nobody knows what became of it', async () => {
    const { url, methods } = await closesTheFirst();
    expect(await faultOf(exchange(send, { url, method: 'POST', body: '{}', ...bounds }))).toBe('broken off');
    expect(methods).toEqual(['POST']);
  });

  it('with nobody there says so', async () => {
    const url = await serve(() => {});
    server.close();
    expect(await faultOf(exchange(send, { url, ...bounds }))).toBe('unreachable');
  });

  it('speaks TLS where the address says https', async () => {
    const { port } = await serve(() => {});
    const fromClient = new Promise<number | undefined>((resolve) =>
      server
        .on('clientError', (_error, socket) => socket.destroy())
        .once('connection', (socket) => socket.once('data', (bytes: Buffer) => resolve(bytes[0]))),
    );
    const url = new URL(`https://127.0.0.1:${port}/`);
    expect(await faultOf(exchange(send, { url, ...bounds }))).toBe('broken off');
    expect(await fromClient).toBe(0x16); // a handshake (RFC 8446, section 5.1)
  });

  it('waits no longer than it may for a handshake', async () => {
    const { port } = await serve(() => {});
    const firstByte = new Promise<number | undefined>((resolve) =>
      server.once('connection', (socket) => socket.once('data', (bytes: Buffer) => resolve(bytes[0]))),
    );
    const url = new URL(`https://127.0.0.1:${port}/`);
    const fault = await faultOf(exchange(send, { url, ...bounds, timeoutMs }));
    expect([fault, await firstByte]).toEqual(['unreachable', 0x16]); // a handshake record (RFC 8446, section 5.1)
  });

  it('passes on a mistake of ours, which is no fault of the other side', async () => {
    const url = await serve(() => {});
    const broken = () => Promise.reject(new RangeError('ours'));
    await expect(exchange(broken, { url, ...bounds })).rejects.toBeInstanceOf(RangeError);
    await expect(openExchange(broken, { url, ...bounds })).rejects.toBeInstanceOf(RangeError);
  });

  it.each<readonly [string, string, string]>([
    ['ECONNRESET', 'broken off', 'upstream.example broke the connection off'],
    ['EPIPE', 'broken off', 'upstream.example broke the connection off'],
    ['HPE_HEADER_OVERFLOW', 'too many headers', 'upstream.example answered with more headers than we read'],
    ['ABORT_ERR', 'cancelled', 'the request to upstream.example was cancelled'],
    ['ENOTFOUND', 'unreachable', 'upstream.example could not be reached (ENOTFOUND)'],
  ])('names what Node calls %s, and keeps it as the cause', async (code, fault, message) => {
    const url = new URL('https://upstream.example/');
    const cause = Object.assign(new Error('as Node says it'), { code });
    const fails = () => Promise.reject(cause);
    await expect(exchange(fails, { url, ...bounds })).rejects.toMatchObject({ fault, message, cause });
    await expect(openExchange(fails, { url, ...bounds })).rejects.toMatchObject({ fault, message, cause });
  });

  it('passes on what has no code of Node', async () => {
    const url = new URL('https://upstream.example/');
    for (const thrown of [Object.assign(new Error('ours'), { code: 7 }), { code: 'ECONNRESET' }, 'a text']) {
      await expect(exchange(() => Promise.reject(thrown), { url, ...bounds })).rejects.toBe(thrown);
    }
  });

  it('says how long it waited', async () => {
    const url = await serve(() => {});
    await expect(exchange(send, { url, ...bounds, timeoutMs })).rejects.toMatchObject({
      fault: 'timed out',
      message: `${url.host} did not answer within 0.2 s`,
      cause: { name: 'TimeoutError' },
    });
  });

  it('reads as much as it may, and says of what it may not how much that is', async () => {
    const url = await serve((_request, response) => response.end('x'.repeat(1000)));
    expect((await exchange(send, { url, ...bounds })).body.byteLength).toBe(1000);
    await expect(exchange(send, { url, ...bounds, maxBytes: 999 })).rejects.toMatchObject({
      fault: 'too large',
      message: `${url.host} answered with more than 999 bytes`,
    });
  });

  const patient = { timeoutMs: 60_000, maxBytes: 1000, listenMs: 60_000 };

  it.each<readonly [string, boolean]>([
    ['before an answer began', false],
    ['while it is read', true],
  ])('ends when its caller cancels it %s', async (_what, begins) => {
    const cancelled = new AbortController();
    const url = await serve((_request, response) => {
      if (begins) response.writeHead(200).write('x', () => cancelled.abort());
      else cancelled.abort();
    });
    expect(await faultOf(exchange(send, { url, ...patient, signal: cancelled.signal }))).toBe('cancelled');
  });

  it('is not even begun when it was cancelled already', async () => {
    let asked = 0;
    const url = await serve((_request, response) => {
      asked += 1;
      response.end();
    });
    expect(await faultOf(exchange(send, { url, ...patient, signal: AbortSignal.abort() }))).toBe('cancelled');
    expect(asked).toBe(0);
  });

  it('ends when the way to send is given a signal of its own, as that of Ctrl-C', async () => {
    const interrupted = new AbortController();
    const url = await serve(() => interrupted.abort());
    const interruptible: Send = (to, request) => send(to, { ...request, signal: interrupted.signal });
    expect(await faultOf(exchange(interruptible, { url, ...patient }))).toBe('cancelled');
  });

  it('may be sent without a signal', async () => {
    const url = await serve((_request, response) => response.end('there'));
    const { status, body } = await send(url, { method: 'GET', headers: {} });
    expect([status, await readAll(body)]).toEqual([200, 5]);
  });
});

describe('an open exchange', () => {
  it('hands out what arrives until the time is up', async () => {
    const url = await serve((_request, response) => void response.writeHead(200).write('abc'));
    const { status, chunks } = await openExchange(send, { url, ...bounds });
    expect([status, await readAll(chunks)]).toEqual([200, 3]);
  });

  it('hands out no more than it may', async () => {
    const url = await serve((_request, response) => void response.writeHead(200).write('x'.repeat(5000)));
    const { chunks } = await openExchange(send, { url, ...bounds });
    expect(await readAll(chunks)).toBe(1000);
  });

  it('may have nothing to hand out', async () => {
    const url = await serve((_request, response) => void response.writeHead(204).end());
    const { chunks } = await openExchange(send, { url, ...bounds });
    expect(await readAll(chunks)).toBe(0);
  });

  it('says when no answer begins', async () => {
    const url = await serve(() => {});
    expect(await faultOf(openExchange(send, { url, ...bounds, timeoutMs }))).toBe('timed out');
  });

  it('says when the answer breaks off', async () => {
    const url = await serve((_request, response) => void response.writeHead(200).write('x', () => response.destroy()));
    const { chunks } = await openExchange(send, { url, method: 'GET', headers: {}, ...bounds });
    expect(await faultOf(readAll(chunks))).toBe('broken off');
  });

  it('ends when its caller cancels it', async () => {
    const cancelled = new AbortController();
    const url = await serve((_request, response) => void response.writeHead(200).write('x'));
    const { chunks } = await openExchange(send, { url, ...bounds, listenMs: 60_000, signal: cancelled.signal });
    cancelled.abort();
    expect(await faultOf(readAll(chunks))).toBe('cancelled');
  });

  it('lets go of the connection when its reader has had enough', async () => {
    let gone: (value: boolean) => void = () => {};
    const closed = new Promise<boolean>((resolve) => {
      gone = resolve;
    });
    const url = await serve((_request, response) => {
      response.once('close', () => gone(true));
      response.writeHead(200).write('x');
    });
    const { chunks } = await openExchange(send, { url, ...bounds, listenMs: 60_000 });
    for await (const _chunk of chunks) break;
    expect(await closed).toBe(true);
  });
});
