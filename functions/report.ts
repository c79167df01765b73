import * as z from 'zod/mini';
import { defined } from './lib/defined.ts';
import { isoSeconds, lambda, moment, type Platform, parseInput } from './lib/platform.ts';
import { failureSchema } from './lib/report/cause.ts';
import { measureRun } from './lib/report/measurements.ts';
import { type Outcome, outcomeSchema } from './lib/report/outcome.ts';
import type { Report } from './lib/report/report.ts';
import { judgeRun, lostTarget, type RunVerdict } from './lib/report/verdict.ts';

const inputSchema = z.object({
  execution: z.string(),
  startedAt: moment,
  run: z.object({
    resolved: z.optional(
      z.object({
        trigger: z.string(),
        names: z.array(z.string()),
        outcomes: z.array(z.unknown()),
        concernsAll: z.optional(z.boolean()),
      }),
    ),
    failure: z.optional(failureSchema),
  }),
});

/** The run's report, and how the execution is to end. */
interface ReportOutput {
  readonly report: Report;
  readonly verdict: RunVerdict;
}

/**
 * Sums a run up in one document, and decides whether it succeeded. A target that no child answered for counts as failed,
 * however the Map state takes it.
 */
export const createReport =
  ({ now, meter }: Pick<Platform, 'now' | 'meter'>) =>
  async (event: unknown): Promise<ReportOutput> => {
    const { execution, startedAt, run } = parseInput('report', inputSchema, event);
    const answered = new Map<string, Outcome>();
    for (const outcome of run.resolved?.outcomes ?? []) {
      const parsed = z.safeParse(outcomeSchema, outcome);
      if (parsed.success) answered.set(parsed.data.target, parsed.data);
    }
    const targets = (run.resolved?.names ?? []).map((name) => answered.get(name) ?? lostTarget(name));
    const verdict = judgeRun(targets, run.failure);
    const report: Report = defined({
      version: 1 as const,
      execution,
      trigger: run.resolved?.trigger ?? 'manual',
      startedAt: isoSeconds(startedAt),
      endedAt: isoSeconds(now()),
      outcome: verdict.outcome,
      error: verdict.outcome === 'failed' ? { name: verdict.error, message: verdict.cause } : undefined,
      targets,
    });
    measureRun(meter, report, run.resolved?.concernsAll === true);
    return { report, verdict };
  };

export const buildReport = ({ now, meter }: Pick<Platform, 'now' | 'meter'>) => createReport({ now, meter });

export const handler = lambda('report', buildReport);
