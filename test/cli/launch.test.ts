import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  scripts: Record<string, string>;
};
const commands = ['start', 'setup', 'doctor', 'refresh', 'status', 'rollout', 'alert', 'console'];

/** Runs what npm runs for a command, with something done to Node before. */
const runScript = (name: string, before: string) => {
  const [, ...words] = (scripts[name] ?? '').split(' ');
  const node = process.execPath;
  return spawnSync(node, ['--import', `data:text/javascript,${encodeURIComponent(before)}`, ...words, '--help'], {
    encoding: 'utf8',
    cwd: new URL('../..', import.meta.url).pathname,
  });
};

const asNode = (version: string): string =>
  `Object.defineProperty(process.versions, 'node', { value: ${JSON.stringify(version)} });`;
const without = (name: string, code = 'ERR_MODULE_NOT_FOUND', what = 'package'): string =>
  `import { registerHooks } from 'node:module';
  registerHooks({ resolve: (specifier, context, next) => {
    if (specifier !== ${JSON.stringify(name)}) return next(specifier, context);
    throw Object.assign(new Error("Cannot find ${what} '" + specifier + "' imported from x"), { code: '${code}' });
  } });`;

describe('a command that npm runs', () => {
  it.each(commands)('says in one sentence that Node is too old: %s', (name) => {
    const { status, stdout, stderr } = runScript(name, asNode('20.20.0'));
    expect(stderr).toMatch(/^This needs Node 22\.18 or later, and is run by 20\.20\.0: run npm ci, .*\n$/);
    expect([status, stdout]).toEqual([1, '']);
  });

  it.each([
    ['npm test', 'vitest/vitest.mjs', ['run', '--project', 'none']],
    ['serverless', 'serverless/bin/serverless.js', ['print']],
  ])('says so of what it does not launch itself, too: %s', (_, program, words) => {
    const node = ['--import', `data:text/javascript,${encodeURIComponent(asNode('20.20.0'))}`];
    const { status, stderr } = spawnSync(process.execPath, [...node, `node_modules/${program}`, ...words], {
      encoding: 'utf8',
      cwd: new URL('../..', import.meta.url).pathname,
    });
    expect(stderr).toMatch(/^This needs Node 22\.18 or later, and is run by 20\.20\.0: run npm ci, .*\n$/);
    expect(status).toBe(1);
  });

  it.each([
    ['22.17.9', 1],
    ['22.18.0', 0],
    ['23.5.0', 1],
    ['23.6.0', 0],
    ['24.0.0', 0],
    ['26.1.0', 0],
  ])('is run by Node %s, or not', (version, expected) => {
    expect(runScript('status', asNode(version)).status).toBe(expected);
  });

  it.each(commands)('says in one sentence that a package is not installed: %s', (name) => {
    const { status, stderr } = runScript(name, without('commander'));
    expect(stderr).toBe('The package commander is not installed: run npm ci, without --omit=dev.\n');
    expect(status).toBe(1);
  });

  it('says so of a package that only its work needs, too, which is required', () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        '--import',
        `data:text/javascript,${encodeURIComponent(without('aws-local-stepfunctions', 'MODULE_NOT_FOUND', 'module'))}`,
        'cli/main.ts',
        'refresh',
      ],
      { encoding: 'utf8', cwd: new URL('../..', import.meta.url).pathname },
    );
    expect(stderr).toBe('The package aws-local-stepfunctions is not installed: run npm ci, without --omit=dev.\n');
    expect(status).toBe(1);
  });
});
