import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWarm, type WarmFunction, worldEnvironment } from '../../bench/cold-process.ts';
import type { FetchTokenOutput } from '../../functions/fetch-token.ts';
import type { FunctionName } from '../../runner/functions.ts';
import { fetchToken, inputs } from '../../simulator/inputs.ts';
import type { FaultEffect } from '../../simulator/loopback.ts';
import { maxPackagingMs, type Packaged, packageStack } from '../../simulator/packaged.ts';
import { World } from '../../simulator/world.ts';

const maxKilobytes = 128 * 1024;

let packaged: Packaged;
let world: World;
let token: FetchTokenOutput;
let image: string;

beforeAll(async () => {
  packaged = packageStack();
  world = await World.begin();
  image = world.push('team/worker', 'v1');
  const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
  world.runpod.startWorker(endpoint);
  token = await fetchToken(world);
}, maxPackagingMs);
afterAll(async () => {
  await world?.end();
});

const json = (body: string | Uint8Array, more: Record<string, string> = {}): FaultEffect => ({
  answer: { status: 200, headers: { 'content-type': 'application/json', ...more }, body },
});

const hostile: Readonly<Record<string, FaultEffect>> = {
  '64 KB of headers': json('{}', { 'x-padding': 'x'.repeat(64 * 1024) }),
  'a body without end': {
    endless: { status: 200, headers: { 'content-type': 'application/json' }, body: 'x'.repeat(64 * 1024) },
  },
  'an error without end': {
    endless: { status: 503, headers: { 'content-type': 'text/plain' }, body: 'x'.repeat(64 * 1024) },
  },
  '128 MB that came as 128 KB': json(gzipSync(Buffer.alloc(128 * 1024 * 1024, 'x')), { 'content-encoding': 'gzip' }),
  'a million empty objects': json(`{"endpoints":[${'{},'.repeat(1_000_000)}{}]}`),
  'half a million empty objects': json(`{"endpoints":[${'{},'.repeat(500_000)}{}]}`),
  'a million frames': {
    endless: {
      status: 200,
      headers: { 'content-type': 'text/event-stream' },
      body: `data: ${JSON.stringify({ source: 'system', line: 'pulling', ts: '2100-01-01T00:00:00Z' })}\n\n`.repeat(
        1000,
      ),
    },
  },
  '100,000 layers': json(
    JSON.stringify({
      schemaVersion: 2,
      config: { digest: `sha256:${'0'.repeat(64)}`, size: 1 },
      layers: Array.from({ length: 100_000 }, () => ({ digest: `sha256:${'1'.repeat(64)}`, size: 1 })),
    }),
  ),
  'a million brackets': json('['.repeat(1_000_000)),
};

/** A document that is too large for any image is the image's fault, which withholds no token; all else passes. */
const ofTheImage = Object.fromEntries(
  [
    'a body without end',
    'a million frames',
    'a million empty objects',
    'half a million empty objects',
    '100,000 layers',
    'a million brackets',
  ].map((shape) => [shape, 'fine']),
);

/** Each upstream, by the function that asks it, and our error for an answer that is none. */
const asked: ReadonlyArray<{
  readonly what: string;
  readonly on: RegExp;
  readonly name: FunctionName;
  readonly event: () => unknown;
  /** What it becomes, and what else it becomes in some shapes. */
  readonly becomes: string;
  readonly but?: Readonly<Record<string, string>>;
}> = [
  {
    what: 'Runpod’s list of endpoints',
    on: /GET \/v2\/serverless(\?|$)/,
    name: 'discover-endpoints',
    event: inputs.discoverEndpoints,
    becomes: 'RunpodUnavailableError',
  },
  {
    what: 'Runpod’s answer to an update',
    on: /PATCH \/v2\//,
    name: 'update-runpod',
    event: () => inputs.updateRunpod(token),
    becomes: 'RunpodUnavailableError',
  },
  {
    what: 'the key’s store',
    on: /GetParameter /,
    name: 'discover-endpoints',
    event: inputs.discoverEndpoints,
    becomes: 'SecretStoreUnavailableError',
  },
  {
    what: 'ECR’s minting',
    on: /GetAuthorizationToken /,
    name: 'fetch-token',
    event: inputs.fetchToken,
    becomes: 'EcrUnavailableError',
  },
  {
    what: 'KMS',
    on: /TrentService/,
    name: 'fetch-token',
    event: inputs.fetchToken,
    becomes: 'KmsUnavailableError',
  },
  {
    what: 'the registry’s manifest',
    on: /\/manifests\//,
    name: 'verify-image-pull',
    event: () => inputs.verifyImagePull(token, [image]),
    becomes: 'EcrUnavailableError',
    but: ofTheImage,
  },
  {
    what: 'the layer store',
    on: /\/bucket\//,
    name: 'verify-image-pull',
    event: () => inputs.verifyImagePull(token, [image]),
    becomes: 'EcrUnavailableError',
    but: ofTheImage,
  },
  {
    what: 'a worker’s log',
    on: /\/logs\?/,
    name: 'verify-endpoint-pull',
    event: () => inputs.verifyEndpointPull({ storedAt: new Date(world.clock.now() - 1000).toISOString() }),
    // A stream is listened to for so long, and no longer: what was heard stands. Where there is none, its endpoint is pending.
    becomes: 'fine',
  },
  {
    what: 'the memory',
    on: /DynamoDB/,
    name: 'notify',
    event: () => inputs.delayed(),
    // People are told all the same.
    becomes: 'fine',
  },
];

