import { setTimeout as sleep } from 'node:timers/promises';
import { type CallerOptions, readCaller } from '../../stack/caller.ts';
import { describeFailure, exitCodes } from '../../stack/failure.ts';
import { readStatus } from '../../stack/status.ts';
import { processTerminal, type Terminal, truncate } from '../terminal.ts';
import { showStatus } from './show.ts';

export interface StatusOptions extends CallerOptions {
  readonly json?: boolean;
  readonly watch?: boolean;
}

const watchMs = 10_000;

/** Looks again and again until `signal` ends it. A look that fails is told, and the next one follows all the same. */
const watch = async (options: StatusOptions, terminal: Terminal, signal: AbortSignal): Promise<void> => {
  const caller = readCaller(options);
  for (;;) {
    const now = Date.now();
    const lines = await readStatus(caller, now).then(
      (status) => (options.json === true ? [JSON.stringify(status)] : showStatus(status, now, terminal)),
      (error: unknown) => [
        options.json === true ? JSON.stringify({ error: describeFailure(error) }) : describeFailure(error),
      ],
    );
    if (signal.aborted) return;
    if (terminal.isLive) {
      const hint = truncate(
        terminal.paint('dim', `Looked at ${new Date(now).toISOString().slice(11, 19)} UTC. Ctrl-C ends.`),
        terminal.columns(),
      );
      terminal.draw([...lines, '', hint]);
    } else for (const line of lines) terminal.print(line);
    await sleep(watchMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
  }
};

/** Shows how the deployed stack fares. @returns the exit code */
export const status = async (options: StatusOptions, interrupted: AbortSignal): Promise<number> => {
  const terminal = processTerminal({ isJson: options.json === true });
  if (options.watch === true) {
    await watch(options, terminal, interrupted);
    terminal.settle();
    return exitCodes.well;
  }
  const now = Date.now();
  const stopped = new Promise<undefined>((resolve) => interrupted.addEventListener('abort', () => resolve(undefined)));
  const found = await Promise.race([readStatus(readCaller(options), now), stopped]);
  if (found === undefined) return exitCodes.interrupted;
  if (options.json === true) terminal.print(JSON.stringify(found, undefined, 2));
  else for (const line of showStatus(found, now, terminal)) terminal.print(line);
  return found.troubles.length === 0 ? exitCodes.well : exitCodes.trouble;
};
