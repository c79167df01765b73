import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { readDefinition } from '../runner/definition.ts';
import { readCaller } from '../stack/caller.ts';
import { describeFailure, exitCodes, UsageError } from '../stack/failure.ts';
import { buildPage } from './build.ts';
import { EmbeddedSource } from './embedded.ts';
import { layOut } from './layout.ts';
import { LiveSource } from './live.ts';
import { serveConsole } from './server.ts';
import type { Source } from './source.ts';

const usage = `A window onto the workflow, as a page on 127.0.0.1.

  npm run console                    over an embedded AWS and Runpod, with switches to break them
  npm run console -- --live          over the deployed stack, through your own AWS credentials; changes nothing
  npm run console -- --live --stage prod --region eu-west-1

  --live       look at the deployed stack
  --stage      its stage (default: dev)
  --region     its AWS region (default: AWS_REGION, else us-east-1)
  --profile    the AWS profile to use (default: AWS_PROFILE)
  --port       the port to serve on (default: one that is free)
  --json       print the address as JSON, for machines

The address that is printed opens the page once. Ctrl-C ends it.
Exit codes: 0 ended by Ctrl-C, 1 it cannot go on, 2 the command line has a mistake.
`;

const options = {
  live: { type: 'boolean', default: false },
  stage: { type: 'string' },
  region: { type: 'string' },
  profile: { type: 'string' },
  port: { type: 'string', default: '0' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

type Options = ReturnType<typeof readWords>;

const readWords = (words: readonly string[]) => {
  try {
    return parseArgs({ args: [...words], options }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
};

const readPort = (port: string): number => {
  if (/^\d{1,5}$/.test(port) && Number(port) < 65_536) return Number(port);
  throw new UsageError(`--port: expected a number from 0 to 65535, found ${JSON.stringify(port)}.`);
};

const begin = async ({ live, stage, region, profile }: Options): Promise<Source> => {
  if (!live) return EmbeddedSource.begin();
  return LiveSource.begin(
    readCaller({
      ...(stage === undefined ? {} : { stage }),
      ...(region === undefined ? {} : { region }),
      ...(profile === undefined ? {} : { profile }),
    }),
  );
};

const run = async (words: readonly string[]): Promise<number> => {
  const chosen = readWords(words);
  if (chosen.help) {
    process.stdout.write(usage);
    return exitCodes.well;
  }
  const port = readPort(chosen.port);
  const definition = readDefinition({ functionArn: (name) => name, alertTopicArn: 'alerts' });
  const [files, drawing] = await Promise.all([buildPage(), layOut(definition)]);
  const source = await begin(chosen);
  const served = await serveConsole(source, files, drawing, port);
  process.stdout.write(
    chosen.json
      ? `${JSON.stringify({ url: served.url })}\n`
      : `The console is at ${served.url}\nIt opens once; Ctrl-C ends it.\n`,
  );
  await once(process, 'SIGINT');
  await served.close();
  await source.end();
  return exitCodes.well;
};

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${describeFailure(error)}\n`);
  process.exitCode = error instanceof UsageError ? exitCodes.usage : exitCodes.trouble;
}
process.exit();
