import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { pageFiles } from './page-files.ts';
import type { PageFiles } from './server.ts';

const source = fileURLToPath(new URL('page/', import.meta.url));

const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** The runbook as a page whose sections have addresses; its Markdown is shown as it stands. */
const buildRunbook = (): Uint8Array => {
  const runbook = readFileSync(new URL('../docs/runbook.md', import.meta.url), 'utf8');
  const sections = runbook.split(/^#{2,3} /m).map((section) => {
    const [name = '', ...lines] = section.replace(/^# /, '').split('\n');
    return `<section id="${escapeHtml(name.toLowerCase())}"><h2>${escapeHtml(name)}</h2><pre>${escapeHtml(lines.join('\n').trim())}</pre></section>`;
  });
  const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Runbook</title><link rel="stylesheet" href="/page.css">`;
  return Buffer.from(
    `<!doctype html><html lang="en"><head>${head}</head><body><main>${sections.join('')}</main></body></html>`,
  );
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
  return pageFiles([...built, ...copied, ['runbook', buildRunbook()]]);
};
