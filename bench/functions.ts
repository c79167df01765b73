import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { functionNames } from '../runner/functions.ts';
import { executionArn, fetchToken, inputs, targetsWithRollout } from '../simulator/inputs.ts';
import { packageStack } from '../simulator/packaged.ts';
import { World } from '../simulator/world.ts';
import { type ColdCall, callCold, runCold, worldEnvironment } from './cold-process.ts';

/**
 * Per function: its bundle's bytes, and the time and peak memory of a cold process from its start to its first answer
 * against the embedded world (the median of five), beside the guide's Python Lambda on the same machine in the same run.
 * Run: npm run bench:functions
 */
const rounds = 5;
const largestBundle = 600 * 1024;

const packaged = packageStack();
const world = await World.begin({
  targets: `${targetsWithRollout}    canaryPod: { image: runpod-canary:v1, everyHours: 24 }\n`,
  environment: { LOG_LISTEN_SECONDS: '0.12' },
});
const image = world.push('team/worker', 'v1');
world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
world.runpod.addEndpoint({ id: 'canary', name: 'canary', image, registry: null });
world.runpod.offers.v1 = true;
const token = await fetchToken(world);
const { output } = await world.refresh();
const report: unknown = JSON.parse(output ?? '');

const events: Record<(typeof functionNames)[number], unknown> = {
  'start-refresh': { account: '123456789012', region: 'us-east-1', detail: { 'repository-name': 'team/worker' } },
  'resolve-targets': inputs.resolveTargets(),
  'find-concerned': inputs.findConcerned(),
  'discover-endpoints': inputs.discoverEndpoints(),
  'fetch-token': inputs.fetchToken(),
  'verify-image-pull': inputs.verifyImagePull(token, [image]),
  'update-runpod': inputs.updateRunpod(token),
  'submit-canary': inputs.submitCanary(),
  'verify-endpoint-pull': inputs.verifyEndpointPull(),
  'start-rollouts': inputs.startRollouts(token, [{ id: '4m7x2k9q', image }]),
  'plan-rollout': inputs.rollout(),
  'apply-rollout': inputs.rollout(),
  'watch-rollout': inputs.rollout(),
  'roll-back': inputs.rollout(),
  'canary-pod': inputs.canaryPod(),
  'plan-retry': { giveUpAt: '2100-01-01T00:00:00Z' },
  'conclude-target': { name: 'production', outcomeBytes: 10_000, startAt: '2026-01-01T00:00:00Z' },
  report: { execution: executionArn, startedAt: '2026-01-01T00:00:00Z', run: {} },
  notify: { kind: 'report', report },
};

interface MeasuredStart {
  readonly milliseconds: number;
  readonly peakKilobytes: number;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** The whole time of the process, from outside, and the memory it says it had. */
const measure = async (job: () => Promise<ColdCall | undefined>): Promise<MeasuredStart | undefined> => {
  const results: MeasuredStart[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const startedAt = performance.now();
    const result = await job();
    if (result === undefined || result.error !== undefined) return undefined;
    results.push({ milliseconds: performance.now() - startedAt, peakKilobytes: result.peakKilobytes });
  }
  return {
    milliseconds: median(results.map((each) => each.milliseconds)),
    peakKilobytes: median(results.map((each) => each.peakKilobytes)),
  };
};

const row = (what: string, bytes: number | undefined, measured: MeasuredStart): void => {
  const size = bytes === undefined ? '' : `${(bytes / 1024).toFixed(0)} KB`;
  process.stdout.write(
    `${what.padEnd(24)} ${size.padStart(8)} ${measured.milliseconds.toFixed(0).padStart(6)} ms ${(measured.peakKilobytes / 1024).toFixed(0).padStart(5)} MB\n`,
  );
};

process.stdout.write(`${'function'.padEnd(24)} ${'bundle'.padStart(8)} ${'cold'.padStart(9)} ${'peak'.padStart(8)}\n`);
let isWithinTargets = true;
let slowest = 0;
for (const name of functionNames) {
  const folder = packaged.unpack(name);
  const bytes = statSync(join(folder, 'functions', `${name}.mjs`)).size;
  // The targets file that is deployed with it.
  const environment = { ...worldEnvironment(world, name), TARGETS_FILE: join(folder, 'dist/targets.yml') };
  const measured = await measure(() => callCold(packaged, name, events[name], environment));
  if (measured === undefined) throw new Error(`${name} did not answer.`);
  slowest = Math.max(slowest, measured.milliseconds);
  isWithinTargets &&= bytes <= largestBundle;
  row(name, bytes, measured);
}

const guide = fileURLToPath(new URL('guide/guide_lambda.py', import.meta.url));
const guideEnvironment = {
  ...worldEnvironment(world, 'fetch-token'),
  RUNPOD_API_KEY: world.apiKey,
  REGISTRY_AUTH_ID: '6n2k8v4d',
};
let baseline: MeasuredStart | undefined;
for (const python of ['python3', '/usr/bin/python3']) {
  baseline ??= await measure(() => runCold(python, [guide], guideEnvironment));
}
if (baseline === undefined) {
  process.stdout.write('\nLeft out: the guide’s Lambda. It needs python3 with boto3.\n');
} else {
  row('the guide’s Lambda', undefined, baseline);
  const share = slowest / baseline.milliseconds;
  isWithinTargets &&= share <= 0.5;
  process.stdout.write(
    `\nThe slowest function takes ${share.toFixed(2)} × the guide’s cold start (target: at most 0.5 ×).\n`,
  );
}
process.stdout.write(
  `Bundles: at most ${largestBundle / 1024} KB each. ${isWithinTargets ? 'All targets are met.' : 'A target is missed.'}\n`,
);
await world.end();
process.exitCode = isWithinTargets ? 0 : 1;
