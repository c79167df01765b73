import type SemVer from 'semver/classes/semver.js';
import compare from 'semver/functions/compare.js';
import parse from 'semver/functions/parse.js';
import satisfies from 'semver/functions/satisfies.js';
import type { RepositoryImage } from '../ecr/repository-images.ts';
import type { RolloutSettings } from './settings.ts';

/** An image that an endpoint wants, by the tag for which it wants it. */
interface WantedImage {
  readonly digest: string;
  readonly tag: string;
  /** Epoch milliseconds. */
  readonly pushedAt: number;
}

/** What a repository has for an endpoint: an image, or why there is none, in a clause. */
export type Wanted = WantedImage | { readonly problem: string };

const ofTag = ({ digest, pushedAt }: RepositoryImage, tag: string): WantedImage => ({ digest, tag, pushedAt });

/** The later push goes first; of two at once, the one that every run chooses alike. */
const byPush = (one: WantedImage, other: WantedImage): number =>
  other.pushedAt - one.pushedAt || one.digest.localeCompare(other.digest) || one.tag.localeCompare(other.tag);

const tagged = (images: readonly RepositoryImage[], fits: (tag: string) => boolean): WantedImage[] =>
  images.flatMap((image) => image.tags.filter(fits).map((tag) => ofTag(image, tag)));

/** A tag as a version, `v1.4.2` and `1.4.2` alike; `undefined` where it is none. */
const versionOf = (tag: string): SemVer | undefined => parse(tag) ?? undefined;

/** The highest of some tags that are versions. */
const highestVersion = (tags: readonly string[]): SemVer | undefined =>
  tags
    .flatMap((tag) => versionOf(tag) ?? [])
    .sort(compare)
    .at(-1);

const highestIn = (range: string, images: readonly RepositoryImage[], running: SemVer | undefined): Wanted => {
  // A pre-release is taken only where the range names one of the same version: "Prerelease Tags" in semver's README.
  const fitting = tagged(images, (tag) => satisfies(tag, range)).sort(
    (one, other) => compare(other.tag, one.tag) || byPush(one, other),
  );
  const [highest] = fitting;
  if (highest === undefined) return { problem: `no tag is a version in ${range}` };
  if (running !== undefined && compare(highest.tag, running) < 0) {
    return { problem: `the highest version in ${range} is ${highest.tag}, lower than ${running.raw}, which runs` };
  }
  return highest;
};

/** `v*` and `v?` as ECR's own lifecycle rules write tags: `*` stands for anything, `?` for one character. */
const globOf = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .replaceAll(/[.\\-]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  );

/**
 * Finds the image that an endpoint wants among all of its repository's.
 *
 * @param running the version that it runs, where that is known: none lower is wanted
 */
export const findWanted = (
  { tag, semver, newest }: RolloutSettings,
  images: readonly RepositoryImage[],
  running: SemVer | undefined,
): Wanted => {
  if (tag !== undefined) {
    const [found] = tagged(images, (each) => each === tag).sort(byPush);
    return found ?? { problem: `there is no tag ${tag}` };
  }
  if (semver !== undefined) return highestIn(semver, images, running);
  const glob = globOf(newest ?? '');
  const [found] = tagged(images, (each) => glob.test(each)).sort(byPush);
  return found ?? { problem: `no tag is like ${newest}` };
};

/** The version that an image is, by its tags in the repository and by the tag of its reference. */
export const runningVersion = (
  images: readonly RepositoryImage[],
  digest: string | undefined,
  tag: string | undefined,
): SemVer | undefined => {
  const tags = images.find((image) => image.digest === digest)?.tags ?? [];
  return highestVersion(tag === undefined ? tags : [...tags, tag]);
};
