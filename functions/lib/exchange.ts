import type { AnswerHeaders, BegunAnswer, HttpRequest, Send } from './http.ts';
import { countParts, maxParts } from './json-parts.ts';

/** How an exchange failed before there was an answer to read. */
type ExchangeFault =
  | 'timed out'
  | 'cancelled'
  | 'unreachable'
  | 'too large'
  | 'too many parts'
  | 'too many headers'
  | 'broken off';

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
interface Exchange extends Partial<HttpRequest> {
  readonly url: URL;
  /** Milliseconds for connecting, answering and reading together. */
  readonly timeoutMs: number;
  /** Bytes read of a body before we give up on it. */
  readonly maxBytes: number;
}

/** What came back, whatever its status. */
export interface Answer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: Uint8Array;
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

const isBrokenOff = (error: unknown): boolean => ['ECONNRESET', 'EPIPE'].includes(codeOf(error));

/** Ends an exchange when its time is up or its caller cancels it. */
const createLimit = (timeoutMs: number, cancelled: AbortSignal | undefined) => {
  const timeUp = new AbortController();
  const startTimer = (milliseconds: number) =>
    setTimeout(() => timeUp.abort(new DOMException('The time is up', 'TimeoutError')), milliseconds);
  let timer = startTimer(timeoutMs);
  return {
    signal: cancelled === undefined ? timeUp.signal : AbortSignal.any([timeUp.signal, cancelled]),
    timeUp: timeUp.signal,
    clear: () => clearTimeout(timer),
    restart: (milliseconds: number) => {
      clearTimeout(timer);
      timer = startTimer(milliseconds);
    },
  };
};
type Limit = ReturnType<typeof createLimit>;

/** Tells from what Node threw how the exchange failed. What is no failure of an exchange, but a mistake of ours, stays what it is. */
const translate = (error: unknown, { url, timeoutMs }: Exchange, { signal, timeUp }: Limit): unknown => {
  if (error instanceof ExchangeError) return error;
  if (timeUp.aborted) {
    const message = `${url.host} did not answer within ${timeoutMs / 1000} s`;
    return new ExchangeError('timed out', message, { cause: timeUp.reason });
  }
  const code = codeOf(error);
  if (signal.aborted || code === 'ABORT_ERR') {
    return new ExchangeError('cancelled', `the request to ${url.host} was cancelled`, { cause: error });
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    const message = `${url.host} answered with more headers than we read`;
    return new ExchangeError('too many headers', message, { cause: error });
  }
  if (isBrokenOff(error)) {
    return new ExchangeError('broken off', `${url.host} broke the connection off`, { cause: error });
  }
  if (code === '') return error;
  return new ExchangeError('unreachable', `${url.host} could not be reached (${code})`, { cause: error });
};

/**
 * Sends the request. A kept connection that the other side closed meanwhile, as it does while a Lambda is frozen, shows
 * only at the next request: what may be repeated (RFC 9110, section 9.2.2) is then sent once more.
 */
const begin = async (send: Send, request: Exchange, { signal }: Limit): Promise<BegunAnswer> => {
  const { url, method = 'GET', headers = {}, body } = request;
  const sent: HttpRequest = { method, headers, body, signal };
  try {
    return await send(url, sent);
  } catch (error) {
    if (method !== 'GET' || !isBrokenOff(error)) throw error;
    return send(url, sent);
  }
};

/** Of an answer that tells of an error, this much is read, and the rest left: it is the status that counts. */
const maxErrorBytes = 64 * 1024;

/** Reads a body up to its bounds and lets go of the connection when there is more. */
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
  const body = Buffer.concat(chunks).subarray(0, isError ? maxErrorBytes : maxBytes);
  if (!isError && countParts(body) > maxParts) {
    throw new ExchangeError('too many parts', `${url.host} answered with more than ${maxParts} JSON parts`);
  }
  return body;
};

/**
 * Sends one request and reads one bounded answer, whatever its status. Knows nothing of AWS, Runpod or the registry:
 * they name their own errors.
 *
 * @throws {ExchangeError} nothing usable came back within the bounds
 */
export const exchange = async (send: Send, request: Exchange): Promise<Answer> => {
  const limit = createLimit(request.timeoutMs, request.signal);
  try {
    const response = await begin(send, request, limit);
    return { status: response.status, headers: response.headers, body: await readBody(response, request) };
  } catch (error) {
    throw translate(error, request, limit);
  } finally {
    limit.clear();
  }
};

/** An answer whose body is read as it comes, for streams that never end by themselves. */
export interface OpenAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  /** The body, cut without an error when time or bytes run out. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

async function* readChunks(response: BegunAnswer, request: Exchange, limit: Limit): AsyncGenerator<Uint8Array> {
  const { maxBytes } = request;
  let length = 0;
  try {
    for await (const chunk of response.body) {
      length += chunk.byteLength;
      yield length > maxBytes ? chunk.subarray(0, chunk.byteLength - (length - maxBytes)) : chunk;
      if (length >= maxBytes) return;
    }
  } catch (error) {
    if (!limit.timeUp.aborted) throw translate(error, request, limit);
  } finally {
    limit.clear();
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
  const limit = createLimit(request.timeoutMs, request.signal);
  try {
    const response = await begin(send, request, limit);
    limit.restart(request.listenMs);
    return { status: response.status, headers: response.headers, chunks: readChunks(response, request, limit) };
  } catch (error) {
    limit.clear();
    throw translate(error, request, limit);
  }
};
