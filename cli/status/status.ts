import { setTimeout as sleep } from 'node:timers/promises';
import { type Caller, type CallerOptions, readCaller } from '../../stack/caller.ts';
import { describeFailure, exitCodes } from '../../stack/failure.ts';
import { readStatus, type Status } from '../../stack/status.ts';
import { type CommandContext, type CommonOptions, interruptible } from '../context.ts';
import { type Terminal, truncate } from '../terminal.ts';
import { showStatus } from './show.ts';

interface StatusOptions extends CallerOptions, CommonOptions {
  readonly watch?: boolean;
}

const watchMs = 10_000;

/** Checks again and again until Ctrl-C. A check that fails is shown, and the next one follows all the same. */
const watch = async (
  caller: Caller,
  isJson: boolean,
  { now, interrupted: signal }: CommandContext,
  terminal: Terminal,
): Promise<void> => {
  for (;;) {
    const checkedAt = now();
    const lines = await readStatus(caller, checkedAt).then(
      (status) => (isJson ? [JSON.stringify(status)] : showStatus(status, checkedAt, terminal)),
      (error: unknown) => [isJson ? JSON.stringify({ error: describeFailure(error) }) : describeFailure(error)],
    );
    if (signal.aborted) return;
    if (terminal.isLive) {
      const hint = truncate(
        terminal.paint('dim', `Checked at ${new Date(checkedAt).toISOString().slice(11, 19)} UTC. Ctrl-C ends.`),
        terminal.columns(),
      );
      terminal.draw([...lines, '', hint]);
    } else for (const line of lines) terminal.print(line);
    await sleep(watchMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
  }
};

/** Shows how the deployed stack fares. @returns the exit code */
export const status = async (options: StatusOptions, context: CommandContext, terminal: Terminal): Promise<number> => {
  const isJson = options.json === true;
  const caller = readCaller(options, interruptible(context));
  if (options.watch === true) {
    await watch(caller, isJson, context, terminal);
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
  else for (const line of showStatus(found, checkedAt, terminal)) terminal.print(line);
  return found.troubles.length === 0 ? exitCodes.well : exitCodes.trouble;
};
