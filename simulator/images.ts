import { createHash, randomBytes } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';

/** A manifest or blob with its address. */
export interface Content {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** An image as a push brings it: the manifest that is tagged, the manifests below it, and the blobs. */
export interface Image {
  readonly top: Content;
  readonly manifests: readonly Content[];
  readonly blobs: readonly Content[];
}

/** What kind of image to build. */
export interface ImageRecipe {
  /** How many layers, and bytes in each. */
  readonly layers?: number;
  readonly layerBytes?: number;
  readonly architecture?: string;
  readonly compression?: 'gzip' | 'zstd';
  /** Whether the image is an index, with an attestation beside it, as `docker buildx` pushes. */
  readonly isIndex?: boolean;
}

const content = (mediaType: string, value: Buffer | object): Content => {
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value));
  return { mediaType, bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
};

const describe = ({ mediaType, digest, bytes }: Content) => ({ mediaType, digest, size: bytes.byteLength });

const ociManifest = 'application/vnd.oci.image.manifest.v1+json';

const manifestOf = (config: Content, layers: readonly Content[]): Content =>
  content(ociManifest, {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: describe(config),
    layers: layers.map(describe),
  });

/** Builds an image of random layers. */
export const buildImage = ({
  layers: count = 3,
  layerBytes = 2048,
  architecture = 'amd64',
  isIndex = true,
  compression = 'gzip',
}: ImageRecipe = {}): Image => {
  const compress = compression === 'gzip' ? (bytes: Buffer) => gzipSync(bytes, { level: 1 }) : zstdCompressSync;
  const layers = Array.from({ length: count }, () =>
    content(`application/vnd.oci.image.layer.v1.tar+${compression}`, compress(randomBytes(layerBytes))),
  );
  const config = content('application/vnd.oci.image.config.v1+json', {
    os: 'linux',
    architecture,
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    config: { Cmd: ['python', '-u', 'handler.py'] },
  });
  const manifest = manifestOf(config, layers);
  if (!isIndex) return { top: manifest, manifests: [manifest], blobs: [config, ...layers] };

  const statement = content('application/vnd.in-toto+json', { _type: 'https://in-toto.io/Statement/v0.1' });
  const attestationConfig = content('application/vnd.oci.image.config.v1+json', {
    os: 'unknown',
    architecture: 'unknown',
  });
  const attestation = manifestOf(attestationConfig, [statement]);
  const index = content('application/vnd.oci.image.index.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      { ...describe(attestation), platform: { os: 'unknown', architecture: 'unknown' } },
      { ...describe(manifest), platform: { os: 'linux', architecture } },
    ],
  });
  return {
    top: index,
    manifests: [index, manifest, attestation],
    blobs: [config, ...layers, attestationConfig, statement],
  };
};
