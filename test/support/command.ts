import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { spawn as spawnInTerminal } from '@lydell/node-pty';
import headless from '@xterm/headless';
import { runCommand } from '../../cli/commands.ts';
import type { CommandContext, CommandInput } from '../../cli/context.ts';
import type { AwsConnection } from '../../functions/lib/aws/client.ts';
import { defined } from '../../functions/lib/defined.ts';
import type { EngineClock } from '../../runner/engine.ts';
import type { World } from '../../simulator/world.ts';

/** What npm runs for a command: package.json. */
const command = ['launch.mjs', 'main.ts'].map((name) => fileURLToPath(new URL(`../../cli/${name}`, import.meta.url)));

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
  /** The program's file, where it is not the one of this clone. */
  readonly program?: string;
  readonly folder?: string;
  readonly environment?: Record<string, string | undefined>;
}

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly printed: string;
  readonly printedErrors: string;
}

/** What a process would find in its environment, for a command that has none of its own. */
export const connectionOf = (environment: Record<string, string>): AwsConnection => {
  const { AWS_ENDPOINT_URL: endpoint = '', AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = environment;
  return {
    endpoint,
    credentials: async () => {
      if (AWS_ACCESS_KEY_ID === undefined || AWS_SECRET_ACCESS_KEY === undefined) {
        throw Object.assign(new Error('Could not load credentials'), { name: 'CredentialsProviderError' });
      }
      return { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY };
    },
  };
};

/** Asks a registry again at once. */
const pause = () => Promise.resolve();

/** A stream that hands on what is written to it. */
const listen = (hear: (text: string) => void): Writable =>
  new Writable({
    decodeStrings: false,
    write: (text, _encoding, done) => {
      hear(String(text));
      done();
    },
  });

interface RunOptions extends CommandOptions {
  readonly input?: string;
  /** Whether the input ends where it ends, or goes on without saying more. */
  readonly endsInput?: boolean;
  /** What it tells time by, where that is not the world's clock. */
  readonly now?: () => number;
  /** What a refresh waits by, where that is not the clock on the wall. */
  readonly clock?: EngineClock;
}

/** Runs a command in this process as if through pipes, to its end. */
export const run = async (
  world: World,
  words: readonly string[],
  { folder = tmpdir(), environment = {}, input = '', endsInput = true, now = world.clock.now, clock }: RunOptions = {},
): Promise<Ended> => {
  const variables = environmentOf(world, environment);
  let [printed, printedErrors] = ['', ''];
  const stdin = new PassThrough();
  stdin.write(input);
  if (endsInput) stdin.end();
  const code = await runCommand(words, {
    stdin,
    stdout: listen((text) => {
      printed += text;
    }),
    stderr: listen((text) => {
      printedErrors += text;
    }),
    environment: variables,
    folder,
    aws: connectionOf(variables),
    now,
    pause,
    ...defined({ clock }),
    interrupted: new AbortController().signal,
  });
  return { code, printed, printedErrors };
};

const spawnCommand = (
  world: World,
  words: readonly string[],
  { program, folder = tmpdir(), environment = {} }: CommandOptions = {},
) =>
  spawn(process.execPath, [...(program === undefined ? command : [program]), ...words], {
    cwd: folder,
    env: environmentOf(world, environment),
  });

/** Runs a command in a process of its own, through pipes, to its end. */
export const runPiped = async (
  world: World,
  words: readonly string[],
  { input = '', endsInput = true, ...options }: Omit<RunOptions, 'now' | 'clock'> = {},
): Promise<Ended> => {
  const child = spawnCommand(world, words, options);
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

/** Runs a command in a process of its own, and begins to read what it prints only once the pipe is full or it has ended. */
export const runReadSlowly = async (
  world: World,
  words: readonly string[],
  options: CommandOptions = {},
): Promise<Ended> => {
  const child = spawnCommand(world, words, options);
  const ended = once(child, 'close');
  let [printed, printedErrors] = ['', ''];
  child.stderr.on('data', (chunk: Buffer) => {
    printedErrors += chunk.toString();
  });
  await once(child.stdout, 'readable');
  for await (const chunk of child.stdout) {
    printed += String(chunk);
    await sleep(20);
  }
  const [code] = (await ended) as [number | null];
  return { code, printed, printedErrors };
};

/** Runs a command in a process of its own whose reader goes away at the first that is printed. */
export const runUnread = async (
  world: World,
  words: readonly string[],
  options: CommandOptions = {},
): Promise<Ended> => {
  const child = spawnCommand(world, words, options);
  const ended = once(child, 'close');
  let printedErrors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    printedErrors += chunk.toString();
  });
  const [first] = (await once(child.stdout, 'data')) as [Buffer];
  child.stdout.destroy();
  const [code] = (await ended) as [number | null];
  return { code, printed: first.toString(), printedErrors };
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
  /** Waits until a question is asked: what is typed before is thrown away. */
  asks(text: string): Promise<void>;
  /** Waits until a question is asked, and types keys. */
  answers(text: string, typed: string): Promise<void>;
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

const rows = 60;

interface TerminalOptions extends CommandOptions {
  readonly columns?: number;
  /** What it waits by, where that is not the clock on the wall. */
  readonly clock?: EngineClock;
}

/** The screen of a terminal, and those who wait for something to be seen on it. */
class Screen {
  readonly #emulator;
  readonly #watchers = new Set<() => void>();
  written = '';

  constructor(columns: number) {
    this.#emulator = new headless.Terminal({
      cols: columns,
      rows,
      allowProposedApi: true,
      scrollback: 1000,
      convertEol: true,
    });
  }

  write(text: string): void {
    this.written += text;
    this.#emulator.write(text, () => this.#notify());
  }

  #notify(): void {
    for (const watch of this.#watchers) watch();
  }

  lines(): string[] {
    const { active } = this.#emulator.buffer;
    const lines = Array.from({ length: active.length }, (_, row) => active.getLine(row)?.translateToString(true) ?? '');
    return lines.slice(0, lines.findLastIndex((line) => line !== '') + 1);
  }

  /** Waits until all that was written is shown. */
  settled(): Promise<void> {
    return new Promise((resolve) => this.#emulator.write('', resolve));
  }

  /** Watches until `find` finds something. */
  found<Found>(find: () => Found | undefined): Promise<Found> {
    return new Promise((resolve) => {
      const watch = (): void => {
        const found = find();
        if (found === undefined) return;
        this.#watchers.delete(watch);
        resolve(found);
      };
      this.#watchers.add(watch);
      watch();
    });
  }

  session(type: (keys: string) => void, ended: Promise<number>): TerminalSession {
    const seen = async (what: () => string, text: string): Promise<void> => {
      const found = this.found(() => (what().includes(text) ? text : undefined));
      const end = ended.then(() => undefined);
      if ((await Promise.race([found, end])) === text || what().includes(text)) return;
      throw new Error(`It ended without showing ${JSON.stringify(text)}:\n${this.lines().join('\n')}`);
    };
    const asks = (text: string): Promise<void> =>
      seen(() => {
        const last = this.lines().findLast((line) => /^[?✔] /.test(line)) ?? '';
        return last.startsWith('?') ? last : '';
      }, text);
    return {
      screen: () => this.lines(),
      written: () => this.written,
      type,
      shows: (text) => seen(() => this.lines().join('\n'), text),
      // A question begins with "?", and once answered with "✔".
      asks,
      async answers(text, typed) {
        await asks(text);
        type(typed);
      },
      echoes: (text) => seen(() => this.written, text),
      ended,
    };
  }
}

