import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import type { RegistryToken } from '../aws/seal.ts';
import type { Settings } from '../env.ts';
import { type Answer, ExchangeError, exchange, type Send } from '../http.ts';
import { listOf, parseBounded } from '../json-parts.ts';
import { mapConcurrent } from '../map-concurrent.ts';
import { quote } from '../quote.ts';
import { parseEcrHost } from './host.ts';
import { type ImageReference, manifestReference } from './image-reference.ts';

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

/** What a pull that worked showed. */
export interface PulledImage {
  /** The digest that the reference stands for now: of the index, where it is one. */
  readonly digest: string;
  /** Compressed bytes of config and layers, which is what a cold host downloads. */
  readonly sizeInBytes: number;
  readonly layers: number;
}

/** Pulls as a worker would, but for the bulk: everything is asked for, and one byte of each layer is read. */
export interface RegistryClient {
  /** @throws {PullError} */
  tryImage(image: ImageReference, login: RegistryToken): Promise<PulledImage>;
  /** Logs in without pulling anything, for a credential that no endpoint uses. @throws {PullError} */
  tryLogin(registry: string, login: RegistryToken): Promise<void>;
}

/** Manifests of a thousand layers have 200 KB. */
const maxManifestBytes = 1024 * 1024;
const maxConfigBytes = 1024 * 1024;
const maxErrorBytes = 64 * 1024;
const maxLayers = 1000;
const maxLayersAtOnce = 16;
const maxIndexDepth = 2;
const redirects: readonly number[] = [301, 302, 303, 307, 308];

const mediaTypes = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
} as const;
const accept = Object.values(mediaTypes).join(', ');

const isIndexType = (mediaType: string | undefined): boolean =>
  mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerList;

const digestPattern = /^sha256:[0-9a-f]{64}$/;

