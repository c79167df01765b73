import * as z from 'zod/mini';
import { mapConcurrent } from './lib/map-concurrent.ts';
import { lambda, moment, type Platform, parseInput } from './lib/platform.ts';
import { connectRunpod } from './lib/runpod/connect.ts';
import {
  type CanaryView,
  judgeEndpoint,
  nextCheck,
  type Verdict,
  type WatchedWorker,
} from './lib/runpod/endpoint-proof.ts';
import { createRunpodJobs, type RunpodJobs } from './lib/runpod/jobs.ts';
import { createRunpodManagement, type RunpodManagement, type Worker } from './lib/runpod/management.ts';
import { createReadWorkerLog, type ReadWorkerLog } from './lib/runpod/worker-log.ts';

/** What verify-endpoint-pull needs from outside. */
export interface VerifyEndpointPullDeps {
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
  endpoint: z.object({ id: z.string(), image: z.string(), isNamed: z.boolean() }),
  registry: z.string(),
  images: z.array(z.object({ image: z.string(), digest: z.optional(z.string()), problem: z.optional(z.string()) })),
  storedAt: moment,
  /** The last look's answer: a worker it was waiting for is looked at again, whatever became of it. */
  before: z.object({ watching: z.optional(z.array(z.string())) }),
  /** The canary job, why there is none although one was asked for, or `{}`. */
  canary: z.object({
    jobId: z.optional(z.string()),
    giveUpAt: z.optional(moment),
    Error: z.optional(z.string()),
  }),
});

/** What this look came to, and while it is `pending`, when to look again (ISO 8601). */
export interface VerifyEndpointPullOutput extends Verdict {
  readonly endpoint: string;
  readonly recheckAfterSeconds?: number;
  /** The workers to look at again. */
  readonly watching?: readonly string[];
}

const workersWatched = 10;
const maxLogsAtOnce = 5;

/** Workers that started, or are starting, since the update: only they can show what the new password does. */
const concernsUs = ({ status, startedAt }: Worker, storedAt: number): boolean =>
  status === 'INITIALIZING' || status === 'UNHEALTHY' || Date.parse(startedAt ?? '') >= storedAt;

const jobStates: Readonly<Record<string, CanaryView['state']>> = {
  COMPLETED: 'completed',
  FAILED: 'failed',
  CANCELLED: 'failed',
  TIMED_OUT: 'failed',
};

/** Follows a canary to its end, and cancels it when its time is up. */
const checkCanary = async (
  jobs: RunpodJobs,
  endpointId: string,
  { jobId, giveUpAt, Error: notSubmitted }: z.output<typeof inputSchema>['canary'],
  now: number,
): Promise<CanaryView | undefined> => {
  if (notSubmitted !== undefined) return { state: 'failed', clause: `it could not be submitted (${notSubmitted})` };
  if (jobId === undefined || giveUpAt === undefined) return undefined;
  const { status, workerId } = await jobs.status(endpointId, jobId);
  const clause = `job ${jobId} is ${status}${workerId ? ` on worker ${workerId}` : ''}`;
  const state = jobStates[status] ?? 'running';
  if (state !== 'running' || now < giveUpAt) return { state, clause };
  await jobs.cancel(endpointId, jobId);
  return { state: 'failed', clause: `${clause} after its time was up, and was cancelled` };
};

/**
 * Looks once at how an endpoint's workers fare with the stored token. "Not yet" is an answer: the machine waits and asks
 * again.
 *
 * @throws {RunpodUnavailableError | RunpodRateLimitedError | RunpodUnauthorizedError} it could not look
 */
export const createVerifyEndpointPull =
  ({ runpodFor, now, propagationMs }: VerifyEndpointPullDeps) =>
  async (event: unknown): Promise<VerifyEndpointPullOutput> => {
    const input = parseInput('verify-endpoint-pull', inputSchema, event);
    const { storedAt } = input;
    const { id } = input.endpoint;
    const { management, readWorkerLog, jobs } = runpodFor(input.target.runpod.apiKey);

    const endpoint = await management.getEndpoint(id);
    const [workers, rollout] =
      endpoint === undefined
        ? [[], undefined]
        : await Promise.all([management.listWorkers(id), management.getRollout(id).catch(() => undefined)]);
    const concerned = workers
      .filter((worker) => input.before.watching?.includes(worker.id) || concernsUs(worker, storedAt))
      .slice(0, workersWatched);
    const logs = await mapConcurrent(concerned, maxLogsAtOnce, (worker) => readWorkerLog(id, worker.id, storedAt));
    const watched = workers.map((worker): WatchedWorker => ({ worker, log: logs[concerned.indexOf(worker)] ?? [] }));

    // The image may have been changed during the run: only the one that this token pulled is proven.
    const tried = input.images.find(({ image }) => image === endpoint?.image);
    const view = {
      endpoint,
      endpointId: id,
      isNamed: input.endpoint.isNamed,
      credentialId: input.target.runpod.registry,
      registry: input.registry,
      image:
        tried?.problem !== undefined
          ? { problem: tried.problem }
          : tried?.digest !== undefined
            ? { digest: tried.digest }
            : undefined,
      workers: watched,
      rollout,
      canary: await checkCanary(jobs, id, input.canary, now()),
      storedAt,
      now: now(),
      propagationMs,
    };
    const verdict = judgeEndpoint(view);
    return {
      endpoint: id,
      ...verdict,
      ...(verdict.proof === 'pending'
        ? {
            recheckAfterSeconds: Math.ceil((nextCheck(view) - view.now) / 1000),
            watching: concerned.map((worker) => worker.id),
          }
        : {}),
    };
  };

export const buildVerifyEndpointPull = (platform: Platform) => {
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
