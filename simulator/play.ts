import { exitCodes } from '../stack/failure.ts';
import { createReporter } from './reporter.ts';
import { type ScenarioName, scenarios } from './scenarios.ts';
import { World } from './world.ts';

/** Which scenarios to play, and how to print them. */
export interface StartOptions {
  readonly scenario?: ScenarioName;
  readonly json?: boolean;
}

const isScenario = (name: string): name is ScenarioName => Object.hasOwn(scenarios, name);

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Plays scenarios in a world of their own. @returns the exit code */
export const play = async ({ scenario, json = false }: StartOptions): Promise<number> => {
  const startedAt = performance.now();
  const world = await World.begin();
  const colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  const reporter = createReporter(world, print, { json, colour });
  const image = world.push('team/worker', 'v1');
  const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'image-generator', image, registry: '6n2k8v4d' });
  let missing = 0;
  for (const name of scenario === undefined ? Object.keys(scenarios).filter(isScenario) : [scenario]) {
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
  return missing === 0 ? exitCodes.well : exitCodes.trouble;
};
