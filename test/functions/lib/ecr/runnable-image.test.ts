import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  chooseChildren,
  findRunnableImage,
  type ImageSource,
  judgeConfig,
  type RunnableImage,
  readManifest,
} from '../../../../functions/lib/ecr/runnable-image.ts';
import { drawnImages, isRunnable, publish } from '../../../support/images.ts';

const ociConfig = 'application/vnd.oci.image.config.v1+json';
const ociLayer = 'application/vnd.oci.image.layer.v1.tar+gzip';
const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
const ociIndex = 'application/vnd.oci.image.index.v1+json';
const linux = { os: 'linux', architecture: 'amd64' };
const arm = { os: 'linux', architecture: 'arm64' };

let lastDigest = 0;
const nextDigest = (): string => {
  lastDigest += 1;
  return `sha256:${lastDigest.toString(16).padStart(64, '0')}`;
};

interface ImageOptions {
  readonly configType?: string;
  readonly layers?: readonly string[];
  readonly artifactType?: string;
}

/** A registry that has what is put in it, and refuses the rest as missing. */
const registry = () => {
  const kept = new Map<string, unknown>();
  const read: string[] = [];
  const take = async (digest: string): Promise<unknown> => {
    read.push(digest);
    if (!kept.has(digest)) throw new Error('MANIFEST_UNKNOWN');
    return kept.get(digest);
  };
  const source: ImageSource = { manifest: take, config: ({ digest }) => take(digest) };
  const keep = (document: unknown) => {
    const digest = nextDigest();
    kept.set(digest, document);
    return { digest, size: 100 };
  };
  const image = (config: unknown, { configType = ociConfig, layers = [ociLayer], ...more }: ImageOptions = {}) => ({
    schemaVersion: 2,
    mediaType: ociManifest,
    config: { mediaType: configType, ...keep(config) },
    layers: layers.map((mediaType) => ({ mediaType, ...keep({}) })),
    ...more,
  });
  const entry = (document: { mediaType: string }, more: Record<string, unknown> = {}) => ({
    mediaType: document.mediaType,
    ...keep(document),
    ...more,
  });
  const index = (...manifests: unknown[]) => ({ schemaVersion: 2, mediaType: ociIndex, manifests });
  return { source, image, entry, index, read };
};
type Registry = ReturnType<typeof registry>;

const outcome = (build: (from: Registry) => unknown): Promise<RunnableImage> => {
  const from = registry();
  return findRunnableImage(build(from), from.source);
};

