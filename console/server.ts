import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Source } from './source.ts';
import type { Drawing } from './view.ts';

/** Files of the page, by their path; as `npm run build` made them. */
export type PageFiles = ReadonlyMap<string, { readonly type: string; readonly content: Uint8Array }>;

/** A console that is being served. */
export interface ServedConsole {
  /** The address to open, with a token that opens it once. */
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
/** A reader that takes nothing for so long is gone: it connects again, and catches up. */
const maxUnreadBytes = 4 * 1024 * 1024;
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

const cookieOf = ({ headers: { cookie = '' } }: IncomingMessage): string =>
  /(?:^|;\s*)console=([\w-]+)/.exec(cookie)?.[1] ?? '';

/** Sends a page what changes, beginning with what it missed (HTML Standard, server-sent events). */
const streamEvents = ({ eventLog }: Source, request: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(200, { ...securityHeaders, 'content-type': 'text/event-stream' });
  response.write('retry: 500\n\n');
  const last = String(request.headers['last-event-id'] ?? '');
  const stop = eventLog.listen(/^\d{1,15}$/.test(last) ? Number(last) : undefined, (number, batch) => {
    if (response.writableLength > maxUnreadBytes) response.destroy();
    else response.write(`id: ${number}\ndata: ${JSON.stringify(batch)}\n\n`);
  });
  const timer = setInterval(() => response.write(': still here\n\n'), keepAliveMs);
  response.once('close', () => {
    clearInterval(timer);
    stop();
  });
};

const turnSwitch = async (source: Source, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  if (request.headers['content-type'] !== 'application/json')
    return sendText(response, 415, 'Switches are turned by JSON.');
  if (Number(request.headers['content-length'] ?? maxBodyBytes + 1) > maxBodyBytes)
    return sendText(response, 413, 'Too long.');
  let turned = false;
  try {
    const { name, value = '' } = JSON.parse(await text(request)) as { name?: unknown; value?: unknown };
    turned = typeof name === 'string' && typeof value === 'string' && source.turn(name, value);
  } catch {
    return sendText(response, 400, 'Expected { "name": "runpod", "value": "503" }.');
  }
  if (turned) return sendJson(response, { turned });
  sendText(response, 404, 'There is no such switch here.');
};

/** Whether a request comes from this very page, by the address it asks and the page that makes it ask. */
const comesFromHere = ({ headers: { host, origin }, method }: IncomingMessage, server: Server): boolean => {
  const { port } = server.address() as AddressInfo;
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  if (host === undefined || !hosts.includes(host)) return false;
  return origin === undefined ? method === 'GET' : origin === `http://${host}`;
};

/**
 * Serves a console on 127.0.0.1. A token in the address opens it once and is then worth nothing; a cookie that no script
 * can read stands for it afterwards.
 *
 * @param port 0 for one that the system gives
 */
export const serveConsole = async (
  source: Source,
  files: PageFiles,
  drawing: Drawing,
  port: number,
): Promise<ServedConsole> => {
  const token = randomBytes(24).toString('base64url');
  const session = randomBytes(24).toString('base64url');
  let isTokenGood = true;

  const open = (given: string, response: ServerResponse): void => {
    if (!isTokenGood || !isSame(given, token)) {
      sendText(response, 403, 'This address has been opened before. Start the console again for a new one.');
      return;
    }
    isTokenGood = false;
    const cookie = `console=${session}; HttpOnly; SameSite=Strict; Path=/`;
    response.writeHead(303, { ...securityHeaders, location: '/', 'set-cookie': cookie }).end();
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!comesFromHere(request, server)) return sendText(response, 403, 'The console answers its own page only.');
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const given = url.searchParams.get('token');
    const isKnown = isSame(cookieOf(request), session);
    if (given !== null && !isKnown) return open(given, response);
    if (!isKnown) return sendText(response, 401, 'Open the address that npm run console has printed.');
    if (request.method === 'POST') {
      if (url.pathname === '/api/switch') return turnSwitch(source, request, response);
      return sendText(response, 404, 'There is nothing here.');
    }
    if (request.method !== 'GET') return sendText(response, 405, 'GET and POST only.');
    if (url.pathname === '/api/events') return streamEvents(source, request, response);
    if (url.pathname === '/api/drawing') return sendJson(response, drawing);
    if (url.pathname.startsWith('/api/states/')) {
      const name = decodeURIComponent(url.pathname.slice('/api/states/'.length));
      return sendJson(response, source.detail(name) ?? {});
    }
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
    url: `${origin}/?token=${token}`,
    origin,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
