import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import type { RegistryToken } from '../aws/seal.ts';
import type { Settings } from '../env.ts';
import { type Answer, ExchangeError, exchange } from '../exchange.ts';
import type { Send } from '../http.ts';
import { parseJson } from '../json.ts';
import { listOf } from '../json-parts.ts';
import { quote } from '../quote.ts';
import { parseEcrHost } from './host.ts';
import type { ImageReference } from './image-reference.ts';

/** Why an image could not be pulled. The first two speak of the token, the rest of the image or the moment. */
export type PullProblem =
  | 'token-refused'
  | 'token-expired'
  | 'repository-forbidden'
  | 'image-missing'
  | 'no-linux-amd64'
  | 'archived'
  | 'malformed'
  | 'throttled'
  | 'unreachable';

/** A pull that did not work. The message is a clause: what was asked, and what came back. */
export class PullError extends Error {
  override readonly name = 'PullError';
  readonly problem: PullProblem;

  constructor(problem: PullProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }
}

/** Manifests of a thousand layers have 200 KB. */
const maxManifestBytes = 1024 * 1024;
const maxErrorBytes = 64 * 1024;
const maxRedirects = 3;
const redirects: readonly number[] = [301, 302, 303, 307, 308];

const errorSchema = z.object({
  errors: listOf(z.object({ code: z.optional(z.string()), message: z.optional(z.string()) }), 1000),
});

/** The digest by which a registry knows a manifest or blob. */
export const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Whether there is more of an answer than any manifest or config has. */
export const isOverBounds = ({ fault }: ExchangeError): boolean => fault === 'too large' || fault === 'too many parts';

const isSuccess = ({ status }: Answer): boolean => status >= 200 && status < 300;

/**
 * Tells from a refusal what kind it is.
 *
 * Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/common-errors-docker.html and answers seen.
 */
const problemOf = (status: number, code: string, message: string): PullProblem => {
  if (/archiv/i.test(message)) return 'archived';
  if (/token has expired/i.test(message)) return 'token-expired';
  if (status === 401) return 'token-refused';
  if (status === 403) return 'repository-forbidden';
  if (status === 404) return 'image-missing';
  if (status === 429 || code === 'TOOMANYREQUESTS') return 'throttled';
  return status >= 500 || status === 408 ? 'unreachable' : 'malformed';
};

const refusalOf = (what: string, { status, body }: Answer, { password }: RegistryToken): PullError => {
  const parsed = z.safeParse(errorSchema, parseJson(body));
  const { code = '', message = '' } = (parsed.success ? parsed.data.errors[0] : undefined) ?? {};
  const text = parsed.success ? `${code} ${message}` : new TextDecoder().decode(body.subarray(0, 1024));
  const came = quote(text, [password]);
  return new PullError(problemOf(status, code, text), `${what} answered ${status}${came === '' ? '' : ` "${came}"`}`);
};

const authorizationOf = ({ username, password }: RegistryToken): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
});

