import { describe, expect, it } from 'vitest';
import { isOfRelease, judgeWorkers, type WatchView } from '../../../../functions/lib/rollout/judge.ts';
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

describe('a worker', () => {
  const release: Pick<WatchView, 'image' | 'appliedAt' | 'version'> = { image, appliedAt, version: 7 };
  const isOurs = (more: Partial<Worker>, of: Partial<typeof release> = {}): boolean =>
    isOfRelease({ ...worker('a', 'INITIALIZING', []).worker, ...more }, { ...release, ...of });

  it('is of a release by its version, where both are known', () => {
    expect([6, 7, 8].map((version) => isOurs({ version, startedAt: iso(-60) }))).toEqual([false, true, true]);
  });

  it.each([{ version: null }, { version: undefined }])('is of it by its start where Runpod leaves %j', (unsaid) => {
    expect([-1, 0, 1].map((seconds) => isOurs({ ...unsaid, startedAt: iso(seconds) }))).toEqual([false, true, true]);
    const statuses = ['INITIALIZING', 'THROTTLED', 'IDLE', 'RUNNING'];
    expect(statuses.map((status) => isOurs({ ...unsaid, startedAt: null, status }))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('is of it by its start where the release has no number', () => {
    expect(isOurs({ version: 7, startedAt: iso(-1) }, { version: undefined })).toBe(false);
    expect(isOurs({ version: 6, startedAt: iso(1) }, { version: undefined })).toBe(true);
  });
});

describe('what a worker shows', () => {
  const at = (seconds: number) => ({ now: appliedAt + seconds * 1000 });
  const missing = refusedBy(`manifest for ${image} not found: manifest unknown: Requested image not found`);

  it('is that it works once its container has run for half a minute', () => {
    const lines = [...pulled, begin(21)];
    expect(judge([worker('a', 'IDLE', lines)], at(50)).verdict).toBe('pending');
    expect(judge([worker('a', 'IDLE', lines)], at(51))).toEqual({
      verdict: 'proven',
      why: 'worker a pulled team/worker:v2@sha256:9f9f9f9f9f9f and is ready',
      failed: [],
    });
    // Where no start was seen, since it was pulled.
    expect([49, 50].map((seconds) => judge([worker('a', 'IDLE', pulled)], at(seconds)).verdict)).toEqual([
      'pending',
      'proven',
    ]);
  });

  it('is that its program ends at once, after three starts a minute apart at most', () => {
    const broken = judge([worker('a', 'IDLE', [...pulled, begin(21), begin(81), begin(141)])], at(142));
    expect(broken).toMatchObject({
      verdict: 'broken',
      why: 'worker a started its program 3 times, and it ended each time at once',
    });
    expect(judge([worker('a', 'IDLE', [...pulled, begin(21), begin(81), begin(142)])], at(143)).verdict).toBe(
      'pending',
    );
    expect(judge([worker('a', 'IDLE', [...pulled, begin(21), begin(83), begin(143)])], at(144)).verdict).toBe(
      'pending',
    );
    expect(judge([worker('a', 'IDLE', [...pulled, begin(21), begin(38)])], at(40)).verdict).toBe('pending');
    expect(judge([worker('a', 'RUNNING', [...pulled, begin(21), begin(38), begin(55)])]).verdict).toBe('proven');
    // The last three count, however far apart earlier ones are.
    const late = [begin(21), begin(200), begin(210), begin(220)];
    expect(judge([worker('a', 'IDLE', [...pulled, ...late])], at(221)).verdict).toBe('broken');
  });

  it('is that the image is missing, once that has lasted or come again', () => {
    const once = missing.slice(0, 1);
    expect(judge([worker('a', 'INITIALIZING', once)], at(49))).toEqual({
      verdict: 'pending',
      why: 'worker a is starting',
      failed: [{ worker: 'a', why: expect.stringMatching(/^worker a logged error pulling image: .*manifest unknown/) }],
    });
    expect(judge([worker('a', 'INITIALIZING', once)], at(50)).verdict).toBe('broken');
    expect(judge([worker('a', 'INITIALIZING', missing.slice(0, 2))], at(21)).verdict).toBe('broken');
  });

  it('counts from ten seconds before Runpod took the image, for clocks differ', () => {
    const early = (seconds: number): Line[] => [
      [seconds, `Digest: ${digest}`],
      [seconds, `Status: Image is up to date for ${image}`],
    ];
    expect(judge([worker('a', 'IDLE', early(-10))]).verdict).toBe('proven');
    expect(judge([worker('a', 'IDLE', early(-11))]).verdict).toBe('pending');
  });

  it('is of the digest that was pulled last', () => {
    const other: Line = [3, `Digest: sha256:${'00'.repeat(32)}`];
    expect(judge([worker('a', 'IDLE', [other, ...pulled])]).verdict).toBe('proven');
    expect(judge([worker('a', 'IDLE', [...pulled, [30, other[1]]])]).verdict).toBe('pending');
  });

  it('is told in the words of its host where two fail, the last of them', () => {
    const failedBefore = [{ worker: 'gone', why: 'worker gone is unhealthy' }];
    expect(judge([worker('b', 'UNHEALTHY', [])], { failedBefore })).toEqual({
      verdict: 'broken',
      why: '2 workers could not run it, and none could: worker b is unhealthy',
      failed: [...failedBefore, { worker: 'b', why: 'worker b is unhealthy' }],
    });
    // The same one is counted once, and two are not believed beside one that works.
    expect(judge([worker('gone', 'UNHEALTHY', [])], { failedBefore }).failed).toHaveLength(1);
    expect(judge([ready, worker('b', 'UNHEALTHY', []), worker('c', 'UNHEALTHY', [])]).verdict).toBe('proven');
  });

  it('is that nothing had to start, or that one is starting', () => {
    expect(judge([]).why).toBe('no worker has had to start with it');
    expect(judge([worker('a', 'INITIALIZING', [])]).why).toBe('worker a is starting');
  });

  it('is what a canary job on it came to', () => {
    expect(judge([worker('a', 'RUNNING', [])], { canary: canary('completed', 'a') }).why).toBe(
      'job j is what it is, of the new version',
    );
    const ready2 = worker('b', 'IDLE', [...pulled, begin(21)]);
    const failed = { canary: canary('failed', 'a') };
    expect(judge([ready], failed).failed).toEqual([{ worker: 'a', why: 'job j is what it is' }]);
    // Another one that works proves it all the same.
    expect(judge([ready, ready2], failed).why).toBe('worker b pulled team/worker:v2@sha256:9f9f9f9f9f9f and is ready');
    // One that no worker of the new version ran says nothing.
    expect(judge([ready], { canary: canary('failed') })).toMatchObject({ verdict: 'proven', failed: [] });
  });
});