/** A command's input that is a terminal, of which the command may want each key for itself. */
class Keyboard extends PassThrough {
  readonly isTTY = true;
  isRaw = false;

  setRawMode(isRaw: boolean): this {
    this.isRaw = isRaw;
    return this;
  }
}

/** Runs a command in this process as if in a terminal. */
export const runOnScreen = (
  world: World,
  words: readonly string[],
  { folder = tmpdir(), environment = {}, columns = 100, clock }: TerminalOptions = {},
): TerminalSession => {
  const screen = new Screen(columns);
  const interruption = new AbortController();
  const keyboard = new Keyboard();
  const variables = environmentOf(world, environment);
  const output = Object.assign(
    listen((text) => screen.write(text)),
    { isTTY: true, columns, rows },
  );
  const stdin: CommandInput = keyboard;
  const context: CommandContext = {
    stdin,
    stdout: output,
    stderr: output,
    environment: variables,
    folder,
    aws: connectionOf(variables),
    now: world.clock.now,
    pause,
    ...defined({ clock }),
    interrupted: interruption.signal,
  };
  const ended = runCommand(words, context).then(async (code) => {
    await screen.settled();
    return code;
  });
  // As a terminal does: Ctrl-C is a signal, unless the command reads each key.
  const type = (typed: string): void => {
    if (typed !== keys.interrupt || keyboard.isRaw) keyboard.write(typed);
    else {
      screen.write('^C');
      interruption.abort();
    }
  };
  return screen.session(type, ended);
};

/** Runs a command in a process of its own, in a pseudo-terminal. */
export const runInTerminal = (
  world: World,
  words: readonly string[],
  { folder = tmpdir(), environment = {}, columns = 100 }: Omit<TerminalOptions, 'clock'> = {},
): TerminalSession => {
  const screen = new Screen(columns);
  const pty = spawnInTerminal('/bin/sh', ['-c', shell, process.execPath, ...command, ...words], {
    cols: columns,
    rows,
    cwd: folder,
    env: environmentOf(world, environment),
  });
  pty.onData((text) => screen.write(text));
  // Once the shell has said how the command ended, all that the command wrote has arrived.
  const ended = screen
    .found(() => endPattern.exec(screen.written)?.[1])
    .then((code) => {
      pty.kill('SIGKILL');
      return Number(code);
    });
  return screen.session((typed) => pty.write(typed), ended);
};
