import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { ImageSource } from '../../functions/lib/ecr/runnable-image.ts';

/**
 * Random images as registries have them, and a naive reading of the rules by which Docker and containerd on
 * linux/amd64 take them. The reading shares nothing with the product: it walks the images as they were drawn.
 */

interface DrawnPlatform {
  readonly os?: string;
  readonly architecture?: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
}

/** An image, or an artifact that looks like one. */
interface DrawnImage {
  readonly kind: 'image';
  readonly configType: string;
  readonly config: DrawnPlatform;
  readonly layerTypes: readonly string[];
}

interface DrawnIndex {
  readonly kind: 'index';
  readonly entries: readonly DrawnEntry[];
}

type Drawn = DrawnImage | DrawnIndex;

/** `platform` is left out where it is undefined. An odd entry is what no schema of an index allows. */
type DrawnEntry =
  | { readonly kind: 'child'; readonly platform: DrawnPlatform | null | undefined; readonly child: Drawn }
  | { readonly kind: 'odd'; readonly entry: unknown };

const imageConfigs = ['application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json'];
const otherConfigs = [
  'application/vnd.oci.empty.v1+json',
  'application/vnd.cncf.helm.config.v1+json',
  'application/vnd.buildkit.cacheconfig.v0',
  'application/vnd.amazon.soci.index.v1+json',
  'application/vnd.dev.cosign.artifact.sig.v1+json',
];
const imageLayers = [
  'application/vnd.oci.image.layer.v1.tar+gzip',
  'application/vnd.oci.image.layer.v1.tar+zstd',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  'application/vnd.docker.image.rootfs.diff.tar.gzip',
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
];
const otherLayers = ['application/vnd.in-toto+json', 'application/vnd.dev.cosign.simplesigning.v1+json'];
const ours = ['amd64', 'x86_64', 'x86-64', 'AMD64'];
const others = ['arm64', 'arm', 's390x', 'ppc64le', 'riscv64', 'aarch64'];

const ourPlatform = fc.record<DrawnPlatform>(
  {
    os: fc.constantFrom('linux', 'Linux'),
    architecture: fc.constantFrom(...ours),
    variant: fc.constantFrom('', 'v1', 'v2', 'v3'),
    'os.version': fc.constantFrom('', '10.0.17763.1397', '5.15'),
  },
  { requiredKeys: ['os', 'architecture'] },
);
const otherPlatform = fc.oneof(
  fc.record<DrawnPlatform>(
    { os: fc.constant('linux'), architecture: fc.constantFrom(...others), variant: fc.constantFrom('v7', 'v8') },
    { requiredKeys: ['os', 'architecture'] },
  ),
  fc.record<DrawnPlatform>({
    os: fc.constantFrom('windows', 'darwin', 'freebsd'),
    architecture: fc.constantFrom(...ours),
  }),
  fc.constant<DrawnPlatform>({ os: 'unknown', architecture: 'unknown' }),
);
const unsaidPlatform = fc.constantFrom<DrawnPlatform | null | undefined>(
  undefined,
  null,
  {},
  { os: '', architecture: '' },
  { os: '' },
);
const configPlatform = fc.oneof(
  { weight: 3, arbitrary: ourPlatform },
  otherPlatform,
  fc.constantFrom<DrawnPlatform>(
    {},
    { os: '', architecture: '' },
    { os: 'linux', architecture: '' },
    { architecture: 'amd64' },
  ),
);

const image: fc.Arbitrary<DrawnImage> = fc.record({
  kind: fc.constant('image' as const),
  configType: fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...imageConfigs) }, fc.constantFrom(...otherConfigs)),
  config: configPlatform,
  layerTypes: fc.array(
    fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...imageLayers) }, fc.constantFrom(...otherLayers)),
    { maxLength: 4 },
  ),
});

const oddEntry = fc.constantFrom<unknown>(
  {},
  null,
  'sha256:0',
  7,
  { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: 'sha256:zz', size: 1 },
  { digest: `sha256:${'0'.repeat(64)}`, size: -1, platform: { os: 'linux', architecture: 'amd64' } },
  { digest: `sha256:${'0'.repeat(64)}`, size: 12, mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' },
);

const indexOf = (child: fc.Arbitrary<Drawn>): fc.Arbitrary<DrawnIndex> =>
  fc.record({
    kind: fc.constant('index' as const),
    entries: fc.array(
      fc.oneof(
        {
          weight: 6,
          arbitrary: fc.record({
            kind: fc.constant('child' as const),
            platform: fc.oneof(ourPlatform, otherPlatform, unsaidPlatform),
            child,
          }),
        },
        fc.record({ kind: fc.constant('odd' as const), entry: oddEntry }),
      ),
      { maxLength: 5 },
    ),
  });

/** An image, an index of images, or an index of such indexes. */
export const drawnImages: fc.Arbitrary<Drawn> = fc.oneof(
  image,
  { weight: 3, arbitrary: indexOf(image) },
  indexOf(fc.oneof({ weight: 2, arbitrary: image }, indexOf(image))),
);

const isOurs = ({ os, architecture }: DrawnPlatform): boolean =>
  (!os || os.toLowerCase() === 'linux') && (!architecture || ours.includes(architecture));

/** Whether linux/amd64 may run it, read as the rules are worded: some entry that fits leads to an image that fits. */
export const isRunnable = (drawn: Drawn, isSaidToFit = false): boolean => {
  if (drawn.kind === 'image') {
    return (
      imageConfigs.includes(drawn.configType) &&
      drawn.layerTypes.every((type) => imageLayers.includes(type)) &&
      (isSaidToFit || isOurs(drawn.config))
    );
  }
  return drawn.entries.some((entry) => {
    if (entry.kind === 'odd') return false;
    const { platform, child } = entry;
    if (!platform || (!platform.os && !platform.architecture)) return isRunnable(child);
    return isOurs(platform) && isRunnable(child, true);
  });
};

/** Writes a drawn image as a registry would keep it. */
export const publish = (drawn: Drawn): { readonly document: unknown; readonly source: ImageSource } => {
  const kept = new Map<string, unknown>();
  const keep = (document: unknown): { digest: string; size: number } => {
    const json = JSON.stringify(document);
    const digest = `sha256:${createHash('sha256').update(json).digest('hex')}`;
    kept.set(digest, JSON.parse(json));
    return { digest, size: json.length };
  };
  const write = (each: Drawn): unknown => {
    if (each.kind === 'image') {
      const { configType, config, layerTypes } = each;
      return {
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        config: { mediaType: configType, ...keep(config) },
        layers: layerTypes.map((mediaType, layer) => ({ mediaType, ...keep({ layer }) })),
      };
    }
    return {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: each.entries.map((entry) => {
        if (entry.kind === 'odd') return entry.entry;
        const kind = entry.child.kind === 'index' ? 'index' : 'manifest';
        const { platform } = entry;
        return {
          mediaType: `application/vnd.oci.image.${kind}.v1+json`,
          ...keep(write(entry.child)),
          ...(platform === undefined ? {} : { platform }),
        };
      }),
    };
  };
  const read = (digest: string): unknown => {
    if (!kept.has(digest)) throw new Error(`nothing is kept as ${digest}`);
    return kept.get(digest);
  };
  return {
    document: write(drawn),
    source: { manifest: async (digest) => read(digest), config: async ({ digest }) => read(digest) },
  };
};
