import { once, setMaxListeners } from 'node:events';
import { type CallerOptions, readCaller } from '../stack/caller.ts';
import { buildPage } from './build.ts';
import { EmbeddedSource } from './embedded.ts';
import { drawMachines } from './layout.ts';
import { LiveSource } from './live.ts';
import { serveConsole } from './server.ts';
import type { Source } from './source.ts';

/** What the console is to show, and where. */
export interface ConsoleOptions extends CallerOptions {
  readonly live?: boolean;
  readonly port: number;
  readonly json?: boolean;
}

/** Serves the console until Ctrl-C. */
export const serve = async ({ live = false, port, json = false, ...caller }: ConsoleOptions): Promise<void> => {
  const [files, drawings] = await Promise.all([buildPage(), drawMachines()]);
  const interruption = new AbortController();
  // Each request under way listens.
  setMaxListeners(0, interruption.signal);
  if (!live && !json) process.stdout.write('The simulated world lives a day first, which takes some seconds …\n');
  const source: Source = live
    ? await LiveSource.begin(readCaller(caller, { aws: { signal: interruption.signal } }))
    : await EmbeddedSource.begin();
  const served = await serveConsole(source, files, drawings, port);
  process.stdout.write(
    json
      ? `${JSON.stringify({ url: served.url })}\n`
      : `The console is at ${served.url}\nIt opens once; Ctrl-C ends it.\n`,
  );
  await once(process, 'SIGINT');
  interruption.abort();
  await served.close();
  await source.end();
};
