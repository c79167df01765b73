import * as z from 'zod/mini';
import { parseImageReference } from '../ecr/image-reference.ts';

const text = z.string();
/** Epoch milliseconds. */
const time = z.number();

/** An image as an endpoint names it, and the digest that this stands for. */
const pinnedSchema = z.object({ image: text, digest: text });
export type PinnedImage = z.output<typeof pinnedSchema>;

/** Whether an image that an endpoint has was chosen by hand, as far as the runs have seen. */
const byHand = z.optional(z.literal(true));

const givenSchema = z.extend(pinnedSchema, { at: time });

/** By hand where a person asked for what the endpoint does not follow: no other endpoint takes it for that. */
const provenSchema = z.extend(givenSchema, { byHand });

const refusedSchema = z.extend(pinnedSchema, {
  at: time,
  /** Workers that could not run it, or a person who replaced it. */
  by: z.enum(['workers', 'person']),
  /** Why, in the host's own words where there are any. */
  why: text,
});
type RefusedImage = z.output<typeof refusedSchema>;

/** How a rollout ends. */
export const verdicts = ['proven', 'broken', 'unproved', 'superseded', 'held'] as const;
export type RolloutVerdict = (typeof verdicts)[number];

/** What became of the way back: the earlier image works, has not had to, does not either, or was not put back. */
export const waysBack = ['works', 'unproved', 'broken', 'not ours'] as const;
export type WayBack = (typeof waysBack)[number];

/** A rollout that is under way. */
const currentSchema = z.extend(pinnedSchema, {
  /** Which of the endpoint's executions does it. An execution that finds another number here has ended. */
  attempt: z.number(),
  phase: z.enum(['planned', 'applying', 'watching', 'returning']),
  /** The image that the endpoint had, and to which it comes back. */
  earlier: z.extend(pinnedSchema, { byHand }),
  /** Every reference that the endpoint may have before it is given this one. */
  from: z.array(text),
  pushedAt: time,
  startedAt: time,
  /** The newest release before the image was given, by Runpod's clock. */
  releasedBefore: z.optional(time),
  /** When Runpod took the image, by Runpod's own clock where it says so. */
  appliedAt: z.optional(time),
  /** The release that took it, where Runpod numbers it. */
  version: z.optional(z.number()),
  /** What the workers that could not run it said. */
  brokenWhy: z.optional(text),
  backAt: z.optional(time),
  backVersion: z.optional(z.number()),
  /** Whether a person asked for it: then it goes before what is wanted, what was refused, and a hold. */
  isAsked: z.optional(z.boolean()),
  /** The attempt that told people that it has waited for a day. */
  dayToldBy: z.optional(z.number()),
});
export type CurrentRollout = z.output<typeof currentSchema>;

/** How an endpoint's last rollout ended. */
const endedSchema = z.extend(pinnedSchema, {
  attempt: z.number(),
  verdict: z.enum(verdicts),
  why: text,
  at: time,
  back: z.optional(z.enum(waysBack)),
  /** Whether people hear of it from its execution. */
  isTold: z.optional(z.literal(true)),
});

/** What cannot be read of a record is as if it were not there, and takes neither a hold nor a refusal with it. */
const part = <Schema extends z.ZodMiniType>(schema: Schema) => z.catch(z.optional(schema), undefined);
const readable = <Schema extends z.ZodMiniType>(item: Schema) =>
  z.pipe(
    z.catch(z.array(z.unknown()), []),
    z.transform((items) => items.flatMap((each) => z.safeParse(item, each).data ?? [])),
  );

/** What is remembered of an endpoint's rollouts. */
export const rolloutRecordSchema = z.object({
  /** What the endpoint was last seen with outside of a rollout; without a digest where ECR had none for its reference. */
  earlier: z.object({ image: text, digest: z.optional(text), byHand }),
  /** What it had before what it has. */
  previous: part(pinnedSchema),
  /** When it was given which digest, the newest last. */
  given: readable(givenSchema),
  proven: readable(provenSchema),
  refused: readable(refusedSchema),
  /** How many executions it has had: each has a number of its own. */
  attempts: z.number(),
  current: part(currentSchema),
  ended: part(endedSchema),
  heldSince: part(time),
  /** What it wanted when it was seen last, and since when. */
  wanted: part(z.object({ digest: text, image: text, since: time })),
  /** The trouble that people were told of last. */
  told: part(text),
  /** The execution that tells of it, or of its end: asked once more after a crash, it tells so again. */
  toldIn: part(text),
});
export type RolloutRecord = z.output<typeof rolloutRecordSchema>;

