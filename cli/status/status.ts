import { defined } from '../../functions/lib/defined.ts';
import { span } from '../../functions/lib/report/alerts.ts';
import { wallClock } from '../../runner/engine.ts';
import { type Caller, type CallerOptions, readCaller } from '../../stack/caller.ts';
import { describeFailure, exitCodes } from '../../stack/failure.ts';
import { readStatus, type Status } from '../../stack/status.ts';
import { type CommandContext, type CommonOptions, interruptible } from '../context.ts';
import { plain, type Terminal, truncate, wrap } from '../terminal.ts';
import { wait } from '../wait.ts';
import { showStatus } from './show.ts';

interface StatusOptions extends CallerOptions, CommonOptions {
  readonly watch?: boolean;
  /** Whether sentences that are longer than a line are shown whole. */
  readonly full?: boolean;
}

const watchMs = 10_000;

/** How old a picture is, in the unit that says it best. */
const age = (milliseconds: number): string =>
  milliseconds < 120_000 ? `${Math.round(milliseconds / 1000)} s` : span(milliseconds);

const clockTime = (time: number): string => `${new Date(time).toISOString().slice(11, 19)} UTC`;

/**
 * Checks again and again until Ctrl-C. Where a check fails, the last picture stays, with how old it is and why, and the
 * next check follows all the same.
 */
const watch = async (
  caller: Caller,
  { json: isJson = false, full: isFull = false }: StatusOptions,
  { now, interrupted: signal, clock = wallClock }: CommandContext,
  terminal: Terminal,
): Promise<void> => {
  let last: { readonly status: Status; readonly checkedAt: number } | undefined;
  for (;;) {
    const failure = await readStatus(caller, now()).then(
      (status) => {
        last = { status, checkedAt: Date.parse(status.at) };
        return undefined;
      },
      (error: unknown) => describeFailure(error),
    );
    if (signal.aborted) return;
    const old =
      last === undefined
        ? ''
        : `What was seen last is of ${clockTime(last.checkedAt)}, ${age(now() - last.checkedAt)} old.`;
    if (isJson)
      terminal.print(
        JSON.stringify(failure === undefined ? last?.status : defined({ error: failure, lastAt: last?.status.at })),
      );
    else {
      const isSeen = failure === undefined || terminal.isLive;
      const picture = last === undefined || !isSeen ? [] : showStatus(last.status, last.checkedAt, terminal, isFull);
      const trouble =
        failure === undefined
          ? []
          : [`${terminal.paint('red', '✗')} ${wrap(plain(`${failure} ${old}`.trim()), terminal.columns(), '  ')}`];
      const hint = `Checked at ${clockTime(now())}. Ctrl-C ends.`;
      if (terminal.isLive)
        terminal.draw([
          ...picture,
          ...(picture.length > 0 ? [''] : []),
          ...trouble,
          truncate(terminal.paint('dim', hint), terminal.columns()),
        ]);
      else for (const line of [...picture, ...trouble]) terminal.print(line);
    }
    await wait(watchMs, clock, signal);
    if (signal.aborted) return;
  }
};

/** Shows how the deployed stack fares. @returns the exit code */
export const status = async (options: StatusOptions, context: CommandContext, terminal: Terminal): Promise<number> => {
  const isJson = options.json === true;
  const caller = readCaller(options, interruptible(context));
  if (options.watch === true) {
    await watch(caller, options, context, terminal);
    terminal.settle();
    return exitCodes.well;
  }
  const checkedAt = context.now();
  let found: Status;
  try {
    found = await readStatus(caller, checkedAt);
  } catch (error) {
    if (context.interrupted.aborted) return exitCodes.interrupted;
    throw error;
  }
  if (isJson) terminal.print(JSON.stringify(found, undefined, 2));
  else for (const line of showStatus(found, checkedAt, terminal, options.full)) terminal.print(line);
  return found.troubles.length === 0 ? exitCodes.well : exitCodes.trouble;
};
