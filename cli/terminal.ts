import { stripVTControlCharacters, styleText } from 'node:util';
import cliTruncate from 'cli-truncate';
import { createLogUpdate } from 'log-update';
import wrapAnsi from 'wrap-ansi';

type Style = Parameters<typeof styleText>[0];

/** Where a command is run: what a person sees of it, and whether there is a person at all. */
export interface Terminal {
  /** Whether somebody can be asked: keys come from a terminal, and answers go to one. */
  readonly isInteractive: boolean;
  /** Whether what was printed can be drawn over. */
  readonly isLive: boolean;
  readonly columns: () => number;
  /** Colours text, where colours are wanted. */
  readonly paint: (style: Style, text: string) => string;
  /** Prints a line, above what is drawn. */
  readonly print: (line: string) => void;
  /** The same, to standard error. */
  readonly printError: (line: string) => void;
  /** Draws lines over those it drew before. Not a terminal: draws nothing. */
  readonly draw: (lines: readonly string[]) => void;
  /** Leaves what was drawn where it is, and lets printing go on below. */
  readonly settle: () => void;
}

/** No line of ours is a line of somebody else's making: control characters of theirs are taken out. */
export const plain = (text: string): string => stripVTControlCharacters(text).replaceAll(/\p{Cc}/gu, ' ');

/** Cuts a line to a number of columns. */
export const truncate = (line: string, columns: number): string => cliTruncate(line, columns);

/** Breaks text into lines of a number of columns, those after the first indented. */
export const wrap = (text: string, columns: number, indent: string): string =>
  wrapAnsi(text, Math.max(20, columns - indent.length), { hard: true }).replaceAll('\n', `\n${indent}`);

/**
 * The terminal of this process.
 *
 * Colours follow https://no-color.org and https://force-color.org: none where output is no terminal, unless forced.
 */
export const processTerminal = ({ isJson = false } = {}): Terminal => {
  const { stdout, stderr, stdin, env } = process;
  const isLive = stdout.isTTY === true && !isJson && env.TERM !== 'dumb';
  const isForced = (env.FORCE_COLOR ?? '') !== '' && env.FORCE_COLOR !== '0';
  const hasColour = (env.NO_COLOR ?? '') === '' && (isForced || (stdout.isTTY === true && env.TERM !== 'dumb'));
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
    columns: () => (stdout.isTTY ? Math.max(40, stdout.columns) : 100),
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
  };
};

/** Frames of a wheel that turns, one for each tenth of a second. */
export const spinner = (now: number): string => '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'.charAt(Math.floor(now / 100) % 10);