const maxRemembered = 200;

/** Adds to what is remembered; of the same digest the latest word counts, and the oldest make room. */
export const remember = <Item extends { readonly digest: string }>(items: readonly Item[], item: Item): Item[] =>
  [...items.filter(({ digest }) => digest !== item.digest), item].slice(-maxRemembered);

const hourMs = 3_600_000;
/** More changes of one endpoint in an hour would be a fault of ours, or a push in a loop. */
const maxGivenAnHour = 6;

/** Whether an endpoint may be given another image now. */
export const mayBeGiven = ({ given }: RolloutRecord, now: number): boolean =>
  given.filter(({ at }) => now - at < hourMs).length < maxGivenAnHour;

/** Pins a reference to a digest, and keeps its tag for people to read. */
export const pin = (image: string, digest: string, tag?: string): string => {
  const reference = parseImageReference(image);
  if (reference === undefined) return image;
  const shown = tag ?? reference.tag;
  return `${reference.registry}/${reference.repository}${shown === undefined ? '' : `:${shown}`}@${digest}`;
};

/** How an endpoint is seen with an image: as it names it, and the digest that this stands for now, where ECR has one. */
export interface SeenImage {
  readonly image: string;
  readonly digest?: string;
}

/** A record of an endpoint that is seen for the first time: what it has, and nothing else. */
export const firstRecord = (seen: SeenImage): RolloutRecord => ({
  earlier: seen,
  given: [],
  proven: [],
  refused: [],
  attempts: 0,
});

/** Says that an endpoint is given an image, whether it was before or not: a limit counts these. */
export const give = (record: RolloutRecord, { image, digest }: PinnedImage, at: number): RolloutRecord => ({
  ...record,
  given: [...record.given, { image, digest, at }].slice(-maxRemembered),
});

/** Whether a person asked for what the endpoint does not follow. */
export const isAskedBeside = ({ wanted }: RolloutRecord, { isAsked, digest }: CurrentRollout): boolean =>
  isAsked === true && wanted?.digest !== digest;

/** Says that the image of the rollout under way works. What was proven by itself before stays where it was. */
export const prove = (record: RolloutRecord, current: CurrentRollout, at: number): RolloutRecord => {
  const { image, digest } = current;
  const isByHand = isAskedBeside(record, current);
  if (isByHand && record.proven.some((each) => each.digest === digest)) return record;
  const proof = { image, digest, at, ...(isByHand ? { byHand: isByHand } : {}) };
  return { ...record, proven: remember(record.proven, proof) };
};

/**
 * Whether what an endpoint has is what a rollout made of it, or had begun with. Once Runpod has taken the new image, an
 * endpoint with the one before has been changed by hand.
 */
export const isOfRollout = ({ phase, image, from, earlier }: CurrentRollout, seen: string): boolean => {
  if (seen === image) return true;
  if (phase === 'returning') return seen === pin(earlier.image, earlier.digest);
  return phase !== 'watching' && from.includes(seen);
};

/** Whether a hold ends the rollout under way: neither what a person asked for, nor a way back. */
export const isEndedByHold = ({ heldSince, current }: RolloutRecord): boolean =>
  heldSince !== undefined && current !== undefined && current.isAsked !== true && current.phase !== 'returning';

/** Says what an endpoint is left with where its rollout ends: it is no choice by hand, and what the next one comes back to. */
export const leaveOn = (record: RolloutRecord, image: string): RolloutRecord => {
  const { current, earlier } = record;
  const digest = parseImageReference(image)?.digest;
  if (current === undefined || digest === undefined || image === earlier.image) return record;
  const previous = digest === current.earlier.digest ? record.previous : current.earlier;
  return { ...record, earlier: { image, digest }, ...(previous === undefined ? {} : { previous }) };
};

/** Ends the rollout that is under way. */
export const endRollout = (
  { current, ...record }: RolloutRecord,
  verdict: RolloutVerdict,
  why: string,
  at: number,
  { back, isTold = false }: { readonly back?: WayBack | undefined; readonly isTold?: boolean } = {},
): RolloutRecord => {
  if (current === undefined) return record;
  const { image, digest, attempt } = current;
  const more = { ...(back === undefined ? {} : { back }), ...(isTold ? { isTold } : {}) };
  return { ...record, ended: { image, digest, attempt, verdict, why, at, ...more } };
};

