import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest, which begin first: on a fresh clone vitest knows no durations to sort by. */
const longest = ['report.test.ts', 'secrets.test.ts', 'upstream-aws.test.ts', 'upstream-runpod.test.ts'];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const index = longest.findIndex((name) => moduleId.endsWith(`/${name}`));
      return index === -1 ? longest.length : index;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Each file has a process of its own: the embedded AWS is found through environment variables.
    pool: 'forks',
    // A busy machine is no failure: only what hangs comes near this.
    testTimeout: 60_000,
    // Tests mostly wait for time-outs, so there may be more of them than cores.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    coverage: {
      include: ['functions/**/*.ts'],
      reporter: ['text', 'html'],
      skipFull: true,
      thresholds: { lines: 100, branches: 100, functions: 100, statements: 100 },
    },
  },
});
