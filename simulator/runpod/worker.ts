import { createHash, randomBytes } from 'node:crypto';
import type { WorldClock } from '../clock.ts';

/** A line of a worker's system log. */
export interface WorkerLine {
  readonly id: string;
  readonly ts: string;
  readonly line: string;
}

type WorkerStatus = 'RUNNING' | 'IDLE' | 'INITIALIZING' | 'THROTTLED' | 'UNHEALTHY';

/** A program that ends as soon as it is started, or one that cannot be started at all. */
export type ProgramFault = 'ends' | 'cannot start';

/** Hosts start a program that has ended again: https://github.com/runpod-workers/worker-comfyui/issues/78 */
const restartMs = 17_000;
/** Source: moby's and runc's own words for an entrypoint that is not in the image. */
const cannotStart =
  'error starting container: Error response from daemon: failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/start.sh": stat /start.sh: no such file or directory: unknown';

/** What a host needs to start a worker. */
interface WorkerHost {
  readonly clock: WorldClock;
  /** Where the embedded registries are; an image's host is the first part of the path there. */
  readonly registryOrigin: () => string;
  /** The token as this host knows it by now: Runpod takes its time to hand out a new one. */
  readonly token: () => { readonly username: string; readonly password: string } | undefined;
  /** Milliseconds until the next try after a failed pull. */
  readonly retryMs: number;
  /** What keeps an image's program from running, where something does. */
  readonly fault: (digest: string) => ProgramFault | undefined;
  readonly onLine: (line: WorkerLine) => void;
}

/** How long a host waits for an answer, by the real clock. */
const answerTimeoutMs = 1000;

/** Asks for everything a container runtime would, and answers with the digest, or with the daemon's words. */
const pull = async (
  origin: string,
  image: string,
  token: { username: string; password: string } | undefined,
): Promise<{ digest: string; tag: string; repository: string } | { error: string }> => {
  // Of a tag and a digest, the digest counts.
  const [, host = '', repository = '', tag = 'latest', digest] =
    /^([^/]+)\/([^:@]+)(?::([\w.-]+))?(?:@(sha256:\w+))?$/.exec(image) ?? [];
  const reference = digest ?? tag;
  const headers: Record<string, string> =
    token === undefined
      ? {}
      : { authorization: `Basic ${Buffer.from(`${token.username}:${token.password}`).toString('base64')}` };
  const get = (url: string, options?: RequestInit) =>
    fetch(url, { ...options, signal: AbortSignal.timeout(answerTimeoutMs) });
  const ask = (path: string) => get(`${origin}/${host}/v2/${repository}/${path}`, { headers, redirect: 'manual' });
  const daemon = (text: string) => ({ error: `error pulling image: Error response from daemon: ${text}` });

  const manifestUrl = `https://${host}/v2/${repository}/manifests/${reference}`;
  const top = await ask(`manifests/${reference}`);
  const body = await top.text();
  if (top.status === 401) return daemon(`Head "${manifestUrl}": no basic auth credentials`);
  if (top.status === 403) {
    const { errors } = JSON.parse(body) as { errors: Array<{ message: string }> };
    return daemon(`denied: ${errors[0]?.message}`);
  }
  if (top.status === 404) return daemon(`manifest for ${image} not found: manifest unknown: Requested image not found`);
  if (!top.ok) return daemon(`Head "${manifestUrl}": unexpected status ${top.status}`);

  const index = JSON.parse(body) as {
    manifests?: Array<{ digest: string; platform: { architecture: string } }>;
    config?: { digest: string };
    layers?: Array<{ digest: string }>;
  };
  const child = index.manifests?.find(({ platform }) => platform.architecture === 'amd64');
  if (index.manifests !== undefined && child === undefined) {
    return daemon('no matching manifest for linux/amd64 in the manifest list entries');
  }
  const manifest =
    child === undefined ? index : ((await (await ask(`manifests/${child.digest}`)).json()) as typeof index);
  for (const { digest } of [...(manifest.config ? [manifest.config] : []), ...(manifest.layers ?? [])]) {
    const redirect = await ask(`blobs/${digest}`);
    await redirect.body?.cancel();
    const blob = await get(redirect.headers.get('location') ?? '');
    await blob.arrayBuffer();
    if (!blob.ok) return daemon(`error downloading layer ${digest}: ${blob.status}`);
  }
  return { digest: `sha256:${createHash('sha256').update(body).digest('hex')}`, tag: reference, repository };
};

/** A worker: it pulls its endpoint's image for real, and logs what the container daemon would. */
export class SimulatedWorker {
  readonly id: string = randomBytes(7).toString('hex');
  readonly image: string;
  readonly startedAt: number;
  readonly version: number;
  status: WorkerStatus = 'INITIALIZING';
  readonly lines: WorkerLine[] = [];
  #isTerminated = false;
  readonly #host: WorkerHost;

  constructor(host: WorkerHost, image: string, version: number) {
    this.#host = host;
    this.image = image;
    this.version = version;
    this.startedAt = host.clock.now();
    void this.#start();
  }

  terminate(): void {
    this.#isTerminated = true;
  }

  log(line: string): void {
    const ts = new Date(this.#host.clock.now()).toISOString();
    const entry = { id: `${ts}/${String(this.lines.length).padStart(12, '0')}`, ts, line };
    this.lines.push(entry);
    this.#host.onLine(entry);
  }

  async #start(): Promise<void> {
    const { clock, retryMs, registryOrigin, token } = this.#host;
    while (!this.#isTerminated) {
      const pulled = await clock.work(() =>
        pull(registryOrigin(), this.image, token()).catch((error: Error) => ({
          error: `error pulling image: ${error.message}`,
        })),
      );
      if (this.#isTerminated) return;
      if ('digest' in pulled) {
        this.log(`${pulled.tag} Pulling from ${pulled.repository}`);
        this.log(`Digest: ${pulled.digest}`);
        this.log(`Status: Downloaded newer image for ${this.image}`);
        this.log(`create container ${this.image}`);
        await this.#run(pulled.digest);
        return;
      }
      this.log(pulled.error);
      this.log(
        `error creating container: container: create: container create: Error response from daemon: No such image: ${this.image}`,
      );
      await clock.sleep(retryMs);
    }
  }

  async #run(digest: string): Promise<void> {
    const { clock, fault } = this.#host;
    const found = fault(digest);
    this.log(`start container for ${this.image}: begin`);
    if (found === undefined) {
      this.status = 'IDLE';
      return;
    }
    while (!this.#isTerminated) {
      if (found === 'cannot start') this.log(cannotStart);
      await clock.sleep(restartMs);
      if (!this.#isTerminated) this.log(`start container for ${this.image}: begin`);
    }
  }
}
