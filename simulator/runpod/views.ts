import type { Reply } from '../loopback.ts';
import type {
  CpuFlavour,
  Delegation,
  RegistryUser,
  Runpod,
  SimulatedEndpoint,
  SimulatedPod,
  SimulatedRelease,
} from './server.ts';
import type { SimulatedWorker } from './worker.ts';

const isoTime = (milliseconds: number): string => new Date(milliseconds).toISOString();

export const showDelegation =
  (now: number) =>
  ({ account, region, repository }: Delegation) => ({
    id: `deleg_${repository.replaceAll('/', '_')}`,
    name: null,
    delegatorUserId: 'user_embedded',
    awsUser: account,
    repository,
    tag: 'latest',
    awsRegion: region,
    dockerRegistryUri: `${account}.dkr.ecr.${region}.amazonaws.com`,
    createdAt: isoTime(now),
  });

/** An endpoint's environment holds its owner's secrets, as real ones do. */
export const endpointSecret = 'hf_endpointSecretThatNobodyMayRepeat';

export const showEndpoint = ({ id, name, image, registry, workersMin, workersMax, createdAt }: SimulatedEndpoint) => ({
  id,
  name,
  type: 'QUEUE',
  image,
  args: '',
  disk: 20,
  ports: ['8000/http'],
  env: { HF_TOKEN: endpointSecret },
  registry,
  gpu: { pools: ['ADA_24'], count: 1, allowedCudaVersions: [], minCudaVersion: null },
  workers: { min: workersMin, max: workersMax, idleTimeout: 5 },
  scaling: { type: 'QUEUE_DELAY', queueDelay: 4 },
  dataCenterIds: ['US-KS-2'],
  networkVolumes: [],
  timeout: 300_000,
  flashboot: 'OFF',
  createdAt: isoTime(createdAt),
});

type Nulls = Pick<Runpod['unestablished'], 'versionsAreNull'>;

export const showWorkers = ({ workers, version }: SimulatedEndpoint, now: number, { versionsAreNull }: Nulls) => {
  const count = (status: string) => workers.filter((each) => each.status === status).length;
  return {
    endpointVersion: versionsAreNull ? null : version,
    summary: {
      running: count('RUNNING'),
      idle: count('IDLE'),
      initializing: count('INITIALIZING'),
      throttled: count('THROTTLED'),
      unhealthy: count('UNHEALTHY'),
      total: workers.length,
    },
    workers: workers.map((worker) => ({
      id: worker.id,
      status: worker.status,
      isStale: worker.version !== version,
      version: versionsAreNull ? null : worker.version,
      gpuCount: 1,
      image: versionsAreNull ? null : worker.image,
      uptimeSeconds: Math.floor((now - worker.startedAt) / 1000),
      gpuTypeId: 'NVIDIA GeForce RTX 4090',
      dataCenterId: 'US-KS-2',
      startedAt: isoTime(worker.startedAt),
    })),
  };
};

export const showRollout = ({ workers, version }: SimulatedEndpoint, { versionsAreNull }: Nulls) => {
  const onLatest = workers.filter((worker) => worker.version === version).length;
  return {
    endpointVersion: versionsAreNull ? null : version,
    rollout: {
      inProgress: onLatest < workers.length,
      workersOnLatest: onLatest,
      workersTotal: workers.length,
      percentOnLatest: workers.length === 0 ? 0 : Math.round((100 * onLatest) / workers.length),
    },
  };
};

export const showRelease =
  ({ workers }: SimulatedEndpoint, { versionsAreNull }: Nulls) =>
  ({ id, version, createdAt, diff }: SimulatedRelease) => ({
    id,
    version: versionsAreNull ? null : version,
    source: 'MANUAL',
    buildId: null,
    createdByUserId: null,
    workerCount: workers.filter((worker) => worker.version === version).length,
    createdAt: isoTime(createdAt),
    diff,
  });

export const showTemplate = (template: RegistryUser) => ({
  image: 'runpod/base:latest',
  args: '',
  disk: 20,
  mounts: {},
  ports: [],
  env: {},
  serverless: true,
  public: false,
  category: 'NVIDIA',
  startSsh: true,
  startJupyter: false,
  allowedCudaVersions: [],
  ...template,
});

const podStates: Readonly<Record<string, string>> = { INITIALIZING: 'STARTING', IDLE: 'RUNNING' };

/** A pod that was there before, or one that was created. */
export const showPod = (now: number) => (pod: RegistryUser | SimulatedPod) => {
  const base = {
    status: 'RUNNING',
    actions: ['stop', 'restart', 'terminate'],
    image: 'runpod/base:latest',
    args: '',
    disk: 20,
    mounts: {},
    ports: [],
    env: {},
    cpu: { id: 'cpu3c', vcpuCount: 2, memory: 4 },
    cloud: 'SECURE',
    dataCenterId: 'US-KS-2',
    cudaVersion: null,
    ssh: { proxy: null, direct: null },
    template: null,
    cost: 0.08,
    locked: false,
    runtime: null,
    createdAt: isoTime(now),
    startedAt: isoTime(now),
    globalNetworking: { enabled: false },
  };
  if (!('host' in pod)) return { ...base, ...pod };
  const { host, cpu, createdAt, ...shown } = pod;
  return {
    ...base,
    ...shown,
    cpu: { ...cpu, memory: 2 * cpu.vcpuCount },
    status: podStates[host.status] ?? host.status,
    createdAt: isoTime(createdAt),
  };
};

export const showCpu = ({ id, securePerVcpu }: CpuFlavour) => ({
  id,
  name: id,
  group: 'Compute',
  vcpu: { min: 2, max: 32 },
  ramGbPerVcpu: 2,
  price: { securePerVcpu, serverlessPerVcpu: 2 * securePerVcpu },
});

const defaultTail = 100;

/**
 * Server-sent events that never end by themselves. Backfilled from the last event that was heard, else from `since`, else
 * with the newest `tail` lines.
 *
 * Source: `LogTail`, `LogSince` and `LogLastEventID` of Runpod's API description
 */
export const streamLog = (
  worker: SimulatedWorker,
  query: URLSearchParams,
  lastEventId: string | string[] | undefined,
): Reply => ({
  status: 200,
  headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
  stream: (write, gone) => {
    const since = Date.parse(query.get('since') ?? '');
    const hasCursor = typeof lastEventId === 'string' || !Number.isNaN(since);
    let sent = hasCursor ? 0 : Math.max(0, worker.lines.length - Number(query.get('tail') ?? defaultTail));
    const flush = (): void => {
      for (const { id, ts, line } of worker.lines.slice(sent)) {
        sent += 1;
        const isOld = typeof lastEventId === 'string' ? id <= lastEventId : Date.parse(ts) < since;
        if (!isOld) write(`id: ${id}\ndata: ${JSON.stringify({ ts, source: 'system', line })}\n\n`);
      }
    };
    write(': connected\n\n');
    flush();
    const timer = setInterval(flush, 20);
    gone.addEventListener('abort', () => clearInterval(timer));
  },
});
