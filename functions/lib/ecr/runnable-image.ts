import * as z from 'zod/mini';
import { listOf } from '../json-parts.ts';
import { quote } from '../quote.ts';

/**
 * What Docker and containerd on a linux/amd64 host make of a manifest, an index or a config. Pure: who reads them from
 * a registry passes what was read.
 *
 * Sources: containerd/platforms (database.go, compare.go); containerd core/images/image.go and handlers.go (1.6 to 2);
 * moby daemon/internal/distribution/pull_v2.go, pull_v2_unix.go and registry.go (Docker 20 to 29); the OCI image
 * specification (image-index.md, manifest.md, config.md).
 */

/** An operating system and an architecture, as an index or a config gives them. Both may be left out, or empty. */
interface ImagePlatform {
  readonly os?: string | undefined;
  readonly architecture?: string | undefined;
  readonly variant?: string | undefined;
}

/** What a manifest or an index points at. */
interface Descriptor {
  readonly digest: string;
  readonly size: number;
  readonly mediaType?: string | undefined;
}

/** A layer. `isForeign` where the registry does not have it: Windows' base layers came from Microsoft alone. */
export interface ImageLayer extends Descriptor {
  readonly isForeign: boolean;
}

/** A manifest that an index offers. */
interface IndexEntry extends Descriptor {
  /** Whether the index says that it runs on linux/amd64. Otherwise its own config decides. */
  readonly isSaidToFit: boolean;
}

/** What a document from `/manifests/` is. Every clause says it to a person. */
type ManifestReading =
  | { readonly kind: 'image'; readonly config: Descriptor; readonly layers: readonly ImageLayer[] }
  /** An index; `entries` may fit and are to be tried in this order, `others` are the platforms it has besides. */
  | { readonly kind: 'index'; readonly entries: readonly IndexEntry[]; readonly others: readonly string[] }
  | { readonly kind: 'no-image'; readonly clause: string }
  | { readonly kind: 'malformed'; readonly clause: string };

/** What a config says of the host that runs it. */
type ConfigReading =
  | { readonly kind: 'runs' }
  | { readonly kind: 'other-platform'; readonly platform: string }
  | { readonly kind: 'no-image'; readonly clause: string };

/** More entries than this has no index that people build; containerd's bound for the bytes is 8 MiB. */
const maxEntries = 1000;
const maxLayers = 1000;

const indexTypes: readonly string[] = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
const manifestTypes: readonly string[] = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
/** The media types of what is asked for. */
export const manifestMediaTypes: readonly string[] = [...indexTypes, ...manifestTypes];
const schemaOneTypes: readonly string[] = [
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
];

const text = z.catch(z.optional(z.string()), undefined);
const descriptorSchema = z.object({
  digest: z.string().check(z.regex(/^sha256:[0-9a-f]{64}$/)),
  size: z.number().check(z.int(), z.gte(0), z.lte(Number.MAX_SAFE_INTEGER)),
  mediaType: text,
});
const platformSchema = z.object({ os: text, architecture: text, variant: text });
const entrySchema = z.extend(descriptorSchema, {
  platform: z.optional(z.nullable(platformSchema)),
  artifactType: text,
  annotations: z.catch(z.optional(z.nullable(z.record(z.string(), z.unknown()))), undefined),
});
const layerSchema = z.extend(descriptorSchema, {
  urls: z.catch(z.optional(z.nullable(z.array(z.string()))), undefined),
});
const documentSchema = z.object({
  schemaVersion: z.catch(z.optional(z.number()), undefined),
  mediaType: text,
  artifactType: text,
  manifests: z.optional(z.unknown()),
  config: z.optional(z.unknown()),
  layers: z.optional(z.unknown()),
  fsLayers: z.optional(z.unknown()),
});
const configSchema = z.object({ os: text, architecture: text, rootfs: z.optional(z.unknown()) });

/** containerd/platforms database.go, `normalizeOS`. */
const normalOs = (os: string | undefined): string => {
  const lower = (os ?? '').toLowerCase();
  return lower === '' ? 'linux' : lower === 'macos' ? 'darwin' : lower;
};

/** containerd/platforms database.go, `normalizeArch`. What is left out is the host's. */
const normalArchitecture = (architecture: string | undefined): string => {
  const lower = (architecture ?? '').toLowerCase();
  if (['', 'amd64', 'x86_64', 'x86-64'].includes(lower)) return 'amd64';
  if (lower === 'i386') return '386';
  return lower === 'aarch64' ? 'arm64' : lower;
};