const descriptor = z.object({
  digest: z.string().check(z.regex(digestPattern)),
  size: z.number().check(z.int(), z.gte(0), z.lte(Number.MAX_SAFE_INTEGER)),
  mediaType: z.optional(z.string()),
  urls: z.optional(z.array(z.string())),
});
const platform = z.optional(z.object({ os: z.string(), architecture: z.string() }));
const indexSchema = z.object({ manifests: listOf(z.extend(descriptor, { platform }), maxLayers) });
const manifestSchema = z.object({ config: descriptor, layers: listOf(descriptor, maxLayers) });
const configSchema = z.object({ os: z.optional(z.string()), architecture: z.optional(z.string()) });
const errorSchema = z.object({
  errors: listOf(z.object({ code: z.optional(z.string()), message: z.optional(z.string()) }), 1000),
});

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const readJson = (bytes: Uint8Array): unknown => {
  try {
    return parseBounded(bytes, new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
};

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

/** Makes a client that sends logins to ECR's own hosts, over https, and to nobody else. */
export const createRegistryClient = (
  {
    UPSTREAM_TIMEOUT_SECONDS,
    REGISTRY_ENDPOINT_URL,
  }: Pick<Settings, 'UPSTREAM_TIMEOUT_SECONDS' | 'REGISTRY_ENDPOINT_URL'>,
  sendRequest: Send,
): RegistryClient => {
  const timeoutMs = UPSTREAM_TIMEOUT_SECONDS * 1000;

  const originOf = (registry: string): string => {
    if (parseEcrHost(registry) === undefined) {
      throw new PullError('malformed', `${quote(registry)} is not an Amazon ECR registry, so it gets no token`);
    }
    if (REGISTRY_ENDPOINT_URL === undefined) return `https://${registry}`;
    return `${REGISTRY_ENDPOINT_URL.href.replace(/\/+$/, '')}/${registry}`;
  };

  const send = (url: URL, headers: Record<string, string>, maxBytes: number): Promise<Answer> =>
    exchange(sendRequest, { url, headers, timeoutMs, maxBytes }).catch((error: ExchangeError) => {
      throw new PullError(error.fault === 'too large' ? 'malformed' : 'unreachable', error.message, { cause: error });
    });

  const refusal = (what: string, { status, body }: Answer, { password }: RegistryToken): PullError => {
    const parsed = z.safeParse(errorSchema, readJson(body.subarray(0, maxErrorBytes)));
    const { code = '', message = '' } = (parsed.success ? parsed.data.errors[0] : undefined) ?? {};
    const text = parsed.success ? `${code} ${message}` : new TextDecoder().decode(body.subarray(0, 1024));
    const came = quote(text, [password]);
    return new PullError(problemOf(status, code, text), `${what} answered ${status}${came === '' ? '' : ` "${came}"`}`);
  };

  const authorization = ({ username, password }: RegistryToken): Record<string, string> => ({
    authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
  });

  const getManifest = async (
    image: ImageReference,
    reference: string,
    login: RegistryToken,
  ): Promise<Answer & { digest: string }> => {
    const url = new URL(
      `${originOf(image.registry)}/v2/${image.repository}/manifests/${encodeURIComponent(reference)}`,
    );
    const what = `${image.registry}, asked for ${image.repository} ${reference},`;
    const answer = await send(url, { ...authorization(login), accept }, maxManifestBytes);
    if (!isSuccess(answer)) throw refusal(what, answer, login);
    if (readJson(answer.body) === undefined) {
      throw new PullError('unreachable', `${what} answered ${answer.status} with something that is not JSON`);
    }
    const digest = digestOf(answer.body);
    const promised = reference.startsWith('sha256:') ? reference : answer.headers.get('docker-content-digest');
    if (promised !== undefined && promised !== digest) {
      throw new PullError('unreachable', `${what} answered with a manifest of another digest (${digest})`);
    }
    return { ...answer, digest };
  };

  /** Follows ECR's redirect to its blob store, which must not see the login. */
  const getBlob = async (
    image: ImageReference,
    digest: string,
    login: RegistryToken,
    headers: Record<string, string>,
    maxBytes: number,
  ): Promise<Uint8Array> => {
    const what = `${image.registry}, asked for blob ${digest.slice(0, 19)} of ${image.repository},`;
    let url = new URL(`${originOf(image.registry)}/v2/${image.repository}/blobs/${digest}`);
    let answer = await send(url, { ...authorization(login), ...headers }, maxBytes);
    for (let hop = 0; redirects.includes(answer.status) && hop < 3; hop += 1) {
      const location = answer.headers.get('location');
      if (location === undefined || !URL.canParse(location, url.href))
        throw new PullError('malformed', `${what} redirected to nowhere`);
      url = new URL(location, url);
      if (url.protocol !== 'https:' && REGISTRY_ENDPOINT_URL === undefined) {
        throw new PullError('malformed', `${what} redirected to ${url.protocol}//${url.host}, which is not https`);
      }
      answer = await send(url, headers, maxBytes);
      if (answer.status === 401 || answer.status === 403) {
        throw new PullError(
          'unreachable',
          `${url.host}, where ${image.registry} keeps its blobs, answered ${answer.status}`,
        );
      }
    }
    if (!isSuccess(answer)) throw refusal(what, answer, login);
    return answer.body;
  };

  /** One byte tells that the layer is there and may be read. A store that ignores the range is cut off instead. */
  const touchLayer = async (image: ImageReference, digest: string, login: RegistryToken): Promise<void> => {
    try {
      const bytes = await getBlob(image, digest, login, { range: 'bytes=0-0' }, maxErrorBytes);
      if (bytes.byteLength > 0) return;
    } catch (error) {
      const tooLarge =
        error instanceof PullError && error.cause instanceof ExchangeError && error.cause.fault === 'too large';
      if (tooLarge) return;
      throw error;
    }
    throw new PullError(
      'malformed',
      `${image.registry} answered with an empty layer ${digest.slice(0, 19)} of ${image.repository}`,
    );
  };

  /** Follows indexes down to the manifest that a linux/amd64 host runs. Attestations have the platform unknown/unknown. */
  const chooseManifest = async (
    image: ImageReference,
    reference: string,
    login: RegistryToken,
    depth = 0,
  ): Promise<{ readonly digest: string; readonly document: unknown }> => {
    const { digest, body } = await getManifest(image, reference, login);
    const document = readJson(body);
    const index = z.safeParse(indexSchema, document);
    if (!index.success) return { digest, document };
    if (depth === maxIndexDepth)
      throw new PullError('malformed', `the image's indexes nest more than ${maxIndexDepth} deep`);
    const { manifests } = index.data;
    const child =
      manifests.find(({ platform: is }) => is?.os === 'linux' && is.architecture === 'amd64') ??
      manifests.find(({ platform: is, mediaType }) => is === undefined && isIndexType(mediaType));
    if (child === undefined) {
      const found = manifests
        .flatMap(({ platform: is }) => (is === undefined ? [] : [`${is.os}/${is.architecture}`]))
        .filter((each) => each !== 'unknown/unknown');
      throw new PullError(
        'no-linux-amd64',
        `the image has no linux/amd64, only ${quote(found.join(', ')) || 'nothing to run'}`,
      );
    }
    return { digest, document: (await chooseManifest(image, child.digest, login, depth + 1)).document };
  };

  return {
    async tryImage(image, login) {
      const { digest, document } = await chooseManifest(image, manifestReference(image), login);
      const manifest = z.safeParse(manifestSchema, document);
      if (!manifest.success) {
        throw new PullError('malformed', `${image.registry} answered with something that is no image manifest`);
      }
      const { config, layers } = manifest.data;

      const configBytes = await getBlob(image, config.digest, login, {}, maxConfigBytes);
      if (digestOf(configBytes) !== config.digest) {
        throw new PullError('unreachable', `${image.registry} answered with a config blob of another digest`);
      }
      const built = z.safeParse(configSchema, readJson(configBytes));
      const { os = 'linux', architecture } = built.success ? built.data : {};
      if (architecture !== undefined && (os !== 'linux' || architecture !== 'amd64')) {
        throw new PullError(
          'no-linux-amd64',
          `the image is for ${quote(`${os}/${architecture}`)}, and Runpod runs linux/amd64`,
        );
      }

      const distinct = new Map(layers.map((layer) => [layer.digest, layer]));
      const ours = [...distinct.values()].filter((layer) => layer.urls === undefined || layer.urls.length === 0);
      await mapConcurrent(ours, maxLayersAtOnce, (layer) => touchLayer(image, layer.digest, login));
      const sizeInBytes = [config, ...distinct.values()].reduce((sum, { size }) => sum + size, 0);
      return { digest, sizeInBytes, layers: layers.length };
    },

    async tryLogin(registry, login) {
      const answer = await send(new URL(`${originOf(registry)}/v2/`), authorization(login), maxErrorBytes);
      if (!isSuccess(answer)) throw refusal(`${registry}, asked to log in,`, answer, login);
    },
  };
};
