import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { defined } from '../defined.ts';
import { type ImageRecord, imageRecordSchema } from '../report/outcome.ts';
import { packImages } from './packed-images.ts';
import type { Trials } from './try-images.ts';

/** What trying images came to, in as many bytes as a state has room for. */
export const triedImagesSchema = z.object({
  /** As many as fit, before all those with a problem. */
  images: z.array(imageRecordSchema),
  /** The others that have a problem, by `printOf` their names. */
  otherProblems: z.optional(z.array(z.string())),
  /** There where the time was not enough for all: those that are left, packed, and how many looks there were. */
  untried: z.optional(z.string()),
  looks: z.optional(z.number()),
});
export type TriedImages = z.output<typeof triedImagesSchema>;

const maxRecords = 100;
const maxBytes = 40 * 1024;

const printOf = (image: string): string => createHash('sha256').update(image).digest('base64url').slice(0, 10);

/**
 * Bounds what trying images came to. Of each it stays known whether it has a problem.
 *
 * @param before what trying others came to before
 */
export const boundTriedImages = (newest: readonly ImageRecord[], before: TriedImages = { images: [] }): TriedImages => {
  const records = [...before.images, ...newest];
  const { otherProblems: known = [] } = before;
  if (known.length === 0 && records.length <= maxRecords && Buffer.byteLength(JSON.stringify(records)) <= maxBytes)
    return { images: records };
  const sorted = records.toSorted((a, b) => Number(b.problem !== undefined) - Number(a.problem !== undefined));
  let bytes = 0;
  const images = sorted.slice(0, maxRecords).filter((record) => {
    bytes += Buffer.byteLength(JSON.stringify(record));
    return bytes <= maxBytes;
  });
  const others = sorted.filter((each) => each.problem !== undefined && !images.includes(each));
  const otherProblems = [...known, ...others.map(({ image }) => printOf(image))];
  return defined({ images, otherProblems: otherProblems.length === 0 ? undefined : otherProblems });
};

/** A thousand images take a few looks. What is left after these is tried by the next run. */
const maxLooks = 8;
const noTime = 'There was no time left in this run to try it';

/**
 * What a look at images adds to what earlier ones came to. What it left is tried by another look, or waits for the next run.
 *
 * @param before what the earlier ones came to, where this is not the first
 */
export const sumUpTried = (
  { records, untried }: Pick<Trials, 'records' | 'untried'>,
  before?: TriedImages,
): TriedImages => {
  const looks = (before?.looks ?? 0) + 1;
  if (untried.length > 0 && looks < maxLooks) {
    return { ...boundTriedImages(records, before), untried: packImages(untried).packed, looks };
  }
  const late = untried.map((image): ImageRecord => ({ image, problem: noTime, isPassing: true }));
  return boundTriedImages([...records, ...late], before);
};

/** What trying an image came to: a digest, or a problem. */
export type ImageTrial = { readonly digest: string } | { readonly problem: string; readonly isPassing: boolean };

/** What is known of one image. An endpoint's may have changed during the run: only what this token pulled is proven. */
export const trialOf = ({ images, otherProblems = [] }: TriedImages, image: string): ImageTrial | undefined => {
  const tried = images.find((each) => each.image === image);
  if (tried?.problem !== undefined) return { problem: tried.problem, isPassing: tried.isPassing ?? false };
  if (tried?.digest !== undefined) return { digest: tried.digest };
  if (!otherProblems.includes(printOf(image))) return undefined;
  return { problem: 'the report has no room for why; npm run doctor says it', isPassing: false };
};
