import * as z from 'zod/mini';
import { defined } from '../defined.ts';
import { moment } from '../platform.ts';
import type { CanaryView } from './endpoint-proof.ts';
import type { RunpodJobs } from './jobs.ts';

/** How long a canary is followed: enough for a cold start of a large image, and little to pay when it is forgotten. */
export const canaryMs = 10 * 60_000;

/** A job that nobody cancels ends by itself, later than a check would cancel it. */
export const canaryTimeToLiveMs = canaryMs + 3 * 60_000;

/** A canary of an endpoint: the job, or why there is none. */
const canaryJobSchema = z.object({
  endpoint: z.string(),
  jobId: z.optional(z.string()),
  giveUpAt: z.optional(moment),
  /** The name of the error that kept it from being submitted. */
  Error: z.optional(z.string()),
});
export type CanaryJob = z.output<typeof canaryJobSchema>;

/** The canaries of a target's endpoints, or how submitting them failed. */
export const canariesSchema = z.union([z.array(canaryJobSchema), z.object({ Error: z.string() })]);

/** The canary of an endpoint that asked for one. */
export const canaryOf = (canaries: z.output<typeof canariesSchema>, endpoint: string): CanaryJob => {
  if (!Array.isArray(canaries)) return { endpoint, Error: canaries.Error };
  return canaries.find((each) => each.endpoint === endpoint) ?? { endpoint, Error: 'it was not its turn in time' };
};

const jobStates: Readonly<Record<string, CanaryView['state']>> = {
  COMPLETED: 'completed',
  FAILED: 'failed',
  CANCELLED: 'failed',
  TIMED_OUT: 'failed',
};

/** Follows a canary to its end, and cancels it when its time is up. */
export const checkCanary = async (
  jobs: RunpodJobs,
  { endpoint, jobId, giveUpAt, Error: notSubmitted }: CanaryJob,
  now: number,
): Promise<CanaryView | undefined> => {
  if (notSubmitted !== undefined) return { state: 'failed', clause: `it could not be submitted (${notSubmitted})` };
  if (jobId === undefined || giveUpAt === undefined) return undefined;
  const { status, workerId } = await jobs.status(endpoint, jobId);
  const clause = `job ${jobId} is ${status}${workerId ? ` on worker ${workerId}` : ''}`;
  const state = jobStates[status] ?? 'running';
  const view = defined({ state, clause, workerId: workerId ?? undefined });
  if (state !== 'running' || now < giveUpAt) return view;
  await jobs.cancel(endpoint, jobId);
  return { ...view, state: 'failed', clause: `${clause} after its time was up, and was cancelled` };
};
