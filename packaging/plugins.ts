/** What esbuild is told so that sources of a clone become files of the npm package. */
import { readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'esbuild';
import { textsForPackage } from './texts.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (path: string): string => join(root, path);

/** What is found, built or packaged at run time in a clone, and before in the package. */
const counterparts = new Map([
  [at('runner/engine-file.ts'), at('packaging/engine-file.ts')],
  [at('console/assets.ts'), at('packaging/console-assets.ts')],
  [at('simulator/packaged.ts'), at('packaging/packaged-template.ts')],
]);

export const takeCounterparts: Plugin = {
  name: 'take-counterparts',
  setup: ({ onResolve }) => {
    onResolve({ filter: /^\.{1,2}\/.*\.ts$/ }, ({ path, resolveDir }) => {
      const counterpart = counterparts.get(join(resolveDir, path));
      return counterpart === undefined ? undefined : { path: counterpart };
    });
  },
};

/** The folder of a command's file is called as the command is. */
const commandOf = (path: string): string => basename(dirname(path));

/** Leaves out the code of every command but one; each is loaded by a dynamic import of cli/commands.ts. */
export const keepOnly = (command: string | undefined, told: (other: string) => void): Plugin => ({
  name: 'keep-only',
  setup: ({ onResolve }) => {
    onResolve({ filter: /\.ts$/ }, ({ path, kind, importer }) => {
      if (kind !== 'dynamic-import' || importer !== at('cli/commands.ts') || commandOf(path) === command) return;
      told(commandOf(path));
      return { path: `./${commandOf(path)}.js`, external: true };
    });
  },
});

/**
 * Lets a source read its files from where the bundles lie.
 *
 * @throws a file is read that is not in the package
 */
const placeFiles = (source: string, path: string, packed: readonly string[]): string =>
  source.replaceAll(/new URL\('([^']+)', import\.meta\.url\)/g, (_, file: string) => {
    const read = relative(root, join(dirname(path), file));
    if (![...packed, '', 'package.json'].some((each) => read === each || read.startsWith(`${each}/`))) {
      throw new Error(`${relative(root, path)} reads ${read}: name it in the files of package.json.`);
    }
    return `new URL('../${read}', import.meta.url)`;
  });

/** Fits sources to the package: where they find files, and what they say to type. */
export const fitSources = (commands: readonly string[], packed: readonly string[]): Plugin => ({
  name: 'fit-sources',
  setup: ({ onLoad }) => {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      if (path.includes('/node_modules/') || dirname(path) === at('packaging')) return undefined;
      const source = readFileSync(path, 'utf8');
      return { contents: textsForPackage(placeFiles(source, path, packed), commands), loader: 'ts' };
    });
  },
});

/** Leaves out packages that are asked for and never used. */
export const leaveOut = (filter: RegExp): Plugin => ({
  name: 'leave-out',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter }, ({ path }) => ({ path, namespace: 'left-out' }));
    onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({ contents: '' }));
  },
});

/** dynalite asks for its files by names without an ending, which is more than esbuild resolves where they are composed. */
export const nameDynaliteFiles: Plugin = {
  name: 'name-dynalite-files',
  setup: ({ onLoad }) => {
    onLoad({ filter: /\/node_modules\/dynalite\/index\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll("/' + action)", "/' + action + '.js')"),
    }));
  },
};
