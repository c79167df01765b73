import { json, type Reply } from '../loopback.ts';
import type { RunpodRequest } from './api.ts';
import type { Runpod, SimulatedEndpoint, SimulatedJob } from './server.ts';

const dayMs = 86_400_000;

const statusOf = (
  { clock, jobsFail }: Runpod,
  { endpoint, endsAt, cancelled }: SimulatedJob,
): { status: string; workerId?: string; error?: string } => {
  if (cancelled) return { status: 'CANCELLED' };
  const worker = endpoint.workers.find(({ status }) => status === 'IDLE');
  if (worker === undefined) return { status: clock.now() < endsAt ? 'IN_QUEUE' : 'TIMED_OUT' };
  return jobsFail
    ? { status: 'FAILED', workerId: worker.id, error: 'job timed out after 1 retries' }
    : { status: 'COMPLETED', workerId: worker.id };
};

const showHealth = ({ workers }: SimulatedEndpoint) => {
  const count = (...statuses: string[]) => workers.filter(({ status }) => statuses.includes(status)).length;
  return {
    jobs: { completed: 0, failed: 0, inProgress: 0, inQueue: 0, retried: 0 },
    workers: {
      idle: count('IDLE'),
      initializing: count('INITIALIZING'),
      ready: count('IDLE', 'RUNNING'),
      running: count('RUNNING'),
      throttled: count('THROTTLED'),
      unhealthy: count('UNHEALTHY'),
    },
  };
};

/** Runpod's run-time API: jobs of an endpoint, and its health. */
export const answerJobs = (runpod: Runpod, { method, body, path }: RunpodRequest): Reply => {
  const [endpointId = '', action, jobId = ''] = path;
  const endpoint = runpod.endpoints.get(endpointId);
  if (endpoint === undefined) return json(404, { error: 'endpoint not found' });
  if (method === 'POST' && action === 'run') {
    const { policy } = JSON.parse(body) as { policy?: { ttl?: number } };
    return json(200, { id: runpod.submit(endpoint, policy?.ttl ?? dayMs), status: 'IN_QUEUE' });
  }
  if (action === 'status' || action === 'cancel') {
    const job = runpod.jobs.get(jobId);
    if (job === undefined) return json(404, { error: 'job not found' });
    if (action === 'cancel') job.cancelled = true;
    return json(200, { id: jobId, ...statusOf(runpod, job) });
  }
  if (action !== 'health' || method !== 'GET') return json(404, { error: 'not found' });
  return json(200, showHealth(endpoint));
};
