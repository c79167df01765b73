import type { RegistryToken } from '../aws/seal.ts';
import type { Settings } from '../env.ts';
import { ExchangeError } from '../exchange.ts';
import type { Send } from '../http.ts';
import { parseJson } from '../json.ts';
import { mapConcurrent } from '../map-concurrent.ts';
import { type ImageReference, manifestReference, nameImage } from './image-reference.ts';
import { createRegistryApi, digestOf, isOverBounds, PullError } from './registry.ts';
import { findRunnableImage, type ImageLayer, manifestMediaTypes } from './runnable-image.ts';

/** Docker and containerd ask for all of these. */
const accept = manifestMediaTypes.join(', ');

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

/** Configs of several MiB occur (buildpacks-community/kpack#893); containerd's bound is 8 MiB. */
const maxConfigBytes = 8 * 1024 * 1024;
const maxLayerBytes = 64 * 1024;
const maxLayersAtOnce = 16;

/** Makes a client that sends tokens to ECR's own hosts, over https, and to no other. `pause` takes milliseconds. */
export const createRegistryClient = (
  settings: Pick<Settings, 'UPSTREAM_TIMEOUT_SECONDS' | 'REGISTRY_ENDPOINT_URL'>,
  send: Send,
  pause?: (milliseconds: number) => Promise<unknown>,
): RegistryClient => {
  const registry = createRegistryApi(settings, send, pause);

  /** One byte tells that the layer is there and may be read. A store that ignores the range is cut off instead. */
  const touchLayer = async (image: ImageReference, layer: ImageLayer, token: RegistryToken, signal: AbortSignal) => {
    const { digest, size } = layer;
    const request = { headers: { range: 'bytes=0-0' }, maxBytes: maxLayerBytes, signal };
    try {
      if ((await registry.getBlob(image, digest, token, request)).byteLength > 0 || size === 0) return;
    } catch (error) {
      if (error instanceof PullError && error.cause instanceof ExchangeError && isOverBounds(error.cause)) return;
      throw error;
    }
    const what = `an empty layer ${digest.slice(0, 19)} of ${nameImage(image)}`;
    throw new PullError('malformed', `${image.registry} answered with ${what}`);
  };

  return {
    tryToken: registry.tryToken,

    async tryImage(image, token) {
      const { digest, document } = await registry.getManifest(image, manifestReference(image), accept, token);
      const found = await findRunnableImage(document, {
        manifest: async (child) => (await registry.getManifest(image, child, accept, token)).document,
        config: async (config) => {
          const bytes = await registry.getBlob(image, config.digest, token, { maxBytes: maxConfigBytes });
          if (digestOf(bytes) === config.digest) return parseJson(bytes);
          throw new PullError('unreachable', `${image.registry} answered with a config blob of another digest`);
        },
      });
      if (found.kind !== 'runs') throw new PullError(found.kind, `${nameImage(image)} cannot run: ${found.clause}`);

      const { config, layers } = found;
      const distinct = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
      const held = distinct.filter(({ isForeign }) => !isForeign);
      await mapConcurrent(held, maxLayersAtOnce, (layer, signal) => touchLayer(image, layer, token, signal));
      const sizeInBytes = [config, ...distinct].reduce((sum, { size }) => sum + size, 0);
      return { digest, sizeInBytes, layers: layers.length };
    },
  };
};
