import * as z from 'zod/mini';
import { outcomeSchema } from './outcome.ts';

/** The report of a run: the execution's output. Times are ISO 8601. See docs/report.md. */
export const reportSchema = z.object({
  version: z.literal(1),
  /** The execution's ARN. */
  execution: z.string(),
  /** What started the run: schedule, push, deploy or manual. */
  trigger: z.string(),
  startedAt: z.string(),
  endedAt: z.string(),
  outcome: z.enum(['succeeded', 'failed']),
  /** Why it failed, as the execution's Error and Cause. */
  error: z.optional(z.object({ name: z.string(), message: z.string() })),
  targets: z.array(outcomeSchema),
});
export type Report = z.output<typeof reportSchema>;
