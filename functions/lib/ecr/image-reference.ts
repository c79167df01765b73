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
/** Source: github.com/distribution/reference, `RepositoryNameTotalLengthMax`. */
const maxRepository = 255;

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
  if (repository.length > maxRepository || !hostPattern.test(registry)) return undefined;
  if (!repository.split('/').every((component) => componentPattern.test(component))) return undefined;
  return { registry, repository, tag, digest };
};

/** What a registry is asked for: the digest where one is given, as Docker does, else the tag, else `latest`. */
export const manifestReference = ({ tag, digest }: ImageReference): string => digest ?? tag ?? 'latest';

/** Writes a reference back, in full. */
export const formatImageReference = ({ registry, repository, tag, digest }: ImageReference): string =>
  `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;

/**
 * Says why a text is no image reference that a container runtime reads, in a clause about it. `undefined` where it is
 * one. The clause repeats nothing of the text: quote it beside.
 */
export const explainReference = (text: string): string | undefined => {
  if (parseImageReference(text) !== undefined) return undefined;
  if (text.trim() === '') return 'it is empty';
  if (/^[a-z][a-z0-9+.-]{0,20}:\/\//i.test(text))
    return 'it begins with a scheme such as https://, which images do not have';
  if (/^\s/.test(text)) return 'it has a blank at its beginning';
  if (/\s$/.test(text)) return 'it has a blank at its end';
  if (/\s/.test(text)) return 'it has a blank inside';
  if (/[^\x21-\x7e]/.test(text)) return 'it has characters other than letters, digits and signs of ASCII';
  if (text.length > maxReference) return `it is longer than ${maxReference} characters`;

  const [beforeDigest = '', ...digests] = text.split('@');
  const digest = digests.at(-1);
  if (digest !== undefined) {
    if (digests.length > 1) return 'it has more than one @';
    if (!digestPattern.test(digest))
      return 'what stands behind its @ is no digest: sha256: and 64 digits of 0-9 and a-f';
  }
  const slash = beforeDigest.indexOf('/');
  const host = beforeDigest.slice(0, Math.max(slash, 0));
  const hasHost = looksLikeHost(host);
  if (hasHost && !hostPattern.test(host)) return 'its registry is no host name';
  const path = hasHost ? beforeDigest.slice(slash + 1) : beforeDigest;
  const colon = path.lastIndexOf(':');
  if (colon !== -1 && !tagPattern.test(path.slice(colon + 1))) {
    return path.endsWith(':')
      ? 'it ends in a colon, with no tag behind it'
      : 'its tag is not of at most 128 letters, digits, dots, dashes and underscores';
  }
  const name = colon === -1 ? path : path.slice(0, colon);
  if (name === '') return 'it names no repository';
  if (/[A-Z]/.test(name)) return "its repository's name has capitals, and no repository has";
  if (name.length > maxRepository) return `its repository's name is longer than ${maxRepository} characters`;
  return "its repository's name is not of words in a-z and 0-9 with single separators";
};

const shownDigits = 12;

/** Names an image as its owner does: `team/worker:v1`, without the registry, and a digest by its first digits. */
export const nameImage = ({ registry, repository, tag, digest }: ImageReference): string => {
  const isOfficial = registry === 'docker.io' && repository.startsWith('library/');
  const name = isOfficial ? repository.slice('library/'.length) : repository;
  const pinned = digest === undefined ? '' : `@${digest.slice(0, 'sha256:'.length + shownDigits)}`;
  return `${name}${tag === undefined ? '' : `:${tag}`}${pinned}`;
};

/** The same of an image as Runpod writes it; what is no reference names itself. */
export const nameOfImage = (image: string): string => {
  const reference = parseImageReference(image);
  return reference === undefined ? image : nameImage(reference);
};
