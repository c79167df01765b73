import { exchange } from '../exchange.ts';
import type { Send } from '../http.ts';

/** A request as the AWS SDK signed it. */
interface SignedRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number | undefined;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** The query must be written as it was signed (AWS Signature Version 4: all but unreserved characters are encoded). */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);

const urlOf = ({ protocol, hostname, port, path, query = {} }: SignedRequest): URL => {
  const pairs = Object.entries(query).flatMap(([name, values]) =>
    [values ?? ''].flat().map((value) => `${encode(name)}=${encode(value)}`),
  );
  const url = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`);
  url.search = pairs.join('&');
  return url;
};

/** Sends the AWS SDK's requests by the same bounded exchange as all others. What we ask of AWS streams nothing. */
export const createAwsHttpHandler = (
  send: Send,
  bounds: { readonly timeoutMs: number; readonly maxBytes: number },
) => ({
  async handle(request: SignedRequest, { abortSignal: signal }: { readonly abortSignal?: AbortSignal } = {}) {
    const { method, headers, body } = request;
    const answer = await exchange(send, {
      url: urlOf(request),
      method,
      headers,
      body: typeof body === 'string' || body instanceof Uint8Array ? body : undefined,
      signal,
      ...bounds,
    });
    const response = { statusCode: answer.status, headers: Object.fromEntries(answer.headers), body: answer.body };
    return { response };
  },
});
