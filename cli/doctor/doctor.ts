import { mapConcurrent } from '../../functions/lib/map-concurrent.ts';
import { readTargets, type Target } from '../../functions/lib/targets.ts';
import { type Caller, type CallerOptions, type Identity, readCaller, readIdentity } from '../../stack/caller.ts';
import { exitCodes } from '../../stack/failure.ts';
import { type CommandContext, type CommonOptions, interruptible } from '../context.ts';
import { plain, spinner, type Terminal, truncate, wrap } from '../terminal.ts';
import { type Check, examine, type Finding, need, ok, once } from './check.ts';
import { createKeyViews } from './key-view.ts';
import { stackChecks } from './stack-checks.ts';
import { targetChecks } from './target-checks.ts';

interface DoctorOptions extends CallerOptions, CommonOptions {}

/** More at once would ask a Runpod key faster than its quota. */
const maxChecksAtOnce = 12;

const firstChecks = (
  caller: Caller,
  identity: () => Promise<Identity>,
  targets: () => Promise<readonly Target[]>,
): Check[] => [
  {
    group: 'AWS',
    title: 'targets.yml',
    run: async () => {
      const { length } = await targets();
      return ok(`${caller.settings.TARGETS_FILE} names ${length} target${length === 1 ? '' : 's'}, without a mistake.`);
    },
  },
  {
    group: 'AWS',
    title: 'identity',
    run: async () => {
      const { account, arn } = await identity();
      return ok(`You are ${arn}, in account ${account}; the stack is looked for in ${caller.region}.`);
    },
  },
];

/** Everything that can be wrong, in the order in which a person would check it. */
const allChecks = async (caller: Caller, { folder, interrupted, now, pause }: CommandContext): Promise<Check[]> => {
  const targets = once(async () => readTargets(caller.settings.TARGETS_FILE, folder));
  const identity = once(() => readIdentity(caller));
  const viewOf = createKeyViews(caller, interrupted);
  const known = await targets().catch((): Target[] => []);
  return [
    ...firstChecks(caller, identity, targets),
    ...known.flatMap((target) =>
      targetChecks({
        caller,
        target,
        targets: known,
        view: viewOf(target.runpod.apiKey),
        podKey: viewOf(target.runpod.podKey ?? target.runpod.apiKey),
        interrupted,
        pause,
        now,
      }),
    ),
    ...stackChecks({ caller, identity, targets: () => need('targets.yml', targets()), now }),
  ];
};

const marks = {
  ok: ['✓', 'green'],
  warning: ['!', 'yellow'],
  wrong: ['✗', 'red'],
  skipped: ['–', 'dim'],
} as const;

const showFinding = ({ mark, text, remedy }: Finding, { paint, columns }: Terminal): string[] => {
  const [sign, colour] = marks[mark];
  return [
    ...text.split('\n').map((line, index) => {
      const indent = index === 0 ? '    ' : '      ';
      return `${index === 0 ? `  ${paint(colour, sign)} ` : indent}${wrap(plain(line).trim(), columns(), indent)}`;
    }),
    ...(remedy === undefined ? [] : [`    ${paint('dim', `→ ${wrap(plain(remedy), columns(), '      ')}`)}`]),
  ];
};

/** Prints findings in the checks' order, as soon as all before them are there, and below what is under way. */
const createView = (checks: readonly Check[], terminal: Terminal) => {
  const findings: Array<readonly Finding[] | undefined> = [];
  const underWay = new Set<Check>();
  let shown = 0;
  const draw = (): void => {
    const [first] = underWay;
    const done = findings.filter((each) => each !== undefined).length;
    const what = first === undefined ? '' : `${first.group}: ${first.title}`;
    terminal.draw([
      truncate(
        `${terminal.paint('cyan', spinner(Date.now()))} ${done} of ${checks.length}  ${terminal.paint('dim', what)}`,
        terminal.columns(),
      ),
    ]);
  };
  const timer = terminal.isLive ? setInterval(draw, 100) : undefined;
  return {
    begin: (check: Check) => void underWay.add(check),
    end: (check: Check, index: number, found: readonly Finding[]): void => {
      underWay.delete(check);
      findings[index] = found;
      for (; findings[shown] !== undefined; shown += 1) {
        const { group } = checks[shown] ?? { group: '' };
        if (group !== checks[shown - 1]?.group) {
          terminal.print(`${shown === 0 ? '' : '\n'}${terminal.paint('bold', plain(group))}`);
        }
        for (const finding of findings[shown] ?? [])
          for (const line of showFinding(finding, terminal)) terminal.print(line);
      }
    },
    close: (): void => {
      clearInterval(timer);
      terminal.draw([]);
      terminal.settle();
    },
  };
};

const summarise = (findings: readonly Finding[], { paint }: Terminal): string => {
  const count = (mark: Finding['mark']): number => findings.filter((each) => each.mark === mark).length;
  const [bad, warned, blind] = [count('wrong'), count('warning'), count('skipped')];
  const parts = [
    ...(bad > 0 ? [paint('red', `${bad} wrong`)] : []),
    ...(warned > 0 ? [paint('yellow', `${warned} to know`)] : []),
    ...(blind > 0 ? [`${blind} not looked at`] : []),
  ];
  return parts.length === 0 ? paint('green', '✓ Nothing is wrong.') : `${parts.join(', ')}, ${count('ok')} well.`;
};

/** Checks everything that can be wrong. @returns the exit code */
export const doctor = async (options: DoctorOptions, context: CommandContext, terminal: Terminal): Promise<number> => {
  const { json: isJson = false } = options;
  const { interrupted } = context;
  const checks = await allChecks(readCaller(options, interruptible(context)), context);
  const view = isJson ? undefined : createView(checks, terminal);
  const found = await mapConcurrent([...checks.entries()], maxChecksAtOnce, async ([index, check]) => {
    if (interrupted.aborted) return [];
    view?.begin(check);
    const findings = await examine(check);
    if (!interrupted.aborted) view?.end(check, index, findings);
    return findings;
  });
  view?.close();
  if (interrupted.aborted) return exitCodes.interrupted;
  const findings = found.flat();
  const isGood = findings.every(({ mark }) => mark !== 'wrong');
  if (isJson) {
    const listed = checks.flatMap(({ group, title }, index) =>
      (found[index] ?? []).map((finding) => ({ group, title, ...finding })),
    );
    terminal.print(JSON.stringify({ version: 1, isGood, findings: listed }, undefined, 2));
  } else {
    terminal.print(`\n${summarise(findings, terminal)}`);
  }
  return isGood ? exitCodes.well : exitCodes.trouble;
};
