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
 * against the embedded world (the median of nine, taken in turns), beside the guide's Python Lambda on the same machine in the
 * same run.
 * Run: npm run bench:functions
 */
const rounds = 9;
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

/** What a start is of, and the whole times of its processes, from outside, and the memory they say they had. */
interface Measured {
  readonly what: string;
  readonly bytes: number | undefined;
  readonly call: () => Promise<ColdCall | undefined>;
  readonly starts: MeasuredStart[];
}

const measure = async ({ what, call, starts }: Measured): Promise<void> => {
  const startedAt = performance.now();
  const result = await call();
  if (result === undefined || result.error !== undefined) {
    throw new Error(`${what} did not answer: ${result?.error?.message ?? 'its process failed'}`);
  }
  starts.push({ milliseconds: performance.now() - startedAt, peakKilobytes: result.peakKilobytes });
};

const medianOf = ({ starts }: Measured): MeasuredStart => ({
  milliseconds: median(starts.map((each) => each.milliseconds)),
  peakKilobytes: median(starts.map((each) => each.peakKilobytes)),
});

const guide = fileURLToPath(new URL('guide/guide_lambda.py', import.meta.url));
const guideEnvironment = {
  ...worldEnvironment(world, 'fetch-token'),
  RUNPOD_API_KEY: world.apiKey,
  REGISTRY_AUTH_ID: '6n2k8v4d',
};

/** The guide's Lambda by the first Python that has what it needs. */
const findGuide = async (): Promise<Measured | undefined> => {
  for (const python of ['python3', '/usr/bin/python3']) {
    const call = () => runCold(python, [guide], guideEnvironment);
    const first = await call();
    if (first !== undefined && first.error === undefined) {
      return { what: 'the guide’s Lambda', bytes: undefined, call, starts: [] };
    }
  }
  return undefined;
};

const functions = functionNames.map((name): Measured => {
  const folder = packaged.unpack(name);
  // The targets file that is deployed with it.
  const environment = { ...worldEnvironment(world, name), TARGETS_FILE: join(folder, 'dist/targets.yml') };
  return {
    what: name,
    bytes: statSync(join(folder, 'functions', `${name}.mjs`)).size,
    call: () => callCold(packaged, name, events[name], environment),
    starts: [],
  };
});
const baseline = await findGuide();
// In turns, so that what else the machine does in this time befalls all alike.
for (let round = 0; round < rounds; round += 1) {
  for (const each of [...functions, ...(baseline === undefined ? [] : [baseline])]) await measure(each);
}

process.stdout.write(`${'function'.padEnd(24)} ${'bundle'.padStart(8)} ${'cold'.padStart(9)} ${'peak'.padStart(8)}\n`);
for (const each of [...functions, ...(baseline === undefined ? [] : [baseline])]) {
  const { milliseconds, peakKilobytes } = medianOf(each);
  const size = each.bytes === undefined ? '' : `${(each.bytes / 1024).toFixed(0)} KB`;
  process.stdout.write(
    `${each.what.padEnd(24)} ${size.padStart(8)} ${milliseconds.toFixed(0).padStart(6)} ms ${(peakKilobytes / 1024).toFixed(0).padStart(5)} MB\n`,
  );
}

let isWithinTargets = functions.every(({ bytes = 0 }) => bytes <= largestBundle);
if (baseline === undefined) {
  process.stdout.write('\nLeft out: the guide’s Lambda. It needs python3 with boto3.\n');
} else {
  const slowest = Math.max(...functions.map((each) => medianOf(each).milliseconds));
  const share = slowest / medianOf(baseline).milliseconds;
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
