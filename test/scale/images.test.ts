import fc from 'fast-check';
import { expect, it } from 'vitest';
import { findRunnableImage } from '../../functions/lib/ecr/runnable-image.ts';
import { drawnImages, isRunnable, publish } from '../support/images.ts';

/** How many images are drawn: `SCALE_IMAGES`, or 10,000. */
const images = Number(process.env.SCALE_IMAGES ?? 10_000);

it(`agrees with a naive reading of the rules on ${images} random images`, async () => {
  let runnable = 0;
  await fc.assert(
    fc.asyncProperty(drawnImages, async (drawn) => {
      const { document, source } = publish(drawn);
      const { kind } = await findRunnableImage(document, source);
      expect(kind === 'runs').toBe(isRunnable(drawn));
      runnable += kind === 'runs' ? 1 : 0;
    }),
    { numRuns: images },
  );
  // A generator that drew nothing but one kind would show nothing.
  expect(runnable / images).toBeGreaterThan(0.2);
  expect(runnable / images).toBeLessThan(0.8);
});
