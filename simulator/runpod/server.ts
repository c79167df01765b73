import { randomBytes } from 'node:crypto';
import type { WorldClock } from '../clock.ts';
import { type Faults, json, type Loopback, type LoopbackRequest, type Reply, serve } from '../loopback.ts';
import { Worker, type WorkerLine } from './worker.ts';

interface RegistryAuth {
  readonly username: string;
  readonly password: string;
}

/** A login that was stored, and by which way. */
export interface StoredLogin {
  readonly credential: string;
  readonly login: RegistryAuth;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly way: string;
}

/** A registry credential. Nobody can read its login back but the hosts that pull with it. */
export interface Credential {
  readonly id: string;
  readonly name: string;
  login: RegistryAuth;
  /** What hosts still use until the new login has reached them. */
  previous: { readonly login: RegistryAuth; readonly until: number } | undefined;
}

/** A serverless endpoint. */
export interface Endpoint {
  readonly id: string;
  readonly name: string;
  image: string;
  registry: string | null;
  workersMin: number;
  workersMax: number;
  version: number;
  readonly createdAt: number;
  readonly workers: Worker[];
  /** The API key whose account it belongs to; every key sees one without. */
  readonly owner?: string;
}

/** Which of its ways of updating a credential Runpod offers. */
export interface Offers {
  v2: boolean;
  graphql: boolean;
  v1: boolean;
}

const isoTime = (milliseconds: number): string => new Date(milliseconds).toISOString();

const problem = (status: number, title: string, detail: string): Reply => ({
  ...json(status, { title, status, detail }, 'application/problem+json'),
  headers: { 'content-type': 'application/problem+json', 'x-request-id': randomBytes(8).toString('hex') },
});
const notFound = (): Reply => problem(404, 'Not Found', 'resource not found');
const methodNotAllowed = (): Reply => problem(405, 'Method Not Allowed', 'method not allowed');

/** Runpod: API v2, GraphQL, API v1, the run-time API, and hosts whose workers really pull. */
export class Runpod {
  readonly clock: WorldClock;
  /** API keys, and the scopes of each. */
  readonly keys = new Map<string, ReadonlySet<string>>();
  readonly credentials = new Map<string, Credential>();
  readonly endpoints = new Map<string, Endpoint>();
  readonly templates: Array<{ id: string; name: string; registry: string | null }> = [];
  readonly pods: Array<{ id: string; name: string; registry: string | null }> = [];
  /** ECR repositories that Runpod may pull from without a token, as `account`, `region` and `repository`. */
  readonly delegations: Array<{ account: string; region: string; repository: string }> = [];
  readonly jobs = new Map<string, Job>();
  /** Whether jobs fail once a worker runs them. */
  jobsFail = false;
  readonly offers: Offers = { v2: true, graphql: true, v1: false };
  /** Milliseconds until a new password has reached the hosts. */
  propagationMs = 0;
  /** Milliseconds between a host's tries to pull. */
  pullRetryMs = 15_000;
  /** Every login that was ever stored, in order: what the invariants look at. */
  readonly stored: StoredLogin[] = [];
  onStored: (stored: StoredLogin) => void = () => {};
  onWorkerLine: (endpoint: Endpoint, worker: string, line: WorkerLine) => void = () => {};
  #registryOrigin = '';

  constructor(clock: WorldClock) {
    this.clock = clock;
  }

  addCredential(id: string, name: string, login: RegistryAuth): Credential {
    const credential: Credential = { id, name, login, previous: undefined };
    this.credentials.set(id, credential);
    return credential;
  }

  addEndpoint(fields: Pick<Endpoint, 'id' | 'name' | 'image' | 'registry'> & Partial<Endpoint>): Endpoint {
    const endpoint: Endpoint = {
      workersMin: 0,
      workersMax: 3,
      version: 1,
      createdAt: this.clock.now(),
      workers: [],
      ...fields,
    };
    this.endpoints.set(endpoint.id, endpoint);
    return endpoint;
  }

  /** Starts a worker, as a request or a release would. */
  startWorker(endpoint: Endpoint): Worker {
    let id = '';
    const worker = new Worker(
      {
        clock: this.clock,
        registryOrigin: () => this.#registryOrigin,
        login: () => this.#loginAtHosts(endpoint.registry),
        retryMs: this.pullRetryMs,
        onLine: (line) => this.onWorkerLine(endpoint, id, line),
      },
      endpoint.image,
      endpoint.version,
    );
    id = worker.id;
    endpoint.workers.push(worker);
    return worker;
  }

  stopWorkers(endpoint: Endpoint): void {
    for (const worker of endpoint.workers.splice(0)) worker.terminate();
  }

