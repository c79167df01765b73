import { once } from 'node:events';
import type { CommandContext, CommonOptions } from '../cli/context.ts';
import type { Terminal } from '../cli/terminal.ts';
import { type CallerOptions, readCaller } from '../stack/caller.ts';
import { exitCodes } from '../stack/failure.ts';
import { loadAssets } from './assets.ts';
import { EmbeddedSource } from './embedded.ts';
import { LiveSource } from './live.ts';
import { serveConsole } from './server.ts';
import type { Source } from './source.ts';

/** What the console is to show, and where. */
interface ConsoleOptions extends CallerOptions, CommonOptions {
  readonly live?: boolean;
  readonly port: number;
}

/** Serves the console until Ctrl-C. @returns the exit code */
export const serve = async (options: ConsoleOptions, context: CommandContext, { print }: Terminal): Promise<number> => {
  const { live: isLive = false, port, json: isJson = false } = options;
  const { interrupted } = context;
  const { files, drawings } = await loadAssets();
  if (!isLive && !isJson) print('The simulated world lives a day first, which takes some seconds …');
  const source: Source = isLive ? await LiveSource.begin(readCaller(options, context)) : await EmbeddedSource.begin();
  const served = await serveConsole(source, files, drawings, port);
  print(
    isJson ? JSON.stringify({ url: served.url }) : `The console is at ${served.url}\nIt opens once; Ctrl-C ends it.`,
  );
  if (!interrupted.aborted) await once(interrupted, 'abort');
  await served.close();
  await source.end();
  return exitCodes.well;
};
