import { defined } from '../defined.ts';
import { MemoryUnavailableError } from '../errors.ts';
import { mapConcurrent } from '../map-concurrent.ts';
import { type Alert, knownAfter } from '../report/alerts.ts';
import type { Outcome } from '../report/outcome.ts';
import type { Report } from '../report/report.ts';
import type { Memory } from './memory.ts';
import { rememberRun, type TargetMemories, type TargetMemory, targetForm } from './target-memory.ts';

/** DynamoDB answers in some ten milliseconds: a thousand targets take about a second. */
const maxAtOnce = 32;
/** A table that is slower is not waited for: people are told, and what they were told stands in the parameter as well. */
const maxMs = 20_000;

/** The alert about a target's trouble, or its end. */
export const toldOf = (alerts: readonly Alert[], name: string): Alert | undefined =>
  alerts.find(({ kind, target }) => kind !== 'rollout' && kind !== 'left' && target === name);

/**
 * What is remembered of a target after a run.
 *
 * @param before what is remembered of it now
 * @param known what was, when people were told
 */
const fold = (
  before: TargetMemory | undefined,
  known: TargetMemory | undefined,
  outcome: Outcome,
  report: Report,
  alerts: readonly Alert[],
): TargetMemory => {
  const told = toldOf(alerts, outcome.target);
  const memory = rememberRun(before, outcome, report);
  // Of two runs that overlap, the one that ended last has the last word; but what was told is known.
  const hasLastWord = told !== undefined || memory.last?.execution === report.execution;
  return defined({ ...memory, notified: hasLastWord ? knownAfter(outcome, known, told) : before?.notified });
};

/** A scheduled run concerns all the targets there are: what is remembered of others is of targets that have gone. */
export const isGone = ({ trigger, targets }: Report, name: string): boolean =>
  trigger === 'schedule' && targets.length > 0 && !targets.some(({ target }) => target === name);

/** What would be remembered after a run, for whoever cannot write it down. */
export const foldReport = (report: Report, memories: TargetMemories, alerts: readonly Alert[]): TargetMemories => {
  const kept = [...memories].filter(([name]) => !isGone(report, name));
  return new Map([
    ...kept,
    ...report.targets.map((outcome) => {
      const before = memories.get(outcome.target);
      return [outcome.target, fold(before, before, outcome, report, alerts)] as const;
    }),
  ]);
};

/**
 * Remembers what a run came to and what people were told of it.
 *
 * @param memories what was remembered of all targets before
 * @param alerts what people were told
 * @returns what is remembered of all targets now
 * @throws {MemoryUnavailableError}
 */
export const rememberReport = async (
  memory: Memory,
  report: Report,
  memories: TargetMemories,
  alerts: readonly Alert[],
  now: () => number,
): Promise<TargetMemories> => {
  const giveUpAt = now() + maxMs;
  const gone = [...memories.keys()].filter((name) => isGone(report, name));
  const written = await mapConcurrent(report.targets, maxAtOnce, async (outcome) => {
    const { target } = outcome;
    if (now() > giveUpAt)
      throw new MemoryUnavailableError(`DynamoDB took more than ${maxMs / 1000} s to remember a run.`);
    const after = (before: TargetMemory | undefined): TargetMemory =>
      fold(before, memories.get(target) ?? before, outcome, report, alerts);
    return [target, (await memory.change(targetForm, target, after)) ?? after(undefined)] as const;
  });
  await mapConcurrent(gone, maxAtOnce, (name) => memory.forget('target', name));
  return new Map([...[...memories].filter(([name]) => !gone.includes(name)), ...written]);
};
