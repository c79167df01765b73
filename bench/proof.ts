import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRegistryClient } from '../functions/lib/ecr/pull.ts';
import { readSettings } from '../functions/lib/env.ts';
import { send } from '../functions/lib/http.ts';
import { DebianRegistry, missingPrograms, token } from '../simulator/debian-registry.ts';
import { buildImage } from '../simulator/images.ts';

/**
 * What it takes to prove that an image can be pulled, beside `skopeo inspect` and a full `skopeo copy` of the same image
 * in the same run: requests, bytes, connections and milliseconds (the median of five). Run: npm run bench:proof
 */
const missing = missingPrograms();
if (missing.length > 0) {
  process.stderr.write(`This benchmark needs Debian's ${missing.join(', ')}.\n`);
  process.exit(1);
}

const registry = new DebianRegistry();
await registry.start();
const client = createRegistryClient(readSettings({ REGISTRY_ENDPOINT_URL: registry.origin }), send);
const scratch = mkdtempSync(join(tmpdir(), 'copy-'));
const rounds = 5;

interface MeasuredPull {
  readonly what: string;
  readonly requests: number;
  readonly bytes: number;
  readonly connections: number;
  readonly milliseconds: number;
}

const measure = async (what: string, job: () => unknown): Promise<MeasuredPull> => {
  const times: number[] = [];
  const before = await registry.traffic();
  for (let round = 0; round < rounds; round += 1) {
    const startedAt = performance.now();
    await job();
    times.push(performance.now() - startedAt);
  }
  const { requests, bytes, connections } = await registry.traffic();
  return {
    what,
    requests: (requests - before.requests) / rounds,
    bytes: (bytes - before.bytes) / rounds,
    connections: (connections - before.connections) / rounds,
    milliseconds: times.toSorted((a, b) => a - b)[Math.floor(rounds / 2)] ?? 0,
  };
};

const skopeo = async (...words: string[]): Promise<void> => {
  const child = spawn('skopeo', ['--insecure-policy', ...words], { stdio: ['ignore', 'ignore', 'inherit'] });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`skopeo ${words[0]} ended with ${code}`);
};

const credentials = `${token.username}:${token.password}`;
let isWithinTargets = true;
for (const layers of [5, 30, 100]) {
  const repository = `bench/worker-${layers}`;
  registry.push(buildImage({ isIndex: false, layers, layerBytes: 2 * 1024 * 1024 }), `${repository}:v1`);
  const image = { registry: '123456789012.dkr.ecr.us-east-1.amazonaws.com', repository, tag: 'v1' };
  const remote = `docker://127.0.0.1:${registry.frontPort}/${repository}:v1`;
  const certificates = registry.folder;
  let copies = 0;
  const rows = [
    await measure('proof', () => client.tryImage(image, token)),
    await measure('skopeo inspect', () =>
      skopeo('inspect', `--creds=${credentials}`, `--cert-dir=${certificates}`, remote),
    ),
    await measure('skopeo copy', () => {
      copies += 1;
      return skopeo(
        'copy',
        `--src-creds=${credentials}`,
        `--src-cert-dir=${certificates}`,
        remote,
        `dir:${join(scratch, `${layers}-${copies}`)}`,
      );
    }),
  ];
  const [proof, inspect, copy] = rows;
  process.stdout.write(`\n${layers} layers of 2 MiB\n`);
  for (const { what, requests, bytes, connections, milliseconds } of rows) {
    process.stdout.write(
      `  ${what.padEnd(15)} ${requests.toFixed(0).padStart(5)} requests ${(bytes / 1024).toFixed(1).padStart(10)} KiB ${connections.toFixed(1).padStart(6)} connections ${milliseconds.toFixed(0).padStart(6)} ms\n`,
    );
  }
  if (proof && inspect && copy) {
    const [share, times] = [(100 * proof.bytes) / copy.bytes, proof.milliseconds / inspect.milliseconds];
    isWithinTargets &&= share <= 1 && times <= 2;
    process.stdout.write(
      `  proof moves ${share.toFixed(3)} % of the copy's bytes (target: at most 1 %) in ${times.toFixed(2)} × inspect's time (target: at most 2 ×)\n`,
    );
  }
}
rmSync(scratch, { recursive: true, force: true });
registry.stop();
process.exitCode = isWithinTargets ? 0 : 1;
