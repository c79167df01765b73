import { deflateRawSync, inflateRawSync } from 'node:zlib';
import * as z from 'zod/mini';

/** A thousand images pinned by their digests take 52 KiB of it. */
const maxBytes = 64 * 1024;
const maxUnpackedBytes = 8 * 1024 * 1024;

const pack = (images: readonly string[]): string => deflateRawSync(images.join('\n'), { level: 9 }).toString('base64');

/**
 * The names of images, each once, as text of a bounded length: names of one registry have most of their characters in
 * common, and a state has no room for a thousand of them as they are.
 *
 * @returns what was packed, and how many were left out
 */
export const packImages = (names: readonly string[]): { readonly packed: string; readonly leftOut: number } => {
  const images = [...new Set(names)].filter((name) => name !== '');
  let count = images.length;
  let packed = pack(images);
  while (packed.length > maxBytes) {
    count = Math.floor(count * Math.min(0.95, maxBytes / packed.length));
    packed = pack(images.slice(0, count));
  }
  return { packed, leftOut: images.length - count };
};

/** The names that were packed. */
const unpackImages = (packed: string): string[] =>
  inflateRawSync(Buffer.from(packed, 'base64'), { maxOutputLength: maxUnpackedBytes })
    .toString()
    .split('\n')
    .filter((name) => name !== '');

/** Packed images, as a function is called with them. */
export const packedImagesSchema = z.pipe(
  z.string(),
  z.transform((packed, { issues }) => {
    try {
      return unpackImages(packed);
    } catch {
      issues.push({ code: 'custom', message: 'expected packed images', input: packed });
      return z.NEVER;
    }
  }),
);
