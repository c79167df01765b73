import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import type { ReadApiKey } from '../aws/api-key.ts';
import { defined } from '../defined.ts';
import {
  CredentialNotFoundError,
  RunpodRateLimitedError,
  RunpodRequestRejectedError,
  RunpodUnauthorizedError,
  RunpodUnavailableError,
} from '../errors.ts';
import { type Answer, ExchangeError, exchange, type OpenAnswer, openExchange } from '../exchange.ts';
import type { AnswerHeaders, Send } from '../http.ts';
import { parseJson } from '../json.ts';
import { listOf } from '../json-parts.ts';
import { quote } from '../quote.ts';
import { KeyQuota } from './quota.ts';

/** One request to Runpod. */
export interface RunpodCall {
  /** What we want, to stand after "Runpod, asked to": `list the serverless endpoints`. */
  readonly what: string;
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  /** The scope a key needs for it, for the remedy: by name where Runpod documents one, else by what it is for. */
  readonly scope: string;
  /** What no message may repeat. */
  readonly secrets?: readonly string[];
}

/** An HTTP answer of Runpod's, of any status. `json` is `undefined` where the body is not JSON. */
export interface RunpodAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly json: unknown;
  /** The body as text, which nobody needs of a page of megabytes. */
  readonly text: () => string;
  /** What no message about this answer may repeat: the key it was asked with, and the call's own secrets. */
  readonly secrets: readonly string[];
}

/** Talks to Runpod with one API key. */
export interface RunpodClient {
  /** The clock it waits by, in epoch milliseconds. */
  readonly now: () => number;
  /**
   * Sends a call and reads the answer, whatever its status but 429.
   *
   * @throws {RunpodUnavailableError} no usable answer came back
   * @throws {RunpodRateLimitedError} Runpod asked us to slow down
   */
  send(call: RunpodCall): Promise<RunpodAnswer>;
  /**
   * Sends a call and reads a successful answer by a schema.
   *
   * @throws besides what `send` throws, the error that the answer's status stands for
   */
  ask<Schema extends z.ZodMiniType>(call: RunpodCall, schema: Schema): Promise<z.output<Schema>>;
  /** Opens a stream of text, cut after `listenMs` or `maxBytes`. */
  open(call: RunpodCall, bounds: { readonly listenMs: number; readonly maxBytes: number }): Promise<OpenAnswer>;
}

/** What the client needs from outside. */
interface RunpodClientDeps {
  readonly send: Send;
  readonly now: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly readApiKey: ReadApiKey;
  readonly timeoutMs: number;
}

/** A thousand endpoints, the most that a page has, take a kilobyte or two each, and their `env` besides. */
const maxBytes = 4 * 1024 * 1024;
/** A Retry-After that ends within this is waited for here; a longer one is the state machine's to wait for. */
export const maxPatienceMs = 20_000;

const problemSchema = z.object({ title: z.optional(z.string()), detail: z.optional(z.string()) });
const restErrorSchema = z.object({ error: z.optional(z.string()), message: z.optional(z.string()) });
/**
 * What is wrong with a request, each with its JSON path: `$: additional properties 'bogus' not allowed`; or as an object,
 * of which `value` may be what nobody should read.
 */
const mistakeSchema = z.union([
  z.string(),
  z.pipe(
    z.object({ message: z.string(), location: z.optional(z.string()) }),
    z.transform(({ message, location }) => (location === undefined ? message : `${location}: ${message}`)),
  ),
]);
const validationSchema = z.object({ errors: listOf(mistakeSchema, 1000) });

const problemOf = (json: unknown): string | undefined => {
  const problem = z.safeParse(problemSchema, json);
  const said = problem.success ? (problem.data.detail ?? problem.data.title) : undefined;
  const validation = z.safeParse(validationSchema, json);
  const mistakes = validation.success ? validation.data.errors.join('; ') : '';
  return mistakes === '' ? said : [said, mistakes].filter((each) => each !== undefined).join(' ');
};

/** What an error answer says, in whichever of Runpod's forms: problem+json, GraphQL, `{error}`, `{message}`, or text. */
const detailOf = ({ json, text }: RunpodAnswer): string => {
  const rest = z.safeParse(restErrorSchema, json);
  return (
    problemOf(json) ??
    (rest.success ? (rest.data.error ?? rest.data.message) : undefined) ??
    (/^\s*</.test(text()) ? 'a web page' : text())
  );
};

/** `500 "detail"`, fit for a message, with the request id where there is one. */
export const clauseOf = (answer: RunpodAnswer): string => {
  const detail = quote(detailOf(answer), answer.secrets);
  const requestId = quote(answer.headers.get('x-request-id') ?? '', answer.secrets);
  return `${answer.status}${detail === '' ? '' : ` "${detail}"`}${requestId === '' ? '' : `, request ${requestId}`}`;
};

