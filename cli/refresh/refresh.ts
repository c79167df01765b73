import type { Outcome } from '../../functions/lib/report/outcome.ts';
import type { Report } from '../../functions/lib/report/report.ts';
import { readTargets, type Target } from '../../functions/lib/targets.ts';
import { wallClock } from '../../runner/engine.ts';
import { type CallerOptions, readCaller, readIdentity } from '../../stack/caller.ts';
import { CommandError, exitCodes, UsageError } from '../../stack/failure.ts';
import { colourOfProof } from '../../stack/proof-colour.ts';
import { type CommandContext, type CommonOptions, interruptible } from '../context.ts';
import { plain, type Terminal, wrap } from '../terminal.ts';
import { noteRefresh } from './note.ts';
import { createProgress } from './progress.ts';
import { DryRunEnd, ownPlatform, runRefresh } from './run.ts';

interface RefreshOptions extends CallerOptions, CommonOptions {
  readonly dryRun?: boolean;
  readonly target?: readonly string[];
  readonly endpoint?: readonly string[];
  /** Minutes. */
  readonly patience?: string;
}

const readPatience = (patience: string): number => {
  const minutes = Number(patience);
  if (/^\d+$/.test(patience) && minutes <= 240) return minutes;
  throw new UsageError(`--patience: expected minutes from 0 to 240, found ${JSON.stringify(patience)}.`);
};

/** Narrows targets down to those asked for, and the endpoints that are watched to those asked for. */
const narrow = (
  targets: readonly Target[],
  names: readonly string[] | undefined,
  endpoints: readonly string[] | undefined,
): readonly Target[] => {
  const unknown = names?.find((name) => !targets.some((each) => each.name === name));
  if (unknown !== undefined) {
    const known = targets.map(({ name }) => name).slice(0, 10);
    throw new UsageError(
      `--target: expected a name of targets.yml (${known.join(', ')}), found ${JSON.stringify(unknown)}.`,
    );
  }
  const chosen = targets.filter(({ name }) => names === undefined || names.includes(name));
  if (endpoints === undefined) return chosen;
  const [only, ...others] = chosen;
  if (only === undefined || others.length > 0) {
    throw new UsageError('--endpoint: say whose endpoint it is with --target, for there are several targets.');
  }
  const watched = endpoints.map((id) => only.endpoints?.find((each) => each.id === id) ?? { id });
  return [{ ...only, endpoints: watched }];
};

const markOf = { green: '✓', yellow: '!', red: '✗' } as const;

const isDryRunEnd = ({ error }: Outcome): boolean => error?.name === new DryRunEnd('').name;

const showOutcome = (outcome: Outcome, { paint, columns }: Terminal): string[] => {
  const { target, refreshed, error, expiresAt, way, endpoints, images = [], warnings = [] } = outcome;
  const line = (mark: string, colour: 'green' | 'yellow' | 'red', text: string, indent = ''): string =>
    `${indent}${paint(colour, mark)} ${wrap(plain(text), columns(), `${indent}  `)}`;
  const head = refreshed
    ? line('✓', 'green', `${target}: stored a token that is good until ${expiresAt}, by ${way}.`)
    : isDryRunEnd(outcome)
      ? line('✓', 'green', `${target}: ${error?.message}`)
      : line('✗', 'red', `${target}: ${error?.name}: ${error?.message}`);
  return [
    head,
    ...(refreshed
      ? []
      : images.map(({ image, problem, sizeInBytes = 0 }) =>
          problem === undefined
            ? line('✓', 'green', `${image} can be pulled (${(sizeInBytes / 1e6).toFixed(0)} MB).`, '  ')
            : line('✗', 'red', `${image} cannot be pulled: ${problem}`, '  '),
        )),
    ...endpoints.map(({ endpoint, proof, evidence, reason }) => {
      const colour = colourOfProof(proof);
      return line(markOf[colour], colour, `${endpoint} ${proof}: ${evidence ?? reason}`, '  ');
    }),
    ...warnings.map((warning) => line('!', 'yellow', warning, '  ')),
  ];
};

/** Whether the run did what it was asked to: a dry run that came as far as storing, or a run that succeeded. */
const isWell = ({ outcome, targets }: Report, isDryRun: boolean): boolean =>
  isDryRun
    ? targets.every((each) => isDryRunEnd(each) && (each.images ?? []).every(({ problem }) => problem === undefined))
    : outcome === 'succeeded';

/** A dry run's report says what each target would have stored, and calls only real failures errors. */
const asDryRun = ({ error: _, ...report }: Report, isGood: boolean): object => ({
  ...report,
  dryRun: true,
  outcome: isGood ? 'succeeded' : 'failed',
  targets: report.targets.map(({ error, ...target }) =>
    error?.name === new DryRunEnd('').name ? { ...target, would: error.message } : { ...target, error },
  ),
});

/** Runs the workflow once from here. @returns the exit code */
export const refresh = async (
  options: RefreshOptions,
  context: CommandContext,
  terminal: Terminal,
): Promise<number> => {
  const { json: isJson = false, dryRun: isDryRun = false } = options;
  const { interrupted, clock = wallClock } = context;
  const patienceMinutes = readPatience(options.patience ?? '30');
  const caller = readCaller(options, interruptible(context));
  const all = readTargets(caller.settings.TARGETS_FILE, context.folder);
  const targets = narrow(all, options.target, options.endpoint);
  const progress = createProgress(
    targets.map(({ name }) => name),
    { isDryRun, now: clock.now },
    terminal,
  );
  const acknowledge = (): void =>
    terminal.printError('Stopping: what is being stored is stored to its end. Ctrl-C again ends at once.');
  interrupted.addEventListener('abort', acknowledge, { once: true });
  let report: Report;
  try {
    const run = {
      region: caller.region,
      account: (await readIdentity(caller)).account,
      targets,
      isDryRun,
      patienceMinutes,
      platform: ownPlatform(caller, clock.now, interrupted),
      lasting: ownPlatform(readCaller(options, context), clock.now),
      clock,
      signal: interrupted,
    };
    report = await runRefresh({ ...run, onCall: progress.onCall });
  } catch (error) {
    if (!interrupted.aborted) throw error;
    terminal.printError(
      wrap(
        'Stopped. Runpod holds either the old token or the new one, and both pull; run it again when you like.',
        terminal.columns(),
        '',
      ),
    );
    return exitCodes.interrupted;
  } finally {
    interrupted.removeEventListener('abort', acknowledge);
    progress.end();
  }
  const unnoted = isDryRun ? undefined : await noteRefresh(caller, report, options.endpoint !== undefined);
  if (unnoted !== undefined) terminal.printError(unnoted);
  const isGood = isWell(report, isDryRun);
  if (isJson) {
    terminal.print(JSON.stringify(isDryRun ? asDryRun(report, isGood) : report, undefined, 2));
  } else {
    for (const outcome of report.targets) for (const line of showOutcome(outcome, terminal)) terminal.print(line);
    if (report.targets.length === 0 && report.error !== undefined) throw new CommandError(report.error.message);
  }
  return isGood ? exitCodes.well : exitCodes.trouble;
};
