import { afterEach, describe, expect, it } from 'vitest';
import type { EndpointOutcome } from '../../functions/lib/report/outcome.ts';
import type { Watch } from '../../functions/lib/runpod/watch.ts';
import { inputs } from '../../simulator/inputs.ts';
import type { SimulatedWorker } from '../../simulator/runpod/worker.ts';
import { World } from '../../simulator/world.ts';

const minuteMs = 60_000;
const host = '210987654321.dkr.ecr.eu-west-1.amazonaws.com';
const image = `${host}/vision/serve:r7`;
const storedAt = Date.parse('2026-11-23T17:40:00Z');
const daemon = 'error pulling image: Error response from daemon:';

let world: World;
let worker: SimulatedWorker;

/** @param listenSeconds how long a log is listened to: one of thousands of lines takes a busy machine a while */
const begin = async (listenSeconds: number): Promise<void> => {
  world = await World.begin({
    startAt: storedAt - 3 * minuteMs,
    environment: { LOG_LISTEN_SECONDS: String(listenSeconds) },
  });
  const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'serve', image, registry: '6n2k8v4d' });
  worker = world.runpod.startWorker(endpoint);
  // It says nothing by itself: its log is written here.
  worker.terminate();
};
afterEach(() => world.end());

/** Minutes after the update, and what was logged then. */
type Lines = ReadonlyArray<readonly [minute: number, line: string]>;

const write = (lines: Lines): void => {
  for (const [minute, line] of lines) {
    const ts = new Date(storedAt + minute * minuteMs).toISOString();
    worker.lines.push({ id: `${ts}/${String(worker.lines.length).padStart(12, '0')}`, ts, line });
  }
};

/** What the function that ships makes of a worker's log, as Runpod streams it, when it has looked since the update. */
const lookAt = async (minute: number, lines: Lines, more: object = {}): Promise<Partial<EndpointOutcome>> => {
  await begin(lines.length > 1000 ? 5 : 0.4);
  write(lines);
  await world.clock.advance(storedAt + minute * minuteMs - world.clock.now());
  const input = inputs.verifyEndpointPull({
    registry: host,
    storedAt: new Date(storedAt).toISOString(),
    before: {
      status: 'pending',
      pending: [{ id: '4m7x2k9q', since: storedAt / 1000, due: storedAt / 1000 }],
      unseen: 0,
      endpoints: [],
      proofs: {},
    },
    ...more,
  });
  const looked = world.clock.work(() => world.invoke('verify-endpoint-pull', input));
  return ((await world.clock.until(looked)) as Watch).endpoints[0] ?? {};
};

/** A failure, as Runpod's hosts log it again and again: whatever the cause, "No such image" follows it. */
const again = (...failure: readonly string[]): Lines =>
  [10.2, 10.9].flatMap((minute) =>
    [
      ...failure,
      `error creating container: container: create: container create: Error response from daemon: No such image: ${image}`,
    ].map((line) => [minute, line] as const),
  );
const begun: Lines = [
  [10.1, 'r7 Pulling from vision/serve'],
  [10.2, 'c1e0ef7b956a Pulling fs layer'],
];
const ticks = (from: number, to: number, count: number): Lines =>
  Array.from({ length: count }, (_, index) => [
    from + ((to - from) * index) / count,
    `316f8cbc3be8 Downloading [=>   ]  ${index}MB/5.689GB`,
  ]);

