import { Command } from 'commander';
import { refuseOptionsOfNpm } from '../cli/npm-options.ts';
import { reportFailure, UsageError } from '../stack/failure.ts';
import { useProxy } from '../stack/proxy.ts';
import type { ConsoleOptions } from './serve.ts';

const readPort = (port: string): number => {
  if (/^\d{1,5}$/.test(port) && Number(port) < 65_536) return Number(port);
  throw new UsageError(`--port: expected a number from 0 to 65535, found ${JSON.stringify(port)}.`);
};

const program = new Command('npm run console')
  .description('A window onto the workflow, as a page on 127.0.0.1.')
  .option('--live', 'look at the deployed stack')
  .option('--stage <name>', 'its stage', 'dev')
  .option('--region <region>', 'its AWS region (default: AWS_REGION, else us-east-1)')
  .option('--profile <name>', 'the AWS profile to use (default: AWS_PROFILE)')
  .option('--port <number>', 'the port to serve on; 0 for one that is free', readPort, 0)
  .option('--json', 'print the address as JSON, for machines')
  .addHelpText(
    'after',
    `
Examples:
  npm run console                    over an embedded AWS and Runpod, with switches to break them
  npm run console -- --live          over the deployed stack, through your own AWS credentials; changes nothing
  npm run console -- --live --stage prod --region eu-west-1

The address that is printed opens the page once. Ctrl-C ends it.
Exit codes: 0 ended by Ctrl-C, 1 it cannot go on, 2 the command line has a mistake.`,
  )
  .exitOverride()
  .showSuggestionAfterError()
  .configureHelp({ helpWidth: 100 })
  // What the page is built and drawn with is loaded when it is served.
  .action(async (options: ConsoleOptions) => {
    // An embedded world is on this machine, where no proxy leads.
    const withoutProxy = options.live === true ? useProxy(process.env, process.versions.node) : undefined;
    if (withoutProxy !== undefined) process.stderr.write(`${withoutProxy}\n`);
    await (await import('./serve.ts')).serve(options);
  });

try {
  refuseOptionsOfNpm(program, process.env, process.argv.slice(2), program.name());
  await program.parseAsync();
} catch (error) {
  process.exitCode = reportFailure(error);
}
