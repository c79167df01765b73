import { fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { chaos } from './history.ts';

const help = `Plays random histories of outages, crashes and changes over the embedded world, and checks that the invariants hold.

  npm run chaos                                  500 histories
  npm run chaos -- --histories 20000             more of them
  npm run chaos -- --seed 42 --path 7:0:1        one that failed, again

A history that fails is shrunk, and printed with its seed and path.
`;

const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '500' },
    seed: { type: 'string' },
    path: { type: 'string' },
    share: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const readNumber = (name: 'histories' | 'seed', text: string): number => {
  const number = Number(text);
  if (Number.isInteger(number) && (name === 'seed' || number > 0)) return number;
  process.stderr.write(`--${name}: expected a whole number, found ${JSON.stringify(text)}.\n`);
  process.exit(2);
};

const seconds = (): string => (performance.now() / 1000).toFixed(0);

/** Plays histories, prints one that fails, and answers with how many held. */
const play = async (histories: number, seed: number, path?: string): Promise<number> => {
  const details = await fc.check(chaos, { numRuns: histories, seed, ...(path === undefined ? {} : { path }) });
  if (!details.failed) return details.numRuns;
  const { counterexamplePath, counterexample, errorInstance, numRuns, numShrinks } = details;
  process.stderr.write(
    `History ${numRuns} of seed ${seed} failed, shrunk ${numShrinks} times:\n  ${String(counterexample)}\n${String(errorInstance)}\nAgain: npm run chaos -- --seed ${seed} --path ${counterexamplePath}\n`,
  );
  process.exitCode = 1;
  return numRuns - 1;
};

/** Histories sometimes wait for time-outs, so there may be more of them at a time than cores. */
const perCore = 4;
/** So many histories are played from one seed. */
const perSeed = 10;

/** Processes take seed after seed until none is left: each has a core of its own. */
const spread = async (histories: number, seed: number): Promise<void> => {
  const shares = Array.from({ length: Math.ceil(histories / perSeed) }, (_, index) => ({
    histories: Math.min(perSeed, histories - index * perSeed),
    seed: seed + index,
  }));
  const workers = Math.min(availableParallelism() * perCore, shares.length);
  let held = 0;
  const ends = Array.from({ length: workers }, async () => {
    const child = fork(fileURLToPath(import.meta.url), ['--share']);
    const next = () => {
      const share = shares.shift();
      if (share === undefined) child.disconnect();
      else child.send(share);
    };
    child.on('message', (count: number) => {
      held += count;
      next();
    });
    next();
    const [code] = await once(child, 'exit');
    if (code !== 0) process.exitCode = 1;
  });
  await Promise.all(ends);
  process.stdout.write(`${held} of ${histories} histories held, from seed ${seed} on, in ${seconds()} s.\n`);
};

if (values.help) process.stdout.write(help);
else if (values.share) {
  process.on('message', async (share: { readonly histories: number; readonly seed: number }) => {
    process.send?.(await play(share.histories, share.seed));
  });
} else {
  const histories = readNumber('histories', values.histories);
  const seed = readNumber('seed', values.seed ?? String(Date.now() % 2 ** 31));
  if (values.path === undefined) await spread(histories, seed);
  else process.stdout.write(`${await play(1, seed, values.path)} of 1 histories held, in ${seconds()} s.\n`);
}
