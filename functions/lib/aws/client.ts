import type { STSClientConfig } from '@aws-sdk/client-sts';
import { ExchangeError } from '../exchange.ts';
import { type Send, send, sendUntil } from '../http.ts';
import { quote } from '../quote.ts';
import { type AwsFault, faultOfName } from './fault-names.ts';
import { createAwsHttpHandler } from './http-handler.ts';

/** Most AWS answers are small. */
const usualBytes = 256 * 1024;

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
  sendRequest: Send = send,
) => {
  const { signal, ...connection } = aws;
  const sendBy = signal === undefined ? sendRequest : sendUntil(signal, sendRequest);
  return {
    ...connection,
    maxAttempts: 2,
    requestHandler: createAwsHttpHandler(sendBy, { timeoutMs: UPSTREAM_TIMEOUT_SECONDS * 1000, maxBytes }),
  };
};

/** Tells what kind of failure an AWS client's error is. */
export const awsFaultOf = (error: unknown): AwsFault => {
  const name = error instanceof Error ? error.name : '';
  const status = httpStatusOf(error);
  if (status !== undefined && status >= 500) return 'unavailable';
  return faultOfName(name) ?? 'unavailable';
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

/** A parser's error quotes what it could not parse, which may be the secret we had asked for. */
const quotesTheAnswer = (error: unknown): boolean => error instanceof SyntaxError;

/** What may stand as the cause of an error of ours: nothing that repeats an answer. */
export const awsCause = (error: unknown): ErrorOptions => (quotesTheAnswer(error) ? {} : { cause: error });

/** Says what came back from AWS in a clause: `403 AccessDeniedException "User … is not authorized"`. */
export const awsClause = (error: unknown): string => {
  if (!(error instanceof Error)) return 'no answer';
  const status = httpStatusOf(error);
  if (quotesTheAnswer(error)) return `${status === undefined ? '' : `${status} with `}something that is not JSON`;
  const name = error.name === 'Error' || error instanceof ExchangeError ? '' : `${error.name} `;
  return `${status === undefined ? '' : `${status} `}${name}"${quote(error.message.replace(/(?<!\s)\s*Deserialization error: to see the raw response.*$/s, ''))}"`;
};
