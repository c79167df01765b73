import type SemVer from 'semver/classes/semver.js';
import { nameOfImage, parseImageReference } from '../ecr/image-reference.ts';
import type { RepositoryImage } from '../ecr/repository-images.ts';
import {
  endRollout,
  firstRecord,
  isEndedByHold,
  isOfRollout,
  keepEarlier,
  leaveOn,
  mayBeGiven,
  type PinnedImage,
  pin,
  type RolloutRecord,
  type SeenImage,
  takeHandMadeChoice,
} from './record.ts';
import { describeFollowed, followSame, type RolloutSettings } from './settings.ts';
import { findWanted, runningVersion, type Wanted } from './wanted.ts';

/** An endpoint that another waits for: what it follows, and what is remembered of it. */
interface OtherEndpoint {
  readonly id: string;
  readonly settings: RolloutSettings | undefined;
  readonly record: RolloutRecord | undefined;
}

/** What a run sees of an endpoint that follows something. */
export interface RolloutView {
  readonly settings: RolloutSettings;
  /** The image that it has at Runpod, and the repository's images. */
  readonly image: string;
  /** When it was seen with it: a run may watch pulls for long before it comes here, and another one roll out meanwhile. */
  readonly seenAt: number;
  readonly images: readonly RepositoryImage[];
  readonly after: OtherEndpoint | undefined;
  readonly now: number;
}

/** What a run makes of an endpoint. */
type RolloutState =
  | 'recorded'
  | 'current'
  | 'rolling'
  | 'waiting'
  | 'refused'
  | 'held'
  | 'no way back'
  | 'no image'
  | 'limited';

/** An image to roll out: pinned, and when it was pushed (epoch milliseconds). */
interface PushedImage {
  readonly digest: string;
  readonly image: string;
  readonly pushedAt: number;
}

/** What to do about an endpoint, and what to remember of it. */
export interface Decision {
  readonly state: RolloutState;
  /** In a clause, for people. */
  readonly why: string;
  readonly record: RolloutRecord;
  readonly wanted?: PushedImage;
  /** Whether an execution gives it what is wanted, or goes on with the rollout that is under way. */
  readonly next?: 'begin' | 'continue';
  /** A trouble that people are told of once, by what makes it the same trouble. */
  readonly trouble?: string;
}

/** The digest that a reference stands for in its repository. */
export const digestOf = (image: string, images: readonly RepositoryImage[]): string | undefined => {
  const reference = parseImageReference(image);
  if (reference === undefined) return undefined;
  const { digest, tag = 'latest' } = reference;
  return digest ?? images.find(({ tags }) => tags.includes(tag))?.digest;
};

/** What was proven once, as it is in the repository now. */
const wantedOf = ({ image, digest }: PinnedImage, images: readonly RepositoryImage[]): Wanted => {
  const held = images.find((each) => each.digest === digest);
  const tag = parseImageReference(image)?.tag ?? held?.tags[0] ?? 'latest';
  return { digest, tag, pushedAt: held?.pushedAt ?? 0 };
};

/** The newest image that another endpoint, which follows the same, has proven and ECR still holds. */
const newestProven = ({ settings, images, after }: RolloutView, running: SemVer | undefined): Wanted => {
  const { id = '', record } = after ?? {};
  const proven = (record?.proven ?? []).filter(({ byHand, digest }) => !byHand || digest === record?.wanted?.digest);
  const held = images.filter(({ digest }) => proven.some((each) => each.digest === digest));
  const last = proven.findLast(({ digest }) => held.some((each) => each.digest === digest));
  if (last === undefined) return { problem: `${id} has proven none yet` };
  // A tag has moved on from what was proven, and may have moved back: what was proven last is the newest. Versions have an
  // order of their own.
  const found = settings.tag === undefined ? findWanted(settings, held, running) : wantedOf(last, images);
  if ('problem' in found) return found;
  const { at = 0 } = proven.find(({ digest }) => digest === found.digest) ?? {};
  const isRefused = record?.refused.some((each) => each.digest === found.digest && each.at > at) ?? false;
  return isRefused ? { problem: `${id} has proven ${found.tag}, and refused it since` } : found;
};

/** What an endpoint wants of another's proven images: the newest, where both follow the same; else its own, once proven. */
const wantedAfter = (wanted: Wanted, view: RolloutView, running: SemVer | undefined): Wanted => {
  const { settings, after } = view;
  if (after === undefined) return wanted;
  if (after.settings !== undefined && followSame(settings, after.settings)) return newestProven(view, running);
  const isProven = (digest: string): boolean => after.record?.proven.some((each) => each.digest === digest) ?? false;
  if ('problem' in wanted || isProven(wanted.digest)) return wanted;
  return { problem: `${after.id} has not proven it yet` };
};

