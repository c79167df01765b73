import * as z from 'zod/mini';
import { messageOfCause } from './conclude-target.ts';
import { isoSeconds, lambda, type MetricName, moment, type Platform, parseInput } from './lib/platform.ts';
import { finalProofs, type Outcome, outcomeSchema } from './lib/report/outcome.ts';
import type { Report } from './lib/report/report.ts';

/** What report needs from outside. */
export interface ReportDeps {
  readonly now: () => number;
  readonly meter: Platform['meter'];
}

const inputSchema = z.object({
  execution: z.string(),
  startedAt: moment,
  run: z.object({
    resolved: z.optional(z.object({ trigger: z.string(), names: z.array(z.string()), outcomes: z.array(z.unknown()) })),
    failure: z.optional(z.object({ Error: z.string(), Cause: z.optional(z.string()) })),
  }),
});

/** How the execution is to end. */
export interface Verdict {
  readonly outcome: 'succeeded' | 'failed';
  /** The error to end with: the first failed target's own. Empty where the run succeeded. */
  readonly error: string;
  readonly cause: string;
}

/** The run's report, and how the execution is to end. */
export interface ReportOutput {
  readonly report: Report;
  readonly verdict: Verdict;
}

/** A target whose workflow ended without an answer: it crashed, or ran out of time. */
const lost = (target: string): Outcome => ({
  target,
  refreshed: false,
  error: {
    name: 'TargetLostError',
    message: 'Its workflow ended without an answer. Open the execution and look at the failed child of RefreshTargets.',
  },
  proofs: {},
  endpoints: [],
});

const failureOf = ({ target, error, refreshed, proofs, endpoints }: Outcome): Omit<Verdict, 'outcome'> | undefined => {
  if (!refreshed) {
    const { name, message } = error ?? { name: 'TargetLostError', message: 'No token was stored.' };
    return { error: name, cause: `${target}: ${message}` };
  }
  const failed = proofs.failed ?? 0;
  if (failed === 0) return undefined;
  const first = endpoints.find(({ proof }) => proof === 'failed');
  const detail = first === undefined ? '' : ` ${first.endpoint}: ${first.evidence ?? first.reason}`;
  return {
    error: 'EndpointNotPullingError',
    cause: `${target}: a new token is stored, but ${failed} of its endpoints cannot pull.${detail}`,
  };
};

const judge = (
  targets: readonly Outcome[],
  failure: { Error: string; Cause?: string | undefined } | undefined,
): Verdict => {
  const failures = targets.map(failureOf).filter((each) => each !== undefined);
  const [first] = failures;
  if (first !== undefined) {
    const more = failures.length > 1 ? ` So do ${failures.length - 1} more of ${targets.length} targets.` : '';
    return { outcome: 'failed', error: first.error, cause: `${first.cause}${more}` };
  }
  if (failure !== undefined) {
    return { outcome: 'failed', error: failure.Error, cause: messageOfCause(failure.Cause ?? '') };
  }
  return { outcome: 'succeeded', error: '', cause: '' };
};

const metricOfProof = {
  observed: 'EndpointsObserved',
  tested: 'EndpointsTested',
  degraded: 'EndpointsDegraded',
  failed: 'EndpointsFailed',
} as const satisfies Record<(typeof finalProofs)[number], MetricName>;

const measure = (meter: Platform['meter'], { targets, startedAt, endedAt }: Report): void => {
  const endedMs = Date.parse(endedAt);
  const refreshed = targets.filter((each) => each.refreshed);
  meter.add('TargetsRefreshed', refreshed.length);
  meter.add('TargetsFailed', targets.length - refreshed.length);
  meter.add('RefreshSeconds', (endedMs - Date.parse(startedAt)) / 1000);
  for (const proof of finalProofs) {
    meter.add(
      metricOfProof[proof],
      targets.reduce((sum, { proofs }) => sum + (proofs[proof] ?? 0), 0),
    );
  }
};

/**
 * Sums a run up in one document, and decides whether it succeeded: a run fails when a token was not stored or an
 * endpoint cannot pull. A target that no child answered for counts as failed, however the Map state takes it.
 */
export const createReport =
  ({ now, meter }: ReportDeps) =>
  async (event: unknown): Promise<ReportOutput> => {
    const { execution, startedAt, run } = parseInput('report', inputSchema, event);
    const answered = new Map<string, Outcome>();
    for (const outcome of run.resolved?.outcomes ?? []) {
      const parsed = z.safeParse(outcomeSchema, outcome);
      if (parsed.success) answered.set(parsed.data.target, parsed.data);
    }
    const targets = (run.resolved?.names ?? []).map((name) => answered.get(name) ?? lost(name));
    const verdict = judge(targets, run.failure);
    const report: Report = {
      version: 1,
      execution,
      trigger: run.resolved?.trigger ?? 'manual',
      startedAt: isoSeconds(startedAt),
      endedAt: isoSeconds(now()),
      outcome: verdict.outcome,
      ...(verdict.outcome === 'failed' ? { error: { name: verdict.error, message: verdict.cause } } : {}),
      targets,
    };
    measure(meter, report);
    return { report, verdict };
  };

export const buildReport = ({ now, meter }: Platform) => createReport({ now, meter });

export const handler = lambda('report', buildReport);
