import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawn as spawnInTerminal } from '@lydell/node-pty';
import headless from '@xterm/headless';
import type { World } from '../../simulator/world.ts';

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

/** A folder as a person has it who has just cloned the project. */
export const emptyFolder = (): string => mkdtempSync(join(tmpdir(), 'command-'));

/** The environment in which a person's command meets the embedded world. */
const environmentOf = (world: World, more: Record<string, string | undefined>): Record<string, string> => {
  const all: Record<string, string | undefined> = {
    ...world.processEnvironment(),
    TERM: 'xterm-256color',
    ...more,
  };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
};

interface CommandOptions {
  readonly folder?: string;
  readonly environment?: Record<string, string | undefined>;
}

/** How a command ended whose input and output were pipes. */
interface Ended {
  readonly code: number | null;
  readonly printed: string;
  readonly printedErrors: string;
}

/** Runs a command through pipes, to its end. */
export const runPiped = async (
  world: World,
  words: readonly string[],
  {
    folder = tmpdir(),
    environment = {},
    input = '',
    endsInput = true,
  }: CommandOptions & { readonly input?: string; readonly endsInput?: boolean } = {},
): Promise<Ended> => {
  const child = spawn(process.execPath, [main, ...words], { cwd: folder, env: environmentOf(world, environment) });
  let [printed, printedErrors] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    printedErrors += chunk.toString();
  });
  child.stdin.on('error', () => {});
  child.stdin.write(input);
  if (endsInput) child.stdin.end();
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, printed, printedErrors };
};

/** A command in a terminal, as a person has it before them. */
interface TerminalSession {
  /** What the terminal shows, a line each, without what trails. */
  screen(): string[];
  /** Everything that was ever written to it, escapes included. */
  written(): string;
  /** Types keys. */
  type(keys: string): void;
  /** Waits until the screen shows something. */
  shows(text: string): Promise<void>;
  /** Waits until something was written, however short it was to be seen. */
  echoes(text: string): Promise<void>;
  readonly ended: Promise<number>;
}

export const keys = { up: '\x1b[A', down: '\x1b[B', enter: '\r', space: ' ', interrupt: '\x03' } as const;

/**
 * Keeps the terminal open after its command has ended: what is written to one that closes may be lost. Tells the exit code
 * by a sequence that no screen shows.
 */
const shell = `trap : INT; "$0" "$@"; printf '\\033]777;ended=%s\\007' "$?"; exec cat >/dev/null`;
const endPattern = new RegExp(`${'\x1b'}\\]777;ended=(\\d+)`);

/** Runs a command in a pseudo-terminal. */
export const runInTerminal = (
  world: World,
  words: readonly string[],
  { folder = tmpdir(), environment = {}, columns = 100 }: CommandOptions & { readonly columns?: number } = {},
): TerminalSession => {
  const rows = 60;
  const emulator = new headless.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 1000 });
  const pty = spawnInTerminal('/bin/sh', ['-c', shell, process.execPath, main, ...words], {
    cols: columns,
    rows,
    cwd: folder,
    env: environmentOf(world, environment),
  });
  let written = '';
  const watchers = new Set<() => void>();
  pty.onData((text) => {
    written += text;
    emulator.write(text, () => {
      for (const check of watchers) check();
    });
  });
  const screen = (): string[] => {
    const { active } = emulator.buffer;
    const lines = Array.from({ length: active.length }, (_, row) => active.getLine(row)?.translateToString(true) ?? '');
    return lines.slice(0, lines.findLastIndex((line) => line !== '') + 1);
  };
  // Once the shell has said how the command ended, all that the command wrote has arrived.
  const ended = new Promise<number>((resolve) => {
    const check = (): void => {
      const [, code] = endPattern.exec(written) ?? [];
      if (code === undefined) return;
      watchers.delete(check);
      pty.kill('SIGKILL');
      resolve(Number(code));
    };
    watchers.add(check);
  });
  const seen = (what: () => string, text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (!what().includes(text)) return;
        watchers.delete(check);
        resolve();
      };
      watchers.add(check);
      check();
      void ended.then(() => {
        check();
        if (watchers.has(check)) {
          reject(new Error(`It ended without showing ${JSON.stringify(text)}:\n${screen().join('\n')}`));
        }
      });
    });
  return {
    screen,
    written: () => written,
    type: (typed) => pty.write(typed),
    shows: (text) => seen(() => screen().join('\n'), text),
    echoes: (text) => seen(() => written, text),
    ended,
  };
};