const dayMs = 24 * 3_600_000;

/** When a rollout last changed an endpoint, or ended: what was seen before tells nothing of what anybody did by hand. */
const changedAt = ({ given, current, ended }: RolloutRecord): number =>
  Math.max(given.at(-1)?.at ?? 0, current?.backAt ?? 0, ended?.at ?? 0);

/**
 * Decides what a run does about an endpoint that follows something. Pure: the same view gives the same decision.
 *
 * @param before what is remembered of it; nothing where it is seen for the first time
 */
export const decideRollout = (before: RolloutRecord | undefined, view: RolloutView): Decision => {
  const { settings, image, seenAt, images, now } = view;
  const digest = digestOf(image, images);
  const seen: SeenImage = { image, ...(digest === undefined ? {} : { digest }) };
  const runs = runningVersion(images, before?.earlier.digest ?? digest, parseImageReference(image)?.tag);
  const own = findWanted(settings, images, runs);
  const found = wantedAfter(own, view, runs);
  const wanted =
    'problem' in found
      ? undefined
      : { digest: found.digest, image: pin(image, found.digest, found.tag), pushedAt: found.pushedAt };

  // What waits for another endpoint is wanted already, and has been since it was first.
  const desired =
    wanted ?? ('problem' in own ? undefined : { digest: own.digest, image: pin(image, own.digest, own.tag) });
  const since = before?.wanted !== undefined && before.wanted.digest === desired?.digest ? before.wanted.since : now;
  const wish = desired === undefined ? {} : { wanted: { digest: desired.digest, image: desired.image, since } };
  if (before === undefined) {
    const record = { ...firstRecord(seen), ...wish };
    return { state: 'recorded', why: `it has ${nameOfImage(image)}`, record, ...(wanted && { wanted }) };
  }
  const isNews = seenAt > changedAt(before);
  const take = (): RolloutRecord => {
    if (!isNews) return before;
    if (before.current === undefined) {
      return keepEarlier(before, seen, [wanted?.digest, 'problem' in own ? undefined : own.digest], now);
    }
    return isOfRollout(before.current, image) ? before : takeHandMadeChoice(before, seen, now);
  };
  const taken = take();
  const kept = isNews && isEndedByHold(taken) ? endRollout(leaveOn(taken, image), 'held', 'it was held', now) : taken;
  const { wanted: _, ...rest } = kept;
  const record: RolloutRecord = { ...rest, ...wish };
  const decide = (state: RolloutState, why: string, more: Pick<Decision, 'next' | 'trouble'> = {}): Decision => ({
    state,
    why,
    record,
    ...(wanted === undefined ? {} : { wanted }),
    ...more,
  });

  const { current, earlier, refused, heldSince } = record;
  const refusal = refused.find((each) => each.digest === wanted?.digest);
  const hasWayBack = earlier.digest !== undefined && images.some((each) => each.digest === earlier.digest);
  const isSuperseded =
    current !== undefined &&
    hasWayBack &&
    wanted !== undefined &&
    wanted.digest !== current.digest &&
    refusal === undefined &&
    current.isAsked !== true &&
    current.phase !== 'returning';
  if (current !== undefined && (!isSuperseded || !mayBeGiven(record, now))) {
    return decide('rolling', `${nameOfImage(current.image)} is under way`, { next: 'continue' });
  }
  if (wanted === undefined) {
    if ('problem' in own) return decide('no image', own.problem);
    if (own.digest === earlier.digest) return decide('current', `it has ${nameOfImage(image)}`);
    const why = 'problem' in found ? found.problem : '';
    return decide('waiting', why, now - since < dayMs ? {} : { trouble: `waiting ${own.digest}` });
  }
  const name = nameOfImage(wanted.image);
  if (wanted.digest === earlier.digest && current === undefined) return decide('current', `it has ${name}`);
  if (heldSince !== undefined) return decide('held', `it is held since ${new Date(heldSince).toISOString()}`);
  if (refusal !== undefined) return decide('refused', `${name} was refused: ${refusal.why}`);
  if (!hasWayBack) {
    const lacks = earlier.digest === undefined ? 'no image' : 'no longer the image';
    return decide(
      'no way back',
      `${name} is not rolled out: ECR holds ${lacks} to come back to (${nameOfImage(earlier.image)})`,
      { trouble: `no way back ${wanted.digest}` },
    );
  }
  if (!mayBeGiven(record, now)) return decide('limited', 'it was given six images within the hour');
  return decide('rolling', `${name} is wanted: ${describeFollowed(settings)}`, { next: 'begin' });
};
