import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { World } from '../../simulator/world.ts';
import { emptyFolder, runPiped } from '../support/command.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const apiKey = 'rpa_SENTINELKEYSENTINELKEYSENTINEL';
const megabyte = 1e6;

const folder = mkdtempSync(join(tmpdir(), 'installed-'));
const installed = join(folder, 'node_modules', 'runpod-ecr-refresh');
const program = join(installed, 'dist', 'runpod-ecr-refresh.js');
let packed: string;
let world: World;

const npm = (cwd: string, ...words: string[]): string => {
  const { status, stdout, stderr } = spawnSync('npm', words, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm ${words.join(' ')} ended with ${status}: ${stderr}`);
  return stdout;
};

/** Runs a command of the installed package, as npx would. */
const run = (...words: string[]) => runPiped(world, words, { program });

/** A copy of what `npm pack` reads: it changes package.json for a moment, which other tests read. */
const copyForPacking = (): string => {
  const project = join(folder, 'project');
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: readonly string[] };
  for (const path of ['package.json', 'README.md', 'LICENSE', 'packaging', ...globSync(files, { cwd: root })]) {
    cpSync(join(root, path), join(project, path), { recursive: true });
  }
  return project;
};

beforeAll(async () => {
  const project = copyForPacking();
  const before = readFileSync(join(project, 'package.json'), 'utf8');
  packed = join(folder, npm(project, 'pack', '--silent', '--pack-destination', folder).trim());
  expect(readFileSync(join(project, 'package.json'), 'utf8')).toBe(before);
  rmSync(project, { recursive: true });
  npm(folder, 'install', '--ignore-scripts', '--omit=dev', '--offline', '--no-audit', '--no-fund', packed);
  world = await World.begin({ apiKey });
  const image = world.push('team/worker', 'v1');
  world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
});

afterAll(async () => {
  await world.end();
  rmSync(folder, { recursive: true, force: true });
});

describe('what is installed from the packed file', () => {
  const files = () => globSync('**', { cwd: installed }).filter((path) => statSync(join(installed, path)).isFile());
  const read = (path: string): string => readFileSync(join(installed, path), 'utf8');

  it('is one package, which depends on no other', () => {
    expect(globSync('node_modules/*', { cwd: folder })).toEqual([join('node_modules', 'runpod-ecr-refresh')]);
    const { bin, ...manifest } = JSON.parse(read('package.json')) as Record<string, unknown>;
    expect(bin).toEqual({ 'runpod-ecr-refresh': 'dist/runpod-ecr-refresh.js' });
    expect(Object.keys(manifest).filter((name) => /dependencies$|^scripts$/i.test(name))).toEqual([]);
  });

  it('is small: a command below 10 MB, all of it below 40 MB', () => {
    const sizes = files().map((path) => statSync(join(installed, path)).size);
    expect(sizes.length).toBeGreaterThan(15);
    expect(Math.max(...sizes)).toBeLessThan(10 * megabyte);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(40 * megabyte);
  });

  it('has no TypeScript, nothing of this machine, and no targets.yml', () => {
    expect(files().filter((path) => /\.ts$|targets\.yml$|\.setup\.json$/.test(path))).toEqual([]);
    expect(files().filter((path) => read(path).includes(root))).toEqual([]);
  });

  it('lists what is bundled, with its licence', () => {
    const { components } = JSON.parse(read('dist/sbom.cdx.json')) as {
      components: ReadonlyArray<{ name: string; version: string }>;
    };
    const notices = read('dist/THIRD-PARTY-NOTICES.txt');
    expect(components.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['aws-local-stepfunctions', 'commander', '@aws-sdk/client-ecr', 'yaml']),
    );
    expect(components.filter(({ name, version }) => !notices.includes(`\n${name} ${version} (`))).toEqual([]);
  });
});

describe('an installed command', () => {
  it('refresh stores a token', async () => {
    const { code, printed, printedErrors } = await run('refresh', '--json');
    expect([code, printedErrors]).toEqual([0, expect.stringContaining('production: done')]);
    expect(JSON.parse(printed)).toMatchObject({ outcome: 'succeeded' });
    expect(world.runpod.stored).toHaveLength(1);
  });

  it.each<readonly [readonly string[], number, RegExp]>([
    [['refresh', '--dry-run'], 0, /Would store a token/],
    [['doctor'], 1, /^\d wrong, .*\d+ well/m],
    [['status'], 1, /production/],
    [['rollout'], 0, /No endpoint of targets\.yml has a rollout/],
    [['alert', '--kind', 'delayed'], 0, /^Subject: /m],
    [['--version'], 0, /^\d+\.\d+\.\d+$/m],
  ])('%j works', async (words, code, expected) => {
    const ended = await run(...words);
    expect([ended.printed, ended.code]).toEqual([expect.stringMatching(expected), code]);
  });

  it.each<readonly [readonly string[], RegExp]>([
    [['statsu'], /unknown command 'statsu'\n\(Did you mean status\?\)/],
    [['refresh', '--patience', 'x'], /--patience: expected minutes/],
    [['console', '--port', 'x'], /--port: expected a number/],
  ])('%j is refused with 2', async (words, expected) => {
    const ended = await run(...words);
    expect([ended.printedErrors, ended.code]).toEqual([expect.stringMatching(expected), 2]);
  });

  it('setup makes a targets.yml where it is run', async () => {
    world.secrets.parameters.clear();
    const environment = { TARGETS_FILE: 'targets.yml' };
    const options = { program, folder: emptyFolder(), input: apiKey, environment };
    const { code, printed } = await runPiped(world, ['setup', '--yes', '--key-stdin'], options);
    expect([code, printed]).toEqual([0, expect.stringContaining('runpod-ecr-refresh setup --undo')]);
    expect(readFileSync(join(options.folder, 'targets.yml'), 'utf8')).toContain('registry: 6n2k8v4d');
  });

  it.each([[[]], [['--live']]])('console %j serves its page until Ctrl-C', async (words) => {
    const child = spawn(process.execPath, [program, 'console', '--json', ...words], {
      env: world.processEnvironment(),
    });
    const ended = once(child, 'close');
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { url } = JSON.parse(line.toString()) as { url: string };
    const { origin, hash } = new URL(url);
    const opened = await fetch(new URL('/api/open', origin), {
      method: 'POST',
      headers: { origin, 'content-type': 'application/json' },
      body: JSON.stringify({ token: new URLSearchParams(hash.slice(1)).get('token') }),
    });
    const { session } = (await opened.json()) as { session: string };
    const headers = { authorization: `Bearer ${session}` };
    const [page, drawings, runbook] = await Promise.all(
      ['/', '/api/drawings', '/runbook'].map(async (path) => (await fetch(new URL(path, origin), { headers })).text()),
    );
    expect(page).toContain('<title>runpod-ecr-refresh console</title>');
    expect(drawings).toContain('FetchToken');
    expect(drawings).toContain('WatchRollout');
    expect(runbook).toContain('id="runfailed"');
    child.kill('SIGINT');
    expect(await ended).toEqual([0, null]);
  });

  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
  const commands = Object.entries(scripts).flatMap(([name, script]) => (/ cli\/main\.ts /.test(script) ? [name] : []));

  it.each(commands)('%s says what to type where there is no npm script', async (command) => {
    const { code, printed } = await run(command, '--help');
    expect([code, printed]).toEqual([0, expect.stringContaining(`runpod-ecr-refresh ${command} `)]);
    expect(printed).not.toContain('npm run');
  });
});
