import * as z from 'zod/mini';
import { boundedText } from '../bounded-text.ts';
import type { Settings } from '../env.ts';
import { givenIdSchema, maxNameBytes } from './bounds.ts';
import { type RunpodClient, under } from './client.ts';

const submittedSchema = z.object({ id: givenIdSchema });
const statusSchema = z.object({
  /** IN_QUEUE, IN_PROGRESS, COMPLETED, FAILED, CANCELLED or TIMED_OUT; others may come. */
  status: boundedText(64),
  workerId: z.optional(z.nullable(boundedText(maxNameBytes))),
});
/** Where a job stands. */
type JobStatus = z.output<typeof statusSchema>;

/** Runpod's run-time API, as far as a canary needs it. */
export interface RunpodJobs {
  /** Submits a job that Runpod forgets after `ttlMs`, run or not. Never call it again for a job that may be there. */
  submit(endpointId: string, input: Record<string, unknown>, ttlMs: number): Promise<string>;
  status(endpointId: string, jobId: string): Promise<JobStatus>;
  cancel(endpointId: string, jobId: string): Promise<void>;
}

export const createRunpodJobs = (
  client: RunpodClient,
  { RUNPOD_JOBS_URL: jobs }: Pick<Settings, 'RUNPOD_JOBS_URL'>,
): RunpodJobs => ({
  async submit(endpointId, input, ttlMs) {
    const call = {
      what: `run a canary job on endpoint ${endpointId}`,
      method: 'POST' as const,
      url: under(jobs, endpointId, 'run'),
      body: { input, policy: { executionTimeout: ttlMs, ttl: ttlMs } },
      scope: 'for running jobs',
    };
    return (await client.ask(call, submittedSchema)).id;
  },

  status: (endpointId, jobId) =>
    client.ask(
      {
        what: `show job ${jobId} of endpoint ${endpointId}`,
        url: under(jobs, endpointId, 'status', jobId),
        scope: 'for reading serverless endpoints',
      },
      statusSchema,
    ),

  async cancel(endpointId, jobId) {
    const call = {
      what: `cancel job ${jobId} of endpoint ${endpointId}`,
      method: 'POST' as const,
      url: under(jobs, endpointId, 'cancel', jobId),
      scope: 'for running jobs',
    };
    await client.ask(call, z.unknown());
  },
});
