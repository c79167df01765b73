import { request as requestByHttp } from 'node:http';
import { request as requestByHttps } from 'node:https';

/** Sends one HTTP request and reads one bounded answer. Knows nothing of Runpod or ECR: they name their own errors. */

/** How an exchange failed before there was an answer to read. */
export type ExchangeFault = 'timed out' | 'unreachable' | 'too large' | 'too many headers' | 'broken off';

/** No usable answer came back. `fault` says how, the message says it to a person. */
export class ExchangeError extends Error {
  override readonly name = 'ExchangeError';
  readonly fault: ExchangeFault;

  constructor(fault: ExchangeFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

/** One request, with its bounds. */
export interface Exchange {
  readonly url: URL;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** Milliseconds for connecting, answering and reading together. */
  readonly timeoutMs: number;
  /** Bytes read of a body before we give up on it. */
  readonly maxBytes: number;
}

/** What came back. Redirects are not followed: who may see which header is for the caller to decide. */
export interface Answer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: Uint8Array;
}

/** Headers of an answer, by their names in lower case. */
export type AnswerHeaders = ReadonlyMap<string, string>;

/** An answer that has begun: its body comes as it is read. */
export interface BegunAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Sends a request, follows no redirect, and answers when an answer begins. Until it has been read, `signal` ends it. */
export type Send = (
  url: URL,
  request: {
    readonly method: string;
    readonly headers: Record<string, string>;
    readonly body?: string;
    readonly signal: AbortSignal;
  },
) => Promise<BegunAnswer>;

/** Sends by Node's own HTTP client: it is there already for AWS, and `fetch` takes a cold start 20 ms to load. */
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
  (signal: AbortSignal): Send =>
  (url, request) =>
    send(url, { ...request, signal: AbortSignal.any([signal, request.signal]) });

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

const isBrokenOff = (error: unknown): boolean => ['ECONNRESET', 'EPIPE'].includes(codeOf(error));

const translate = (error: unknown, { url, timeoutMs }: Exchange, signal: AbortSignal): ExchangeError => {
  if (error instanceof ExchangeError) return error;
  if (signal.aborted) {
    return new ExchangeError('timed out', `${url.host} did not answer within ${timeoutMs / 1000} s`, { cause: error });
  }
  const code = codeOf(error);
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new ExchangeError('too many headers', `${url.host} answered with more headers than we read`, {
      cause: error,
    });
  }
  if (isBrokenOff(error)) {
    return new ExchangeError('broken off', `${url.host} broke the connection off`, { cause: error });
  }
  const reason = code === '' ? '' : ` (${code})`;
  return new ExchangeError('unreachable', `${url.host} could not be reached${reason}`, { cause: error });
};

/** Of an answer that tells of an error, this much is read, and the rest left: it is the status that counts. */
const maxErrorBytes = 64 * 1024;

/** Reads a body up to `maxBytes` and lets go of the connection when there is more. */
const readBody = async (response: BegunAnswer, { url, maxBytes }: Exchange): Promise<Uint8Array> => {
  const isError = response.status >= 400;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body) {
    length += chunk.byteLength;
    if (length > maxBytes && !isError) {
      throw new ExchangeError('too large', `${url.host} answered with more than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
    if (isError && length >= maxErrorBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, isError ? maxErrorBytes : maxBytes);
};

/**
 * Sends the request. A kept connection that the other side closed meanwhile, as it does while a Lambda is frozen, shows
 * only at the next request: what may be repeated (RFC 9110, section 9.2.2) is then sent once more.
 */
const sendAgain: (send: Send) => Send = (send) => async (url, request) => {
  try {
    return await send(url, request);
  } catch (error) {
    if (request.method !== 'GET' || !isBrokenOff(error)) throw error;
    return send(url, request);
  }
};

/**
 * Sends the request and reads the whole answer, whatever its status.
 *
 * @throws {ExchangeError} nothing usable came back within the bounds
 */
export const exchange = async (send: Send, request: Exchange): Promise<Answer> => {
  const { url, method = 'GET', headers = {}, body, timeoutMs } = request;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await sendAgain(send)(url, { method, headers, ...(body === undefined ? {} : { body }), signal });
    return { status: response.status, headers: response.headers, body: await readBody(response, request) };
  } catch (error) {
    throw translate(error, request, signal);
  }
};

/** An answer whose body is read as it comes, for streams that never end by themselves. */
export interface OpenAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  /** The body, cut without an error when time or bytes run out. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

async function* boundedChunks(
  response: BegunAnswer,
  maxBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let length = 0;
  try {
    for await (const chunk of response.body) {
      length += chunk.byteLength;
      yield length > maxBytes ? chunk.subarray(0, chunk.byteLength - (length - maxBytes)) : chunk;
      if (length >= maxBytes) return;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/**
 * Opens a stream and hands out what arrives until `listenMs` or `maxBytes` are used up or the caller stops reading.
 *
 * @throws {ExchangeError} no answer began within `timeoutMs`, or it broke off
 */
export const openExchange = async (
  send: Send,
  request: Exchange & { readonly listenMs: number },
): Promise<OpenAnswer> => {
  const { url, method = 'GET', headers = {}, timeoutMs, listenMs, maxBytes } = request;
  const abort = new AbortController();
  const answerTimer = setTimeout(() => abort.abort(), timeoutMs);
  try {
    const response = await sendAgain(send)(url, { method, headers, signal: abort.signal });
    clearTimeout(answerTimer);
    const listenTimer = setTimeout(() => abort.abort(), listenMs);
    const chunks = (async function* () {
      try {
        yield* boundedChunks(response, maxBytes, abort.signal);
      } catch (error) {
        throw translate(error, request, abort.signal);
      } finally {
        clearTimeout(listenTimer);
        abort.abort();
      }
    })();
    return { status: response.status, headers: response.headers, chunks };
  } catch (error) {
    clearTimeout(answerTimer);
    throw translate(error, request, abort.signal);
  }
};
