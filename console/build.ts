import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { pageFiles } from './page-files.ts';
import type { PageFiles } from './server.ts';

const source = fileURLToPath(new URL('page/', import.meta.url));

/** Builds the page. @returns its files, by the path at which they are served */
export const buildPage = async (): Promise<PageFiles> => {
  const { outputFiles } = await build({
    entryPoints: [join(source, 'page.ts'), join(source, 'page.css')],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    outdir: source,
    write: false,
    logLevel: 'silent',
  });
  const built = outputFiles.map(({ path, contents }) => [path.slice(source.length), contents] as const);
  const copied = ['index.html', 'icon.svg'].map((name) => [name, readFileSync(join(source, name))] as const);
  return pageFiles([...built, ...copied]);
};
