import { mapConcurrent } from '../map-concurrent.ts';
import { type Alert, knownAfter } from '../report/alerts.ts';
import type { Outcome } from '../report/outcome.ts';
import type { Report } from '../report/report.ts';
import type { Memory } from './memory.ts';
import { rememberRun, type TargetMemories, type TargetMemory, targetForm } from './target-memory.ts';

/** DynamoDB answers in some ten milliseconds: a thousand targets take about a second. */
const maxAtOnce = 32;

/** What people know of a target now. */
const notifiedOf = (
  outcome: Outcome,
  before: TargetMemory | undefined,
  alerts: readonly Alert[],
): TargetMemory['notified'] =>
  knownAfter(
    outcome,
    before,
    alerts.find(({ kind, target }) => kind !== 'rollout' && kind !== 'left' && target === outcome.target),
  );

/** A scheduled run concerns all the targets there are: what is remembered of others is of targets that have gone. */
const isGone = ({ trigger, targets }: Report, name: string): boolean =>
  trigger === 'schedule' && targets.length > 0 && !targets.some(({ target }) => target === name);

/** What would be remembered after a run, for whoever cannot write it down. */
export const foldReport = (report: Report, memories: TargetMemories, alerts: readonly Alert[]): TargetMemories => {
  const kept = [...memories].filter(([name]) => !isGone(report, name));
  return new Map([
    ...kept,
    ...report.targets.map((outcome) => {
      const before = memories.get(outcome.target);
      return [outcome.target, rememberRun(before, outcome, report, notifiedOf(outcome, before, alerts))] as const;
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
): Promise<TargetMemories> => {
  const gone = [...memories.keys()].filter((name) => isGone(report, name));
  const written = await mapConcurrent(report.targets, maxAtOnce, async (outcome) => {
    const { target } = outcome;
    const after = (before: TargetMemory | undefined): TargetMemory =>
      rememberRun(before, outcome, report, notifiedOf(outcome, memories.get(target) ?? before, alerts));
    return [target, (await memory.change(targetForm, target, after)) ?? after(undefined)] as const;
  });
  await mapConcurrent(gone, maxAtOnce, (name) => memory.forget('target', name));
  return new Map([...[...memories].filter(([name]) => !gone.includes(name)), ...written]);
};
