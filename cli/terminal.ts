import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters, styleText } from 'node:util';
import cliTruncate from 'cli-truncate';
import { createLogUpdate } from 'log-update';
import wrapAnsi from 'wrap-ansi';
import type { CommandContext, CommandInput, CommandOutput } from './context.ts';

type TextStyle = Parameters<typeof styleText>[0];

/** What a person sees of a command, and whether there is a person at all. */
export interface Terminal {
  /** Whether somebody can be asked: keys come from a terminal, and answers go to one. */
  readonly isInteractive: boolean;
  /** Whether what was printed can be drawn over. */
  readonly isLive: boolean;
  readonly columns: () => number;
  /** Colours text, where colours are wanted. */
  readonly paint: (style: TextStyle, text: string) => string;
  /** Prints a line, above what is drawn. */
  readonly print: (line: string) => void;
  /** The same, to standard error. */
  readonly printError: (line: string) => void;
  /** Draws lines over those it drew before. Not a terminal: draws nothing. */
  readonly draw: (lines: readonly string[]) => void;
  /** Leaves what was drawn where it is, and lets printing go on below. */
  readonly settle: () => void;
  /** Throws away what was typed before there was a question. Ctrl-C among it ends the command. */
  readonly discardTyped: (signal: AbortSignal) => Promise<void>;
  /** Shows on one line what is being done, for as long as it takes, where that can be taken away again. */
  readonly during: <Result>(what: string, work: Promise<Result>) => Promise<Result>;
  /** The streams of one question, for what asks it. */
  readonly prompt: () => { readonly input: CommandInput; readonly output: NodeJS.WritableStream };
}

/**
 * No line of ours is a line of somebody else's making: control characters of theirs are taken out, and what turns the
 * reading direction round.
 */
export const plain = (text: string): string =>
  stripVTControlCharacters(text).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ');

/** Cuts a line to a number of columns. */
export const truncate = (line: string, columns: number): string => cliTruncate(line, columns);

/** A command that stands in a sentence, up to the sign that ends it there. */
const commandInText = /\b(?:npm (?:run|start|ci)|npx|aws|docker) \S[^\n]*?(?=[.;,)](?:\s|$)|\n|$)/g;

/**
 * Breaks text into lines of a number of columns, those after the first indented; between words alone, and never within a
 * command, so that it can be copied: a terminal shows what is longer on two lines, and copies it as one.
 */
export const wrap = (text: string, columns: number, indent: string): string =>
  wrapAnsi(
    text.replaceAll(commandInText, (command) => command.replaceAll(' ', '\u00a0')),
    Math.max(20, columns - indent.length),
    { trim: false },
  )
    .replaceAll(/(?<! ) +\n/g, '\n')
    .replaceAll('\n', `\n${indent}`)
    .replaceAll(new RegExp(`\n${indent} +`, 'g'), `\n${indent}`)
    .replaceAll('\u00a0', ' ');

/** The same for a text of several lines, of which those that are indented stay so. */
export const wrapLines = (text: string, columns: number): string =>
  text
    .split('\n')
    .map((line) => {
      const [indent = ''] = /^ */.exec(line) ?? [];
      return `${indent}${wrap(line.slice(indent.length), columns, indent === '' ? '' : `${indent}  `)}`;
    })
    .join('\n');

/** The same on a terminal. Whoever reads lines through a pipe gets a sentence on one. */
export const wrapForPerson = (text: string, indent: string, { isLive, columns }: Terminal): string =>
  isLive ? wrap(text, columns(), indent) : text;

const colours = new RegExp(`${'\x1b'}\\[[\\d;]*m`, 'g');

/** How long a terminal may take to hand over what was typed into it. */
const typedMs = 30;
const interruptKey = '\x03';

