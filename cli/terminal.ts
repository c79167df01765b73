import { Writable } from 'node:stream';
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

/** Breaks text into lines of a number of columns, those after the first indented. */
export const wrap = (text: string, columns: number, indent: string): string =>
  wrapAnsi(text, Math.max(20, columns - indent.length), { hard: true }).replaceAll('\n', `\n${indent}`);

const colours = new RegExp(`${'\x1b'}\\[[\\d;]*m`, 'g');

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
    prompt: () => ({ input: stdin, output: new PromptOutput(stdout, hasColour) }),
  };
};

/** Frames of a wheel that turns, one for each tenth of a second. */
export const spinner = (now: number): string => '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'.charAt(Math.floor(now / 100) % 10);
