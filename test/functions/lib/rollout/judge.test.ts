import { describe, expect, it } from 'vitest';
import { judgeWorkers, type WatchView } from '../../../../functions/lib/rollout/judge.ts';
import type { CanaryView } from '../../../../functions/lib/runpod/endpoint-proof.ts';
import type { Worker } from '../../../../functions/lib/runpod/management.ts';

const appliedAt = Date.parse('2026-11-25T12:00:00Z');
const digest = `sha256:${'9f'.repeat(32)}`;
const image = `123456789012.dkr.ecr.us-east-1.amazonaws.com/team/worker:v2@${digest}`;
const iso = (seconds: number): string => new Date(appliedAt + seconds * 1000).toISOString();

type Line = readonly [seconds: number, line: string];

const pulled: readonly Line[] = [
  [5, `create container ${image}`],
  [6, `${digest}: Pulling from team/worker`],
  [20, `Digest: ${digest}`],
  [20, `Status: Downloaded newer image for ${image}`],
];
const begin = (seconds: number): Line => [seconds, `start container for ${image}: begin`];
const refusedBy = (text: string): readonly Line[] =>
  [5, 20, 35].map((seconds) => [seconds, `error pulling image: Error response from daemon: ${text}`]);
const noEntrypoint: Line = [
  21,
  'error starting container: OCI runtime create failed: runc create failed: exec: "/start.sh": stat /start.sh: no such file or directory',
];

const worker = (id: string, status: string, lines: readonly Line[], more: Partial<Worker> = {}) => ({
  worker: { id, status, isStale: false, version: 7, image, startedAt: iso(2), ...more },
  log: lines.map(([seconds, line]) => ({ line, at: appliedAt + seconds * 1000 })),
});

const judge = (workers: ReturnType<typeof worker>[], more: Partial<WatchView> = {}) =>
  judgeWorkers({
    image,
    digest,
    appliedAt,
    version: 7,
    workers,
    canary: undefined,
    failedBefore: [],
    now: appliedAt + 120_000,
    ...more,
  });

const ready = worker('a', 'IDLE', [...pulled, begin(21)]);
const canary = (state: CanaryView['state'], workerId?: string): CanaryView => ({
  state,
  clause: 'job j is what it is',
  ...(workerId === undefined ? {} : { workerId }),
});

describe('the workers of a new image', () => {
  it.each([
    ['that pulled it and is ready', [ready]],
    ['that runs a job', [worker('a', 'RUNNING', [...pulled, begin(119)])]],
    [
      'of which Runpod knows neither version nor image',
      [worker('a', 'IDLE', [...pulled, begin(21)], { version: null, image: null })],
    ],
    ['beside one that cannot start', [worker('b', 'INITIALIZING', [...pulled, noEntrypoint]), ready]],
  ])('prove it by one %s', (_, workers) => {
    expect(judge(workers).verdict).toBe('proven');
  });

  it.each([
    ['none', []],
    ['one that is stale', [worker('a', 'IDLE', pulled, { isStale: true })]],
    ['one of another version', [worker('a', 'IDLE', pulled, { version: 6 })]],
    [
      'one whose host has no driver for it',
      [
        worker('a', 'INITIALIZING', [
          ...pulled,
          [21, 'error starting container: nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8'],
        ]),
      ],
    ],
    [
      'one whose container cannot be created for a reason that nobody has words for',
      [worker('a', 'INITIALIZING', [...pulled, [21, 'error creating container: frobnication']])],
    ],
    ['one of another image', [worker('a', 'IDLE', pulled, { image: 'other' })]],
    ['one that started before', [worker('a', 'IDLE', pulled, { version: null, startedAt: iso(-60) })]],
    ['one whose host pulled another digest', [worker('a', 'IDLE', [[20, `Digest: sha256:${'00'.repeat(32)}`]])]],
    ['one that has not pulled', [worker('a', 'IDLE', [])]],
    ['one that began a moment ago, and may end', [worker('a', 'IDLE', [...pulled, begin(110)])]],
    ['one that still pulls', [worker('a', 'INITIALIZING', pulled.slice(0, 2))]],
    ['one that waits for capacity', [worker('a', 'THROTTLED', [])]],
  ])('prove nothing where there is %s', (_, workers) => {
    expect(judge(workers).verdict).toBe('pending');
  });

  it.each([
    [
      'is for another architecture',
      [worker('a', 'INITIALIZING', refusedBy('no matching manifest for linux/amd64 in the manifest list entries'))],
    ],
    [
      'is missing',
      [
        worker(
          'a',
          'INITIALIZING',
          refusedBy(`manifest for ${image} not found: manifest unknown: Requested image not found`),
        ),
      ],
    ],
    ['cannot be started', [worker('a', 'INITIALIZING', [...pulled, noEntrypoint])]],
    [
      'ends at once, while Runpod calls the worker ready',
      [worker('a', 'IDLE', [...pulled, begin(21), begin(38), begin(55)])],
    ],
  ])('break it by one where it %s', (_, workers) => {
    expect(judge(workers)).toMatchObject({ verdict: 'broken', why: expect.stringContaining('worker a') });
  });

  it.each([
    ['throttling', 'toomanyrequests: Rate exceeded'],
    ['the network', 'Get "https://x": dial tcp: i/o timeout'],
    ['a key of the registry’s', 'KMSException: kms key is disabled'],
    ['what a cache pulls from', 'unable to pull through cache: upstream registry is unavailable'],
    ['a refused login', 'denied: Your authorization token has expired. Reauthenticate and try again.'],
  ])('never break it by %s, however many', (_, text) => {
    const workers = ['a', 'b', 'c'].map((id) => worker(id, 'UNHEALTHY', refusedBy(text)));
    expect(judge(workers).verdict).toBe('pending');
  });

  it('break it by two without disk, and not by one', () => {
    const full = refusedBy('failed to register layer: write /x: no space left on device');
    expect(judge([worker('a', 'INITIALIZING', full)]).verdict).toBe('pending');
    expect(judge([worker('a', 'INITIALIZING', full), worker('b', 'UNHEALTHY', [])]).verdict).toBe('broken');
  });

  it('count a worker that has vanished since, and not one that works by now', () => {
    const failedBefore = [{ worker: 'gone', why: 'worker gone is unhealthy' }];
    expect(judge([worker('b', 'UNHEALTHY', [])], { failedBefore }).verdict).toBe('broken');
    expect(judge([ready], { failedBefore: [{ worker: 'a', why: 'it was unhealthy' }] }).failed).toEqual([]);
  });

  it('are waited for while a canary job is under way, which proves by itself on one of them alone', () => {
    expect(judge([ready], { canary: canary('running') }).verdict).toBe('pending');
    expect(judge([worker('a', 'RUNNING', [])], { canary: canary('completed', 'a') }).verdict).toBe('proven');
    expect(judge([worker('a', 'INITIALIZING', [])], { canary: canary('completed', 'old') }).verdict).toBe('pending');
    expect(judge([ready], { canary: canary('failed', 'a') })).toMatchObject({
      verdict: 'pending',
      failed: [{ worker: 'a' }],
    });
  });

  it('that were stopped and started for jobs do not end at once', () => {
    const woken = [begin(21), [30, 'stop container x'], begin(40), [50, 'stop container x'], begin(60)] as const;
    expect(judge([worker('a', 'IDLE', [...pulled, ...woken])]).verdict).toBe('proven');
  });
});
