import { Command, Option } from 'commander';
import { refuseOptionsOfNpm } from '../cli/npm-options.ts';
import { exitCodes, reportFailure } from '../stack/failure.ts';
import type { StartOptions } from './play.ts';
import type { ScenarioName } from './scenarios.ts';

/** The scenarios by name: their code, and the world's, is loaded when they are played. */
const names = Object.keys({ expired: true, push: true, outage: true, rollout: true } satisfies Record<
  ScenarioName,
  true
>);

const program = new Command('npm start')
  .description('Runs the whole workflow on an embedded AWS and Runpod, on 127.0.0.1. Nothing leaves this machine.')
  .addOption(new Option('--scenario <name>', 'only one scenario').choices(names))
  .option('--fast', 'print all at once, where a terminal gets three lines a second')
  .option('--json', 'print one JSON event a line, for machines')
  .addHelpText(
    'after',
    `
Examples:
  npm start                          every scenario
  npm start -- --scenario ${names.join('|')}
                                     one of them
  npm start -- --json                one JSON event a line, for machines

Exit codes: 0 all of it happened, 1 something did not, 2 the command line has a mistake.`,
  )
  .exitOverride()
  .showSuggestionAfterError()
  .configureHelp({ helpWidth: 100 })
  .action(async (options: StartOptions) => {
    process.exitCode = await (await import('./play.ts')).play(options);
  });

// Whoever read what is printed has gone, as `head` does: nothing more is wanted.
process.stdout.on('error', () => process.exit(exitCodes.trouble));

try {
  refuseOptionsOfNpm(program, process.env, process.argv.slice(2), program.name());
  await program.parseAsync();
} catch (error) {
  process.exitCode = reportFailure(error);
}
