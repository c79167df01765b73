import * as z from 'zod/mini';
import { triedImagesSchema } from './lib/ecr/tried-images.ts';
import { type BasePlatform, lambda, moment, type Platform, parseInput } from './lib/platform.ts';
import { canariesSchema } from './lib/runpod/canary.ts';
import { runpodBy } from './lib/runpod/connect.ts';
import { createRunpodJobs } from './lib/runpod/jobs.ts';
import type { WatchedRunpod } from './lib/runpod/look.ts';
import { lookAtAll } from './lib/runpod/look-at-all.ts';
import { createRunpodManagement } from './lib/runpod/management.ts';
import { createPace } from './lib/runpod/pace.ts';
import { type Watch, watchSoFarSchema } from './lib/runpod/watch.ts';
import { createReadWorkerLog } from './lib/runpod/worker-log.ts';
import { createLoadTargets, type LoadTargets, targetOf } from './lib/targets.ts';

/** What verify-endpoint-pull needs from outside. */
interface VerifyEndpointPullDeps {
  readonly loadTargets: LoadTargets;
  readonly runpodFor: (keySource: string) => WatchedRunpod;
  readonly now: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Milliseconds Runpod may take to hand a new password to its hosts. */
  readonly propagationMs: number;
  /** Requests a minute that one Runpod key may make. */
  readonly requestsPerMinute: number;
}

const inputSchema = z.object({
  target: z.object({ name: z.string(), runpod: z.object({ apiKey: z.string(), registry: z.string() }) }),
  registry: z.string(),
  images: triedImagesSchema,
  storedAt: moment,
  canaries: canariesSchema,
  before: watchSoFarSchema,
});

/** So many requests may be made at once, by the first look of a run: few endpoints are then told of soon. */
const requestsAtOnce = 45;
/** About as many the run has made just before: for the credential, three lists, and the update in one or two APIs. */
const requestsMade = 6;

/**
 * Looks once at all of a target's endpoints, or as many as its time allows: how do their workers fare with the stored
 * token? What has not settled is looked at again, and that alone.
 *
 * @throws {RunpodUnavailableError | RunpodRateLimitedError | RunpodUnauthorizedError} the endpoints could not be listed
 */
export const createVerifyEndpointPull =
  ({ loadTargets, runpodFor, now, sleep, propagationMs, requestsPerMinute }: VerifyEndpointPullDeps) =>
  async (event: unknown): Promise<Watch> => {
    const { target, ...run } = parseInput('verify-endpoint-pull', inputSchema, event);
    const pace =
      run.before === undefined
        ? createPace({ now, sleep }, requestsPerMinute, requestsAtOnce, requestsMade)
        : createPace({ now, sleep }, requestsPerMinute, 0);
    const runpod = runpodFor(target.runpod.apiKey);
    await pace();
    const all = await runpod.management.listEndpoints();
    return lookAtAll(
      runpod,
      { ...run, target: { ...targetOf(loadTargets, target.name), runpod: target.runpod }, all, propagationMs },
      { now, pace },
    );
  };

export const buildVerifyEndpointPull = (platform: BasePlatform & Pick<Platform, 'loadTargets'>) =>
  createVerifyEndpointPull({
    ...platform,
    runpodFor: runpodBy(platform, (client, settings) => ({
      management: createRunpodManagement(client, settings),
      readWorkerLog: createReadWorkerLog(client, settings),
      jobs: createRunpodJobs(client, settings),
    })),
    propagationMs: platform.settings.PROPAGATION_MINUTES * 60_000,
    requestsPerMinute: platform.settings.RUNPOD_REQUESTS_PER_MINUTE,
  });

export const handler = lambda('verify-endpoint-pull', (platform) =>
  buildVerifyEndpointPull({ ...platform, loadTargets: createLoadTargets(platform.settings) }),
);