/** A platform as people write it, or what is named of it. */
const platformName = ({ os, architecture, variant }: ImagePlatform): string =>
  [normalOs(os), architecture ? normalArchitecture(architecture) : '', variant ?? ''].filter((part) => part).join('/');

const isLinux = ({ os }: ImagePlatform): boolean => normalOs(os) === 'linux';

/**
 * How well a platform fits, lower is better; `undefined` where it does not. An amd64 host takes 386, too, and amd64's
 * levels up to its own (containerd/platforms compare.go, `platformVector`): GPU hosts have level 3 at least.
 */
const rankOf = (platform: ImagePlatform): number | undefined => {
  if (!isLinux(platform)) return undefined;
  const architecture = normalArchitecture(platform.architecture);
  if (architecture === '386') return 5;
  if (architecture !== 'amd64') return undefined;
  const level = /^v?([1-4])(?:\.0)?$/.exec((platform.variant ?? '').toLowerCase())?.[1];
  if (level === '4') return 6;
  return level === undefined ? 3 : 4 - Number(level);
};

const isEmpty = ({ os, architecture }: ImagePlatform): boolean => !os || !architecture;

/** A media type that Docker takes for a container image's config or layer (moby registry.go, `supportedMediaTypes`). */
const isImageType = (mediaType: string | undefined): boolean => {
  const lower = (mediaType ?? '').toLowerCase();
  if (lower.startsWith('application/vnd.docker.ai.') || lower.startsWith('application/vnd.docker.plugin.'))
    return false;
  return (
    /^application\/vnd\.(?:oci\.image|docker)(?:\.|$)/.test(lower) ||
    ['', 'application/octet-stream', 'application/json', 'text/html'].includes(lower)
  );
};

/** What people keep in registries beside images, by the media types that name it. */
const artifacts: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\bhelm\b/i, 'a Helm chart'],
  [/soci\b|\bsoci/i, 'a SOCI index'],
  [/buildkit\.cacheconfig/i, 'a build cache of BuildKit'],
  [/cosign|sigstore|simplesigning|notary|cncf\.notation|dsse/i, 'a signature'],
  [/in-toto|attestation|slsa/i, 'an attestation'],
  [/spdx|cyclonedx|sbom|syft/i, 'a bill of materials'],
  [/docker\.plugin/i, 'a Docker plugin'],
  [/docker\.ai|\bcncf\.model|ai\.model|ollama/i, 'an AI model'],
  [/\bwasm\b|webassembly/i, 'a WebAssembly module'],
  [/\boras\b|oci\.empty|unknown\.config/i, 'an ORAS artifact'],
];

const artifactName = (...mediaTypes: readonly (string | undefined)[]): string => {
  const given = mediaTypes.filter((mediaType) => mediaType !== undefined && mediaType !== '');
  const found = artifacts.find(([pattern]) => given.some((mediaType) => pattern.test(mediaType ?? '')));
  const named = given[0] === undefined ? '' : ` (${quote(given[0])})`;
  return `it is ${found?.[1] ?? 'an artifact'}${named} and no container image`;
};

const readList = <Item extends z.ZodMiniType>(
  item: Item,
  value: unknown,
  max: number,
): z.output<Item>[] | undefined => {
  const list = z.safeParse(listOf(z.unknown(), max), value);
  if (!list.success) return undefined;
  return list.data.flatMap((each) => {
    const read = z.safeParse(item, each);
    return read.success ? [read.data] : [];
  });
};

/** BuildKit marks its attestations; anything of an unknown platform runs nowhere. */
const isAttestation = ({ annotations, platform }: z.output<typeof entrySchema>): boolean =>
  annotations?.['vnd.docker.reference.type'] !== undefined ||
  platform?.os?.toLowerCase() === 'unknown' ||
  platform?.architecture?.toLowerCase() === 'unknown';

/**
 * Chooses the children of an index that linux/amd64 may run, best first. An entry that cannot be read is passed over:
 * the others are as good as they were.
 *
 * An entry of no platform, of `null`, of `{}` or of empty strings comes after those that name one, and its config
 * decides, as in containerd (`images.Manifest`). We try them all, where containerd and Docker stop at the first.
 */
