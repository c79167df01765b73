import { defineConfig } from 'vitest/config';

/** The suite that mutants of functions/ are held against: what tells of one within milliseconds. */
export default defineConfig({
  test: {
    include: ['test/functions/**/*.test.ts'],
    // What goes through every failure of every upstream, or through every log, in a world waits for time-outs.
    exclude: [
      'test/functions/upstream-*.test.ts',
      'test/functions/bad-input.test.ts',
      'test/functions/worker-logs.test.ts',
    ],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
