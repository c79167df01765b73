import { setTimeout } from 'node:timers/promises';
import { exitCodes } from '../stack/failure.ts';
import { createReporter } from './reporter.ts';
import { type ScenarioName, scenarios } from './scenarios.ts';
import { World } from './world.ts';

/** Which scenarios to play, and how to print them. */
export interface StartOptions {
  readonly scenario?: ScenarioName;
  readonly json?: boolean;
  /** Whether a terminal gets all lines at once, as a pipe does. */
  readonly fast?: boolean;
}

const isScenario = (name: string): name is ScenarioName => Object.hasOwn(scenarios, name);

/** Three lines a second can be read. */
const pauseMs = 300;

/** Prints lines one after the other, with a pause after each that is not empty. What makes them does not wait. */
export const createPacedPrint = (
  write: (text: string) => void,
  pause: () => Promise<void>,
): { readonly print: (line: string) => void; readonly printed: () => Promise<void> } => {
  let printing = Promise.resolve();
  return {
    print: (line) => {
      printing = printing.then(async () => {
        write(`${line}\n`);
        if (line.trim() !== '') await pause();
      });
    },
    printed: () => printing,
  };
};

/** Where it is printed. */
interface StartOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Plays scenarios in a world of their own. @returns the exit code */
export const play = async (
  { scenario, json = false, fast = false }: StartOptions,
  output: StartOutput = process.stdout,
): Promise<number> => {
  const isPaced = output.isTTY === true && !json && !fast;
  const { print, printed } = createPacedPrint(
    (text) => void output.write(text),
    () => (isPaced ? setTimeout(pauseMs) : Promise.resolve()),
  );
  const startedAt = performance.now();
  const world = await World.begin();
  const colour = output.isTTY === true && process.env.NO_COLOR === undefined;
  const reporter = createReporter(world, print, { json, colour });
  const image = world.push('team/worker', 'v1');
  const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'image-generator', image, registry: '6n2k8v4d' });
  let missing = 0;
  if (!json)
    print(
      `Look at the lines of “worker”, which are its host’s own: its pull is refused, and then it works. ✓ says what has happened as promised.${isPaced ? ' All at once: npm start -- --fast' : ''}`,
    );
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
  await printed();
  return missing === 0 ? exitCodes.well : exitCodes.trouble;
};
