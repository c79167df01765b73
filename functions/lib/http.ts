import { request as requestByHttps } from 'node:https';

// An import of node:http reads each of its exports, and WebSocket among them loads undici: 17 ms of a cold start.
// https://nodejs.org/api/http.html#class-websocket
const { request: requestByHttp } = process.getBuiltinModule('node:http');

/** What is sent to a URL. */
export interface HttpRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
  /** Ends the exchange at any moment until its answer has been read. */
  readonly signal?: AbortSignal | undefined;
}

/** Headers of an answer, by their names in lower case. */
export type AnswerHeaders = ReadonlyMap<string, string>;

/** An answer that has begun: its body comes as it is read. */
export interface BegunAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Sends a request and answers when an answer begins. Follows no redirect: who may see which header is for the caller to decide. */
export type Send = (url: URL, request: HttpRequest) => Promise<BegunAnswer>;

/** Sends by Node's own HTTP client, which is loaded already for AWS: `fetch` takes a cold start 20 ms to load. */
export const send: Send = (url, { method, headers, body, signal }) =>
  new Promise((resolve, reject) => {
    const request = url.protocol === 'http:' ? requestByHttp : requestByHttps;
    const sent = request(url, { method, headers: { 'accept-encoding': 'identity', ...headers }, signal }, (answer) => {
      const entries = Object.entries(answer.headers).map(([name, value]) => [name, String(value)] as const);
      resolve({ status: Number(answer.statusCode), headers: new Map(entries), body: answer });
    });
    sent.on('error', reject);
    // A 101 that nobody asked for closes the request without an error or an answer.
    sent.on('close', () => reject(Object.assign(new Error('closed without an answer'), { code: 'ECONNRESET' })));
    sent.end(body);
  });

/** Sends requests that also end with a signal. */
export const sendUntil =
  (until: AbortSignal, sendRequest: Send = send): Send =>
  (url, request) => {
    const { signal } = request;
    return sendRequest(url, { ...request, signal: signal === undefined ? until : AbortSignal.any([until, signal]) });
  };
