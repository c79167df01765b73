import * as z from 'zod/mini';
import { type BasePlatform, isoSeconds, lambda, parseInput } from './lib/platform.ts';
import { canaryMs, canaryTimeToLiveMs } from './lib/runpod/canary.ts';
import { connectRunpod } from './lib/runpod/connect.ts';
import { createRunpodJobs, type RunpodJobs } from './lib/runpod/jobs.ts';

/** What submit-canary needs from outside. */
interface SubmitCanaryDeps {
  readonly jobsFor: (keySource: string) => RunpodJobs;
  readonly now: () => number;
}

const inputSchema = z.object({
  target: z.object({ runpod: z.object({ apiKey: z.string() }) }),
  endpoint: z.object({ id: z.string(), canary: z.object({ input: z.record(z.string(), z.unknown()) }) }),
});

/** The job to follow, and when to stop following it (ISO 8601). */
interface SubmitCanaryOutput {
  readonly jobId: string;
  readonly giveUpAt: string;
}

/**
 * Submits one job to an endpoint that asked for it, so that a worker has to start. The machine calls this once and never
 * retries it: a job that was submitted without our knowing ends by its time-to-live.
 *
 * @throws {RunpodUnavailableError | RunpodRateLimitedError | RunpodUnauthorizedError | RunpodRequestRejectedError}
 */
const createSubmitCanary =
  ({ jobsFor, now }: SubmitCanaryDeps) =>
  async (event: unknown): Promise<SubmitCanaryOutput> => {
    const { target, endpoint } = parseInput('submit-canary', inputSchema, event);
    const jobId = await jobsFor(target.runpod.apiKey).submit(endpoint.id, endpoint.canary.input, canaryTimeToLiveMs);
    return { jobId, giveUpAt: isoSeconds(now() + canaryMs) };
  };

export const buildSubmitCanary = (platform: BasePlatform) => {
  const connect = connectRunpod(platform);
  return createSubmitCanary({
    jobsFor: (keySource) => createRunpodJobs(connect(keySource), platform.settings),
    now: platform.now,
  });
};

export const handler = lambda('submit-canary', buildSubmitCanary);