/** What to do about a request that Runpod understood and refused, by its status. */
const remedies: Readonly<Record<number, string>> = {
  400: 'Check the ids in targets.yml and the account at console.runpod.io.',
  402: 'The account’s balance does not allow it: add credit at console.runpod.io.',
  409: 'Something else holds it or is changing it: look at console.runpod.io, and ask again a minute later.',
  413: 'What was sent is longer than Runpod takes: look for a newer release of runpod-ecr-refresh.',
  415: 'Look for a newer release of runpod-ecr-refresh.',
  422: 'Check the ids in targets.yml and the account at console.runpod.io.',
};

/** The error that an answer's status stands for. */
export const refusalOf = (answer: RunpodAnswer, call: RunpodCall): Error => {
  const { status } = answer;
  const came = clauseOf(answer);
  if (status === 401) {
    return new RunpodUnauthorizedError(
      `Runpod refused the API key when asked to ${call.what} (${came}). Create a key with the scope ${call.scope} and store it where targets.yml says.`,
    );
  }
  if (status === 403) {
    return new RunpodUnauthorizedError(
      `Runpod refused to ${call.what} (${came}). The API key needs the scope ${call.scope}.`,
    );
  }
  const remedy = remedies[status];
  if (remedy !== undefined) {
    return new RunpodRequestRejectedError(`Runpod refused to ${call.what} (${came}). ${remedy}`);
  }
  return new RunpodUnavailableError(`Runpod, asked to ${call.what}, answered ${came}.`);
};

/**
 * Whether an answer says that there is no such operation. Of API v2's two kinds of 404 it is the one of an unknown path;
 * "resource not found" says that the operation is there, and the thing is not. A 404 that is no JSON is not the
 * operation's either: something before it knows no such path. What any other 404 means is for the caller to know.
 */
export const isOperationMissing = (answer: RunpodAnswer): boolean =>
  [405, 410, 501].includes(answer.status) ||
  (answer.status === 404 &&
    (answer.json === undefined
      ? answer.text().trim() !== ''
      : /requested path was not found/i.test(problemOf(answer.json) ?? '')));

/** Deletes a thing, which may have gone already. Throws what `send` throws, and the error that a refusal stands for. */
export const deleteAt = async (client: RunpodClient, call: Omit<RunpodCall, 'method'>): Promise<void> => {
  const deletion: RunpodCall = { ...call, method: 'DELETE' };
  const answer = await client.send(deletion);
  if (answer.status === 404 && !isOperationMissing(answer)) return;
  if (answer.status < 200 || answer.status > 299) throw refusalOf(answer, deletion);
  // Runpod answers 204. A page comes from something between, and the thing is still there: a pod goes on costing.
  if (answer.json === undefined && answer.text().trim() !== '') {
    throw new RunpodUnavailableError(`Runpod, asked to ${call.what}, answered with something that is not JSON.`);
  }
};

/** Builds a URL below a base, with each identifier encoded. */
export const under = (base: URL, ...segments: string[]): URL => {
  const unsafe = segments.find((segment) => /^\.{0,2}$/.test(segment));
  if (unsafe !== undefined) throw new RunpodRequestRejectedError(`"${unsafe}" cannot be an identifier at Runpod.`);
  return new URL(`${base.href.replace(/\/+$/, '')}/${segments.map(encodeURIComponent).join('/')}`);
};

/** Reads Retry-After, in seconds or as a date (RFC 9110, section 10.2.3). Milliseconds, or `undefined`. */
export const retryAfterMs = (headers: AnswerHeaders, now: number): number | undefined => {
  const value = headers.get('retry-after')?.trim() ?? '';
  if (/^\d+$/.test(value)) return Math.min(Number(value), 86_400) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.min(Math.max(0, date - now), 86_400_000);
};

const secretsOf = ({ secrets = [] }: RunpodCall, key: string): readonly string[] => [...secrets, key];

const fingerprint = (key: string): string => createHash('sha256').update(key).digest('base64');

const readAnswer = ({ status, headers, body }: Answer, secrets: readonly string[]): RunpodAnswer => {
  const text = () => new TextDecoder().decode(body);
  return { status, headers, json: parseJson(body), text, secrets };
};

/** Makes clients, each for the key that its `keySource` names. */
export type ConnectRunpod = (keySource: string) => RunpodClient;

/** Keeps, for as long as the Lambda lives, what Runpod says of how often each key may ask. */
export const createConnectRunpod = (deps: RunpodClientDeps): ConnectRunpod => {
  const quotas = new Map<string, KeyQuota>();
  const quotaOf = (key: string): KeyQuota => {
    const found = quotas.get(fingerprint(key)) ?? new KeyQuota();
    quotas.set(fingerprint(key), found);
    return found;
  };
  return (keySource) => createRunpodClient(deps, quotaOf, keySource);
};