export const chooseChildren = (manifests: unknown, artifactType?: string): ManifestReading => {
  const entries = readList(entrySchema, manifests, maxEntries);
  if (entries === undefined) {
    return { kind: 'malformed', clause: `its index is no list of at most ${maxEntries} manifests` };
  }
  const isManifest = ({ mediaType }: Descriptor): boolean =>
    !mediaType || manifestTypes.includes(mediaType) || indexTypes.includes(mediaType);
  const children = entries.filter((entry) => isManifest(entry) && !isAttestation(entry));
  const isOfImages = ({ artifactType: type }: z.output<typeof entrySchema>): boolean => !type || isImageType(type);

  const candidates = children.flatMap((entry) => {
    const { digest, size, mediaType, platform } = entry;
    const descriptor = { digest, size, mediaType };
    const isUnsaid = platform === undefined || platform === null || isEmpty(platform);
    if (isUnsaid) {
      // A platform that names a half of itself must not contradict ours by that half.
      if (rankOf(platform ?? {}) === undefined) return [];
      return [{ rank: isOfImages(entry) ? 10 : 20, entry: { ...descriptor, isSaidToFit: false } }];
    }
    const rank = rankOf(platform);
    return rank === undefined ? [] : [{ rank, entry: { ...descriptor, isSaidToFit: true } }];
  });
  const others = children.flatMap(({ platform }) =>
    platform && rankOf(platform) === undefined ? [platformName(platform)] : [],
  );
  if (candidates.length === 0 && others.length === 0 && entries.length > 0) {
    const types = entries.flatMap(({ artifactType: type, mediaType }) => [
      type,
      isManifest({ digest: '', size: 0, mediaType }) ? undefined : mediaType,
    ]);
    if (entries.some(isAttestation) && types.every((type) => type === undefined)) {
      return { kind: 'no-image', clause: 'its index has attestations alone, and no container image' };
    }
    const cache = types.find((type) => type?.includes('cacheconfig'));
    return { kind: 'no-image', clause: artifactName(cache ?? artifactType, ...types) };
  }
  return {
    kind: 'index',
    entries: candidates.toSorted((one, other) => one.rank - other.rank).map(({ entry }) => entry),
    others: [...new Set(others)],
  };
};

const isGiven = (part: unknown): boolean => part !== undefined && part !== null;

/** Reads what a registry gave for a manifest, parsed. */
export const readManifest = (document: unknown): ManifestReading => {
  const read = z.safeParse(documentSchema, document);
  if (!read.success) return { kind: 'malformed', clause: 'its manifest is no JSON object' };
  const { mediaType, artifactType, manifests, schemaVersion } = read.data;

  if (schemaVersion === 1 || read.data.fsLayers !== undefined || schemaOneTypes.includes(mediaType ?? '')) {
    return {
      kind: 'no-image',
      clause: 'it is a Docker image of schema 1, which Docker and containerd no longer take: build and push it again',
    };
  }
  // containerd images/image.go, `validateMediaType`; distribution manifest/ocischema, `validateIndex`.
  if (isGiven(manifests) && (isGiven(read.data.config) || isGiven(read.data.layers))) {
    return { kind: 'malformed', clause: 'it is an index and a manifest at once, which Docker and containerd refuse' };
  }
  if (manifests !== undefined && read.data.config === undefined) return chooseChildren(manifests, artifactType);

  const config = z.safeParse(descriptorSchema, read.data.config);
  if (!config.success) {
    if (artifactType || (mediaType && !manifestTypes.includes(mediaType))) {
      return { kind: 'no-image', clause: artifactName(artifactType, mediaType) };
    }
    return { kind: 'malformed', clause: 'its manifest has no config' };
  }
  const layers = readList(layerSchema, read.data.layers ?? [], maxLayers);
  if (!isImageType(config.data.mediaType)) {
    const types = (layers ?? []).map((layer) => layer.mediaType);
    return {
      kind: 'no-image',
      clause: artifactName(artifactType ?? config.data.mediaType, config.data.mediaType, ...types),
    };
  }
  const given = z.safeParse(z.array(z.unknown()), read.data.layers ?? []);
  if (layers === undefined || !given.success || given.data.length !== layers.length) {
    return { kind: 'malformed', clause: `its manifest is no list of at most ${maxLayers} layers` };
  }
  const odd = layers.find((layer) => !isImageType(layer.mediaType));
  if (odd !== undefined) return { kind: 'no-image', clause: artifactName(odd.mediaType, artifactType) };
  return {
    kind: 'image',
    config: config.data,
    layers: layers.map(({ digest, size, mediaType: type, urls }) => ({
      digest,
      size,
      mediaType: type,
      isForeign: (urls ?? []).length > 0 || /foreign|nondistributable/i.test(type ?? ''),
    })),
  };
};

