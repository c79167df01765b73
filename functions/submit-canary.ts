import * as z from 'zod/mini';
import { type BasePlatform, isoSeconds, lambda, type Platform, parseInput } from './lib/platform.ts';
import { canaryMs, canaryTimeToLiveMs } from './lib/runpod/canary.ts';
import { runpodBy } from './lib/runpod/connect.ts';
import { createRunpodJobs, type RunpodJobs } from './lib/runpod/jobs.ts';
import { createPace } from './lib/runpod/pace.ts';
import { createLoadTargets, type LoadTargets, targetOf } from './lib/targets.ts';

/** What submit-canary needs from outside. */
interface SubmitCanaryDeps {
  readonly loadTargets: LoadTargets;
  readonly jobsFor: (keySource: string) => RunpodJobs;
  readonly now: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Requests a minute that one Runpod key may make. */
  readonly requestsPerMinute: number;
}

const inputSchema = z.object({ target: z.object({ name: z.string(), runpod: z.object({ apiKey: z.string() }) }) });

/** The job to follow and when to stop following it (ISO 8601), or the name of the error that kept it from being submitted. */
type SubmittedCanary =
  | { readonly endpoint: string; readonly jobId: string; readonly giveUpAt: string }
  | { readonly endpoint: string; readonly Error: string };

/** More would not fit a state beside what else a run knows, and cost more than a check is worth. */
const maxCanaries = 100;
const requestsAtOnce = 10;
/** No job is submitted later than this, so that all that were are known. */
export const maxSubmitMs = 120_000;

/**
 * Submits one job to each endpoint of a target that asked for it, so that a worker has to start. The machine calls this
 * once and never retries it: a job that was submitted without our knowing ends by its time-to-live.
 *
 * @throws {ConfigurationError} the target left targets.yml after the run began
 */
export const createSubmitCanary =
  ({ loadTargets, jobsFor, now, sleep, requestsPerMinute }: SubmitCanaryDeps) =>
  async (event: unknown): Promise<readonly SubmittedCanary[]> => {
    const { target } = parseInput('submit-canary', inputSchema, event);
    const jobs = jobsFor(target.runpod.apiKey);
    const pace = createPace({ now, sleep }, requestsPerMinute, requestsAtOnce);
    const endBy = now() + maxSubmitMs;
    const submitted: SubmittedCanary[] = [];
    for (const { id, canary } of targetOf(loadTargets, target.name).endpoints ?? []) {
      if (canary === undefined || submitted.length === maxCanaries || now() >= endBy) continue;
      await pace();
      try {
        const jobId = await jobs.submit(id, canary.input, canaryTimeToLiveMs);
        submitted.push({ endpoint: id, jobId, giveUpAt: isoSeconds(now() + canaryMs) });
      } catch (error) {
        submitted.push({ endpoint: id, Error: error instanceof Error ? error.name : 'Error' });
      }
    }
    return submitted;
  };

export const buildSubmitCanary = (platform: BasePlatform & Pick<Platform, 'loadTargets'>) =>
  createSubmitCanary({
    ...platform,
    jobsFor: runpodBy(platform, createRunpodJobs),
    requestsPerMinute: platform.settings.RUNPOD_REQUESTS_PER_MINUTE,
  });

export const handler = lambda('submit-canary', (platform) =>
  buildSubmitCanary({ ...platform, loadTargets: createLoadTargets(platform.settings) }),
);