describe('a worker’s log, as people posted it', () => {
  it.each<readonly [source: string, minute: number, Lines, verdict: string]>([
    [
      'dstackai/dstack#2507',
      11,
      again(`${daemon} Head "https://${host}/v2/vision/serve/manifests/r7": no basic auth credentials`),
      'failed: login-refused',
    ],
    [
      '0lav/nimble-miner-docker#3',
      11,
      again(
        `${daemon} pull access denied for vision/serve, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
      ),
      'failed: login-refused',
    ],
    ['zebrunner/mcloud-agent#235', 11, again(`${daemon} toomanyrequests: Rate exceeded`), 'degraded: throttled'],
    [
      'dstackai/dstack#2020',
      11,
      again('error pulling image: failed to register layer: write /usr/lib/libtorch.so: no space left on device'),
      'degraded: out-of-disk',
    ],
    [
      'vllm-project/aibrix#1120',
      11,
      again(`${daemon} no matching manifest for linux/amd64 in the manifest list entries`),
      'degraded: wrong-architecture',
    ],
    [
      'a registry that cannot be reached',
      11,
      again(
        `${daemon} Get "https://${host}/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)`,
      ),
      'degraded: pull-failed',
    ],
    [
      'a cause that has no words here',
      11,
      again('error pulling image: the snapshotter of tomorrow declines'),
      'degraded: pull-failed',
    ],
    ['"No such image" alone', 11, again(), 'degraded: pull-failed'],
    [
      'dstackai/dstack#2729',
      11,
      [
        ...begun,
        [10.8, 'failed to pull image: failed to register layer: Container ID 78971 cannot be mapped to a host ID'],
      ],
      'degraded: pull-failed',
    ],
    [
      'distribution/distribution#4252',
      11,
      [
        ...begun,
        [
          10.8,
          `${daemon} error pulling image configuration: received unexpected HTTP status: 500 Internal Server Error`,
        ],
      ],
      'degraded: pull-failed',
    ],
    [
      'ai-shifu/ai-shifu#170',
      11,
      [...begun, [10.8, 'failed to register layer: max depth exceeded']],
      'degraded: pull-failed',
    ],
    [
      'kitematic#4713',
      11,
      [
        ...begun,
        [
          10.8,
          'error pulling image: error pulling image configuration: download failed after attempts=6: 403 Forbidden',
        ],
      ],
      'degraded: pull-failed',
    ],
    [
      'nrdg/cloudknot#309',
      11,
      [
        [1, 'r7 Pulling from vision/serve'],
        [1.5, `Status: Downloaded newer image for ${image}`],
        [
          10.8,
          'error starting container: Error response from daemon: OCI runtime create failed: exec: "/start.sh": permission denied: unknown',
        ],
      ],
      'degraded: container-cannot-start',
    ],
    [
      'dstackai/dstack#1976',
      2,
      [
        [1, `Status: Image is up to date for ${image}`],
        [
          1,
          'error creating container: container: create: container create: Error response from daemon: layer does not exist',
        ],
      ],
      'degraded: container-cannot-start',
    ],
    ['ComfyWorkflows/ComfyUI-Launcher#39', 8, [[1, `pending image pull ${image}`], ...ticks(1.2, 7.9, 20)], 'pending'],
    ['the same, begun before the update', 8, [[-2, 'r7 Pulling from vision/serve'], ...ticks(-1, 7.9, 20)], 'pending'],
    [
      'the same, until we stop waiting',
      18,
      [[1, `pending image pull ${image}`], ...ticks(1.2, 17.9, 20)],
      'tested: worker-downloading',
    ],
    [
      'the same, silent for ten minutes',
      13,
      [[1, `pending image pull ${image}`], ...ticks(1.2, 2, 20)],
      'degraded: stuck',
    ],
    [
      'the same, then its disk is full',
      10.9,
      [
        [0.1, 'r7 Pulling from vision/serve'],
        ...ticks(0.2, 9, 3000),
        [9.5, 'failed to register layer: write /x: no space left on device'],
      ],
      'degraded: out-of-disk',
    ],
    [
      'the same, of more lines than Runpod backfills, then it is there',
      10.9,
      [
        [0.1, 'r7 Pulling from vision/serve'],
        ...ticks(0.2, 9, 12_000),
        [9.5, `Status: Downloaded newer image for ${image}`],
      ],
      'observed: worker-pulled',
    ],
    [
      'the same, begun before the update, and its container starts',
      10.9,
      [
        [-2, 'r7 Pulling from vision/serve'],
        ...ticks(-1, 9, 12_000),
        [9.5, `Status: Downloaded newer image for ${image}`],
      ],
      'pending',
    ],
    [
      'dstackai/dstack#2507, refused at first, then pulled',
      6,
      [
        [1, `${daemon} Head "https://${host}/v2/vision/serve/manifests/r7": no basic auth credentials`],
        [
          1,
          `error creating container: container: create: container create: Error response from daemon: No such image: ${image}`,
        ],
        [5.5, 'r7 Pulling from vision/serve'],
        [5.9, `Status: Downloaded newer image for ${image}`],
      ],
      'observed: worker-pulled',
    ],
    [
      'runpod-workers/worker-comfyui#78, pulled, then begun again and again',
      2,
      [
        [1, `create container ${image}`],
        [1, 'r7 Pulling from vision/serve'],
        [1, `Digest: sha256:${'de'.repeat(32)}`],
        [1, `Status: Image is up to date for ${image}`],
        [1, `start container for ${image}: begin`],
        [1.3, `start container for ${image}: begin`],
      ],
      'observed: worker-pulled',
    ],
    [
      'runpod-workers/worker-comfyui#201, pending for ever',
      11,
      [
        [10.1, `error creating container: image pull: ${image}: pending`],
        [10.2, `create container ${image}`],
        [10.3, `error creating container: image pull: ${image}: pending`],
      ],
      'degraded: stuck',
    ],
    [
      'a refusal while the old token may be in use',
      5,
      again(`${daemon} denied: Your authorization token has expired.`).map(([, line]) => [4, line]),
      'pending',
    ],
  ])('%s is told for what it is', async (_source, minute, lines, verdict) => {
    const { proof, reason } = await lookAt(minute, lines);
    expect(proof === undefined ? 'pending' : `${proof}: ${reason}`).toBe(verdict);
  });

  it('gives the host’s own line where there are no better words, and never advises to terminate a worker that downloads', async () => {
    const { evidence } = await lookAt(11, [...begun, [10.8, 'failed to register layer: max depth exceeded']]);
    expect(evidence).toMatch(/^Worker \w+ could not pull the image: "failed to register layer: max depth exceeded"\./);
    await world.end();
    const downloading = await lookAt(18, [...ticks(12, 18, 5)]);
    expect(downloading).toMatchObject({ proof: 'tested', evidence: expect.not.stringMatching(/terminate/i) });
  });

  it('outranks what we think of the image where a worker pulled it', async () => {
    const images = { images: [{ image, problem: 'its manifest is odd' }] };
    expect(await lookAt(2, [[1, `Status: Downloaded newer image for ${image}`]], { images })).toMatchObject({
      proof: 'observed',
    });
  });

  it('does not outrank it before', async () => {
    const images = { images: [{ image, problem: 'its manifest is odd' }] };
    expect(await lookAt(2, [[1, `pending image pull ${image}`]], { images })).toMatchObject({
      proof: 'failed',
      reason: 'image-not-pullable',
    });
  });

  it('brings nothing into an answer that a terminal obeys or that turns the reading direction round', async () => {
    const answer = await lookAt(11, [
      ...begun,
      [10.8, 'failed to register layer: \u001b[31mmax\u001b[0m \u009b2J\u202edepth\u0007\u2028exceeded'],
    ]);
    expect(JSON.stringify(answer)).not.toMatch(/\\u|[\u007f-\u009f\u202a-\u202e\u2028\u2066-\u2069]/);
    expect(answer.line).toBe('failed to register layer: max 2J depth exceeded');
  });
});