describe('an image that linux/amd64 runs', () => {
  it.each<readonly [string, (from: Registry) => unknown]>([
    ['plain', ({ image }) => image(linux)],
    ['an entry without platform (containers/skopeo#901)', ({ index, entry, image }) => index(entry(image(linux)))],
    ['an entry of a null platform', ({ index, entry, image }) => index(entry(image(linux), { platform: null }))],
    ['an entry of an empty platform', ({ index, entry, image }) => index(entry(image(linux), { platform: {} }))],
    [
      'an entry of empty strings',
      ({ index, entry, image }) => index(entry(image(linux), { platform: { os: '', architecture: '' } })),
    ],
    [
      'an entry that names the half of its platform',
      ({ index, entry, image }) => index(entry(image(linux), { platform: { os: 'linux' } })),
    ],
    [
      'an attestation beside it (snyk/snyk-docker-plugin#750)',
      ({ index, entry, image }) =>
        index(
          entry(image({}, { layers: ['application/vnd.in-toto+json'] }), {
            platform: { os: 'unknown', architecture: 'unknown' },
          }),
          entry(image(linux)),
        ),
    ],
    ['a config without architecture (buildpacks/pack#2315)', ({ image }) => image({ os: 'linux', architecture: '' })],
    ['a config of empty strings (bazel-contrib/rules_oci#117)', ({ image }) => image({ os: '', architecture: '' })],
    ['a config that names nothing', ({ image }) => image({})],
    ['a config of x86_64', ({ image }) => image({ os: 'linux', architecture: 'x86_64' })],
    ['a config in capitals', ({ image }) => image({ os: 'Linux', architecture: 'AMD64' })],
    [
      'an entry of x86-64',
      ({ index, entry, image }) => index(entry(image(arm), { platform: { os: 'linux', architecture: 'x86-64' } })),
    ],
    [
      'an entry of 32 bits',
      ({ index, entry, image }) =>
        index(entry(image({ os: 'linux', architecture: 'i386' }), { platform: { os: 'linux', architecture: '386' } })),
    ],
    [
      'a config that the index knows better (moby/moby#41873)',
      ({ index, entry, image }) => index(entry(image(arm), { platform: linux })),
    ],
    [
      'a chart before it (helm/helm#31775)',
      ({ index, entry, image }) =>
        index(
          entry(image({}, { configType: 'application/vnd.cncf.helm.config.v1+json' }), {
            artifactType: 'application/vnd.cncf.helm.config.v1+json',
          }),
          entry(image(linux), { platform: linux }),
        ),
    ],
    [
      'a SOCI index beside it (awslabs/soci-snapshotter#1695)',
      ({ index, entry, image }) =>
        index(
          entry(image({}, { configType: 'application/vnd.oci.empty.v1+json' }), {
            artifactType: 'application/vnd.amazon.soci.index.v2+json',
          }),
          entry(image(linux), { platform: linux }),
        ),
    ],
    [
      'an artifact type that is an image’s (OCI 1.1)',
      ({ index, entry, image }) => index(entry(image(linux), { artifactType: ociConfig })),
    ],
    [
      'odd entries beside it',
      ({ index, entry, image }) => index(null, {}, { digest: 'x' }, entry(image(linux), { platform: linux })),
    ],
    ['a nested index', ({ index, entry, image }) => index(entry(index(entry(image(linux), { platform: linux }))))],
    [
      'a nested index that says to fit',
      ({ index, entry, image }) => index(entry(index(entry(image(linux))), { platform: linux })),
    ],
    [
      'an entry without media type',
      ({ index, entry, image }) => index({ ...entry(image(linux)), mediaType: undefined }),
    ],
    [
      'an os.version',
      ({ index, entry, image }) => index(entry(image(linux), { platform: { ...linux, 'os.version': '10.0.1' } })),
    ],
    [
      'Docker’s own types',
      ({ image }) =>
        image(linux, {
          configType: 'application/vnd.docker.container.image.v1+json',
          layers: [
            'application/vnd.docker.image.rootfs.diff.tar.gzip',
            'application/vnd.docker.image.rootfs.diff.tar.zstd',
          ],
        }),
    ],
    ['layers of zstd', ({ image }) => image(linux, { layers: ['application/vnd.oci.image.layer.v1.tar+zstd'] })],
    [
      'a config of an old type (distribution/distribution#1621)',
      ({ image }) => image(linux, { configType: 'application/octet-stream' }),
    ],
    [
      'a missing platform-less entry beside it',
      ({ index, entry, image }) =>
        index({ mediaType: ociManifest, digest: nextDigest(), size: 1 }, entry(image(linux))),
    ],
    [
      'a platform-less entry of arm64 beside it',
      ({ index, entry, image }) => index(entry(image(arm)), entry(image(linux))),
    ],
  ])('%s', async (_name, build) => {
    expect(await outcome(build)).toMatchObject({ kind: 'runs' });
  });

  it('is answered with its config and layers, those that the registry does not have marked', async () => {
    const found = await outcome(({ image }) => {
      const { layers, ...rest } = image(linux, {
        layers: [
          ociLayer,
          'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
          ociLayer,
          'application/vnd.oci.image.layer.nondistributable.v1.tar',
        ],
      });
      const [first, second, third, fourth] = layers;
      return {
        ...rest,
        layers: [{ ...first, size: 0, urls: [] }, second, { ...third, urls: ['https://example.com/x'] }, fourth],
      };
    });
    expect(found).toMatchObject({
      kind: 'runs',
      config: { mediaType: ociConfig },
      layers: [{ size: 0, isForeign: false }, { isForeign: true }, { isForeign: true }, { isForeign: true }],
    });
  });

  it('is the best of several: this architecture before 386, a level that hosts have before one that few have', () => {
    const platforms = [
      { os: 'linux', architecture: '386' },
      undefined,
      { ...linux, variant: 'v4' },
      linux,
      { ...linux, variant: 'v2' },
      { ...linux, variant: 'v3' },
    ];
    const digests = platforms.map(nextDigest);
    const reading = chooseChildren(
      platforms.map((platform, at) => ({ mediaType: ociManifest, digest: digests[at], size: 1, platform })),
    );
    expect(reading.kind === 'index' && reading.entries.map(({ digest }) => digests.indexOf(digest))).toEqual([
      5, 4, 3, 0, 2, 1,
    ]);
  });

  it('is read without looking at configs of other platforms', async () => {
    const from = registry();
    const { index, entry, image } = from;
    const good = entry(image(linux), { platform: linux });
    await findRunnableImage(index(entry(image(arm), { platform: arm }), entry(image(arm)), good), from.source);
    expect(from.read[0]).toBe(good.digest);
    expect(from.read).toHaveLength(2);
  });
});

