import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { WorldClock } from './clock.ts';

/** A request as a server of the embedded world sees it. */
export interface LoopbackRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** The same where it is no text. */
  readonly bytes: Buffer;
}

/** What a server answers. A stream writes until its reader goes away. */
export interface Reply {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
  readonly stream?: (write: (text: string) => void, gone: AbortSignal) => void;
}

/** How an upstream can fail. */
export type FaultEffect =
  | { readonly answer: Reply }
  | { readonly hang: true }
  | { readonly reset: true }
  /** Does what it is asked, and resets the connection instead of answering. */
  | { readonly lost: true }
  /** Promises more than it sends, and breaks off. */
  | { readonly truncate: Reply }
  /** Sends its body again and again. */
  | { readonly endless: Reply }
  /** Answers as usual, but later, by the world's clock. */
  | { readonly delayMs: number };

/** An effect, for the requests it concerns. */
interface Fault {
  /** Matches "METHOD /path?query", after "AWSTarget " where the request is one to AWS. */
  readonly on: Pick<RegExp, 'test'>;
  readonly does: FaultEffect;
  /** How many requests it concerns; all of them when left out. */
  times?: number;
}

/** Which faults are switched on. */
export class Faults {
  readonly #faults: Fault[] = [];
  /** What was done as asked, while whoever asked did not learn it. */
  readonly unanswered: string[] = [];

  /** Switches a fault on. The answer switches it off again. */
  add(fault: Fault): () => void {
    this.#faults.push(fault);
    return () => {
      const index = this.#faults.indexOf(fault);
      if (index >= 0) this.#faults.splice(index, 1);
    };
  }

  clear(): void {
    this.#faults.length = 0;
  }

  take(description: string): FaultEffect | undefined {
    const fault = this.#faults.find(({ on, times }) => on.test(description) && times !== 0);
    if (fault?.times !== undefined) fault.times -= 1;
    if (fault !== undefined && 'lost' in fault.does) this.unanswered.push(description);
    return fault?.does;
  }
}

/** A running server. */
export interface Loopback {
  /** `http://127.0.0.1:port`, without a trailing slash. */
  readonly origin: string;
  close(): Promise<void>;
}

const send = (response: ServerResponse, { status, headers = {}, body, stream }: Reply): void => {
  response.writeHead(status, headers);
  if (stream === undefined) {
    response.end(body);
    return;
  }
  response.flushHeaders();
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  stream((text) => response.write(text), gone.signal);
};

const sendForever = (response: ServerResponse, { status, headers = {}, body = 'x' }: Reply): void => {
  response.writeHead(status, headers);
  const write = (): void => {
    while (!response.destroyed && response.write(body)) {}
    if (!response.destroyed) response.once('drain', write);
  };
  write();
};

const sendPart = (response: ServerResponse, { status, headers = {}, body = '' }: Reply): void => {
  response.writeHead(status, { ...headers, 'content-length': String(body.length + 100) });
  response.write(body, () => response.destroy());
};

const readBody = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
};

/** Starts a server on 127.0.0.1, on a port that the system gives. */
export const serve = async (
  clock: WorldClock,
  faults: Faults,
  handle: (request: LoopbackRequest) => Promise<Reply> | Reply,
): Promise<Loopback> => {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const method = request.method ?? 'GET';
    const bytes = await readBody(request);
    const body = bytes.toString('utf8');
    const action = request.headers['x-amz-target'] ?? /(?:^|&)Action=(\w+)/.exec(body)?.[1];
    const fault = faults.take(`${action === undefined ? '' : `${action} `}${method} ${url.pathname}${url.search}`);
    if (fault !== undefined && 'hang' in fault) return;
    if (fault !== undefined && 'reset' in fault) {
      request.socket.resetAndDestroy();
      return;
    }
    if (fault !== undefined && 'truncate' in fault) return sendPart(response, fault.truncate);
    if (fault !== undefined && 'endless' in fault) return sendForever(response, fault.endless);
    if (fault !== undefined && 'answer' in fault) return send(response, fault.answer);
    if (fault !== undefined && 'delayMs' in fault) await clock.pause(fault.delayMs);
    const reply = await handle({ method, url, headers: request.headers, body, bytes });
    if (fault !== undefined && 'lost' in fault) request.socket.resetAndDestroy();
    else send(response, reply);
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      const text = error instanceof Error ? error.message : 'something else';
      if (response.headersSent) response.destroy();
      else
        send(response, {
          status: 500,
          headers: { 'content-type': 'text/plain' },
          body: `The embedded world failed: ${text}`,
        });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

/** A JSON reply. */
export const json = (status: number, value: unknown, type = 'application/json'): Reply => ({
  status,
  headers: { 'content-type': type },
  body: JSON.stringify(value),
});