const createRunpodClient = (
  { send: sendRequest, now, sleep, readApiKey, timeoutMs }: RunpodClientDeps,
  quotaOf: (key: string) => KeyQuota,
  keySource: string,
): RunpodClient => {
  const tooMany = (call: RunpodCall, waitMs: number, came: string): Error =>
    new RunpodRateLimitedError(
      `Runpod, asked to ${call.what}, asked us to slow down (${came}).${waitMs > 0 ? ` It wants to be left alone for ${Math.ceil(waitMs / 1000)} s.` : ''}`,
    );

  /** Waits until the key may ask again; where that takes long, only what changes something goes on, with what is left. */
  const waitForTurn = async (key: string, call: RunpodCall): Promise<void> => {
    const quota = quotaOf(key);
    const quietMs = quota.quietUntil - now();
    if (quietMs > maxPatienceMs) throw tooMany(call, quietMs, 'not asked again: it said so a moment ago');
    const exhausted = quota.exhausted(now());
    const resetMs = (exhausted?.resetsAt ?? 0) - now();
    if (exhausted !== undefined && resetMs > maxPatienceMs) {
      const { name, left, quota: total } = exhausted;
      if (left <= 0 || (call.method ?? 'GET') === 'GET') {
        const count = `${Math.max(0, left)}${total === undefined ? '' : ` of ${total}`}`;
        throw new RunpodRateLimitedError(
          `Runpod was not asked to ${call.what}: of the API key’s requests in this ${quote(name)} ${count} are left, and a tenth is its owner’s. There are more in ${Math.ceil(resetMs / 1000)} s.`,
        );
      }
    } else if (Math.max(quietMs, resetMs) > 0) {
      await sleep(Math.max(quietMs, resetMs));
    }
    quota.take();
  };

  const noteLimit = (key: string, headers: AnswerHeaders): number => {
    const waitMs = retryAfterMs(headers, now()) ?? 0;
    quotaOf(key).quietUntil = now() + waitMs;
    return waitMs;
  };

  /** Waits for what was asked of Runpod, and says what was asked where no answer came. */
  const answered = async <Result>(call: RunpodCall, asked: Promise<Result>): Promise<Result> => {
    try {
      return await asked;
    } catch (error) {
      if (!(error instanceof ExchangeError)) throw error;
      const message = `Runpod, asked to ${call.what}, gave no answer: ${error.message}.`;
      throw new RunpodUnavailableError(message, { cause: error });
    }
  };

  const headersOf = (call: RunpodCall, key: string): Record<string, string> => ({
    accept: 'application/json',
    'user-agent': 'runpod-ecr-refresh',
    ...defined({ 'content-type': call.body === undefined ? undefined : 'application/json' }),
    ...call.headers,
    authorization: `Bearer ${key}`,
  });

  const sendWith = async (key: string, call: RunpodCall): Promise<RunpodAnswer> => {
    await waitForTurn(key, call);
    const { url, method = 'GET' } = call;
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const request = { url, method, headers: headersOf(call, key), body, timeoutMs, maxBytes };
    const answer = readAnswer(await answered(call, exchange(sendRequest, request)), secretsOf(call, key));
    quotaOf(key).note(answer.headers, now());
    if (answer.status === 429) {
      throw tooMany(call, noteLimit(key, answer.headers), clauseOf(answer));
    }
    return answer;
  };

  /** A key may have been rotated since it was cached: a refused one is read again before it is believed. */
  const send = async (call: RunpodCall): Promise<RunpodAnswer> => {
    const key = await readApiKey(keySource);
    const answer = await sendWith(key, call);
    if (answer.status !== 401) return answer;
    const fresh = await readApiKey(keySource, true);
    return fresh === key ? answer : sendWith(fresh, { ...call, secrets: secretsOf(call, key) });
  };

  return {
    now,
    send,

    async ask(call, schema) {
      const answer = await send(call);
      if (answer.status < 200 || answer.status > 299) throw refusalOf(answer, call);
      const parsed = z.safeParse(schema, answer.json);
      if (parsed.success) return parsed.data;
      const shape = answer.json === undefined ? 'something that is not JSON' : 'JSON of a form we do not know';
      throw new RunpodUnavailableError(
        `Runpod, asked to ${call.what}, answered ${answer.status} with ${shape}: ${quote(detailOf(answer), answer.secrets) || 'nothing'}.`,
      );
    },

    async open(call, bounds) {
      const key = await readApiKey(keySource);
      await waitForTurn(key, call);
      const headers = { ...headersOf(call, key), accept: 'text/event-stream' };
      const asked = openExchange(sendRequest, { url: call.url, headers, timeoutMs, ...bounds });
      const answer = await answered(call, asked);
      quotaOf(key).note(answer.headers, now());
      if (answer.status === 200) return answer;
      const pieces: Uint8Array[] = [];
      for await (const chunk of answer.chunks) pieces.push(chunk);
      const refusal = readAnswer({ ...answer, body: Buffer.concat(pieces) }, secretsOf(call, key));
      if (answer.status === 429) throw tooMany(call, noteLimit(key, answer.headers), clauseOf(refusal));
      throw refusalOf(refusal, call);
    },
  };
};

/** What to say where Runpod does not know a credential. */
export const credentialNotFound = (id: string): CredentialNotFoundError =>
  new CredentialNotFoundError(
    `Runpod has no registry credential ${id}. Correct runpod.registry in targets.yml, or create the credential anew and point the endpoints at it.`,
  );