describe('what linux/amd64 does not run is told as what it is', () => {
  it.each<readonly [string, RunnableImage['kind'], RegExp, (from: Registry) => unknown]>([
    [
      'arm64 alone',
      'no-linux-amd64',
      /only linux\/arm64$/,
      ({ index, entry, image }) => index(entry(image(arm), { platform: arm })),
    ],
    [
      'arm64 by its config',
      'no-linux-amd64',
      /is for linux\/arm64, and Runpod runs linux\/amd64/,
      ({ image }) => image(arm),
    ],
    [
      'arm64 under another name',
      'no-linux-amd64',
      /linux\/arm64/,
      ({ index, entry, image }) => index(entry(image({ architecture: 'aarch64' }))),
    ],
    [
      'Windows',
      'no-linux-amd64',
      /windows\/amd64/,
      ({ image }) => image({ os: 'windows', architecture: 'amd64', 'os.version': '10.0.1' }),
    ],
    [
      'Windows and macOS',
      'no-linux-amd64',
      /only windows\/amd64, darwin\/arm64$/,
      ({ index, entry, image }) =>
        index(
          entry(image({}), { platform: { os: 'windows', architecture: 'amd64' } }),
          entry(image({}), { platform: { os: 'macOS', architecture: 'arm64' } }),
        ),
    ],
    [
      'arm with its variant',
      'no-linux-amd64',
      /linux\/arm\/v7/,
      ({ index, entry, image }) =>
        index(entry(image({}), { platform: { os: 'linux', architecture: 'arm', variant: 'v7' } })),
    ],
    [
      'halves of other platforms',
      'no-linux-amd64',
      /only windows, linux\/arm64$/,
      ({ index, entry, image }) =>
        index(
          entry(image({}), { platform: { os: 'windows' } }),
          entry(image(arm), { platform: { architecture: 'arm64' } }),
        ),
    ],
    ['an empty index', 'no-linux-amd64', /its index is empty/, ({ index }) => index()],
    [
      'a chart',
      'no-image',
      /a Helm chart \(application\/vnd\.cncf\.helm\.config\.v1\+json\)/,
      ({ image }) =>
        image(
          {},
          {
            configType: 'application/vnd.cncf.helm.config.v1+json',
            layers: ['application/vnd.cncf.helm.chart.content.v1.tar+gzip'],
          },
        ),
    ],
    [
      'an ORAS artifact',
      'no-image',
      /an ORAS artifact/,
      ({ image }) =>
        image({}, { configType: 'application/vnd.oci.empty.v1+json', layers: ['application/octet-stream'] }),
    ],
    [
      'an artifact of its own type',
      'no-image',
      /an artifact \(application\/vnd\.acme\.rocket\)/,
      ({ image }) =>
        image({}, { configType: 'application/vnd.acme.empty', artifactType: 'application/vnd.acme.rocket' }),
    ],
    [
      'a build cache (moby/moby#44405)',
      'no-image',
      /a build cache of BuildKit/,
      ({ image }) => image({}, { configType: 'application/vnd.buildkit.cacheconfig.v0' }),
    ],
    [
      'a build cache as an index',
      'no-image',
      /a build cache of BuildKit/,
      ({ index, entry }) =>
        index(entry({ mediaType: ociLayer }), entry({ mediaType: 'application/vnd.buildkit.cacheconfig.v0' })),
    ],
    [
      'a SOCI index of version 1',
      'no-image',
      /a SOCI index/,
      ({ image }) => image({}, { configType: 'application/vnd.amazon.soci.index.v1+json' }),
    ],
    [
      'a SOCI index of version 2 alone',
      'no-image',
      /a SOCI index/,
      ({ index, entry, image }) =>
        index(
          entry(
            image(
              {},
              {
                configType: 'application/vnd.oci.empty.v1+json',
                artifactType: 'application/vnd.amazon.soci.index.v2+json',
              },
            ),
          ),
        ),
    ],
    [
      'a signature',
      'no-image',
      /a signature/,
      ({ image }) => image({}, { layers: ['application/vnd.dev.cosign.simplesigning.v1+json'] }),
    ],
    [
      'an attestation',
      'no-image',
      /an attestation/,
      ({ image }) => image({}, { layers: ['application/vnd.in-toto+json'] }),
    ],
    [
      'attestations alone',
      'no-image',
      /attestations alone/,
      ({ index, entry, image }) =>
        index(entry(image({}), { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } })),
    ],
    [
      'a plugin',
      'no-image',
      /a Docker plugin/,
      ({ image }) => image({}, { configType: 'application/vnd.docker.plugin.v1+json' }),
    ],
    [
      'a model',
      'no-image',
      /an AI model/,
      ({ image }) => image({}, { configType: 'application/vnd.docker.ai.model.config.v0.1+json' }),
    ],
    [
      'an artifact manifest',
      'no-image',
      /an artifact/,
      () => ({
        mediaType: 'application/vnd.oci.artifact.manifest.v1+json',
        artifactType: 'application/vnd.acme.x',
        blobs: [],
      }),
    ],
    [
      'schema 1',
      'no-image',
      /schema 1, which Docker and containerd no longer take/,
      () => ({ schemaVersion: 1, name: 'x', fsLayers: [{ blobSum: 'sha256:0' }] }),
    ],
    [
      'schema 1 by its type',
      'no-image',
      /schema 1/,
      () => ({ mediaType: 'application/vnd.docker.distribution.manifest.v1+prettyjws' }),
    ],
    [
      'bytes with an octet stream for a config',
      'no-image',
      /an artifact/,
      ({ image }) => image({ any: 'thing' }, { configType: 'application/octet-stream' }),
    ],
    ['a config that is no object', 'no-image', /no container image/, ({ image }) => image('nothing')],
    ['no JSON object', 'malformed', /no JSON object/, () => 'hello'],
    ['nothing', 'malformed', /no config/, () => ({})],
    ['an index of something else', 'malformed', /no list/, () => ({ manifests: 'all' })],
    [
      'a thousand and one entries',
      'malformed',
      /at most 1000 manifests/,
      () => ({ manifests: Array.from({ length: 1001 }, () => ({})) }),
    ],
    [
      'a layer that cannot be read',
      'malformed',
      /layers/,
      ({ image }) => ({ ...image(linux), layers: [{ digest: 'x' }] }),
    ],
    [
      'a manifest that has manifests',
      'malformed',
      /an index and a manifest at once/,
      ({ entry, image }) => ({ ...image(linux), manifests: [entry(image(linux), { platform: linux })] }),
    ],
    [
      'an index that has layers',
      'malformed',
      /an index and a manifest at once/,
      ({ index, entry, image }) => ({ ...index(entry(image(linux), { platform: linux })), layers: [] }),
    ],
    ['layers that are no list', 'malformed', /layers/, ({ image }) => ({ ...image(linux), layers: 7 })],
    [
      'a nest without end',
      'malformed',
      /nest more than 5 deep/,
      ({ index, entry, image }) =>
        [1, 2, 3, 4, 5, 6].reduce((inner) => index(entry(inner)), index(entry(image(linux)))),
    ],
  ])('%s', async (_name, kind, clause, build) => {
    const found = await outcome(build);
    expect(found).toEqual({ kind, clause: expect.stringMatching(clause) });
  });

  it('is missing where the index says that it fits, or where nothing else does (open-edge-platform/geti#7256)', async () => {
    const gone = () => ({ mediaType: ociManifest, digest: nextDigest(), size: 1 });
    await expect(outcome(({ index }) => index({ ...gone(), platform: linux }))).rejects.toThrow('MANIFEST_UNKNOWN');
    await expect(
      outcome(({ index, entry, image }) => index({ ...gone(), platform: linux }, entry(image(linux)))),
    ).rejects.toThrow();
    await expect(outcome(({ index }) => index(gone()))).rejects.toThrow('MANIFEST_UNKNOWN');
  });

  it('is looked for in so many manifests and no more', async () => {
    const from = registry();
    const { index, entry, image } = from;
    await findRunnableImage(index(...Array.from({ length: 500 }, () => entry(image(arm)))), from.source);
    expect(from.read).toHaveLength(64);
  });
});

describe('a document from a registry', () => {
  it('is read for anything that JSON can be, without throwing', async () => {
    const source: ImageSource = { manifest: async () => ({}), config: async () => ({}) };
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (document) => {
        expect((await findRunnableImage(document, source)).kind).not.toBe('runs');
        readManifest({ manifests: [document] });
        judgeConfig(document, true);
      }),
    );
  });

  it('agrees with a naive reading of the rules', async () => {
    await fc.assert(
      fc.asyncProperty(drawnImages, async (drawn) => {
        const { document, source } = publish(drawn);
        expect((await findRunnableImage(document, source)).kind === 'runs').toBe(isRunnable(drawn));
      }),
      { numRuns: 300 },
    );
  });
});
