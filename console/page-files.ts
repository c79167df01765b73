import type { PageFiles } from './server.ts';

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

/** The page's files, by the path at which they are served. */
export const pageFiles = (named: ReadonlyArray<readonly [string, Uint8Array]>): PageFiles =>
  new Map(
    named.map(([name, content]) => [
      name === 'index.html' ? '/' : `/${name}`,
      { type: types[name.split('.').at(-1) ?? ''] ?? 'text/html; charset=utf-8', content },
    ]),
  );
