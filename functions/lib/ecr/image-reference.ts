/** Where an image is and which one it is: `registry/repository[:tag][@digest]`. */
export interface ImageReference {
  /** Host and, where given, port. `docker.io` where the reference names none. */
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
}

const hostPattern =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?\.)*[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?::\d{1,5})?$/;
const componentPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagPattern = /^\w[\w.-]{0,127}$/;
const digestPattern = /^sha256:[0-9a-f]{64}$/;
const maxReference = 1024;

const looksLikeHost = (part: string): boolean => /[.:]/.test(part) || part === 'localhost';

/**
 * Reads an image reference as Docker does.
 *
 * Source: https://pkg.go.dev/github.com/distribution/reference
 *
 * @returns `undefined` for what no container runtime would pull
 */
export const parseImageReference = (text: string): ImageReference | undefined => {
  if (text.length > maxReference) return undefined;
  const [beforeDigest = '', digest, ...extra] = text.split('@');
  if (extra.length > 0 || (digest !== undefined && !digestPattern.test(digest))) return undefined;

  const slash = beforeDigest.indexOf('/');
  const first = slash === -1 ? '' : beforeDigest.slice(0, slash);
  const hasHost = looksLikeHost(first);
  const registry = hasHost ? first : 'docker.io';
  const path = hasHost ? beforeDigest.slice(slash + 1) : beforeDigest;

  const colon = path.lastIndexOf(':');
  const name = colon === -1 ? path : path.slice(0, colon);
  const tag = colon === -1 ? undefined : path.slice(colon + 1);
  if (tag !== undefined && !tagPattern.test(tag)) return undefined;

  const repository = hasHost || name.includes('/') ? name : `library/${name}`;
  if (repository.length > 255 || !hostPattern.test(registry)) return undefined;
  if (!repository.split('/').every((component) => componentPattern.test(component))) return undefined;
  return { registry, repository, tag, digest };
};

/** What a registry is asked for: the digest where one is given, as Docker does, else the tag, else `latest`. */
export const manifestReference = ({ tag, digest }: ImageReference): string => digest ?? tag ?? 'latest';

/** Writes a reference back, in full. */
export const formatImageReference = ({ registry, repository, tag, digest }: ImageReference): string =>
  `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