  /** Changes an endpoint's image: a new release, and its workers are replaced. */
  release(endpoint: Endpoint, image: string): void {
    endpoint.image = image;
    endpoint.version += 1;
    const running = endpoint.workers.length;
    this.stopWorkers(endpoint);
    for (let count = 0; count < running; count += 1) this.startWorker(endpoint);
  }

  close(): void {
    for (const endpoint of this.endpoints.values()) this.stopWorkers(endpoint);
  }

  async start(faults: Faults, registryOrigin: string): Promise<Loopback> {
    this.#registryOrigin = registryOrigin;
    return serve(this.clock, faults, (request) => this.#answer(request));
  }

  #loginAtHosts(credentialId: string | null): RegistryAuth | undefined {
    const credential = this.credentials.get(credentialId ?? '');
    if (credential === undefined) return undefined;
    const { previous } = credential;
    return previous !== undefined && this.clock.now() < previous.until ? previous.login : credential.login;
  }

  #store(credential: Credential, login: RegistryAuth, way: string): void {
    credential.previous = {
      login: this.#loginAtHosts(credential.id) ?? login,
      until: this.clock.now() + this.propagationMs,
    };
    credential.login = login;
    const stored = { credential: credential.id, login, at: this.clock.now(), way };
    this.stored.push(stored);
    this.onStored(stored);
  }

  #answer(request: LoopbackRequest): Reply {
    const [, key = ''] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
    const scopes = this.keys.get(key);
    if (scopes === undefined)
      return problem(401, 'Unauthorized', key === '' ? 'missing bearer token' : 'invalid api key');
    const [root = '', ...path] = request.url.pathname.split('/').slice(1).map(decodeURIComponent);
    const may = (scope: string): boolean => scopes.has('*') || scopes.has(scope);
    if (root === 'v2') return this.#answerV2(request, path, may);
    if (root === 'graphql') return this.#answerGraphql(request, may);
    if (root === 'v1') return this.#answerV1(request, path, may);
    if (root === 'jobs') return this.#answerJobs(request, path);
    return notFound();
  }

  #answerV2(
    { method, url, headers, body }: LoopbackRequest,
    path: readonly string[],
    may: (scope: string) => boolean,
  ): Reply {
    const forbidden = problem(403, 'Forbidden', 'access denied');
    const [collection, id, part, workerId, leaf] = path;
    if (collection === 'registries') {
      if (id === 'delegations')
        return json(200, { delegations: this.delegations.map(showDelegation(this.clock.now())) });
      if (id === undefined) {
        if (method === 'POST') return may('secrets:write') ? this.#create(body) : forbidden;
        if (method !== 'GET') return methodNotAllowed();
        if (!may('secrets:read')) return forbidden;
        return json(200, { registries: [...this.credentials.values()].map(({ id, name }) => ({ id, name })) });
      }
      const credential = this.credentials.get(id);
      if (method === 'PATCH' && this.offers.v2) {
        if (!may('secrets:write')) return forbidden;
        return credential === undefined ? notFound() : this.#patch(credential, body, 'v2');
      }
      if (method === 'DELETE') {
        if (!may('secrets:write')) return forbidden;
        return this.credentials.delete(id) ? { status: 204 } : notFound();
      }
      if (method !== 'GET') return methodNotAllowed();
      if (!may('secrets:read')) return forbidden;
      return credential === undefined ? notFound() : json(200, { id, name: credential.name });
    }
    if (method === 'PATCH' && collection === 'serverless' && id !== undefined && part === undefined) {
      return may('serverless:write') ? this.#changeEndpoint(id, body) : forbidden;
    }
    if (method !== 'GET') return methodNotAllowed();
    if (collection === 'templates')
      return json(200, { templates: this.templates.map((each) => ({ ...each, ...template })) });
    if (collection === 'pods')
      return json(200, { pods: this.pods.map((each) => ({ ...pod(this.clock.now()), ...each })) });
    if (collection !== 'serverless') return notFound();
    if (!may('serverless:read')) return forbidden;
    if (id === undefined) {
      const key = headers.authorization?.slice('Bearer '.length);
      const own = [...this.endpoints.values()].filter(({ owner = key }) => owner === key);
      return json(200, { endpoints: own.map(showEndpoint) });
    }
    const endpoint = this.endpoints.get(id);
    if (endpoint === undefined) return notFound();
    if (part === undefined) return json(200, showEndpoint(endpoint));
    if (part === 'releases') return json(200, showReleases(endpoint));
    if (part !== 'workers') return notFound();
    if (workerId === undefined) return json(200, showWorkers(endpoint, this.clock.now()));
    const worker = endpoint.workers.find((each) => each.id === workerId);
    if (worker === undefined || leaf !== 'logs') return notFound();
    return streamLog(worker, url.searchParams, headers['last-event-id']);
  }

  #create(body: string): Reply {
    const { username, password } = readLogin(body);
    const { name } = readObject(body);
    if (typeof name !== 'string' || username === undefined || password === undefined) {
      return problem(422, 'Unprocessable Entity', 'Request validation failed.');
    }
    const id = randomBytes(4).toString('hex');
    this.#store(this.addCredential(id, name, { username, password }), { username, password }, 'v2');
    return json(201, { id, name });
  }

  /** Another credential makes a new release, whose workers start anew. */
  #changeEndpoint(id: string, body: string): Reply {
    const endpoint = this.endpoints.get(id);
    if (endpoint === undefined) return notFound();
    const { registry } = readObject(body);
    if (registry === undefined) return json(200, showEndpoint(endpoint));
    if (registry !== null && (typeof registry !== 'string' || !this.credentials.has(registry))) {
      return problem(422, 'Unprocessable Entity', 'Request validation failed.');
    }
    endpoint.registry = registry;
    this.release(endpoint, endpoint.image);
    return json(200, showEndpoint(endpoint));
  }

  #patch(credential: Credential, body: string, way: string): Reply {
    const { username, password } = readLogin(body);
    if (username === undefined || password === undefined || password.length > 16_384 || username.length > 191) {
      return problem(422, 'Unprocessable Entity', 'Request validation failed.');
    }
    this.#store(credential, { username, password }, way);
    return json(200, { id: credential.id, name: credential.name });
  }

  #answerGraphql({ method, body }: LoopbackRequest, may: (scope: string) => boolean): Reply {
    if (method !== 'POST') return methodNotAllowed();
    const failure = (message: string, code: string, path?: string) =>
      json(200, {
        errors: [{ message, ...(path === undefined ? {} : { path: [path] }), extensions: { code } }],
        data: null,
      });
    const { query = '', variables } = JSON.parse(body) as {
      query?: string;
      variables?: { input?: Record<string, string> };
    };
    if (query.includes('containerRegistryCreds')) {
      const containerRegistryCreds = [...this.credentials.values()].map(({ id, name }) => ({ id, name }));
      return json(200, { data: { myself: { containerRegistryCreds } } });
    }
    if (!this.offers.graphql || !query.includes('updateRegistryAuth')) {
      return failure('Cannot query field "updateRegistryAuth" on type "Mutation".', 'GRAPHQL_VALIDATION_FAILED');
    }
    if (!query.includes('updateRegistryAuth(')) {
      return failure(
        'Field "updateRegistryAuth" argument "input" of type "UpdateRegistryAuthInput!" is required, but it was not provided.',
        'GRAPHQL_VALIDATION_FAILED',
      );
    }
    if (!may('graphql:write')) return failure('Unauthorized', 'UNAUTHENTICATED', 'updateRegistryAuth');
    const { id = '', username = '', password = '' } = variables?.input ?? {};
    const credential = this.credentials.get(id);
    if (credential === undefined) return failure('Registry auth not found', 'NOT_FOUND', 'updateRegistryAuth');
    this.#store(credential, { username, password }, 'graphql');
    return json(200, { data: { updateRegistryAuth: { id, name: credential.name } } });
  }

  #answerV1(
    { method, body }: LoopbackRequest,
    [collection, id]: readonly string[],
    may: (scope: string) => boolean,
  ): Reply {
    if (collection !== 'containerregistryauth') return json(404, { error: 'not found' });
    if (!may('secrets:write')) return json(403, { message: 'forbidden' });
    const credential = this.credentials.get(id ?? '');
    if (method === 'PATCH' && this.offers.v1) {
      return credential === undefined
        ? json(404, { error: 'registry auth not found' })
        : this.#patch(credential, body, 'v1');
    }
    if (method !== 'GET') return json(405, { error: 'method not allowed' });
    return credential === undefined
      ? json(404, { error: 'registry auth not found' })
      : json(200, { id, name: credential.name });
  }

  /** A job makes a worker start where none is ready. */
  #submit(endpoint: Endpoint, body: string): string {
    const { policy } = JSON.parse(body) as { policy?: { ttl?: number } };
    const id = `${randomBytes(8).toString('hex')}-u1`;
    this.jobs.set(id, { endpoint, endsAt: this.clock.now() + (policy?.ttl ?? 86_400_000), cancelled: false });
    if (!endpoint.workers.some(({ status }) => status === 'IDLE')) this.startWorker(endpoint);
    return id;
  }

  #statusOf({ endpoint, endsAt, cancelled }: Job): { status: string; workerId?: string; error?: string } {
    if (cancelled) return { status: 'CANCELLED' };
    const worker = endpoint.workers.find(({ status }) => status === 'IDLE');
    if (worker === undefined) return { status: this.clock.now() < endsAt ? 'IN_QUEUE' : 'TIMED_OUT' };
    return this.jobsFail
      ? { status: 'FAILED', workerId: worker.id, error: 'job timed out after 1 retries' }
      : { status: 'COMPLETED', workerId: worker.id };
  }

  #answerJobs({ method, body }: LoopbackRequest, [endpointId = '', action, jobId = '']: readonly string[]): Reply {
    const endpoint = this.endpoints.get(endpointId);
    if (endpoint === undefined) return json(404, { error: 'endpoint not found' });
    if (method === 'POST' && action === 'run')
      return json(200, { id: this.#submit(endpoint, body), status: 'IN_QUEUE' });
    const job = this.jobs.get(jobId);
    if (action === 'status' || action === 'cancel') {
      if (job === undefined) return json(404, { error: 'job not found' });
      if (action === 'cancel') job.cancelled = true;
      return json(200, { id: jobId, ...this.#statusOf(job) });
    }
    if (action !== 'health' || method !== 'GET') return json(404, { error: 'not found' });
    const count = (...statuses: string[]) => endpoint.workers.filter(({ status }) => statuses.includes(status)).length;
    return json(200, {
      jobs: { completed: 0, failed: 0, inProgress: 0, inQueue: 0, retried: 0 },
      workers: {
        idle: count('IDLE'),
        initializing: count('INITIALIZING'),
        ready: count('IDLE', 'RUNNING'),
        running: count('RUNNING'),
        throttled: count('THROTTLED'),
        unhealthy: count('UNHEALTHY'),
      },
    });
  }
}

/** A job of the run-time API. */
interface Job {
  readonly endpoint: Endpoint;
  readonly endsAt: number;
  cancelled: boolean;
}

const readObject = (body: string): Record<string, unknown> => {
  try {
    return JSON.parse(body) as Record<string, unknown>;
  } catch {
    return {};
  }
};

const readLogin = (body: string): Partial<RegistryAuth> => {
  const value = readObject(body);
  const text = (field: unknown) => (typeof field === 'string' && field !== '' ? field : undefined);
  const [username, password] = [text(value.username), text(value.password)];
  return { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
};

const showDelegation =
  (now: number) =>
  ({ account, region, repository }: { account: string; region: string; repository: string }) => ({
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

const showEndpoint = ({ id, name, image, registry, workersMin, workersMax, createdAt }: Endpoint) => ({
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

const showWorkers = ({ workers, version }: Endpoint, now: number) => {
  const count = (status: string) => workers.filter((each) => each.status === status).length;
  return {
    endpointVersion: version,
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
      version: worker.version,
      gpuCount: 1,
      image: worker.image,
      uptimeSeconds: Math.floor((now - worker.startedAt) / 1000),
      gpuTypeId: 'NVIDIA GeForce RTX 4090',
      dataCenterId: 'US-KS-2',
      startedAt: isoTime(worker.startedAt),
    })),
  };
};

const showReleases = ({ workers, version, createdAt }: Endpoint) => {
  const onLatest = workers.filter((worker) => worker.version === version).length;
  return {
    endpointVersion: version,
    rollout: {
      inProgress: onLatest < workers.length,
      workersOnLatest: onLatest,
      workersTotal: workers.length,
      percentOnLatest: workers.length === 0 ? 0 : Math.round((100 * onLatest) / workers.length),
    },
    releases: [
      {
        id: `release-${version}`,
        version,
        source: 'MANUAL',
        buildId: null,
        createdByUserId: null,
        workerCount: onLatest,
        createdAt: isoTime(createdAt),
        diff: [],
      },
    ],
  };
};

const template = { image: 'runpod/base:latest', category: 'NVIDIA', isPublic: false, isServerless: true };

const pod = (now: number) => ({ image: 'runpod/base:latest', status: 'RUNNING', createdAt: isoTime(now) });

/** Server-sent events that never end by themselves, with a comment now and then as proxies like it. */
const streamLog = (worker: Worker, query: URLSearchParams, lastEventId: string | string[] | undefined): Reply => ({
  status: 200,
  headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
  stream: (write, gone) => {
    let sent = 0;
    const since = Date.parse(query.get('since') ?? '');
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
