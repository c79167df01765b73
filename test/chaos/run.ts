import { fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { chaos } from './history.ts';
import { rolloutChaos } from './rollouts.ts';

const help = `Plays random histories of outages, crashes and changes over the embedded world, and checks that the invariants hold.

  npm run chaos                                  500 histories
  npm run chaos -- --histories 20000             more of them
  npm run chaos -- --of rollouts                 of rollouts alone; or of refreshes
  npm run chaos -- --of rollouts --seed 42 --path 7:0:1
                                                 one that failed, again

A history that fails is shrunk, and printed with its seed and path.
`;

const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '500' },
    seed: { type: 'string' },
    path: { type: 'string' },
    of: { type: 'string' },
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

/** What histories are about. */
const kinds = { refreshes: chaos, rollouts: rolloutChaos } as const;
type Kind = keyof typeof kinds;

const readKind = (text: string): Kind => {
  if (text === 'refreshes' || text === 'rollouts') return text;
  process.stderr.write(`--of: expected refreshes or rollouts, found ${JSON.stringify(text)}.\n`);
  process.exit(2);
};

/** Plays histories, prints one that fails, and answers with how many held. */
const play = async (kind: Kind, histories: number, seed: number, path?: string): Promise<number> => {
  const details = await fc.check<unknown>(kinds[kind] as fc.IAsyncProperty<unknown>, {
    numRuns: histories,
    seed,
    ...(path === undefined ? {} : { path }),
  });
  if (!details.failed) return histories;
  const { counterexamplePath, counterexample, errorInstance, numRuns, numShrinks } = details;
  process.stderr.write(
    `History ${numRuns} of seed ${seed} failed, shrunk ${numShrinks} times:\n  ${String(counterexample)}\n${String(errorInstance)}\nAgain: npm run chaos -- --of ${kind} --seed ${seed} --path ${counterexamplePath}\n`,
  );
  process.exitCode = 1;
  return numRuns - 1;
};

/** Histories sometimes wait for time-outs, so there may be more of them at a time than cores. */
const perCore = 4;
/** So many histories are played from one seed. */
const perSeed = 10;

/** Processes take seed after seed until none is left: each has a core of its own. */
const spread = async (histories: number, seed: number, only?: Kind): Promise<void> => {
  const shares = Array.from({ length: Math.ceil(histories / perSeed) }, (_, index) => ({
    histories: Math.min(perSeed, histories - index * perSeed),
    seed: seed + index,
    // Every fourth share is of rollouts.
    kind: only ?? (index % 4 === 3 ? ('rollouts' as const) : ('refreshes' as const)),
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
  process.on('message', async (share: { readonly kind: Kind; readonly histories: number; readonly seed: number }) => {
    process.send?.(await play(share.kind, share.histories, share.seed));
  });
} else {
  const histories = readNumber('histories', values.histories);
  const seed = readNumber('seed', values.seed ?? String(Date.now() % 2 ** 31));
  const kind = values.of === undefined ? undefined : readKind(values.of);
  if (values.path === undefined) await spread(histories, seed, kind);
  else
    process.stdout.write(
      `${await play(kind ?? 'refreshes', 1, seed, values.path)} of 1 histories held, in ${seconds()} s.\n`,
    );
}
