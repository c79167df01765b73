import { gzipSync } from 'node:zlib';
import { digestOf } from '../../functions/lib/ecr/registry.ts';

/** A manifest, config or layer, and the digest by which a registry knows it. */
export interface Content {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Uint8Array;
}

/** An image as it is pushed: its blobs, then the manifest that names them. */
export interface BuiltImage {
  readonly blobs: readonly Content[];
  readonly manifest: Content;
}

const blockBytes = 512;
/** A name and a text that no other image has: so no host has the layer before it pulls this one. */
const fileName = 'runpod-canary';
const text = 'runpod-ecr-refresh: this image is pulled, and never run.\n';

const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;

/**
 * One file as a tar archive.
 *
 * Source: POSIX, "ustar Interchange Format" (pax), https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
 */
const tarOf = (name: string, content: Buffer): Buffer => {
  const header = Buffer.alloc(blockBytes);
  const write = (value: string, offset: number): void => void header.write(value, offset, 'latin1');
  write(name, 0);
  write(octal(0o444, 7), 100);
  write(octal(0, 7), 108);
  write(octal(0, 7), 116);
  write(octal(content.byteLength, 11), 124);
  write(octal(0, 11), 136);
  // The checksum is taken with blanks in its own place.
  write(' '.repeat(8), 148);
  write('0', 156);
  write('ustar\x0000', 257);
  write(
    `${octal(
      header.reduce((sum, byte) => sum + byte, 0),
      6,
    )} `,
    148,
  );
  const filling = Buffer.alloc((blockBytes - (content.byteLength % blockBytes)) % blockBytes);
  return Buffer.concat([header, content, filling, Buffer.alloc(2 * blockBytes)]);
};

const contentOf = (mediaType: string, value: Uint8Array | object): Content => {
  const bytes = value instanceof Uint8Array ? value : Buffer.from(JSON.stringify(value));
  return { mediaType, bytes, digest: digestOf(bytes) };
};

const describe = ({ mediaType, digest, bytes }: Content) => ({ mediaType, digest, size: bytes.byteLength });

const manifestType = 'application/vnd.oci.image.manifest.v1+json';

/**
 * The image that a canary pod pulls: a few hundred bytes for linux/amd64, with one layer. Its program is a text, so that no
 * container of it starts: that it is pulled is the proof.
 *
 * Source: https://github.com/opencontainers/image-spec, manifest.md, config.md and layer.md
 */
export const buildCanaryImage = (): BuiltImage => {
  const tar = tarOf(fileName, Buffer.from(text));
  const layer = contentOf('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(tar));
  const config = contentOf('application/vnd.oci.image.config.v1+json', {
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: [`/${fileName}`] },
    rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
  });
  const manifest = contentOf(manifestType, {
    schemaVersion: 2,
    mediaType: manifestType,
    config: describe(config),
    layers: [describe(layer)],
  });
  return { blobs: [config, layer], manifest };
};
