import { fileURLToPath } from 'node:url';
import { Stryker } from '@stryker-mutator/core';

/**
 * Runs Stryker in a process of its own, which can be ended with all that it starts. Told by `process.argv` where it may
 * write, how many processes it may use, which files it mutates, and in what order.
 */
const [, , tempDirName = '', concurrency = '', files = '', mutantOrder = ''] = process.argv;

const options = {
  mutate: JSON.parse(files) as string[],
  testRunner: 'vitest',
  vitest: { configFile: 'test/mutants/vitest.config.ts', related: false },
  plugins: ['@stryker-mutator/vitest-runner', fileURLToPath(new URL('plugins.ts', import.meta.url))],
  checkers: ['order'],
  reporters: ['process'],
  coverageAnalysis: 'perTest' as const,
  // What runs once, while a module loads, would take a fresh process for each mutant.
  ignoreStatic: true,
  // Stryker rewrites it with a compiler that TypeScript 7 no longer has; none is needed.
  tsconfigFile: 'none',
  concurrency: Number(concurrency),
  tempDirName,
  cleanTempDir: 'always' as const,
  allowConsoleColors: false,
  warnings: { unknownOptions: false, preprocessorErrors: true, unserializableOptions: true, slow: true },
  mutantOrder: JSON.parse(mutantOrder) as object,
};

await new Stryker(options).runMutationTest();
