import { randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { packedImagesSchema, packImages } from '../../../../functions/lib/ecr/packed-images.ts';

const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
const unpack = (packed: string) => z.safeParse(packedImagesSchema, packed);
const hard = (count: number): string[] => Array.from({ length: count }, () => randomBytes(96).toString('base64'));

describe('packed images', () => {
  it('come back as they were, each once and none without a name', () => {
    const images = [`${registry}/team/worker:v1`, `${registry}/team/other@sha256:${'a'.repeat(64)}`];
    const { packed, leftOut } = packImages([...images, '', images[0] ?? '']);
    expect(leftOut).toBe(0);
    expect(unpack(packed).data).toEqual(images);
  });

  it('may be none', () => {
    const { packed, leftOut } = packImages(['']);
    expect(leftOut).toBe(0);
    expect(unpack(packed).data).toEqual([]);
  });

  it('hold a thousand of one registry in their 64 KiB', () => {
    const images = Array.from(
      { length: 1000 },
      (_, at) => `${registry}/team/worker-${at}@sha256:${randomBytes(32).toString('hex')}`,
    );
    const { packed, leftOut } = packImages(images);
    expect(leftOut).toBe(0);
    expect(packed.length).toBeLessThan(64 * 1024);
    expect(unpack(packed).data).toEqual(images);
  });

  it('leave out the last of what does not fit, and say of how many', () => {
    const images = hard(2000);
    const { packed, leftOut } = packImages(images);
    expect(packed.length).toBeLessThanOrEqual(64 * 1024);
    expect(leftOut).toBeGreaterThan(0);
    expect(leftOut).toBeLessThan(2000);
    expect(unpack(packed).data).toEqual(images.slice(0, 2000 - leftOut));
  });

  it('are refused where they are none, without being repeated', () => {
    expect(unpack('not packed').error?.issues).toMatchObject([{ code: 'custom', message: 'expected packed images' }]);
  });

  it('are read up to 8 MiB, whatever they would become', () => {
    const packed = (bytes: number): string => deflateRawSync('x'.repeat(bytes)).toString('base64');
    expect(unpack(packed(8 * 1024 * 1024)).success).toBe(true);
    expect(unpack(packed(8 * 1024 * 1024 + 1)).success).toBe(false);
  });
});
