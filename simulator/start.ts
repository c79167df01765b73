import { Command, Option } from 'commander';
import { exitCodes, reportFailure } from '../stack/failure.ts';
import { createReporter } from './reporter.ts';
import { type ScenarioName, scenarios } from './scenarios.ts';
import { World } from './world.ts';

interface StartOptions {
  readonly scenario?: ScenarioName;
  readonly json?: boolean;
}

const names = Object.keys(scenarios) as ScenarioName[];

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const play = async ({ scenario, json = false }: StartOptions): Promise<void> => {
  const startedAt = performance.now();
  const world = await World.begin();
  const colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  const reporter = createReporter(world, print, { json, colour });
  const image = world.push('team/worker', 'v1');
  const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'image-generator', image, registry: '6n2k8v4d' });
  let missing = 0;
  for (const name of scenario === undefined ? names : [scenario]) {
    reporter.scenario(name, scenarios[name].title);
    const promised = await scenarios[name].play(world, endpoint, reporter);
    if (!json) print('');
    for (const { what, happened } of promised) {
      reporter.promise(what, happened);
      if (!happened) missing += 1;
    }
  }
  await world.end();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  if (!json) print(missing === 0 ? `\nAll of it happened, in ${seconds} s.` : `\n${missing} of it did not happen.`);
  process.exitCode = missing === 0 ? exitCodes.well : exitCodes.trouble;
};

const program = new Command('npm start')
  .description('Runs the whole workflow on an embedded AWS and Runpod, on 127.0.0.1. Nothing leaves this machine.')
  .addOption(new Option('--scenario <name>', 'only one scenario').choices(names))
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
  .action(play);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = reportFailure(error);
}