/**
 * Begins a rollout, under a number of its own. One that is under way is superseded: its image becomes another one that the
 * endpoint may have, and what it came back to stays what this one comes back to.
 */
export const claim = (
  record: RolloutRecord,
  { image, digest, pushedAt }: PinnedImage & { readonly pushedAt: number },
  now: number,
  isAsked?: true,
): RolloutRecord => {
  const { current, earlier } = record;
  const attempt = record.attempts + 1;
  const { digest: earlierDigest = '', byHand } = earlier;
  const backTo = current?.earlier ?? { image: pin(earlier.image, earlierDigest), digest: earlierDigest, byHand };
  const from = current === undefined ? [earlier.image] : [...current.from, current.image];
  return {
    ...endRollout(record, 'superseded', `${digest} was wanted instead`, now),
    attempts: attempt,
    current: {
      attempt,
      image,
      digest,
      pushedAt,
      phase: 'planned',
      earlier: backTo,
      from: [...new Set(from)],
      startedAt: now,
      ...(isAsked === undefined ? {} : { isAsked }),
    },
  };
};

/**
 * Says that people are told of an error that stopped the rollout under way. What it was before where they know it; an
 * execution whose own message failed tells it again.
 */
export const tellStopped = (
  record: RolloutRecord | undefined,
  error: string,
  execution: string,
): RolloutRecord | undefined => {
  const told = `stopped ${record?.current?.digest} ${error}`;
  if (record === undefined || (record.told === told && record.toldIn !== execution)) return record;
  return { ...record, told, toldIn: execution };
};

/** The error's name that stopped an execution, by what people were told of it. */
export const errorThatStopped = (
  { told = '', toldIn = '' }: RolloutRecord,
  { digest, execution }: { readonly digest: string; readonly execution: string },
): string | undefined => {
  const [what, of, error] = told.split(' ');
  return what === 'stopped' && of === digest && toldIn.endsWith(`:${execution}`) ? error : undefined;
};

const replacedByHand = 'it was replaced by hand at Runpod';

/** Takes a choice that was made by hand: what it replaced is not given again by itself, nor what was wanted then. */
export const takeHandMadeChoice = (record: RolloutRecord, seen: SeenImage, now: number): RolloutRecord => {
  const { current, earlier, wanted } = record;
  const replaced: PinnedImage[] = [
    ...(wanted === undefined ? [] : [wanted]),
    ...(current === undefined && earlier.digest !== undefined
      ? [{ image: earlier.image, digest: earlier.digest }]
      : []),
    ...(current === undefined ? [] : [current]),
  ];
  const refused = replaced
    .filter(({ digest }) => digest !== seen.digest)
    .reduce<RefusedImage[]>(
      (all, { image, digest }) =>
        all.some((each) => each.digest === digest)
          ? all
          : remember(all, { image, digest, at: now, by: 'person', why: replacedByHand }),
      record.refused,
    );
  const { image, digest } = current?.earlier ?? earlier;
  const previous = digest === undefined || digest === seen.digest ? {} : { previous: { image, digest } };
  return {
    ...endRollout(record, 'superseded', replacedByHand, now, { isTold: true }),
    ...previous,
    refused,
    earlier: { ...seen, byHand: true },
  };
};

/**
 * Keeps current what an endpoint comes back to, while no rollout is under way: always a digest. A tag that has moved to
 * what the endpoint wants, or to what was refused, is not followed: workers that are there still run what it was.
 */
export const keepEarlier = (
  record: RolloutRecord,
  seen: SeenImage,
  wantedDigests: ReadonlyArray<string | undefined>,
  now: number,
): RolloutRecord => {
  const { earlier, refused } = record;
  if (seen.image !== earlier.image) return takeHandMadeChoice(record, seen, now);
  if (seen.digest === undefined || seen.digest === earlier.digest) return record;
  const isUntried = wantedDigests.includes(seen.digest) || refused.some(({ digest }) => digest === seen.digest);
  return earlier.digest !== undefined && isUntried ? record : { ...record, earlier: { ...earlier, ...seen } };
};
