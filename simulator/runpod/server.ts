import { randomBytes } from 'node:crypto';
import type { WorldClock } from '../clock.ts';
import { type Faults, type Loopback, type LoopbackRequest, type Reply, serve } from '../loopback.ts';
import { pathNotFound, problem, type RunpodRequest } from './api.ts';
import { answerGraphql } from './graphql.ts';
import { answerJobs } from './jobs.ts';
import type { RequestQuota } from './quota.ts';
import { answerV1 } from './v1.ts';
import { answerV2 } from './v2.ts';
import { type ProgramFault, SimulatedWorker, type WorkerLine } from './worker.ts';

export interface RegistryToken {
  readonly username: string;
  readonly password: string;
}

/** A token that was stored, and by which API. */
interface StoredToken {
  readonly credential: string;
  readonly token: RegistryToken;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly way: string;
}

/** A registry credential. Nobody can read its token back but the hosts that pull with it. */
export interface SimulatedCredential {
  readonly id: string;
  readonly name: string;
  token: RegistryToken;
  /** What hosts still use until the new token has reached them. */
  previous: { readonly token: RegistryToken; readonly until: number } | undefined;
}

/** A release of an endpoint, and what it changed. */
export interface SimulatedRelease {
  readonly id: string;
  readonly version: number;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly diff: ReadonlyArray<{ readonly field: string; readonly old: unknown; readonly new: unknown }>;
}

/** What nobody has established of Runpod, and may be either way. */
interface Unestablished {
  /** Whether a PATCH with the image that is there makes a release. */
  unchangedImageIsReleased: boolean;
  /** Whether workers and releases are without a version, and workers without an image. */
  versionsAreNull: boolean;
}

/** A serverless endpoint. */
export interface SimulatedEndpoint {
  readonly id: string;
  readonly name: string;
  image: string;
  registry: string | null;
  workersMin: number;
  workersMax: number;
  version: number;
  readonly createdAt: number;
  readonly workers: SimulatedWorker[];
  /** Oldest first. */
  readonly releases: SimulatedRelease[];
  /** The API key whose account it belongs to; every key sees one without. */
  readonly owner?: string;
}

/** Which of its ways of updating a credential Runpod offers. */
interface Offers {
  v2: boolean;
  graphql: boolean;
  v1: boolean;
}

/** A job of the run-time API. */
export interface SimulatedJob {
  readonly endpoint: SimulatedEndpoint;
  readonly endsAt: number;
  cancelled: boolean;
}

/** A template or a pod: something else that may use a credential. */
export interface RegistryUser {
  readonly id: string;
  readonly name: string;
  readonly registry: string | null;
  /** A public one where it is left out. */
  readonly image?: string;
}

/** A pod that was created here: its host pulls as a worker's does. */
export interface SimulatedPod extends RegistryUser {
  readonly image: string;
  readonly cpu: { readonly id: string; readonly vcpuCount: number };
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly host: SimulatedWorker;
}

/** A kind of processor, and what a pod's vCPU of it costs in an hour, in dollars. */
export interface CpuFlavour {
  readonly id: string;
  readonly securePerVcpu: number;
  /** Whether one can be had. */
  hasCapacity: boolean;
}

/** An ECR repository that Runpod may pull from without a token. */
export interface Delegation {
  readonly account: string;
  readonly region: string;
  readonly repository: string;
}

/** Runpod's APIs, by the first segment of their path. */
const apis: Readonly<Record<string, (runpod: Runpod, request: RunpodRequest) => Reply>> = {
  v2: answerV2,
  graphql: answerGraphql,
  v1: answerV1,
  jobs: answerJobs,
};

