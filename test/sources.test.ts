import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Exports that something else than an import of ours takes: by file, who does. */
const taken: ReadonlyArray<readonly [file: RegExp, by: string]> = [
  [/^functions\/[\w-]+\.ts$/, 'Lambda, the handler'],
  [/^infra\/(?:lambda-credentials|lazy-yaml)\.mjs$/, 'the bundles, in the place of a package (serverless.yml)'],
  [/^packaging\/(?:console-assets|engine-file|packaged-template)\.ts$/, 'the npm package, in the place of a source'],
  [/^test\/mutants\/plugins\.ts$/, 'Stryker'],
  [/^test\/support\/temporary-folder\.ts$/, 'vitest, as its global set-up'],
];

const rooms = 'action,bench,cli,console,functions,infra,packaging,runner,simulator,stack,test';
const sources = new Map(
  globSync(`{${rooms}}/**/*.{ts,mjs,cjs}`, { cwd: root }).map((file) => [file, readFileSync(join(root, file), 'utf8')]),
);

/** What is imported, as `file name`; a file that is imported whole has the name `*`. */
const imported = new Set<string>();
for (const [file, text] of sources) {
  const add = (from: string, name: string): unknown => imported.add(`${normalize(join(dirname(file), from))} ${name}`);
  for (const [, what = '', from = ''] of text.matchAll(/^(?:import|export)\s([^;'"]*?)\sfrom\s'(\.[^']+)'/gm)) {
    if (what.includes('*')) add(from, '*');
    for (const name of /\{([^}]*)\}/.exec(what)?.[1]?.split(',') ?? []) {
      add(
        from,
        name
          .trim()
          .replace(/^type /, '')
          .replace(/ as .*$/, ''),
      );
    }
  }
  for (const [, from = '', name = '*'] of text.matchAll(/import\('(\.[^']+)'\)(?:\)\.(\w+))?/g)) add(from, name);
}

it('no source exports what nothing imports', () => {
  const unused = [...sources].flatMap(([file, text]) =>
    imported.has(`${file} *`) || taken.some(([pattern]) => pattern.test(file))
      ? []
      : [...text.matchAll(/^export (?:async )?(?:const|function|class|type|interface) (\w+)/gm)]
          .map(([, name]) => `${file} ${name}`)
          .filter((each) => !imported.has(each)),
  );
  expect(sources.size).toBeGreaterThan(400);
  expect(unused).toEqual([]);
});
