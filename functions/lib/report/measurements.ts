import { heldUntil, type TargetMemories } from '../memory/target-memory.ts';
import type { Meter, MetricName } from '../platform.ts';
import { finalProofs } from './outcome.ts';
import type { Report } from './report.ts';

const metricOfProof = {
  observed: 'EndpointsObserved',
  tested: 'EndpointsTested',
  degraded: 'EndpointsDegraded',
  failed: 'EndpointsFailed',
} as const satisfies Record<(typeof finalProofs)[number], MetricName>;

/**
 * That a scheduled run of all targets came to its report, which the dead-man's switch listens for, and what the run saw of
 * its endpoints. The point stands at the run's start: tokens end 12 hours after that at the earliest, however long the run
 * has waited since.
 */
export const measureRun = (meter: Meter, { targets, trigger, startedAt }: Report, concernsAll: boolean): void => {
  if (trigger === 'schedule' && concernsAll) meter.add('ScheduledRunsReported', 1, {}, Date.parse(startedAt));
  for (const proof of finalProofs) {
    meter.add(
      metricOfProof[proof],
      targets.reduce((sum, { proofs }) => sum + (proofs[proof] ?? 0), 0),
    );
  }
};

/**
 * How long pulls keep working: of the target whose token ends first, whatever targets the run concerned, and of each where
 * each has an alarm of its own. None on record counts as none left, but of a target of which no run is on record.
 */
export const measureTokens = (meter: Meter, memories: TargetMemories, now: number, hasTargetAlarms: boolean): void => {
  const known = [...memories].filter(([, memory]) => memory.last !== undefined || heldUntil(memory) !== undefined);
  const left = known.map(([target, memory]) => {
    const seconds = Math.max(0, ((heldUntil(memory) ?? now) - now) / 1000);
    if (hasTargetAlarms) meter.add('TargetTokenSecondsLeft', seconds, { Target: target });
    return seconds;
  });
  if (left.length > 0) meter.add('TokenSecondsLeft', Math.min(...left));
};
