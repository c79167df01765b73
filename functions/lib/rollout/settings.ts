import Range from 'semver/classes/range.js';
import * as z from 'zod/mini';
import { runpodId } from '../runpod/id.ts';

/** An execution that watches a rollout lasts no longer; later refreshes go on watching. */
const maxProveWithinMinutes = 60;

const isRange = (text: string): boolean => {
  try {
    return text.trim() !== '' && new Range(text).range !== undefined;
  } catch {
    return false;
  }
};

/** A job that a run submits: its input is handed to the worker as it is. */
export const canarySchema = z.strictObject({ input: z.record(z.string(), z.unknown()) });

/** The ways in which an endpoint says which image it wants. It has exactly one. */
const waysToFollow = ['tag', 'semver', 'newest'] as const;

/** How an endpoint follows what is pushed to the repository of its image. */
export const rolloutSchema = z
  .strictObject({
    /** The image that this tag names. */
    tag: z.optional(z.string().check(z.regex(/^\w[\w.-]{0,127}$/, 'expected a tag, such as production'))),
    /** The highest version in this range, among the tags that are versions. */
    semver: z.optional(z.string().check(z.refine(isRange, 'expected a range of versions, such as ^1.4'))),
    /** The image that was pushed last, among those with such a tag. */
    newest: z.optional(
      z.string().check(z.regex(/^[\w.*?-]{1,128}$/, 'expected tags, such as v*, where * stands for anything')),
    ),
    /** The endpoint that must have proven an image before this one takes it. */
    after: z.optional(runpodId),
    /** A job to prove an image with, so that a worker has to start. */
    canary: z.optional(canarySchema),
    /** How long an execution waits for a worker to show that the image works. */
    proveWithinMinutes: z._default(z.number().check(z.int(), z.gte(1), z.lte(maxProveWithinMinutes)), 20),
  })
  .check(
    z.refine(
      (rollout) => waysToFollow.filter((way) => rollout[way] !== undefined).length === 1,
      `expected exactly one of ${waysToFollow.join(', ')}`,
    ),
  );

/** What targets.yml says of an endpoint's rollouts. */
export type RolloutSettings = z.output<typeof rolloutSchema>;

/** Says which image is followed, as people read it: `tag production`. */
export const describeFollowed = ({ tag, semver, newest }: RolloutSettings): string => {
  if (tag !== undefined) return `tag ${tag}`;
  return semver === undefined ? `the newest of ${newest}` : `versions ${semver}`;
};

/** Whether two endpoints follow the same images. */
export const followSame = (one: RolloutSettings, other: RolloutSettings): boolean =>
  waysToFollow.every((way) => one[way] === other[way]);

/** A rollout of targets.yml, and where it stands there. */
interface PlacedRollout {
  /** The endpoint's. */
  readonly id: string;
  readonly after: string | undefined;
  readonly path: readonly PropertyKey[];
}

/** Says which rollouts wait for an endpoint that is not there, that has none, or that waits for them. */
export const orderMistakes = (
  rollouts: readonly PlacedRollout[],
): ReadonlyArray<{ readonly path: readonly PropertyKey[]; readonly text: string }> => {
  const byId = new Map(rollouts.map((each) => [each.id, each]));
  return rollouts.flatMap(({ id, path, after }, index) => {
    if (rollouts.findIndex((each) => each.id === id) < index) {
      return [{ path, text: `expected one rollout an endpoint, found another of ${id}` }];
    }
    if (after === undefined) return [];
    const expected = (text: string) => [{ path: [...path, 'after'], text: `expected ${text}` }];
    if (!byId.has(after)) {
      return expected(`an endpoint of this file that has a rollout, found ${JSON.stringify(after)}`);
    }
    const seen = new Set([id]);
    for (let next: string | undefined = after; next !== undefined; next = byId.get(next)?.after) {
      if (next === id) return expected(`no circle, found ${[...seen, id].join(' after ')}`);
      if (seen.has(next)) break;
      seen.add(next);
    }
    return [];
  });
};
