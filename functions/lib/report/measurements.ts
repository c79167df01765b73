import type { Meter, MetricName } from '../platform.ts';
import { goodUntil } from './alerts.ts';
import { finalProofs } from './outcome.ts';
import type { Report } from './report.ts';

const metricOfProof = {
  observed: 'EndpointsObserved',
  tested: 'EndpointsTested',
  degraded: 'EndpointsDegraded',
  failed: 'EndpointsFailed',
} as const satisfies Record<(typeof finalProofs)[number], MetricName>;

/** What became of a run's targets and endpoints, and how long it took. */
export const measureRun = (meter: Meter, { targets, startedAt, endedAt }: Report): void => {
  const refreshed = targets.filter((each) => each.refreshed);
  meter.add('TargetsRefreshed', refreshed.length);
  meter.add('TargetsFailed', targets.length - refreshed.length);
  meter.add('RefreshSeconds', (Date.parse(endedAt) - Date.parse(startedAt)) / 1000);
  for (const proof of finalProofs) {
    meter.add(
      metricOfProof[proof],
      targets.reduce((sum, { proofs }) => sum + (proofs[proof] ?? 0), 0),
    );
  }
};

/** How long pulls keep working: of each target, and of the one that ends first. None on record counts as none left. */
export const measureTokens = (meter: Meter, report: Report, earlier: readonly Report[], now: number): void => {
  const left = report.targets.map(({ target }) => {
    const seconds = Math.max(0, ((goodUntil(target, [report, ...earlier]) ?? now) - now) / 1000);
    meter.add('TargetTokenSecondsLeft', seconds, { Target: target });
    return seconds;
  });
  if (left.length > 0) meter.add('TokenSecondsLeft', Math.min(...left));
};
