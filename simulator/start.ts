import { parseArgs } from 'node:util';
import { createReporter } from './reporter.ts';
import { type ScenarioName, scenarios } from './scenarios.ts';
import { World } from './world.ts';

const usage = `Runs the whole workflow on an embedded AWS and Runpod, on 127.0.0.1. Nothing leaves this machine.

  npm start                          the whole story
  npm start -- --scenario ${Object.keys(scenarios).join('|')}
                                     one part of it
  npm start -- --json                one JSON event a line, for machines

Ends with 0 if all of it happened, 1 if something did not, 2 if it was called wrongly.`;

const write = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const isScenario = (name: string): name is ScenarioName => Object.hasOwn(scenarios, name);

const readArguments = () => {
  try {
    const { values } = parseArgs({
      options: { scenario: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
    const { scenario, json = false, help = false } = values;
    if (scenario !== undefined && !isScenario(scenario)) {
      return { wrong: `There is no scenario ${scenario}.` };
    }
    const chosen = scenario === undefined ? Object.keys(scenarios).filter(isScenario) : [scenario];
    return { chosen, json, help };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) };
  }
};

const play = async (chosen: readonly ScenarioName[], isJson: boolean): Promise<number> => {
  const startedAt = performance.now();
  const world = await World.begin();
  const colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  const reporter = createReporter(world, write, { json: isJson, colour });
  const image = world.push('team/worker', 'v1');
  const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'image-generator', image, registry: '6n2k8v4d' });
  let missing = 0;
  for (const name of chosen) {
    reporter.scenario(name, scenarios[name].title);
    const promised = await scenarios[name].play(world, endpoint, reporter);
    if (!isJson) write('');
    for (const { what, happened } of promised) {
      reporter.promise(what, happened);
      if (!happened) missing += 1;
    }
  }
  await world.end();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  if (!isJson) write(missing === 0 ? `\nAll of it happened, in ${seconds} s.` : `\n${missing} of it did not happen.`);
  return missing === 0 ? 0 : 1;
};

const { wrong, chosen = [], json = false, help = false } = readArguments();
if (wrong !== undefined) {
  process.stderr.write(`${wrong}\n\n${usage}\n`);
  process.exitCode = 2;
} else if (help) {
  write(usage);
} else {
  process.exitCode = await play(chosen, json);
}