/** What one process is sent, one after the other. */
const callsPerProcess = 3;
const sequences = Object.entries(hostile).reduce<Array<Array<readonly [string, FaultEffect]>>>(
  (sequence, each, index) => {
    if (index % callsPerProcess === 0) sequence.push([]);
    sequence.at(-1)?.push(each);
    return sequence;
  },
  [],
);

// A warm function keeps what it has of memory: what it is sent in a row stays within the bound together.
describe.each(asked)('against $what, a packaged function', ({ name, event, on, becomes, but = {} }) => {
  describe.each(sequences.map((sequence) => ({ sequence })))('called again and again', ({ sequence }) => {
    let warm: WarmFunction;
    beforeAll(async () => {
      warm = await startWarm(packaged, name, worldEnvironment(world, name));
    });
    afterAll(() => warm.end());

    it.each(sequence)('cuts off %s, within 128 MB', async (shape, does) => {
      const repair = world.faults.add({ on, does });
      const ended = await warm.call(event());
      repair();
      if (ended === undefined) throw new Error(`${name} died.`);
      expect(ended.error?.name ?? 'fine').toBe(but[shape] ?? becomes);
      expect(ended.peakKilobytes).toBeLessThan(maxKilobytes);
    });
  });
});

const endpointNamed = (index: number, name: string) =>
  ({ id: `e${index}`, name, image, registry: '6n2k8v4d', workers: { max: 3 } }) as const;

/** Lists of endpoints that nobody has, and what discover-endpoints makes of them. */
const lists: ReadonlyArray<{ readonly what: string; readonly fill: () => () => void; readonly becomes: string }> = [
  {
    what: '10,000 endpoints in ten pages',
    fill: () => {
      const before = [...world.runpod.endpoints.values()];
      for (let index = 0; index < 9999; index += 1) {
        const { id, name } = endpointNamed(index, 'n'.repeat(191));
        world.runpod.addEndpoint({ id, name, image, registry: '6n2k8v4d' });
      }
      return () => {
        world.runpod.endpoints.clear();
        for (const each of before) world.runpod.endpoints.set(each.id, each);
      };
    },
    becomes: 'fine',
  },
  {
    what: 'ten names of 200 KB',
    fill: () => world.faults.add({ on: ofEndpoints, does: page(10, 200 * 1024) }),
    becomes: 'fine',
  },
  {
    what: 'a thousand names of 200 KB',
    fill: () => world.faults.add({ on: ofEndpoints, does: page(1000, 200 * 1024) }),
    becomes: 'RunpodUnavailableError',
  },
  {
    what: 'pages that never end, as long as a page may be',
    fill: () => {
      let count = 0;
      const does = {
        get answer() {
          count += 1;
          return page(90, 40 * 1024, `cursor-${count}`, count).answer;
        },
      };
      return world.faults.add({ on: ofEndpoints, does });
    },
    becomes: 'RunpodUnavailableError',
  },
  {
    what: 'a cursor that comes again',
    fill: () => world.faults.add({ on: ofEndpoints, does: page(1000, 100, 'again') }),
    becomes: 'RunpodUnavailableError',
  },
];
const ofEndpoints = /GET \/v2\/serverless(\?|$)/;
const page = (count: number, nameBytes: number, nextCursor: string | null = null, number = 0) => {
  const endpoints = Array.from({ length: count }, (_, index) =>
    endpointNamed(number * count + index, 'n'.repeat(nameBytes)),
  );
  const pagination = { nextCursor, hasNextPage: nextCursor !== null };
  return { answer: { status: 200, body: JSON.stringify({ endpoints, pagination }) } } as const;
};

describe('against lists of endpoints that nobody has, a packaged function', () => {
  let warm: WarmFunction;
  beforeAll(async () => {
    warm = await startWarm(packaged, 'discover-endpoints', worldEnvironment(world, 'discover-endpoints'));
  });
  afterAll(() => warm.end());

  it.each(lists)('takes or refuses $what, within 384 of its 512 MB', async ({ fill, becomes }) => {
    const repair = fill();
    const ended = await warm.call(inputs.discoverEndpoints());
    repair();
    if (ended === undefined) throw new Error('discover-endpoints died.');
    expect(ended.error?.name ?? 'fine').toBe(becomes);
    expect(ended.peakKilobytes).toBeLessThan(384 * 1024);
  });
});