/** Runpod: API v2, GraphQL, API v1, the run-time API, and hosts whose workers really pull. */
export class Runpod {
  readonly clock: WorldClock;
  /** API keys, and the scopes of each. */
  readonly keys = new Map<string, ReadonlySet<string>>();
  readonly credentials = new Map<string, SimulatedCredential>();
  readonly endpoints = new Map<string, SimulatedEndpoint>();
  readonly templates: RegistryUser[] = [];
  readonly pods: Array<RegistryUser | SimulatedPod> = [];
  /** Every pod that was ever created, and when it was deleted, in epoch milliseconds. */
  readonly createdPods: Array<{ readonly pod: SimulatedPod; deletedAt?: number }> = [];
  readonly cpus: CpuFlavour[] = [
    { id: 'cpu5c', securePerVcpu: 0.055, hasCapacity: true },
    { id: 'cpu3c', securePerVcpu: 0.04, hasCapacity: true },
    { id: 'cpu3g', securePerVcpu: 0.05, hasCapacity: true },
    { id: 'cpu5g', securePerVcpu: 0.065, hasCapacity: true },
    { id: 'cpu3m', securePerVcpu: 0.06, hasCapacity: true },
    { id: 'cpu5m', securePerVcpu: 0.075, hasCapacity: true },
    { id: 'cpu6c', securePerVcpu: 0.08, hasCapacity: true },
  ];
  /** Whether the account has an hour's credit. */
  hasBalance = true;
  readonly delegations: Delegation[] = [];
  readonly jobs = new Map<string, SimulatedJob>();
  /** Whether jobs fail once a worker runs them. */
  jobsFail = false;
  readonly offers: Offers = { v2: true, graphql: true, v1: false };
  /** How often a key may ask; without one, it is exempt. */
  quota: RequestQuota | undefined;
  /** Milliseconds until a new password has reached the hosts. */
  propagationMs = 0;
  /** Milliseconds between a host's tries to pull. */
  pullRetryMs = 15_000;
  readonly unestablished: Unestablished = { unchangedImageIsReleased: true, versionsAreNull: false };
  /** Images whose program does not run, by digest. */
  readonly programFaults = new Map<string, ProgramFault>();
  /** Called before each change of an endpoint's image by the API is taken. */
  onImageChange: (endpoint: SimulatedEndpoint, image: string) => void = () => {};
  /** Every token that was ever stored, in order. */
  readonly stored: StoredToken[] = [];
  onStored: (stored: StoredToken) => void = () => {};
  onWorkerLine: (endpoint: SimulatedEndpoint, worker: string, line: WorkerLine) => void = () => {};
  #registryOrigin = '';

  constructor(clock: WorldClock) {
    this.clock = clock;
  }

  addCredential(id: string, name: string, token: RegistryToken): SimulatedCredential {
    const credential: SimulatedCredential = { id, name, token, previous: undefined };
    this.credentials.set(id, credential);
    return credential;
  }

  addEndpoint(
    fields: Pick<SimulatedEndpoint, 'id' | 'name' | 'image' | 'registry'> & Partial<SimulatedEndpoint>,
  ): SimulatedEndpoint {
    const endpoint: SimulatedEndpoint = {
      workersMin: 0,
      workersMax: 3,
      version: 1,
      createdAt: this.clock.now(),
      workers: [],
      releases: [],
      ...fields,
    };
    this.endpoints.set(endpoint.id, endpoint);
    return endpoint;
  }