/** Reads what a terminal holds, Enter or not: in raw mode it keeps no line back. */
const discardTyped = async (stdin: CommandInput, signal: AbortSignal): Promise<void> => {
  let typed = '';
  const read = (chunk: Buffer | string): void => {
    typed += String(chunk);
  };
  stdin.setRawMode?.(true);
  stdin.on('data', read);
  stdin.resume();
  try {
    await sleep(typedMs, undefined, { signal });
  } finally {
    stdin.off('data', read);
    stdin.pause();
    stdin.setRawMode?.(false);
  }
  if (typed.includes(interruptKey)) throw new DOMException('Ctrl-C was typed.', 'AbortError');
};

/** What the prompts' library writes, on its way to a stream: it colours by itself, and ends what it writes to. */
class PromptOutput extends Writable {
  readonly #stream: CommandOutput;

  constructor(stream: CommandOutput, hasColour: boolean) {
    super({
      decodeStrings: false,
      write: (text, _encoding, done) => {
        stream.write(hasColour ? text : String(text).replaceAll(colours, ''));
        done();
      },
    });
    this.#stream = stream;
  }

  get isTTY(): boolean {
    return this.#stream.isTTY === true;
  }

  get columns(): number | undefined {
    return this.#stream.columns;
  }

  get rows(): number | undefined {
    return this.#stream.rows;
  }
}

/**
 * Makes the terminal of a command.
 *
 * Colours follow https://no-color.org and https://force-color.org: none where output is no terminal, unless forced.
 */
export const createTerminal = (
  { stdin, stdout, stderr, environment }: Pick<CommandContext, 'stdin' | 'stdout' | 'stderr' | 'environment'>,
  { isJson = false, mayColour = true } = {},
): Terminal => {
  const { TERM, NO_COLOR = '', FORCE_COLOR = '' } = environment;
  const isScreen = stdout.isTTY === true && TERM !== 'dumb';
  const isLive = isScreen && !isJson;
  const isForced = FORCE_COLOR !== '' && FORCE_COLOR !== '0';
  const hasColour = mayColour && NO_COLOR === '' && (isForced || isScreen);
  const update = createLogUpdate(stdout, { showCursor: false });
  let drawn: readonly string[] = [];
  const redraw = (lines: readonly string[]): void => {
    drawn = lines;
    if (lines.length === 0) update.clear();
    else update(lines.join('\n'));
  };
  const aboveDrawn = (write: () => void): void => {
    if (drawn.length > 0) update.clear();
    write();
    if (drawn.length > 0) update(drawn.join('\n'));
  };
  return {
    isInteractive: isLive && stdin.isTTY === true,
    isLive,
    columns: () => (stdout.isTTY === true ? Math.max(40, stdout.columns ?? 80) : 100),
    paint: (style, text) => (hasColour ? styleText(style, text, { validateStream: false }) : text),
    print: (line) => aboveDrawn(() => stdout.write(`${line}\n`)),
    printError: (line) => aboveDrawn(() => stderr.write(`${line}\n`)),
    draw: (lines) => {
      if (isLive) redraw(lines);
    },
    settle: () => {
      if (!isLive) return;
      drawn = [];
      update.done();
    },
    discardTyped: (signal) => discardTyped(stdin, signal),
    during: async (what, work) => {
      if (!isLive) return work;
      const drawing = (): void => {
        const sign = hasColour
          ? styleText('cyan', spinner(Date.now()), { validateStream: false })
          : spinner(Date.now());
        redraw([truncate(`${sign} ${what} …`, Math.max(40, stdout.columns ?? 80))]);
      };
      drawing();
      const timer = setInterval(drawing, 100);
      try {
        return await work;
      } finally {
        clearInterval(timer);
        redraw([]);
      }
    },
    prompt: () => ({ input: stdin, output: new PromptOutput(stdout, hasColour) }),
  };
};

/** Frames of a wheel that turns, one for each tenth of a second. */
export const spinner = (now: number): string => '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'.charAt(Math.floor(now / 100) % 10);
