import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { keepOnly } from '../../packaging/plugins.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const lock = JSON.parse(readFileSync(`${root}/package-lock.json`, 'utf8')) as {
  packages: Record<string, { dev?: boolean }>;
};

/** The packages that a command imports, by any way. */
const packagesOf = async (command: string): Promise<string[]> => {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['cli/main.ts'],
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    write: false,
    metafile: true,
    plugins: [keepOnly(command, () => {})],
  });
  const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
  const names = imported.filter((path) => !/^(?:node:|\.)/.test(path));
  return [...new Set(names.flatMap((path) => /^(?:@[^/]+\/)?[^/]+/.exec(path) ?? []))];
};

describe('npm ci --omit=dev in a clone', () => {
  it.each(['setup', 'doctor', 'status', 'alert'])('installs what %s needs', async (command) => {
    const needed = await packagesOf(command);
    expect(needed.length).toBeGreaterThan(3);
    expect(needed.filter((name) => lock.packages[`node_modules/${name}`]?.dev !== undefined)).toEqual([]);
  });
});
