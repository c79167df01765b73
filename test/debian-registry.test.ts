import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCanaryImage } from '../cli/setup/canary-image.ts';
import { pushImage } from '../cli/setup/push-image.ts';
import { parseImageReference } from '../functions/lib/ecr/image-reference.ts';
import { createRegistryClient } from '../functions/lib/ecr/pull.ts';
import { readSettings } from '../functions/lib/env.ts';
import { send } from '../functions/lib/http.ts';
import { DebianRegistry, missingPrograms, token } from '../simulator/debian-registry.ts';
import { buildImage, type ImageRecipe } from '../simulator/images.ts';

const missing = missingPrograms();
if (missing.length > 0)
  console.warn(`Left out: pulls from Debian's docker-registry. This machine has no ${missing.join(', ')}.`);

const host = '123456789012.dkr.ecr.us-east-1.amazonaws.com';

describe.runIf(missing.length === 0)('pulling from a real registry what a real client pushed', () => {
  let registry: DebianRegistry;
  beforeAll(async () => {
    registry = new DebianRegistry();
    await registry.start();
  }, 30_000);
  afterAll(() => registry?.stop());

  const tryImage = (repository: string, password = token.password) => {
    const image = parseImageReference(`${host}/${repository}`);
    if (image === undefined) throw new Error(`${repository} is no reference`);
    const settings = readSettings({ REGISTRY_ENDPOINT_URL: registry.origin });
    return createRegistryClient(settings, send).tryImage(image, { ...token, password });
  };

  it.each<readonly [string, ImageRecipe, string[], boolean]>([
    ['an OCI index with an attestation', { isIndex: true }, ['--all'], true],
    ['one OCI manifest', { isIndex: false }, [], true],
    ['one Docker manifest', { isIndex: false }, ['--format', 'v2s2'], false],
    ['zstd layers', { isIndex: false, compression: 'zstd' }, [], true],
    ['a hundred layers', { isIndex: false, layers: 100, layerBytes: 512 }, [], true],
  ])(
    'works for %s',
    async (_what, recipe, flags, isKept) => {
      const image = buildImage(recipe);
      registry.push(image, 'team/nested/worker:v1', ...flags);
      const pulled = await tryImage('team/nested/worker:v1');
      expect(pulled.layers).toBe(recipe.layers ?? 3);
      expect(pulled.sizeInBytes).toBeGreaterThan(0);
      if (isKept) expect(pulled.digest).toBe(image.top.digest);
      expect(await tryImage(`team/nested/worker@${pulled.digest}`)).toEqual(pulled);
      expect(await tryImage(`team/nested/worker:gone@${pulled.digest}`)).toEqual(pulled);
    },
    30_000,
  );

  it('works for the canary image that setup pushes, twice, and a real client takes it', async () => {
    const image = buildCanaryImage();
    const reference = { registry: host, repository: 'runpod-canary', tag: 'v1' };
    const settings = readSettings({ REGISTRY_ENDPOINT_URL: registry.origin });
    await pushImage(settings, send, reference, image, token);
    await pushImage(settings, send, reference, image, token);
    expect(await tryImage('runpod-canary:v1')).toMatchObject({ digest: image.manifest.digest, layers: 1 });
    expect(image.manifest.bytes.byteLength).toBeLessThan(1000);
    const folder = join(registry.folder, 'canary');
    registry.skopeo(
      'copy',
      ...['--src-creds', `${token.username}:${token.password}`, '--src-cert-dir', registry.folder],
      `docker://127.0.0.1:${registry.frontPort}/runpod-canary:v1`,
      `dir:${folder}`,
    );
    const [, layer] = image.blobs;
    const held = gunzipSync(readFileSync(join(folder, layer?.digest.slice(7) ?? '')));
    expect(held.toString('latin1')).toContain('this image is pulled, and never run');
    const wrong = pushImage(settings, send, reference, image, { ...token, password: 'wrong' });
    await expect(wrong).rejects.toThrow(/answered 401 "no basic auth credentials"\. Sign in to AWS again/);
  }, 30_000);

  it('is refused without the password, without the tag, and for another processor', async () => {
    registry.push(buildImage({ isIndex: false, architecture: 'arm64' }), 'team/arm:v1');
    await expect(tryImage('team/arm:v1', 'wrong')).rejects.toMatchObject({ problem: 'token-refused' });
    await expect(tryImage('team/arm:v2')).rejects.toMatchObject({ problem: 'image-missing' });
    await expect(tryImage('team/nowhere:v1')).rejects.toMatchObject({ problem: 'image-missing' });
    await expect(tryImage('team/arm:v1')).rejects.toMatchObject({ problem: 'no-linux-amd64' });
  }, 30_000);
});
