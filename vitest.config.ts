import { defineConfig } from 'vitest/config';
import { neededNode } from './infra/needed-node.mjs';

if (neededNode !== undefined) {
  process.stderr.write(`${neededNode}\n`);
  process.exit(1);
}

/** What `npm run check` runs beside the tests of `npm test`: by project, its files. */
const thorough = {
  /** Each call to AWS and Runpod failing in each way, and functions called with anything. */
  failures: ['test/functions/{bad-input,upstream-aws,upstream-runpod}.test.ts', 'test/secrets.test.ts'],
  /** Commands that look at everything there is, and what the runbook says to do. */
  commands: [
    'test/cli/{canary-pod,doctor,rollout,setup-all}.test.ts',
    'test/console/live.test.ts',
    'test/runbook.test.ts',
  ],
  /** Commands as processes of their own, with npm's environment, credentials of every kind, proxies and pipes. */
  processes: ['test/cli/{credentials,launch,process,proxy}.test.ts', 'test/simulator/start.test.ts'],
  /** Runs that go on for simulated hours: rollouts, canary pods, quotas, and reports of many targets. */
  runs: ['test/statemachines/{canary-pod,requests,rollout}.test.ts', 'test/report.test.ts'],
};

/** What is run by a command of its own: by project, its files. */
const others = {
  /** Packages again and again, with settings of every kind, installs what `npm run build` made, and runs the action's steps. Part of `npm run check`. */
  package: [
    'test/infra/{account-settings,deploy-package,github-oidc-role,packaged-settings}.test.ts',
    'test/packaging/installed.test.ts',
    'test/action/steps.test.ts',
  ],
  /** Thousands of targets, simulated weeks, ten thousand random worlds, and commands without each of their permissions in turn. */
  scale: [
    'test/scale/!(bounds).test.ts',
    'test/bench/availability.test.ts',
    'test/cli/command-permissions.test.ts',
    'test/statemachines/week.test.ts',
  ],
  /** Hostile answers to processes whose memory is measured: what runs beside them puts off their garbage collection. */
  bounds: ['test/scale/bounds.test.ts'],
  /** Needs Chromium. */
  browser: ['test/console/browser.test.ts'],
  /** Needs Debian's docker-registry and skopeo, jq and curl. */
  registry: ['test/debian-registry.test.ts', 'test/token-by-hand.test.ts'],
};

/** Nothing in these writes to a process's globals, so files share what was imported: that alone takes a third of the time. */
const isolate = false;

export default defineConfig({
  test: {
    pool: 'forks',
    globalSetup: 'test/support/temporary-folder.ts',
    // Tests wait for time-outs and processes a good part of their time, so more of them than cores run side by side.
    maxWorkers: 4,
    // A busy machine is no failure: only what hangs comes near this.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: Object.values({ ...thorough, ...others }).flat(),
          isolate,
        },
      },
      ...Object.entries(thorough).map(([name, include]) => ({
        extends: true as const,
        test: { name, include, isolate },
      })),
      ...Object.entries(others).map(([name, include]) => ({ extends: true as const, test: { name, include } })),
    ],
    coverage: {
      include: ['functions/**/*.ts'],
      reporter: ['text', 'html'],
      skipFull: true,
      // A line that ran is not a line that is tested: mutants gate that (test/mutants).
      thresholds: { lines: 97, branches: 90, functions: 95, statements: 96 },
    },
  },
});
