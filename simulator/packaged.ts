import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

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

/** A packaging ends within this, and one that waits for two others still gets its turn. */
const maxRunMs = 120_000;
export const maxPackagingMs = 3 * maxRunMs;

/** Frees a lock whose owner has died. */
const freeIfLeft = (lock: string): void => {
  try {
    process.kill(Number(readlinkSync(lock)), 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') rmSync(lock, { force: true });
  }
};

/** serverless-esbuild builds in a folder of the project: two of them at once would mix their bundles up. */
const alone = <Result>(job: () => Result): Result => {
  const lock = join(tmpdir(), `packaging-${createHash('sha256').update(root).digest('hex').slice(0, 12)}.lock`);
  for (;;) {
    try {
      symlinkSync(String(process.pid), lock);
      break;
    } catch {
      freeIfLeft(lock);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  }
  try {
    return job();
  } finally {
    rmSync(lock, { force: true });
  }
};

/** Runs serverless as its command does, without network or credentials. */
const run = (project: string, words: readonly string[]) =>
  spawnSync(process.execPath, [join(root, 'node_modules', 'serverless', 'bin', 'serverless.js'), ...words], {
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

/** Runs serverless in this project. */
export const serverless = (...words: string[]) => alone(() => run(root, words));

/** What packaging reads, beside the packages. */
const sources = ['functions', 'infra', 'statemachines', 'docs', 'serverless.yml', 'package.json', 'tsconfig.json'];

/** A copy of this project with a targets.yml of its own, and serverless in it. */
export const copyProject = (targets: string) => {
  const folder = mkdtempSync(join(tmpdir(), 'project-'));
  for (const name of sources) cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'targets.yml'), targets);
  return {
    serverless: (...words: string[]) => run(folder, words),
    packageStack: (...words: string[]): Packaged => packageWith((...all) => run(folder, all), words),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};

/** A packaged stack, in a folder of its own. */
export interface Packaged {
  readonly template: Template;
  /** Unpacks a function's bundle where that is not done yet, and answers with the folder. */
  unpack(name: string): string;
  remove(): void;
}

/** Packages this project. */
export const packageStack = (...words: string[]): Packaged => packageWith(serverless, words);

const packageWith = (start: typeof serverless, words: readonly string[]): Packaged => {
  const folder = mkdtempSync(join(tmpdir(), 'packaged-'));
  const { status, stdout, stderr } = start('package', '--package', folder, ...words);
  if (status !== 0) throw new Error(`serverless package ended with ${status}: ${stdout}${stderr}`);
  const text = readFileSync(join(folder, 'cloudformation-template-update-stack.json'), 'utf8');
  return {
    template: JSON.parse(text) as Template,
    unpack(name) {
      const target = join(folder, 'unpacked', name);
      if (existsSync(target)) return target;
      mkdirSync(target, { recursive: true });
      execFileSync(process.execPath, ['-e', unzipScript, join(folder, `${name}.zip`), target]);
      return target;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};

/** Reads a zip by its central directory: no unzip is needed on the machine. */
const unzipScript = `
const { readFileSync, writeFileSync, mkdirSync } = require('node:fs');
const { inflateRawSync } = require('node:zlib');
const { join, dirname } = require('node:path');
const [, zip, target] = process.argv;
const bytes = readFileSync(zip);
const end = bytes.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
let at = bytes.readUInt32LE(end + 16);
for (let left = bytes.readUInt16LE(end + 10); left > 0; left -= 1) {
  const [method, size, nameLength] = [bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 20), bytes.readUInt16LE(at + 28)];
  const local = bytes.readUInt32LE(at + 42);
  const name = bytes.toString('utf8', at + 46, at + 46 + nameLength);
  const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
  const data = bytes.subarray(start, start + size);
  if (!name.endsWith('/')) {
    mkdirSync(dirname(join(target, name)), { recursive: true });
    writeFileSync(join(target, name), method === 0 ? data : inflateRawSync(data));
  }
  at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
}
`;
