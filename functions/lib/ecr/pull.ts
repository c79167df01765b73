import * as z from 'zod/mini';
import type { RegistryToken } from '../aws/seal.ts';
import type { Settings } from '../env.ts';
import { ExchangeError } from '../exchange.ts';
import type { Send } from '../http.ts';
import { parseJson } from '../json.ts';
import { listOf } from '../json-parts.ts';
import { mapConcurrent } from '../map-concurrent.ts';
import { quote } from '../quote.ts';
import { type ImageReference, manifestReference } from './image-reference.ts';
import { createRegistryApi, digestOf, isOverBounds, PullError } from './registry.ts';

/** What a pull that worked showed. */
interface PulledImage {
  /** The digest that the reference stands for now: of the index, where it is one. */
  readonly digest: string;
  /** Compressed bytes of config and layers, which is what a cold host downloads. */
  readonly sizeInBytes: number;
  readonly layers: number;
}

/** Pulls as a worker would, but for the bulk: everything is asked for, and one byte of each layer is read. */
export interface RegistryClient {
  /** @throws {PullError} */
  tryImage(image: ImageReference, token: RegistryToken): Promise<PulledImage>;
  /** Tries a token without pulling anything, for a credential that no endpoint uses. @throws {PullError} */
  tryToken(registry: string, token: RegistryToken): Promise<void>;
}

const maxConfigBytes = 1024 * 1024;
const maxLayerBytes = 64 * 1024;
const maxLayers = 1000;
const maxLayersAtOnce = 16;
const maxIndexDepth = 2;

const mediaTypes = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
} as const;
const accept = Object.values(mediaTypes).join(', ');

const isIndexType = (mediaType: string | undefined): boolean =>
  mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerList;

const descriptor = z.object({
  digest: z.string().check(z.regex(/^sha256:[0-9a-f]{64}$/)),
  size: z.number().check(z.int(), z.gte(0), z.lte(Number.MAX_SAFE_INTEGER)),
  mediaType: z.optional(z.string()),
  urls: z.optional(z.array(z.string())),
});
const platform = z.optional(z.object({ os: z.string(), architecture: z.string() }));
const indexSchema = z.object({ manifests: listOf(z.extend(descriptor, { platform }), maxLayers) });
const manifestSchema = z.object({ config: descriptor, layers: listOf(descriptor, maxLayers) });
const configSchema = z.object({ os: z.optional(z.string()), architecture: z.optional(z.string()) });

type Manifests = z.output<typeof indexSchema>['manifests'];

/** The entry of an index that a linux/amd64 host runs. Attestations have the platform unknown/unknown. */
const chooseChild = (manifests: Manifests): Manifests[number] => {
  const child =
    manifests.find(({ platform: is }) => is?.os === 'linux' && is.architecture === 'amd64') ??
    manifests.find(({ platform: is, mediaType }) => is === undefined && isIndexType(mediaType));
  if (child !== undefined) return child;
  const found = manifests
    .flatMap(({ platform: is }) => (is === undefined ? [] : [`${is.os}/${is.architecture}`]))
    .filter((each) => each !== 'unknown/unknown');
  const instead = quote(found.join(', ')) || 'nothing to run';
  throw new PullError('no-linux-amd64', `the image has no linux/amd64, only ${instead}`);
};

const requireLinuxAmd64 = (config: Uint8Array): void => {
  const built = z.safeParse(configSchema, parseJson(config));
  const { os = 'linux', architecture } = built.success ? built.data : {};
  if (architecture === undefined || (os === 'linux' && architecture === 'amd64')) return;
  const found = quote(`${os}/${architecture}`);
  throw new PullError('no-linux-amd64', `the image is for ${found}, and Runpod runs linux/amd64`);
};

/** Makes a client that sends tokens to ECR's own hosts, over https, and to no other. */
export const createRegistryClient = (
  settings: Pick<Settings, 'UPSTREAM_TIMEOUT_SECONDS' | 'REGISTRY_ENDPOINT_URL'>,
  send: Send,
): RegistryClient => {
  const registry = createRegistryApi(settings, send);

  /** Follows indexes down to the manifest that a linux/amd64 host runs. */
  const chooseManifest = async (
    image: ImageReference,
    reference: string,
    token: RegistryToken,
    depth = 0,
  ): Promise<{ readonly digest: string; readonly document: unknown }> => {
    const found = await registry.getManifest(image, reference, accept, token);
    const index = z.safeParse(indexSchema, found.document);
    if (!index.success) return found;
    if (depth === maxIndexDepth) {
      throw new PullError('malformed', `the image's indexes nest more than ${maxIndexDepth} deep`);
    }
    const child = await chooseManifest(image, chooseChild(index.data.manifests).digest, token, depth + 1);
    return { digest: found.digest, document: child.document };
  };

  /** One byte tells that the layer is there and may be read. A store that ignores the range is cut off instead. */
  const touchLayer = async (image: ImageReference, digest: string, token: RegistryToken, signal: AbortSignal) => {
    const request = { headers: { range: 'bytes=0-0' }, maxBytes: maxLayerBytes, signal };
    try {
      if ((await registry.getBlob(image, digest, token, request)).byteLength > 0) return;
    } catch (error) {
      if (error instanceof PullError && error.cause instanceof ExchangeError && isOverBounds(error.cause)) return;
      throw error;
    }
    const what = `an empty layer ${digest.slice(0, 19)} of ${image.repository}`;
    throw new PullError('malformed', `${image.registry} answered with ${what}`);
  };

  return {
    tryToken: registry.tryToken,

    async tryImage(image, token) {
      const { digest, document } = await chooseManifest(image, manifestReference(image), token);
      const manifest = z.safeParse(manifestSchema, document);
      if (!manifest.success) {
        throw new PullError('malformed', `${image.registry} answered with something that is no image manifest`);
      }
      const { config, layers } = manifest.data;

      const configBytes = await registry.getBlob(image, config.digest, token, { maxBytes: maxConfigBytes });
      if (digestOf(configBytes) !== config.digest) {
        throw new PullError('unreachable', `${image.registry} answered with a config blob of another digest`);
      }
      requireLinuxAmd64(configBytes);

      const distinct = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
      // A foreign layer is kept elsewhere, and its registry need not hold it.
      const held = distinct.filter(({ urls = [] }) => urls.length === 0);
      await mapConcurrent(held, maxLayersAtOnce, (layer, signal) => touchLayer(image, layer.digest, token, signal));
      const sizeInBytes = [config, ...distinct].reduce((sum, { size }) => sum + size, 0);
      return { digest, sizeInBytes, layers: layers.length };
    },
  };
};
