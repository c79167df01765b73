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
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export type Fetch = typeof globalThis.fetch;

const codeOf = (error: unknown): string => {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' ? code : '';
};

const isBrokenOff = (error: unknown): boolean => {
  const code = codeOf(error);
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET';
};

const translate = (error: unknown, { url, timeoutMs }: Exchange): ExchangeError => {
  if (error instanceof ExchangeError) return error;
  if (error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError')) {
    return new ExchangeError('timed out', `${url.host} did not answer within ${timeoutMs / 1000} s`, { cause: error });
  }
  const code = codeOf(error);
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    return new ExchangeError('too many headers', `${url.host} answered with more headers than we read`, {
      cause: error,
    });
  }
  if (isBrokenOff(error) || (error instanceof Error && error.message === 'terminated')) {
    return new ExchangeError('broken off', `${url.host} broke the connection off`, { cause: error });
  }
  const reason = code === '' ? '' : ` (${code})`;
  return new ExchangeError('unreachable', `${url.host} could not be reached${reason}`, { cause: error });
};

/** Of an answer that tells of an error, this much is read, and the rest left: it is the status that counts. */
const mostErrorBytes = 64 * 1024;

/** Reads a body up to `maxBytes` and lets go of the connection when there is more. */
const readBody = async (response: Response, { url, maxBytes }: Exchange): Promise<Uint8Array> => {
  if (response.body === null) return new Uint8Array();
  const isError = response.status >= 400;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body) {
    length += chunk.byteLength;
    if (length > maxBytes && !isError) {
      throw new ExchangeError('too large', `${url.host} answered with more than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
    if (isError && length >= mostErrorBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, isError ? mostErrorBytes : maxBytes);
};

/**
 * Sends the request. A kept connection that the other side closed meanwhile, as it does while a Lambda is frozen, shows
 * only at the next request: what may be repeated (RFC 9110, section 9.2.2) is then sent once more.
 */
const send = async (fetch: Fetch, url: URL, init: RequestInit): Promise<Response> => {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (init.method !== 'GET' || !isBrokenOff(error)) throw error;
    return fetch(url, init);
  }
};

/**
 * Sends the request and reads the whole answer, whatever its status.
 *
 * @throws {ExchangeError} nothing usable came back within the bounds
 */
export const exchange = async (fetch: Fetch, request: Exchange): Promise<Answer> => {
  const { url, method = 'GET', headers = {}, body, timeoutMs } = request;
  try {
    const response = await send(fetch, url, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: response.status, headers: response.headers, body: await readBody(response, request) };
  } catch (error) {
    throw translate(error, request);
  }
};

/** An answer whose body is read as it comes, for streams that never end by themselves. */
export interface OpenAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** The body, cut without an error when time or bytes run out. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

async function* boundedChunks(response: Response, maxBytes: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
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
  fetch: Fetch,
  request: Exchange & { readonly listenMs: number },
): Promise<OpenAnswer> => {
  const { url, method = 'GET', headers = {}, timeoutMs, listenMs, maxBytes } = request;
  const abort = new AbortController();
  const answerTimer = setTimeout(() => abort.abort(new DOMException('no answer', 'TimeoutError')), timeoutMs);
  try {
    const response = await send(fetch, url, { method, headers, redirect: 'manual', signal: abort.signal });
    clearTimeout(answerTimer);
    const listenTimer = setTimeout(() => abort.abort(), listenMs);
    const chunks = (async function* () {
      try {
        yield* boundedChunks(response, maxBytes, abort.signal);
      } catch (error) {
        throw translate(error, request);
      } finally {
        clearTimeout(listenTimer);
        abort.abort();
      }
    })();
    return { status: response.status, headers: response.headers, chunks };
  } catch (error) {
    clearTimeout(answerTimer);
    throw translate(error, request);
  }
};
