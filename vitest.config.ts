import { defineConfig } from 'vitest/config';

/** What continuous integration runs besides `npm test`, each by a command of its own: by project, its files. */
const others = {
  /** Thousands of targets and hostile answers in processes of their own. */
  scale: ['test/scale/**/*.test.ts'],
  /** Needs Chromium. */
  browser: ['test/console/browser.test.ts'],
  /** Needs Debian's docker-registry and skopeo. */
  registry: ['test/debian-registry.test.ts'],
};

export default defineConfig({
  test: {
    // Each file has a process of its own, so that none leaves a socket or a timer to the next.
    pool: 'forks',
    // Tests wait for time-outs and processes a good part of their time, so more of them than cores run side by side.
    maxWorkers: 4,
    // A busy machine is no failure: only what hangs comes near this.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: { name: 'fast', include: ['test/**/*.test.ts'], exclude: Object.values(others).flat() },
      },
      ...Object.entries(others).map(([name, include]) => ({ extends: true as const, test: { name, include } })),
    ],
    coverage: {
      include: ['functions/**/*.ts'],
      reporter: ['text', 'html'],
      skipFull: true,
      // A line that ran is not a line that is tested: mutants gate that (test/mutants).
      thresholds: { lines: 99, branches: 97, functions: 98, statements: 99 },
    },
  },
});
