import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { PageFiles } from './server.ts';

const source = fileURLToPath(new URL('page/', import.meta.url));
const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

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
  return new Map(
    [...built, ...copied].map(([name, content]) => [
      name === 'index.html' ? '/' : `/${name}`,
      { type: types[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream', content },
    ]),
  );
};

if (import.meta.main) {
  const folder = fileURLToPath(new URL('../dist/console/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  let bytes = 0;
  for (const [path, { content }] of await buildPage()) {
    writeFileSync(join(folder, path === '/' ? 'index.html' : path.slice(1)), content);
    bytes += content.byteLength;
  }
  process.stdout.write(`The console's page is built: ${(bytes / 1024).toFixed(0)} KB in dist/console.\n`);
}
