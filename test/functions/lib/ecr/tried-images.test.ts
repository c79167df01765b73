import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { packedImagesSchema } from '../../../../functions/lib/ecr/packed-images.ts';
import { boundTriedImages, sumUpTried, type TriedImages, trialOf } from '../../../../functions/lib/ecr/tried-images.ts';
import type { ImageRecord } from '../../../../functions/lib/report/outcome.ts';

const good = (index: number): ImageRecord => ({ image: `r/good:${index}`, digest: `sha256:${index}` });
const bad = (index: number, problem = 'it is missing'): ImageRecord => ({ image: `r/bad:${index}`, problem });
const many = (count: number, make: (index: number) => ImageRecord): ImageRecord[] =>
  Array.from({ length: count }, (_, index) => make(index));

describe('what trying images came to', () => {
  it('stands as it is, as long as it fits', () => {
    const records = [...many(99, good), bad(0)];
    expect(boundTriedImages(records.slice(50), { images: records.slice(0, 50) })).toEqual({ images: records });
  });

  it('keeps a hundred, before all those with a problem, and of the other problems that there is one', () => {
    const tried = boundTriedImages([...many(60, good), ...many(99, bad)]);
    expect(tried.images).toEqual([...many(99, bad), good(0)]);
    expect(tried.otherProblems).toBeUndefined();

    const worse = boundTriedImages(many(102, bad));
    expect(worse.images).toEqual(many(100, bad));
    expect(worse.otherProblems).toHaveLength(2);
    expect(trialOf(worse, 'r/bad:101')).toEqual({
      problem: 'the report has no room for why; npm run doctor says it',
      isPassing: false,
    });
    expect(trialOf(worse, 'r/bad:102')).toBeUndefined();
  });

  it('takes 40 KiB at most', () => {
    const tried = boundTriedImages(many(90, (index) => bad(index, 'x'.repeat(1000))));
    expect(Buffer.byteLength(JSON.stringify(tried.images))).toBeLessThanOrEqual(40 * 1024 + 100);
    expect(tried.images.length).toBe(39);
    expect(tried.otherProblems).toHaveLength(90 - 39);
    // What was left out before stays known.
    const more = boundTriedImages([bad(200, 'x'.repeat(1000))], tried);
    expect(more.otherProblems).toHaveLength(90 - 39 + 1);
    expect(more.otherProblems).toEqual(expect.arrayContaining([...(tried.otherProblems ?? [])]));
  });

  it('says of an image what was found: a digest, a problem, or nothing', () => {
    const images: ImageRecord[] = [good(1), bad(2), { ...bad(3), isPassing: true }, { image: 'r/none:1' }];
    expect(trialOf({ images }, 'r/good:1')).toEqual({ digest: 'sha256:1' });
    expect(trialOf({ images }, 'r/bad:2')).toEqual({ problem: 'it is missing', isPassing: false });
    expect(trialOf({ images }, 'r/bad:3')).toEqual({ problem: 'it is missing', isPassing: true });
    expect(trialOf({ images }, 'r/none:1')).toBeUndefined();
    expect(trialOf({ images }, 'r/other:1')).toBeUndefined();
  });
});

describe('images for which there was no time', () => {
  const left = ['r/late:1', 'r/late:2'];

  it('are handed back for another look, eight in all', () => {
    const first = sumUpTried({ records: [good(1)], untried: left });
    expect(first).toEqual({ images: [good(1)], untried: expect.any(String), looks: 1 });
    expect(z.parse(packedImagesSchema, first.untried)).toEqual(left);
    expect(sumUpTried({ records: [good(2)], untried: left }, { ...first, looks: 6 })).toMatchObject({
      images: [good(1), good(2)],
      looks: 7,
    });
  });

  it('wait for the next run after that', () => {
    const before: TriedImages = { images: [good(1)], untried: 'packed', looks: 7 };
    expect(sumUpTried({ records: [good(2)], untried: left }, before)).toEqual({
      images: [
        good(1),
        good(2),
        ...left.map((image) => ({
          image,
          problem: 'There was no time left in this run to try it',
          isPassing: true,
        })),
      ],
    });
  });

  it('are none where all were tried, however many looks there were', () => {
    expect(sumUpTried({ records: [good(2)], untried: [] }, { images: [], untried: 'packed', looks: 3 })).toEqual({
      images: [good(2)],
    });
  });
});
