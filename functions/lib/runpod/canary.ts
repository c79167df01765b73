import * as z from 'zod/mini';
import { defined } from '../defined.ts';
import { moment } from '../platform.ts';
import type { CanaryView } from './endpoint-proof.ts';
import type { RunpodJobs } from './jobs.ts';

/** How long a canary is followed: enough for a cold start of a large image, and little to pay when it is forgotten. */
export const canaryMs = 10 * 60_000;

/** A job that nobody cancels ends by itself, later than a check would cancel it. */
export const canaryTimeToLiveMs = canaryMs + 3 * 60_000;

/** A canary as the state machine knows it: the job, why there is none although one was asked for, or `{}`. */
export const canarySchema = z.object({
  jobId: z.optional(z.string()),
  giveUpAt: z.optional(moment),
  /** The error that kept it from being submitted. */
  Error: z.optional(z.string()),
});

const jobStates: Readonly<Record<string, CanaryView['state']>> = {
  COMPLETED: 'completed',
  FAILED: 'failed',
  CANCELLED: 'failed',
  TIMED_OUT: 'failed',
};

/** Follows a canary to its end, and cancels it when its time is up. */
export const checkCanary = async (
  jobs: RunpodJobs,
  endpointId: string,
  { jobId, giveUpAt, Error: notSubmitted }: z.output<typeof canarySchema>,
  now: number,
): Promise<CanaryView | undefined> => {
  if (notSubmitted !== undefined) return { state: 'failed', clause: `it could not be submitted (${notSubmitted})` };
  if (jobId === undefined || giveUpAt === undefined) return undefined;
  const { status, workerId } = await jobs.status(endpointId, jobId);
  const clause = `job ${jobId} is ${status}${workerId ? ` on worker ${workerId}` : ''}`;
  const state = jobStates[status] ?? 'running';
  const view = defined({ state, clause, workerId: workerId ?? undefined });
  if (state !== 'running' || now < giveUpAt) return view;
  await jobs.cancel(endpointId, jobId);
  return { ...view, state: 'failed', clause: `${clause} after its time was up, and was cancelled` };
};
