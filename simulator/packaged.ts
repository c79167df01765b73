import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inflateRawSync } from 'node:zlib';

/** A resource of the packaged template. */
export interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, unknown>;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
  readonly DependsOn?: unknown;
}

/** The template that `serverless package` makes, which is what deploys. */
export interface Template {
  readonly Resources: Record<string, Resource>;
  readonly Outputs: Record<string, { readonly Value: unknown; readonly Export?: { readonly Name: unknown } }>;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = join(root, 'node_modules', '.cache');

/** A packaging ends within this, and one that waits for two others still gets its turn. */
const maxRunMs = 120_000;
export const maxPackagingMs = 3 * maxRunMs;

const pause = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/**
 * Takes over a lock whose owner has died. Of several that do so at once the last one has it: so each looks again a while
 * after.
 *
 * @returns whether it is ours now
 */
const takeIfLeft = (lock: string): boolean => {
  try {
    process.kill(Number(readlinkSync(lock)), 0);
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') return false;
  }
  const own = `${lock}.${process.pid}`;
  rmSync(own, { force: true });
  symlinkSync(String(process.pid), own);
  renameSync(own, lock);
  pause(500);
  return readlinkSync(lock) === String(process.pid);
};

/** serverless-esbuild builds in a folder of the project: two of them at once would mix their bundles up. */
const alone = <Result>(job: () => Result): Result => {
  // In the project, and in no temporary folder: each run of the tests has one of its own.
  mkdirSync(cache, { recursive: true });
  const lock = join(cache, 'packaging.lock');
  for (;;) {
    try {
      symlinkSync(String(process.pid), lock);
      break;
    } catch {
      if (takeIfLeft(lock)) break;
      pause(100);
    }
  }
  try {
    return job();
  } finally {
    rmSync(lock, { force: true });
  }
};

const serverlessProgram = join(root, 'node_modules', 'serverless', 'bin', 'serverless.js');

/** Runs serverless in a folder as its command does, without network or credentials. */
const run = (project: string, words: readonly string[]) =>
  spawnSync(process.execPath, [serverlessProgram, ...words], {
    cwd: project,
    encoding: 'utf8',
    timeout: maxRunMs,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      SLS_NOTIFICATIONS_MODE: 'off',
      SLS_TELEMETRY_DISABLED: '1',
    },
  });

/** The stage that is packaged: no source names it, so that whatever bears it has it from the stage alone. */
export const packagedStage = 'packaged-once';

/** The packaged stack, which whoever asks for it shares. */
export interface Packaged {
  readonly template: Template;
  /** The folder of a function's unpacked bundle. */
  unpack(name: string): string;
}

/** What a packaging is made of. */
const sources = [
  'functions/**/*.ts',
  'infra/**/*.{ts,cjs,mjs,yml}',
  'statemachines/*',
  'serverless.yml',
  'targets*.yml',
  'docs/runbook.md',
  'package-lock.json',
  'simulator/packaged.ts',
];

const packagings = join(cache, 'packaged');

/** Where the packaging of the sources as they are belongs. */
const folderOfSources = (): string => {
  const hash = createHash('sha256');
  for (const path of globSync(sources, { cwd: root }).toSorted()) {
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update('\0');
  }
  return join(packagings, hash.digest('hex').slice(0, 32));
};

/** The example, with a rollout and a canary pod: what is there for these is packaged, too. */
const targetsWithAll = (): string =>
  readFileSync(join(root, 'targets.example.yml'), 'utf8').replace(
    /^ {4}# endpoints: .*$/m,
    '    endpoints: [{ id: 4m7x2k9q, rollout: { tag: production } }]\n    canaryPod: { image: runpod-canary:v1, everyHours: 24 }',
  );

/** Packages the stack with all that there may be in it, where that is not done yet for the sources as they are. */
export const packageStack = (): Packaged => {
  const folder = folderOfSources();
  alone(() => {
    if (existsSync(folder)) return;
    rmSync(packagings, { recursive: true, force: true });
    const begun = join(packagings, 'begun');
    const project = projectOf(targetsWithAll());
    packageInto(project, begun, '--stage', packagedStage);
    rmSync(project, { recursive: true, force: true });
    renameSync(begun, folder);
  });
  return packagedIn(folder);
};

let packagedOnce: Template | undefined;

/** The packaged template; where serverless is not installed, the one that `npm run build` has left. */
export const packagedTemplate = (): Template => {
  if (packagedOnce !== undefined) return packagedOnce;
  const built = join(root, '.serverless');
  if (!existsSync(serverlessProgram) && !existsSync(built)) {
    throw new Error('There is no packaged template, and no serverless to package one: run npm ci.');
  }
  packagedOnce = existsSync(serverlessProgram) ? packageStack().template : packagedIn(built).template;
  return packagedOnce;
};

/** Packages a project into a folder, and unpacks its bundles there. */
const packageInto = (project: string, folder: string, ...words: string[]): void => {
  const { status, stdout, stderr } = run(project, ['package', '--package', folder, ...words]);
  if (status !== 0) throw new Error(`serverless package ended with ${status}: ${stdout}${stderr}`);
  for (const zip of readdirSync(folder).filter((name) => name.endsWith('.zip'))) {
    unzip(join(folder, zip), join(folder, 'unpacked', zip.slice(0, -'.zip'.length)));
  }
};

const packagedIn = (folder: string): Packaged => ({
  template: JSON.parse(readFileSync(join(folder, 'cloudformation-template-update-stack.json'), 'utf8')) as Template,
  unpack: (name) => join(folder, 'unpacked', name),
});

/** What packaging reads, beside the packages. */
const projectFiles = ['functions', 'infra', 'statemachines', 'docs', 'serverless.yml', 'package.json', 'tsconfig.json'];

/** Copies this project, with a targets.yml of its own. */
const projectOf = (targets: string): string => {
  const folder = mkdtempSync(join(tmpdir(), 'project-'));
  for (const name of projectFiles) cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'targets.yml'), targets);
  return folder;
};

/** A copy of this project with a targets.yml of its own, and serverless in it. */
export const copyProject = (targets: string) => {
  const folder = projectOf(targets);
  return {
    serverless: (...words: string[]) => run(folder, words),
    packageStack: (...words: string[]): Packaged => {
      packageInto(folder, join(folder, 'packaged'), ...words);
      return packagedIn(join(folder, 'packaged'));
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};

/** Reads a zip by its central directory (APPNOTE.TXT, 4.3): no unzip is needed on the machine. */
const unzip = (zip: string, folder: string): void => {
  const bytes = readFileSync(zip);
  const end = bytes.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left -= 1) {
    const method = bytes.readUInt16LE(at + 10);
    const size = bytes.readUInt32LE(at + 20);
    const nameLength = bytes.readUInt16LE(at + 28);
    const local = bytes.readUInt32LE(at + 42);
    const name = bytes.toString('utf8', at + 46, at + 46 + nameLength);
    const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    const content = bytes.subarray(start, start + size);
    if (!name.endsWith('/')) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), method === 0 ? content : inflateRawSync(content));
    }
    at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
};
