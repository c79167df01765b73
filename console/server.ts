import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { parseJson } from '../functions/lib/json.ts';
import type { Source } from './source.ts';
import type { Drawings } from './view.ts';

/** Files of the page, by their path; as `npm run build` made them. */
export type PageFiles = ReadonlyMap<string, { readonly type: string; readonly content: Uint8Array }>;

/** A console that is being served. */
export interface ServedConsole {
  /** The address to open, with a token that opens it once after the #. */
  readonly url: string;
  readonly origin: string;
  close(): Promise<void>;
}

const securityHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
} as const;

const maxBodyBytes = 1024;
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const keepAliveMs = 15_000;

const isSame = (one: string, other: string): boolean => {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
};

const sendText = (response: ServerResponse, status: number, message: string): void => {
  response.writeHead(status, { ...securityHeaders, 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${message}\n`);
};

const sendJson = (response: ServerResponse, value: unknown): void => {
  response.writeHead(200, { ...securityHeaders, 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
};

/** What a page of ours sends with each of its requests; no cookie, which would reach every port of this host. */
const sessionOf = ({ headers: { authorization = '' } }: IncomingMessage): string =>
  /^Bearer ([\w-]+)$/.exec(authorization)?.[1] ?? '';

/**
 * Sends a page what changes, beginning with what it missed (HTML Standard, server-sent events). A page that is slow to read
 * is sent nothing more until it has read what was sent, and then what it missed.
 */
const streamEvents = ({ eventLog }: Source, request: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(200, { ...securityHeaders, 'content-type': 'text/event-stream' });
  response.write('retry: 500\n\n');
  const last = String(request.headers['last-event-id'] ?? '');
  let heard = /^\d{1,15}$/.test(last) ? Number(last) : undefined;
  let isFull = false;
  const listen = (): (() => void) =>
    eventLog.listen(heard, (number, batch) => {
      if (isFull) return;
      heard = number;
      isFull = !response.write(`id: ${number}\ndata: ${JSON.stringify(batch)}\n\n`);
    });
  let stop = listen();
  response.on('drain', () => {
    isFull = false;
    stop();
    stop = listen();
  });
  const timer = setInterval(() => response.write(': still here\n\n'), keepAliveMs);
  response.once('close', () => {
    clearInterval(timer);
    stop();
  });
};

/** Reads a small JSON object that the page sent, or answers why it is not one. */
const readBody = async (
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Readonly<Record<string, unknown>> | undefined> => {
  if (request.headers['content-type'] !== 'application/json') {
    sendText(response, 415, 'The page sends JSON.');
    return undefined;
  }
  if (Number(request.headers['content-length'] ?? maxBodyBytes + 1) > maxBodyBytes) {
    sendText(response, 413, 'Too long.');
    return undefined;
  }
  const body = parseJson(await text(request));
  if (isRecord(body)) return body;
  sendText(response, 400, 'Expected a JSON object.');
  return undefined;
};

const turnSwitch = async (source: Source, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const body = await readBody(request, response);
  if (body === undefined) return;
  const { name, value = '' } = body;
  const turned = typeof name === 'string' && typeof value === 'string' && source.turn(name, value);
  if (turned) return sendJson(response, { turned });
  sendText(response, 404, 'There is no such switch here.');
};

/** A run, or what went into one of its states and came out of it. */
const sendRun = async (source: Source, path: string, response: ServerResponse): Promise<void> => {
  const [name = '', kind, state = '', ...rest] = path.split('/').map(decodeURIComponent);
  const record = await source.run(name);
  if (record === undefined || rest.length > 0) return sendText(response, 404, 'This run is not on record.');
  if (kind === undefined) return sendJson(response, record.opened);
  if (kind !== 'states') return sendText(response, 404, 'There is nothing here.');
  sendJson(response, { run: name, state, ...record.details.get(state) });
};

/** Whether a request comes from this very page, by the address it asks and the page that makes it ask. */
const comesFromHere = ({ headers: { host, origin }, method }: IncomingMessage, server: Server): boolean => {
  const { port } = server.address() as AddressInfo;
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  if (host === undefined || !hosts.includes(host)) return false;
  return origin === undefined ? method === 'GET' : origin === `http://${host}`;
};

/**
 * Serves a console on 127.0.0.1. The address ends in a token, which a browser keeps to itself: the page hands it over once
 * for a session of its own, and from then on it is worth nothing. Only the page's own files, which know nothing, are
 * served without a session.
 *
 * @param port 0 for one that the system gives
 */
export const serveConsole = async (
  source: Source,
  files: PageFiles,
  drawings: Drawings,
  port: number,
): Promise<ServedConsole> => {
  const token = randomBytes(24).toString('base64url');
  const session = randomBytes(24).toString('base64url');
  let isTokenGood = true;

  const open = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readBody(request, response);
    if (body === undefined) return;
    if (!isTokenGood || typeof body.token !== 'string' || !isSame(body.token, token))
      return sendText(response, 403, 'This address has been opened before. Start the console again for a new one.');
    isTokenGood = false;
    sendJson(response, { session });
  };

  const answerPage = async (path: string, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method === 'POST' && path === 'open') return open(request, response);
    if (!isSame(sessionOf(request), session))
      return sendText(response, 401, 'Open the address that npm run console has printed.');
    if (request.method === 'POST') {
      if (path === 'switch') return turnSwitch(source, request, response);
      return sendText(response, 404, 'There is nothing here.');
    }
    if (path === 'events') return streamEvents(source, request, response);
    if (path === 'drawings') return sendJson(response, drawings);
    if (path.startsWith('runs/')) return sendRun(source, path.slice('runs/'.length), response);
    sendText(response, 404, 'There is nothing here.');
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!comesFromHere(request, server)) return sendText(response, 403, 'The console answers its own page only.');
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    if (request.method !== 'GET' && request.method !== 'POST') return sendText(response, 405, 'GET and POST only.');
    if (url.pathname.startsWith('/api/')) return answerPage(url.pathname.slice('/api/'.length), request, response);
    if (request.method !== 'GET') return sendText(response, 404, 'There is nothing here.');
    const file = files.get(url.pathname);
    if (file === undefined) return sendText(response, 404, 'There is nothing here.');
    response.writeHead(200, { ...securityHeaders, 'content-type': file.type });
    response.end(file.content);
  };

  const server = createServer((request, response) => {
    answer(request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else sendText(response, 400, 'That could not be read.');
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `${origin}/#token=${token}`,
    origin,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
