import { Transform } from 'node:stream';
import type { STSClientConfig } from '@aws-sdk/client-sts';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { createPartCounter, maxParts } from '../json-parts.ts';
import { quote } from '../quote.ts';

/** Most AWS answers are small. */
const usualBytes = 256 * 1024;

/** An HTTP handler for AWS clients that ends an answer which takes too long or grows too large. */
class BoundedHttpHandler extends NodeHttpHandler {
  readonly #timeoutMs: number;
  readonly #maxBytes: number;
  readonly #signal: AbortSignal | undefined;

  constructor(timeoutMs: number, maxBytes: number, signal: AbortSignal | undefined) {
    super({ connectionTimeout: timeoutMs, requestTimeout: timeoutMs, throwOnRequestTimeout: true });
    this.#timeoutMs = timeoutMs;
    this.#maxBytes = maxBytes;
    this.#signal = signal;
  }

  override async handle(...args: Parameters<NodeHttpHandler['handle']>): ReturnType<NodeHttpHandler['handle']> {
    const [request, options] = args;
    const abortSignal = this.#signal;
    const { response } = await super.handle(request, abortSignal === undefined ? options : { ...options, abortSignal });
    const source = response.body;
    const maxBytes = this.#maxBytes;
    let length = 0;
    const countParts = createPartCounter();
    const bounded = new Transform({
      transform(chunk: Uint8Array, _encoding, done) {
        length += chunk.byteLength;
        if (length > maxBytes) done(new Error(`AWS answered with more than ${maxBytes} bytes`));
        else if (countParts(chunk) > maxParts) done(new Error(`AWS answered with more than ${maxParts} JSON parts`));
        else done(null, chunk);
      },
    });
    const timer = setTimeout(
      () => bounded.destroy(new Error('AWS did not finish its answer in time')),
      this.#timeoutMs,
    );
    bounded.once('close', () => {
      clearTimeout(timer);
      source.destroy();
    });
    source.once('error', (error: Error) => bounded.destroy(error));
    source.once('aborted', () => bounded.destroy(new Error('AWS broke its answer off')));
    source.pipe(bounded);
    response.body = bounded;
    return { response };
  }
}

/** Where AWS is and who asks it. Whatever is left out, the SDK finds by itself, as it finds all of it in Lambda. */
export type AwsConnection = Readonly<
  Pick<STSClientConfig, 'endpoint' | 'region' | 'credentials' | 'profile' | 'useFipsEndpoint' | 'useDualstackEndpoint'>
> & {
  /** Ends every request that is under way, and every one that would follow. */
  readonly signal?: AbortSignal;
};

/**
 * What every AWS client of ours is made with. The state machine retries, so the client does so just once.
 *
 * @param maxBytes how long an answer may be
 */
export const awsClientDefaults = (
  { UPSTREAM_TIMEOUT_SECONDS, aws = {} }: { readonly UPSTREAM_TIMEOUT_SECONDS: number; readonly aws?: AwsConnection },
  maxBytes = usualBytes,
) => {
  const { signal, ...connection } = aws;
  return {
    ...connection,
    maxAttempts: 2,
    requestHandler: new BoundedHttpHandler(UPSTREAM_TIMEOUT_SECONDS * 1000, maxBytes, signal),
  };
};

/** How an AWS call failed, as far as we act on it. */
export type AwsFault = 'denied' | 'throttled' | 'missing' | 'invalid' | 'unavailable';

const faults: ReadonlyArray<readonly [RegExp, AwsFault]> = [
  [
    /^(?:AccessDenied|NotAuthorized|AuthorizationError|UnrecognizedClient|InvalidClientTokenId|ExpiredToken|InvalidSignature|IncompleteSignature|MissingAuthenticationToken|SignatureDoesNotMatch|KMSAccessDenied|OptInRequired|RegionDisabled)/,
    'denied',
  ],
  [/^(?:Throttl|TooManyRequests|RequestLimitExceeded|SlowDown|KMSThrottling|LimitExceeded)/, 'throttled'],
  [/(?:NotFound|DoesNotExist)/, 'missing'],
  [
    /^(?:Invalid|Validation|Malformed|Disabled|KMSInvalidState|KMSDisabled|Unsupported|IncorrectKey|Decryption|UnknownOperation)/,
    'invalid',
  ],
];

/** Tells what kind of failure an AWS client's error is. */
export const awsFaultOf = (error: unknown): AwsFault => {
  const name = error instanceof Error ? error.name : '';
  const status = httpStatusOf(error);
  if (status !== undefined && status >= 500) return 'unavailable';
  return faults.find(([pattern]) => pattern.test(name))?.[1] ?? 'unavailable';
};

const httpStatusOf = (error: unknown): number | undefined => {
  if (!(error instanceof Error && '$metadata' in error)) return undefined;
  const metadata = error.$metadata;
  const status =
    typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata
      ? metadata.httpStatusCode
      : undefined;
  return typeof status === 'number' ? status : undefined;
};

/** A parser's errors quotes what it could not parse, which may be the secret we had asked for. */
const quotesTheAnswer = (error: unknown): boolean => error instanceof SyntaxError;

/** What may stand as the cause of an error of ours: nothing that repeats an answer. */
export const awsCause = (error: unknown): ErrorOptions => (quotesTheAnswer(error) ? {} : { cause: error });

/** Says what came back from AWS in a clause: `403 AccessDeniedException "User … is not authorized"`. */
export const awsClause = (error: unknown): string => {
  if (!(error instanceof Error)) return 'no answer';
  const status = httpStatusOf(error);
  if (quotesTheAnswer(error)) return `${status === undefined ? '' : `${status} with `}something that is not JSON`;
  const name = error.name === 'Error' ? '' : `${error.name} `;
  return `${status === undefined ? '' : `${status} `}${name}"${quote(error.message.replace(/\s*Deserialization error: to see the raw response.*$/s, ''))}"`;
};
