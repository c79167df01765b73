import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { changedLines, type MutantOrder } from './order.ts';
import type { Message } from './plugins.ts';
import { isMissed, percentOf, scoreOf, type TestedMutant, tableOf } from './score.ts';

/** A sample of all lines scored 88; this leaves room for its noise. */
const minScorePercent = 80;

const help = `Breaks functions/ in one place at a time, and looks whether the unit tests notice.

  npm run mutants                                all mutants (more than two hours on two cores)
  npm run mutants -- --changed                   those of the lines that changed within a day
  npm run mutants -- --changed origin/main       those of the lines that changed since a commit
  npm run mutants -- --sample 300 --seed 42      300 of them, or 300 besides the changed ones, drawn by a seed
  npm run mutants -- --minutes 6                 those that are tested by then
  npm run mutants -- --file functions/report.ts  those of a file

Ends with 1 where the tests noticed fewer than ${minScorePercent} % of what was tested.
`;

const root = fileURLToPath(new URL('../..', import.meta.url));
const maxMinutes = 24 * 60;

const git = (...words: string[]): string => execFileSync('git', words, { cwd: root, encoding: 'utf8' }).trim();

/** The newest commit that is a day old, or the oldest that this clone has. */
const yesterday = (): string => {
  const older = git('rev-list', '--max-count=1', '--before=1 day ago', 'HEAD');
  return older === '' ? (git('rev-list', 'HEAD').split('\n').at(-1) ?? 'HEAD') : older;
};

const readNumber = (name: string, text: string): number => {
  const number = Number(text);
  if (text.trim() !== '' && number >= 0) return number;
  throw new Error(`--${name}: expected a number, found ${JSON.stringify(text)}.`);
};

interface Wanted {
  readonly files: readonly string[];
  readonly order: MutantOrder;
  /** How many are tested besides those of the changed lines. */
  readonly sample: number;
  readonly maxMinutes: number;
}

interface Tested {
  readonly mutants: readonly TestedMutant[];
  /** How many there are, wanted or not. */
  readonly planned: number;
  readonly isCutOff: boolean;
}

/** Tests mutants one after the other until all that are wanted are tested, or the time is up. */
const testMutants = async ({ files, order, sample, maxMinutes }: Wanted): Promise<Tested> => {
  const folder = mkdtempSync(join(tmpdir(), 'mutants-'));
  // Half of them are checkers', which have nothing to do.
  const processes = 2 * availableParallelism();
  const words = [folder, String(processes), JSON.stringify(files), JSON.stringify(order)];
  // In a group of its own, for Stryker's test runners outlive it where it is ended.
  const child = fork(join(root, 'test', 'mutants', 'stryker.ts'), words, { cwd: root, detached: true });
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };
  const results = new Map<number, TestedMutant>();
  let planned = 0;
  let wanted = Number.POSITIVE_INFINITY;
  let [isDone, isCutOff] = [false, false];
  child.on('message', (message: Message) => {
    if ('planned' in message) {
      planned = message.planned;
      wanted = Math.min(planned, message.changed + sample);
    } else if (message.place < wanted) {
      results.set(message.place, { ...message.mutant, fileName: relative(root, message.mutant.fileName) });
    }
    isDone = results.size >= wanted;
    if (isDone) end();
  });
  const timer = setTimeout(() => {
    isCutOff = true;
    end();
  }, maxMinutes * 60_000);
  const stop = (): void => {
    isCutOff = true;
    end();
    process.exitCode = 130;
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  await once(child, 'close');
  clearTimeout(timer);
  end();
  rmSync(folder, { recursive: true, force: true });
  if (!isDone && !isCutOff) throw new Error('Stryker ended before its time.');
  // Mutants without any test are told at once: those beyond the others would spoil the sample.
  const last = Math.max(...[...results].filter(([, { status }]) => status !== 'NoCoverage').map(([place]) => place));
  const mutants = [...results].filter(([place]) => isDone || place <= last).map(([, mutant]) => mutant);
  return { mutants, planned, isCutOff };
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    changed: { type: 'boolean', default: false },
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: String(maxMinutes) },
    file: { type: 'string', multiple: true, default: ['functions/**/*.ts'] },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(help);
else {
  const base = positionals[0] ?? yesterday();
  const diff = values.changed ? git('diff', '--unified=0', '--find-renames', base, '--', 'functions') : '';
  const seed = readNumber('seed', values.seed);
  const everything = values.changed ? 0 : Number.POSITIVE_INFINITY;
  const { mutants, planned, isCutOff } = await testMutants({
    files: values.file,
    order: { seed, changed: changedLines(diff) },
    sample: values.sample === undefined ? everything : readNumber('sample', values.sample),
    maxMinutes: readNumber('minutes', values.minutes),
  });
  const score = scoreOf(mutants);
  const missed = mutants
    .filter(isMissed)
    .toSorted((a, b) => a.fileName.localeCompare(b.fileName) || a.line - b.line)
    .map(({ fileName, line, mutatorName, replacement, status }) => {
      const what = replacement.replaceAll(/\s+/g, ' ').slice(0, 80);
      return `${fileName}:${line}  ${mutatorName}: ${what}${status === 'NoCoverage' ? ' (no test runs it)' : ''}`;
    });
  const lines = [
    ...missed,
    '',
    ...tableOf(mutants),
    '',
    `${score.noticed} of ${score.tested} mutants noticed: ${Math.floor(percentOf(score) * 10) / 10} %, where at least ${minScorePercent} % are wanted.`,
    `${planned - mutants.length} of ${planned} left out${isCutOff ? ', for the time was up' : ''}.`,
    ...(values.changed ? [`Those of the lines that changed since ${base.slice(0, 12)} came first.`] : []),
    `The seed was ${seed}.`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  if (percentOf(score) < minScorePercent || score.tested === 0) process.exitCode ??= 1;
}
