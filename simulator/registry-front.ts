import { createReadStream, readFileSync, statSync } from 'node:fs';
import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';

/**
 * The front of a registry, in a process of its own so that it takes no time from whom it serves: TLS, Basic auth, and
 * blobs that redirect to a second origin, which refuses the token and serves the registry's storage as S3 does ECR's. Learns by `process.argv` where the
 * registry and the certificate are; says over IPC where it listens, and on request what went over the wire.
 */
const [, , registryPort = '', key = '', certificate = '', expected = '', storage = ''] = process.argv;

const traffic = { requests: 0, bytes: 0, connections: 0 };
const agent = new Agent({ keepAlive: true, maxSockets: 32 });

const forward = (path: string, request: IncomingMessage, response: ServerResponse): void => {
  const { authorization: _, host: __, ...headers } = request.headers;
  const { method } = request;
  const upstream = httpRequest({ agent, host: '127.0.0.1', port: registryPort, path, method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.on('data', (chunk: Buffer) => {
      traffic.bytes += chunk.byteLength;
    });
    pipeline(answer, response, () => {});
  });
  upstream.on('error', () => response.destroy());
  request.pipe(upstream);
};

const listen = async (answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> => {
  const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (request, response) => {
    traffic.requests += 1;
    answer(request, response);
  });
  server.on('secureConnection', () => {
    traffic.connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};

/** One byte where one is asked for, else all of it. */
const sendBlob = (hash: string, range: string | undefined, response: ServerResponse): void => {
  const file = `${storage}/docker/registry/v2/blobs/sha256/${hash.slice(0, 2)}/${hash}/data`;
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) {
    response.writeHead(404).end('NoSuchKey');
    return;
  }
  const isByte = range === 'bytes=0-0' && size > 0;
  const end = isByte ? 0 : size - 1;
  traffic.bytes += end + 1;
  const partial = isByte ? { 'content-range': `bytes 0-0/${size}` } : {};
  response.writeHead(isByte ? 206 : 200, { 'content-length': end + 1, ...partial });
  pipeline(createReadStream(file, { end: Math.max(0, end) }), response, () => {});
};

const storePort = await listen((request, response) => {
  const hash = /\/([0-9a-f]{64})$/.exec(request.url ?? '')?.[1];
  if (request.headers.authorization !== undefined) response.writeHead(400).end('Only one auth mechanism allowed');
  else sendBlob(hash ?? '', request.headers.range, response);
});

const frontPort = await listen((request, response) => {
  if (request.headers.authorization !== expected) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="front"' }).end('no basic auth credentials');
    return;
  }
  const path = (request.url ?? '').replace(/^\/[^/]+(?=\/v2\/)/, '');
  const hash = /\/blobs\/sha256:([0-9a-f]{64})$/.exec(path)?.[1];
  if (hash === undefined || request.method === 'HEAD') forward(path, request, response);
  else response.writeHead(307, { location: `https://127.0.0.1:${storePort}/bucket/${hash}` }).end();
});

process.on('message', () => process.send?.(traffic));
process.on('disconnect', () => process.exit());
process.send?.({ frontPort });
