import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RegistryToken } from '../aws/seal.ts';
import type { Settings } from '../env.ts';
import { type Answer, ExchangeError, exchange } from '../exchange.ts';
import type { Send } from '../http.ts';
import { parseJson } from '../json.ts';
import { quote } from '../quote.ts';
import { parseEcrHost } from './host.ts';
import { type ImageReference, manifestReference, nameImage } from './image-reference.ts';
import {
  type AnswerOrigin,
  isAskedAgain,
  isEmptyRange,
  type PullProblem,
  pullRemedies,
  readRefusal,
} from './registry-answer.ts';

/** A pull that did not work. The message is a clause: what was asked, and what came back. */
export class PullError extends Error {
  override readonly name = 'PullError';
  readonly problem: PullProblem;

  constructor(problem: PullProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }

  /** What came back and what to do about it: two sentences, without the last period. */
  get advice(): string {
    return `${this.message}. ${pullRemedies[this.problem]}`;
  }
}

/** What containerd reads of a manifest at most is 8 MiB, and Docker 4 MiB (moby pull_v2.go, `maxManifestSize`). */
const maxManifestBytes = 4 * 1024 * 1024;
const maxErrorBytes = 64 * 1024;
const maxRedirects = 3;
const redirects: readonly number[] = [301, 302, 303, 307, 308];
/** A passing refusal is gone by then (docker/build-push-action#719). */
const pauseMs = 1000;

/** The digest by which a registry knows a manifest or blob. */
export const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Whether there is more of an answer than any manifest or config has. */
export const isOverBounds = ({ fault }: ExchangeError): boolean => fault === 'too large' || fault === 'too many parts';

const isSuccess = ({ status }: Answer): boolean => status >= 200 && status < 300;

const refusalOf = (what: string, answer: Answer, origin: AnswerOrigin, { password }: RegistryToken): PullError => {
  const { problem, said } = readRefusal(answer, origin, [password]);
  return new PullError(problem, `${what} answered ${answer.status}${said === '' ? '' : ` "${said}"`}`);
};

/** The header that a token is sent in. */
export const authorizationOf = ({ username, password }: RegistryToken): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
});

/**
 * Where a registry's API is, under `/v2/`. Tokens go to ECR's own hosts, over https, and to no other.
 *
 * @param endpoint what stands in for all registries, in tests
 */
export const registryOrigin = (registry: string, endpoint: Settings['REGISTRY_ENDPOINT_URL']): string => {
  if (parseEcrHost(registry) === undefined) {
    throw new PullError('malformed', `${quote(registry)} is not an Amazon ECR registry, so it gets no token`);
  }
  return endpoint === undefined ? `https://${registry}` : `${endpoint.href.replace(/\/+$/, '')}/${registry}`;
};

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
interface RegistryApi {
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

/** Sends tokens to ECR's own hosts, over https, and to no other. `pause` takes milliseconds. */
export const createRegistryApi = (
  {
    UPSTREAM_TIMEOUT_SECONDS,
    REGISTRY_ENDPOINT_URL,
  }: Pick<Settings, 'UPSTREAM_TIMEOUT_SECONDS' | 'REGISTRY_ENDPOINT_URL'>,
  send: Send,
  pause: (milliseconds: number) => Promise<unknown> = sleep,
): RegistryApi => {
  const timeoutMs = UPSTREAM_TIMEOUT_SECONDS * 1000;

  const originOf = (registry: string): string => registryOrigin(registry, REGISTRY_ENDPOINT_URL);

  const get = async (url: URL, request: BlobRequest): Promise<Answer> => {
    try {
      return await exchange(send, { url, timeoutMs, ...request });
    } catch (error) {
      if (!(error instanceof ExchangeError)) throw error;
      throw new PullError(isOverBounds(error) ? 'malformed' : 'unreachable', error.message, { cause: error });
    }
  };

  /** Asks the registry itself, once more after a pause where its refusal may have been a passing one. */
  const ask = async (url: URL, request: BlobRequest): Promise<Answer> => {
    const answer = await get(url, request);
    if (!isAskedAgain(answer)) return answer;
    await pause(pauseMs);
    return get(url, request);
  };

  /** Follows ECR's redirect to its blob store, which must not see the token. */
  const follow = async (what: string, image: ImageReference, from: URL, first: Answer, request: BlobRequest) => {
    let [url, answer, origin, who]: [URL, Answer, AnswerOrigin, string] = [from, first, 'registry', what];
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
      origin = 'blob-store';
      who = `${url.host}, where ${image.registry} keeps the blobs of ${image.repository},`;
    }
    return { answer, origin, who };
  };

  return {
    async getManifest(image, reference, accept, token) {
      const path = `${image.repository}/manifests/${encodeURIComponent(reference)}`;
      const url = new URL(`${originOf(image.registry)}/v2/${path}`);
      const part = reference === manifestReference(image) ? '' : `${reference.slice(0, 19)} of `;
      const what = `${image.registry}, asked for ${part}${nameImage(image)},`;
      const answer = await ask(url, { headers: { ...authorizationOf(token), accept }, maxBytes: maxManifestBytes });
      if (!isSuccess(answer)) throw refusalOf(what, answer, 'registry', token);
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
      const what = `${image.registry}, asked for blob ${digest.slice(0, 19)} of ${nameImage(image)},`;
      const url = new URL(`${originOf(image.registry)}/v2/${image.repository}/blobs/${digest}`);
      const first = await ask(url, { ...request, headers: { ...authorizationOf(token), ...request.headers } });
      const { answer, origin, who } = await follow(what, image, url, first, request);
      if (isEmptyRange(answer)) return new Uint8Array();
      if (!isSuccess(answer)) throw refusalOf(who, answer, origin, token);
      return answer.body;
    },

    async tryToken(registry, token) {
      const url = new URL(`${originOf(registry)}/v2/`);
      const answer = await ask(url, { headers: authorizationOf(token), maxBytes: maxErrorBytes });
      if (!isSuccess(answer)) throw refusalOf(`${registry}, asked to let the token in,`, answer, 'registry', token);
    },
  };
};
