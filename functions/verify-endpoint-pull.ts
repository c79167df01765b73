import * as z from 'zod/mini';
import { cutToBytes } from './lib/bounded-text.ts';
import { defined } from './lib/defined.ts';
import { type BasePlatform, lambda, moment, parseInput } from './lib/platform.ts';
import { type EndpointProof, type ImageRecord, imageRecordSchema } from './lib/report/outcome.ts';
import { canarySchema, checkCanary } from './lib/runpod/canary.ts';
import { connectRunpod } from './lib/runpod/connect.ts';
import { type EndpointView, judgeEndpoint, nextCheck } from './lib/runpod/endpoint-proof.ts';
import { createRunpodJobs, type RunpodJobs } from './lib/runpod/jobs.ts';
import { createRunpodManagement, type RunpodManagement } from './lib/runpod/management.ts';
import { chooseWorkers, withLogs } from './lib/runpod/watch-workers.ts';
import { createReadWorkerLog, type ReadWorkerLog } from './lib/runpod/worker-log.ts';

/** What verify-endpoint-pull needs from outside. */
interface VerifyEndpointPullDeps {
  readonly runpodFor: (keySource: string) => {
    readonly management: RunpodManagement;
    readonly readWorkerLog: ReadWorkerLog;
    readonly jobs: RunpodJobs;
  };
  readonly now: () => number;
  /** Milliseconds Runpod may take to hand a new password to its hosts. */
  readonly propagationMs: number;
}

const inputSchema = z.object({
  target: z.object({ runpod: z.object({ apiKey: z.string(), registry: z.string() }) }),
  endpoint: z.object({ id: z.string(), isNamed: z.boolean() }),
  registry: z.string(),
  images: z.array(imageRecordSchema),
  storedAt: moment,
  /** The last check's answer: a worker it was waiting for is checked again, whatever became of it. */
  before: z.object({ watching: z.optional(z.array(z.string())) }),
  canary: canarySchema,
});

/** What this check came to, and while it is `pending`, when to check again. */
interface VerifyEndpointPullOutput extends EndpointProof {
  readonly recheckAfterSeconds?: number;
  /** The workers to check again. */
  readonly watching?: readonly string[];
}

/** A hundred endpoints at their longest fit a state, together with their images. */
const maxEvidenceBytes = 600;
const maxLineBytes = 300;

/** What trying an image came to. An endpoint's may have changed during the run: only what this token pulled is proven. */
const triedImage = (images: readonly ImageRecord[], image: string | undefined): EndpointView['image'] => {
  const tried = images.find((each) => each.image === image);
  if (tried?.problem !== undefined) return { problem: tried.problem, isPassing: tried.isPassing ?? false };
  return tried?.digest === undefined ? undefined : { digest: tried.digest };
};

/**
 * Checks once how an endpoint's workers fare with the stored token. "Not yet" is an answer: the machine waits and asks
 * again.
 *
 * @throws {RunpodUnavailableError | RunpodRateLimitedError | RunpodUnauthorizedError} it could not check
 */
export const createVerifyEndpointPull =
  ({ runpodFor, now, propagationMs }: VerifyEndpointPullDeps) =>
  async (event: unknown): Promise<VerifyEndpointPullOutput> => {
    const input = parseInput('verify-endpoint-pull', inputSchema, event);
    const { storedAt } = input;
    const { id, isNamed } = input.endpoint;
    const { management, readWorkerLog, jobs } = runpodFor(input.target.runpod.apiKey);

    const endpoint = await management.getEndpoint(id);
    const workers = endpoint === undefined ? [] : await management.listWorkers(id);
    const watched = chooseWorkers(workers, input.before.watching ?? [], storedAt);
    const view: EndpointView = {
      endpoint,
      endpointId: id,
      isNamed,
      credentialId: input.target.runpod.registry,
      registry: input.registry,
      image: triedImage(input.images, endpoint?.image),
      workers: await withLogs(workers, watched, (workerId) => readWorkerLog(id, workerId, storedAt)),
      canary: await checkCanary(jobs, id, input.canary, now()),
      storedAt,
      now: now(),
      propagationMs,
    };
    const verdict = judgeEndpoint(view);
    const isPending = verdict.proof === 'pending';
    return defined({
      endpoint: id,
      ...verdict,
      evidence: cutToBytes(verdict.evidence, maxEvidenceBytes),
      line: verdict.line === undefined ? undefined : cutToBytes(verdict.line, maxLineBytes),
      recheckAfterSeconds: isPending ? Math.ceil((nextCheck(view) - view.now) / 1000) : undefined,
      watching: isPending ? watched.map((worker) => worker.id) : undefined,
    });
  };

export const buildVerifyEndpointPull = (platform: BasePlatform) => {
  const { settings, now } = platform;
  const connect = connectRunpod(platform);
  return createVerifyEndpointPull({
    runpodFor: (keySource) => {
      const client = connect(keySource);
      return {
        management: createRunpodManagement(client, settings),
        readWorkerLog: createReadWorkerLog(client, settings),
        jobs: createRunpodJobs(client, settings),
      };
    },
    now,
    propagationMs: settings.PROPAGATION_MINUTES * 60_000,
  });
};

export const handler = lambda('verify-endpoint-pull', buildVerifyEndpointPull);