/**
 * Judges an image by its config, parsed. Where an index said that the image fits, its word counts (moby/moby#41873).
 *
 * @param mediaType the config's, by its manifest
 */
export const judgeConfig = (config: unknown, isSaidToFit: boolean, mediaType?: string): ConfigReading => {
  const read = z.safeParse(configSchema, config);
  const isPlain = ['application/octet-stream', 'application/json', 'text/html'].includes(
    mediaType?.toLowerCase() ?? '',
  );
  const isBare = read.success && !read.data.os && !read.data.architecture && read.data.rootfs === undefined;
  if (!read.success || (isPlain && isBare)) {
    return { kind: 'no-image', clause: artifactName(mediaType) };
  }
  if (isSaidToFit || rankOf(read.data) !== undefined) return { kind: 'runs' };
  return { kind: 'other-platform', platform: platformName(read.data) };
};

/** Where manifests and configs come from, parsed. What a registry refuses is thrown. */
export interface ImageSource {
  manifest(digest: string): Promise<unknown>;
  config(config: Descriptor): Promise<unknown>;
}

/** What a reference stands for on linux/amd64. */
export type RunnableImage =
  | { readonly kind: 'runs'; readonly config: Descriptor; readonly layers: readonly ImageLayer[] }
  | { readonly kind: 'no-linux-amd64' | 'no-image' | 'malformed'; readonly clause: string };

const maxIndexDepth = 5;
/** Manifests read for one image. An index of this many that fit names no platform for any of them. */
const maxManifestsRead = 32;

/**
 * Follows a manifest or an index down to the image that a linux/amd64 host runs.
 *
 * @param document what the reference itself stands for, parsed
 * @throws what the source throws for an entry that the index says to fit, or for the first where none fits
 */
export const findRunnableImage = async (document: unknown, source: ImageSource): Promise<RunnableImage> => {
  let manifestsLeft = maxManifestsRead;

  const follow = async (found: unknown, isSaidToFit: boolean, depth: number): Promise<RunnableImage> => {
    const reading = readManifest(found);
    if (reading.kind === 'no-image' || reading.kind === 'malformed') return reading;
    if (reading.kind === 'image') {
      const { config, layers } = reading;
      const judged = judgeConfig(await source.config(config), isSaidToFit, config.mediaType);
      if (judged.kind === 'runs') return { kind: 'runs', config, layers };
      if (judged.kind === 'no-image') return judged;
      return { kind: 'no-linux-amd64', clause: `it is for ${quote(judged.platform)}, and Runpod runs linux/amd64` };
    }
    if (depth === maxIndexDepth) {
      return { kind: 'malformed', clause: `its indexes nest more than ${maxIndexDepth} deep` };
    }
    return fromIndex(reading, depth);
  };

  const fromIndex = async (
    { entries, others }: ManifestReading & { kind: 'index' },
    depth: number,
  ): Promise<RunnableImage> => {
    const failures: RunnableImage[] = [];
    const errors: unknown[] = [];
    for (const entry of entries) {
      if (manifestsLeft === 0) break;
      manifestsLeft -= 1;
      try {
        const result = await follow(await source.manifest(entry.digest), entry.isSaidToFit, depth + 1);
        if (result.kind === 'runs') return result;
        failures.push(result);
      } catch (error) {
        if (entry.isSaidToFit) throw error;
        errors.push(error);
      }
    }
    const [error] = errors;
    if (error !== undefined) throw error;
    const ofPlatform = failures.find(({ kind }) => kind === 'no-linux-amd64');
    if (others.length > 0) {
      return { kind: 'no-linux-amd64', clause: `it has no linux/amd64, only ${quote(others.join(', '))}` };
    }
    return ofPlatform ?? failures[0] ?? { kind: 'no-linux-amd64', clause: 'it has no linux/amd64: its index is empty' };
  };

  return follow(document, false, 0);
};