/** What is asked for besides a blob's digest. */
interface BlobRequest {
  readonly maxBytes: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/**
 * A registry's API, as far as pulling needs it. All of it throws a `PullError`.
 *
 * Source: https://distribution.github.io/distribution/spec/api/
 */
export interface RegistryApi {
  /** A manifest or index by tag or digest, in one of the media types that `accept` lists, checked against its digest. */
  getManifest(
    image: ImageReference,
    reference: string,
    accept: string,
    token: RegistryToken,
  ): Promise<{ readonly digest: string; readonly document: unknown }>;
  getBlob(image: ImageReference, digest: string, token: RegistryToken, request: BlobRequest): Promise<Uint8Array>;
  /** Asks for nothing but to be let in. */
  tryToken(registry: string, token: RegistryToken): Promise<void>;
}

/** Sends tokens to ECR's own hosts, over https, and to no other. */
export const createRegistryApi = (
  {
    UPSTREAM_TIMEOUT_SECONDS,
    REGISTRY_ENDPOINT_URL,
  }: Pick<Settings, 'UPSTREAM_TIMEOUT_SECONDS' | 'REGISTRY_ENDPOINT_URL'>,
  send: Send,
): RegistryApi => {
  const timeoutMs = UPSTREAM_TIMEOUT_SECONDS * 1000;

  const originOf = (registry: string): string => {
    if (parseEcrHost(registry) === undefined) {
      throw new PullError('malformed', `${quote(registry)} is not an Amazon ECR registry, so it gets no token`);
    }
    if (REGISTRY_ENDPOINT_URL === undefined) return `https://${registry}`;
    return `${REGISTRY_ENDPOINT_URL.href.replace(/\/+$/, '')}/${registry}`;
  };

  const get = async (url: URL, request: BlobRequest): Promise<Answer> => {
    try {
      return await exchange(send, { url, timeoutMs, ...request });
    } catch (error) {
      if (!(error instanceof ExchangeError)) throw error;
      throw new PullError(isOverBounds(error) ? 'malformed' : 'unreachable', error.message, { cause: error });
    }
  };

  /** Follows ECR's redirect to its blob store, which must not see the token. */
  const follow = async (what: string, image: ImageReference, from: URL, first: Answer, request: BlobRequest) => {
    let [url, answer] = [from, first];
    for (let hop = 0; redirects.includes(answer.status) && hop < maxRedirects; hop += 1) {
      const location = answer.headers.get('location');
      if (location === undefined || !URL.canParse(location, url.href)) {
        throw new PullError('malformed', `${what} redirected to nowhere`);
      }
      url = new URL(location, url);
      if (url.protocol !== 'https:' && REGISTRY_ENDPOINT_URL === undefined) {
        throw new PullError('malformed', `${what} redirected to ${url.protocol}//${url.host}, which is not https`);
      }
      answer = await get(url, request);
      if (answer.status === 401 || answer.status === 403) {
        const store = `${url.host}, where ${image.registry} keeps its blobs,`;
        throw new PullError('unreachable', `${store} answered ${answer.status}`);
      }
    }
    return answer;
  };

  return {
    async getManifest(image, reference, accept, token) {
      const path = `${image.repository}/manifests/${encodeURIComponent(reference)}`;
      const url = new URL(`${originOf(image.registry)}/v2/${path}`);
      const what = `${image.registry}, asked for ${image.repository} ${reference},`;
      const answer = await get(url, { headers: { ...authorizationOf(token), accept }, maxBytes: maxManifestBytes });
      if (!isSuccess(answer)) throw refusalOf(what, answer, token);
      const document = parseJson(answer.body);
      if (document === undefined) {
        throw new PullError('unreachable', `${what} answered ${answer.status} with something that is not JSON`);
      }
      const digest = digestOf(answer.body);
      const promised = reference.startsWith('sha256:') ? reference : answer.headers.get('docker-content-digest');
      if (promised !== undefined && promised !== digest) {
        throw new PullError('unreachable', `${what} answered with a manifest of another digest (${digest})`);
      }
      return { digest, document };
    },

    async getBlob(image, digest, token, request) {
      const what = `${image.registry}, asked for blob ${digest.slice(0, 19)} of ${image.repository},`;
      const url = new URL(`${originOf(image.registry)}/v2/${image.repository}/blobs/${digest}`);
      const first = await get(url, { ...request, headers: { ...authorizationOf(token), ...request.headers } });
      const answer = await follow(what, image, url, first, request);
      if (!isSuccess(answer)) throw refusalOf(what, answer, token);
      return answer.body;
    },

    async tryToken(registry, token) {
      const url = new URL(`${originOf(registry)}/v2/`);
      const answer = await get(url, { headers: authorizationOf(token), maxBytes: maxErrorBytes });
      if (!isSuccess(answer)) throw refusalOf(`${registry}, asked to let the token in,`, answer, token);
    },
  };
};