  /** Starts a worker, as a request or a release would. */
  startWorker(endpoint: SimulatedEndpoint): SimulatedWorker {
    const worker: SimulatedWorker = this.#startHost(endpoint.image, endpoint.registry, endpoint.version, (line) =>
      this.onWorkerLine(endpoint, worker.id, line),
    );
    endpoint.workers.push(worker);
    return worker;
  }

  #startHost(
    image: string,
    registry: string | null,
    version: number,
    onLine: (line: WorkerLine) => void,
  ): SimulatedWorker {
    return new SimulatedWorker(
      {
        clock: this.clock,
        registryOrigin: () => this.#registryOrigin,
        token: () => this.#tokenAtHosts(registry),
        retryMs: this.pullRetryMs,
        fault: (digest) => this.programFaults.get(digest),
        onLine,
      },
      image,
      version,
    );
  }

  /** Creates a pod, whose host begins to pull at once. */
  createPod(fields: Pick<SimulatedPod, 'name' | 'image' | 'registry' | 'cpu'>): SimulatedPod {
    const host = this.#startHost(fields.image, fields.registry, 1, () => {});
    const pod: SimulatedPod = { ...fields, id: host.id, createdAt: this.clock.now(), host };
    this.pods.push(pod);
    this.createdPods.push({ pod });
    return pod;
  }

  /** Deletes a pod. @returns whether there was one */
  deletePod(id: string): boolean {
    const index = this.pods.findIndex((each) => each.id === id);
    if (index === -1) return false;
    this.pods.splice(index, 1);
    const created = this.createdPods.find(({ pod }) => pod.id === id);
    if (created !== undefined) {
      created.deletedAt = this.clock.now();
      created.pod.host.terminate();
    }
    return true;
  }

  stopWorkers(endpoint: SimulatedEndpoint): void {
    for (const worker of endpoint.workers.splice(0)) worker.terminate();
  }

  /**
   * Changes an endpoint's image: a new release, which replaces idle workers at once, and those that run a job after it.
   *
   * @param changes what else it changes, by the field's name at Runpod
   */
  release(
    endpoint: SimulatedEndpoint,
    image: string,
    changes: Readonly<Record<string, readonly [old: unknown, to: unknown]>> = {},
  ): void {
    const { image: old } = endpoint;
    endpoint.image = image;
    endpoint.version += 1;
    const { version } = endpoint;
    const changed = { ...(old === image ? {} : { 'template.imageName': [old, image] as const }), ...changes };
    endpoint.releases.push({
      id: `release-${endpoint.id}-${version}`,
      version,
      createdAt: this.clock.now(),
      diff: Object.entries(changed).map(([field, [before, to]]) => ({ field, old: before, new: to })),
    });
    for (const worker of [...endpoint.workers]) if (worker.status !== 'RUNNING') this.#replace(endpoint, worker);
  }

  #replace(endpoint: SimulatedEndpoint, worker: SimulatedWorker): void {
    worker.terminate();
    endpoint.workers.splice(endpoint.workers.indexOf(worker), 1);
    this.startWorker(endpoint);
  }

  /** Has an idle worker run something for a while; where its release is no longer the newest, it is replaced after it. */
  occupy(endpoint: SimulatedEndpoint, milliseconds: number): void {
    const worker = endpoint.workers.find(({ status }) => status === 'IDLE');
    if (worker === undefined) return;
    worker.status = 'RUNNING';
    this.clock.setTimeout(() => {
      if (worker.status !== 'RUNNING' || !endpoint.workers.includes(worker)) return;
      worker.status = 'IDLE';
      if (worker.version !== endpoint.version) this.#replace(endpoint, worker);
    }, milliseconds);
  }

  close(): void {
    for (const endpoint of this.endpoints.values()) this.stopWorkers(endpoint);
    for (const { pod } of this.createdPods) pod.host.terminate();
  }

  async start(faults: Faults, registryOrigin: string): Promise<Loopback> {
    this.#registryOrigin = registryOrigin;
    return serve(this.clock, faults, (request) => this.#answer(request));
  }

  #tokenAtHosts(credentialId: string | null): RegistryToken | undefined {
    const credential = this.credentials.get(credentialId ?? '');
    if (credential === undefined) return undefined;
    const { previous } = credential;
    return previous !== undefined && this.clock.now() < previous.until ? previous.token : credential.token;
  }

  /** Takes a token by one of the APIs. */
  store(credential: SimulatedCredential, token: RegistryToken, way: string): void {
    credential.previous = {
      token: this.#tokenAtHosts(credential.id) ?? token,
      until: this.clock.now() + this.propagationMs,
    };
    credential.token = token;
    const stored = { credential: credential.id, token, at: this.clock.now(), way };
    this.stored.push(stored);
    this.onStored(stored);
  }

  /** Takes a job, which makes a worker start where none is ready. @param ttlMs how long it may wait for one */
  submit(endpoint: SimulatedEndpoint, ttlMs: number): string {
    const id = `${randomBytes(8).toString('hex')}-u1`;
    this.jobs.set(id, { endpoint, endsAt: this.clock.now() + ttlMs, cancelled: false });
    if (!endpoint.workers.some(({ status }) => status === 'IDLE')) this.startWorker(endpoint);
    return id;
  }

  #answer(request: LoopbackRequest): Reply {
    const [, key = ''] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
    const scopes = this.keys.get(key);
    if (scopes === undefined)
      return problem(401, 'Unauthorized', key === '' ? 'missing bearer token' : 'invalid api key');
    const [root = '', ...path] = request.url.pathname.split('/').slice(1).map(decodeURIComponent);
    const answer = Object.hasOwn(apis, root) ? apis[root] : undefined;
    const may = (scope: string): boolean => scopes.has('*') || scopes.has(scope);
    const handle = () => answer?.(this, { ...request, key, path, may }) ?? pathNotFound();
    return root === 'v2' && this.quota !== undefined ? this.quota.answer(key, this.clock.now(), handle) : handle();
  }
}
