import { setMaxListeners } from 'node:events';
import { exitCodes } from '../stack/failure.ts';
import { useProxy } from '../stack/proxy.ts';
import { runCommand } from './commands.ts';

// An embedded world is on this machine, where no proxy leads.
const isEmbedded = process.argv[2] === 'console' && !process.argv.includes('--live');
const withoutProxy = isEmbedded ? undefined : useProxy(process.env, process.versions.node);
if (withoutProxy !== undefined) process.stderr.write(`${withoutProxy}\n`);

const interruption = new AbortController();
// Each request under way listens.
setMaxListeners(0, interruption.signal);

process.once('SIGINT', () => {
  interruption.abort();
  // Whoever presses it again does not want to wait for anything.
  process.once('SIGINT', () => process.exit(exitCodes.interrupted));
});

for (const stream of [process.stdout, process.stderr]) {
  // Whoever read what is printed has gone, as `head` does: nothing more is wanted.
  stream.on('error', () => interruption.abort());
}

// Not by process.exit: what is printed to a pipe may not have been read yet. Connections that are kept for the next request
// hold no process: Node's Agent unrefs them (https://nodejs.org/api/http.html#class-httpagent).
process.exitCode = await runCommand(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
  folder: process.cwd(),
  aws: {},
  now: Date.now,
  interrupted: interruption.signal,
});
