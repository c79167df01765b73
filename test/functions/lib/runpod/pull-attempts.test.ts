import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LogLine, plainLine } from '../../../../functions/lib/runpod/log-line.ts';
import {
  causeOf,
  judgeAttempts,
  type PullCause,
  pullVerdicts,
  readPullAttempts,
  settlingMs,
  type WorkerEvidence,
} from '../../../../functions/lib/runpod/pull-attempts.ts';

const host = '210987654321.dkr.ecr.eu-west-1.amazonaws.com';
const image = `${host}/vision/serve:r7`;
const storedAt = Date.parse('2026-11-23T17:40:00Z');
const propagationMs = 10 * 60_000;
const daemon = 'error pulling image: Error response from daemon:';
/** What Runpod's hosts log after every pull that failed, whatever its cause (dstackai/dstack#2507). */
const noSuchImage = `error creating container: container: create: container create: Error response from daemon: No such image: ${image}`;

type Line = readonly [minute: number, text: string];
const logOf = (...lines: readonly Line[]): LogLine[] =>
  lines.map(([minute, line]) => ({ line: plainLine(line), at: storedAt + minute * 60_000 }));
const evidenceAt = (minute: number, lines: readonly Line[], hasStarted = false): WorkerEvidence =>
  judgeAttempts(readPullAttempts(logOf(...lines)), {
    storedAt,
    propagationMs,
    now: storedAt + minute * 60_000,
    hasStarted,
  });

describe('a cause that stands in one line', () => {
  it.each<readonly [PullCause, string]>([
    // moby, graph drivers: Docker 20 to 28.
    ['refused', `${daemon} Head "https://${host}/v2/vision/serve/manifests/r7": no basic auth credentials`],
    [
      'refused',
      `${daemon} pull access denied for ${host}/vision/serve, repository does not exist or may require 'docker login': denied: Your authorization token has expired. Reauthenticate and try again.`,
    ],
    ['refused', `${daemon} unauthorized: authentication required`],
    ['refused', `error creating container: Error response from daemon: unauthorized: authentication required`],
    [
      'refused',
      `${daemon} Get "https://${host}/v2/vision/serve/manifests/r7": unauthorized: incorrect username or password`,
    ],
    ['refused', `${daemon} repository ${host}/vision/serve not found: does not exist or no pull access`],
    ['refused', `${daemon} denied: The security token included in the request is expired`],
    ['missing', `${daemon} manifest for ${image} not found: manifest unknown: Requested image not found`],
    [
      'missing',
      `${daemon} repository ${host}/vision/serve not found: name unknown: The repository with name 'vision/serve' does not exist in the registry with id '210987654321'`,
    ],
    ['missing', `${daemon} blob unknown: blob unknown to registry`],
    ['wrong-architecture', `${daemon} no matching manifest for linux/amd64/v4 in the manifest list entries`],
    [
      'wrong-architecture',
      `${daemon} image operating system "windows" cannot be used on this platform: operating system is not supported`,
    ],
    ['wrong-architecture', 'exec /usr/bin/python3: exec format error'],
    [
      'wrong-architecture',
      `error starting container: image with reference ${image} was found but its platform (linux/arm64) does not match the specified platform (linux/amd64)`,
    ],
    ['throttled', `${daemon} toomanyrequests: Rate exceeded`],
    ['throttled', `${daemon} toomanyrequests: Data limit exceeded`],
    ['out-of-disk', 'failed to register layer: write /opt/conda/lib/libtorch.so: no space left on device'],
    [
      'out-of-disk',
      'failed to register layer: ApplyLayer exit status 1 stdout:  stderr: write /x: disk quota exceeded',
    ],
    ['registry-unreachable', `${daemon} Get "https://${host}/v2/": net/http: TLS handshake timeout`],
    ['registry-unreachable', `${daemon} Get "https://${host}/v2/": dial tcp: lookup ${host}: no such host`],
    ['registry-unreachable', `${daemon} received unexpected HTTP status: 503 Service Unavailable`],
    ['registry-unreachable', `error pulling image: unexpected EOF`],
    ['not-an-image', `${daemon} unsupported media type application/vnd.cncf.helm.config.v1+json`],
    ['not-an-image', `${daemon} Encountered remote "application/vnd.docker.plugin.v1+json"(plugin) when fetching`],
    [
      'not-an-image',
      `${daemon} Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed. Suggest the author of ${image} to upgrade`,
    ],
    ['other', `failed to register layer: Container ID 78971 cannot be mapped to a host ID`],
    ['other', 'failed to register layer: max depth exceeded'],
    ['other', 'max depth exceeded'],
    ['other', 'failed to register layer: exec: "unpigz": executable file not found in $PATH'],
    ['other', `${daemon} filesystem layer verification failed for digest sha256:${'ab'.repeat(32)}`],
    ['other', `${daemon} something that nobody has worded before`],
    // moby with the containerd image store: 24 to 29.
    ['refused', `${daemon} error from registry: Your authorization token has expired. Reauthenticate and try again.`],
    ['refused', `${daemon} error from registry: denied`],
    ['refused', `${daemon} error from registry: requested access to the resource is denied`],
    [
      'refused',
      `${daemon} pull access denied for ${host}/vision/serve, repository does not exist or may require 'docker login'`,
    ],
    [
      'refused',
      `${daemon} error from registry: User: arn:aws:sts::210987654321:assumed-role/refresh/x is not authorized to perform: ecr:GetDownloadUrlForLayer on resource: arn:aws:ecr:eu-west-1:210987654321:repository/vision/serve because no identity-based policy allows it`,
    ],
    [
      'missing',
      `${daemon} error from registry: The repository with name 'vision/serve' does not exist in the registry with id '210987654321'`,
    ],
    ['missing', `${daemon} failed to resolve reference "${image}": ${image}: not found`],
    [
      'wrong-architecture',
      `${daemon} no matching manifest for linux/amd64 in the manifest list entries: no match for platform in manifest: not found`,
    ],
    ['throttled', `${daemon} error from registry: retry-after: 14.2ms, allowed: 3000/minute`],
    [
      'throttled',
      `${daemon} error from registry: You have reached your pull rate limit. You may increase the limit by authenticating`,
    ],
    // containerd 1.6 to 2.
    [
      'refused',
      `failed to pull and unpack image "${image}": failed to resolve reference "${image}": pulling from host ${host} failed with status code [manifests r7]: 401 Unauthorized`,
    ],
    [
      'refused',
      `failed to pull and unpack image "${image}": failed to resolve reference "${image}": unexpected status from HEAD request to https://${host}/v2/vision/serve/manifests/r7: 403 Forbidden`,
    ],
    [
      'refused',
      `failed to resolve reference "${image}": pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials`,
    ],
    [
      'refused',
      `failed to resolve reference "${image}": failed to authorize: failed to fetch oauth token: unexpected status: 400 Bad Request`,
    ],
    [
      'missing',
      `failed to pull and unpack image "${image}": failed to copy: httpReadSeeker: failed open: content at https://${host}/v2/vision/serve/manifests/sha256:${'cd'.repeat(32)} not found: not found`,
    ],
    ['wrong-architecture', `failed to pull and unpack image "${image}": no match for platform in manifest: not found`],
    [
      'not-an-image',
      `failed to resolve reference "${image}": not implemented: media type "application/vnd.docker.distribution.manifest.v1+prettyjws" is no longer supported since containerd v2.0, please rebuild the image`,
    ],
    [
      'registry-unreachable',
      `failed to resolve reference "${image}": failed to do request: Head "https://${host}/v2/vision/serve/manifests/r7": dial tcp 10.0.0.7:443: i/o timeout`,
    ],
    [
      'other',
      `failed to extract layer (application/vnd.oci.image.layer.v1.tar+gzip sha256:${'ee'.repeat(32)}) to overlayfs as "extract-1": mkdir /var: permission denied`,
    ],
    // ECR's and S3's own words, in both.
    ['archived', `${daemon} error from registry: The image is archived and cannot be pulled`],
    [
      'blob-store',
      `${daemon} error from registry: The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.`,
    ],
    [
      'blob-store',
      `error pulling image: unexpected status from GET request to https://prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com/x?y=z: 403 Forbidden`,
    ],
    [
      'blob-store',
      `error pulling image configuration: error parsing HTTP 403 response body: invalid character '<' looking for beginning of value: "<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>"`,
    ],
    [
      'registry-unreachable',
      `error parsing HTTP 400 response body: invalid character '<': "<Error><Code>RequestTimeout</Code></Error>"`,
    ],
    [
      'throttled',
      `error pulling image configuration: error parsing HTTP 503 response body: "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"`,
    ],
    // A program of the image.
    ['container-cannot-start', `exec: "/start.sh": permission denied: unknown`],
    [
      'container-cannot-start',
      `error starting container: Error response from daemon: OCI runtime create failed: runc create failed: unable to start container process: exec: "serve": executable file not found in $PATH: unknown`,
    ],
    [
      'host-cannot-start',
      `error creating container: failed to create shim task: nvidia-container-cli: initialization error: unauthorized`,
    ],
  ])('%s: %s', (cause, line) => {
    expect(causeOf(line)).toBe(cause);
    expect(causeOf(`2026-11-23T17:41:00.123456Z \u001b[31m${line}\u001b[0m\r`)).toBe(cause);
  });

  it.each([
    '',
    noSuchImage,
    `create container ${image}`,
    `start container for ${image}: begin`,
    'worker is ready',
    'stop container a6a111ed',
    `error creating container: image pull: ${image}: pending`,
    'r7 Pulling from vision/serve',
    '316f8cbc3be8 Downloading [>   ]  37.63MB/5.689GB',
  ])('none: %j', (line) => {
    expect(causeOf(line)).toBeUndefined();
  });

  it('is not read from what people named their repository, tag or role', () => {
    const forbidden = (name: string) =>
      `${daemon} error from registry: User: arn:aws:sts::210987654321:assumed-role/${name}/s is not authorized to perform: ecr:BatchGetImage on resource: arn:aws:ecr:eu-west-1:210987654321:repository/team/${name}`;
    for (const name of ['archive', 'is-archived', 'toomanyrequests', 'no-such-host', 'v403', 'kms-key', 'timeout']) {
      expect(causeOf(forbidden(name))).toBe('refused');
      expect(
        causeOf(`${daemon} failed to resolve reference "${host}/${name}:${name}": ${host}/${name}:${name}: not found`),
      ).toBe('missing');
    }
  });

  it('is found at either end of a line of any length, in time that grows with its length alone', () => {
    expect(causeOf(`${daemon} ${'y'.repeat(60_000)}: no basic auth credentials`)).toBe('refused');
    const hostile = [
      'manifest for ',
      'repository with name ',
      'failed to resolve reference ',
      'a: ',
      '\u001b[',
      '<Code>',
      ' ',
    ];
    for (const part of hostile) {
      const line = part.repeat(Math.ceil(65_536 / part.length));
      const began = performance.now();
      for (let round = 0; round < 20; round += 1) causeOf(line);
      expect(performance.now() - began).toBeLessThan(1000);
    }
  });

  it('never throws, whatever the line', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 80 }), { maxLength: 5 }), (texts) => {
        const log = texts.map((line, index) => ({ line, at: storedAt + index * 1000 }));
        for (const { beganAt } of readPullAttempts(log)) expect(beganAt).toBeGreaterThanOrEqual(storedAt);
      }),
    );
  });
});

describe('a log that ends in a failed pull', () => {
  const failing = (line: string): readonly Line[] => [
    [10.2, line],
    [10.2, noSuchImage],
    [10.9, line],
    [10.9, noSuchImage],
  ];

  it.each<readonly [PullCause, string, string]>([
    [
      'refused',
      'dstackai/dstack#2507',
      `${daemon} Head "https://${host}/v2/vision/serve/manifests/r7": no basic auth credentials`,
    ],
    [
      'refused',
      '0lav/nimble-miner-docker#3',
      `${daemon} pull access denied for vision/serve, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
    ],
    ['throttled', 'zebrunner/mcloud-agent#235', `${daemon} toomanyrequests: Rate exceeded`],
    [
      'out-of-disk',
      'dstackai/dstack#2020',
      'error pulling image: failed to register layer: write /usr/lib/libcudnn.so: no space left on device',
    ],
    [
      'wrong-architecture',
      'vllm-project/aibrix#1120',
      `${daemon} no matching manifest for linux/amd64 in the manifest list entries`,
    ],
    [
      'registry-unreachable',
      'a network that answers late',
      `${daemon} Get "https://${host}/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)`,
    ],
    ['other', 'words that nobody has seen', `${daemon} the flux capacitor is misaligned`],
  ])('says %s, and "No such image" belongs to it (%s)', (cause, _source, line) => {
    const evidence = evidenceAt(11, failing(line));
    expect(evidence.kind).toBe(cause === 'refused' ? 'refused' : 'failed');
    if (evidence.kind === 'failed') expect(evidence.cause).toBe(cause);
    expect(evidence).toHaveProperty('line', expect.stringContaining(line.slice(0, 40)));
    expect(readPullAttempts(logOf(...failing(line)))).toHaveLength(2);
  });

  it('says nothing of the token where "No such image" is all that it says', () => {
    expect(evidenceAt(11, [[10.5, noSuchImage]])).toMatchObject({ kind: 'failed', cause: 'other', tookToken: false });
  });

  it('is no refusal while the old token may still be in use, and one once its window has passed and settled', () => {
    const line = `${daemon} error from registry: denied`;
    expect(evidenceAt(10.5, [[9.9, line]])).toMatchObject({
      kind: 'unsettled',
      cause: 'refused',
      believedFrom: storedAt + propagationMs + settlingMs,
    });
    expect(evidenceAt(20, [[9.9, line]]).kind).toBe('unsettled');
    expect(evidenceAt(10.5, [[10.1, line]]).kind).toBe('unsettled');
    expect(evidenceAt(10.75, [[10.1, line]]).kind).toBe('refused');
  });

  it('believes that an image is missing no sooner', () => {
    const line = `${daemon} manifest for ${image} not found: manifest unknown: Requested image not found`;
    expect(evidenceAt(11, [[9, line]]).kind).toBe('unsettled');
    expect(evidenceAt(11, [[10.5, line]])).toMatchObject({ kind: 'failed', cause: 'missing' });
  });

  it('keeps the failure where the next attempt has only begun', () => {
    const refused: Line = [10.2, `${daemon} error from registry: denied`];
    expect(evidenceAt(11, [refused, [10.4, `create container ${image}`]]).kind).toBe('refused');
  });

  it('is forgotten before the update, and where the worker runs by now', () => {
    const line = 'failed to register layer: write /x: no space left on device';
    expect(evidenceAt(11, [[-1, line]])).toEqual({ kind: 'nothing' });
    expect(evidenceAt(11, [[5, line]], true)).toEqual({ kind: 'nothing' });
    expect(evidenceAt(11, [[5, line]])).toMatchObject({ kind: 'failed', cause: 'out-of-disk' });
  });

  it('keeps being a refusal where every line of it is of a container that is created', () => {
    const line = 'error creating container: Error response from daemon: unauthorized: authentication required';
    expect(
      evidenceAt(11, [
        [1, line],
        [10.2, line],
        [10.9, line],
      ]),
    ).toMatchObject({ kind: 'refused' });
  });
});

describe('an attempt that began and failed', () => {
  it.each<readonly [PullCause, string, string]>([
    [
      'other',
      'dstackai/dstack#2729',
      'failed to pull image: failed to register layer: Container ID 78971 cannot be mapped to a host ID',
    ],
    [
      'registry-unreachable',
      'distribution/distribution#4252',
      `${daemon} error pulling image configuration: received unexpected HTTP status: 500 Internal Server Error`,
    ],
    ['other', 'ai-shifu/ai-shifu#170', 'failed to register layer: max depth exceeded'],
    [
      'blob-store',
      'docker/kitematic#4713',
      'error pulling image: error pulling image configuration: download failed after attempts=6: 403 Forbidden',
    ],
    ['blob-store', 'docker/build-push-action#719', 'error pulling image: unauthorized: Not Authorized'],
  ])('is %s and never a pull that worked (%s)', (cause, _source, line) => {
    const lines: readonly Line[] = [
      [10.1, 'r7 Pulling from vision/serve'],
      [10.2, 'c1e0ef7b956a Pulling fs layer'],
      [10.8, line],
    ];
    expect(evidenceAt(11, lines)).toMatchObject({ kind: 'failed', cause, tookToken: true });
    expect(evidenceAt(10.82, lines).kind).not.toBe('pulled');
  });

  it('is still refused where the token itself ended on the way', () => {
    const lines: readonly Line[] = [
      [10.1, '316f8cbc3be8 Downloading [>   ]  1MB/5.689GB'],
      [10.8, `${daemon} denied: Your authorization token has expired. Reauthenticate and try again.`],
    ];
    expect(evidenceAt(11, lines).kind).toBe('refused');
  });

  it('has its first cause, and keeps it over what follows at once', () => {
    const lines: readonly Line[] = [
      [10.2, '316f8cbc3be8 Downloading [>   ]  1MB/5.689GB'],
      [10.8, 'failed to register layer: write /x: no space left on device'],
      [10.81, `${daemon} 403 Forbidden`],
      [10.82, noSuchImage],
    ];
    expect(evidenceAt(11, lines)).toMatchObject({ kind: 'failed', cause: 'out-of-disk' });
    expect(readPullAttempts(logOf(...lines))).toHaveLength(1);
  });

  it('is told by the line that has a cause where the first has none', () => {
    const lines: readonly Line[] = [
      [10.8, 'error pulling image: it went wrong'],
      [10.81, 'error pulling image: toomanyrequests: Rate exceeded'],
    ];
    expect(evidenceAt(11, lines)).toMatchObject({ cause: 'throttled', line: expect.stringContaining('Rate exceeded') });
  });

  it('is read whole after thousands of lines of progress', () => {
    const progress = Array.from(
      { length: 3000 },
      (_, index): Line => [0.2 + (8.8 * index) / 3000, `316f8cbc3be8 Downloading [>   ]  ${index}MB/5.689GB`],
    );
    const lines: readonly Line[] = [
      [0.1, 'r7 Pulling from vision/serve'],
      ...progress,
      [9.5, 'failed to register layer: write /x: no space left on device'],
    ];
    expect(evidenceAt(10.9, lines)).toMatchObject({ kind: 'failed', cause: 'out-of-disk', tookToken: true });
  });
});

const pulledLines: readonly Line[] = [
  [1, `create container ${image}`],
  [1, 'r7 Pulling from vision/serve'],
  [1.5, `Digest: sha256:${'de'.repeat(32)}`],
  [1.5, `Status: Downloaded newer image for ${image}`],
];

describe('a worker that pulls', () => {
  it('has pulled, and its line says so', () => {
    expect(evidenceAt(2, pulledLines)).toEqual({
      kind: 'pulled',
      line: `Status: Downloaded newer image for ${image}`,
      at: storedAt + 90_000,
    });
    expect(readPullAttempts(logOf(...pulledLines))).toHaveLength(1);
  });

  it('has pulled after being refused within the window (dstackai/dstack#2507)', () => {
    const refused: Line = [
      1,
      `${daemon} Head "https://${host}/v2/vision/serve/manifests/r7": no basic auth credentials`,
    ];
    expect(
      evidenceAt(6, [
        refused,
        [1, noSuchImage],
        [5.5, 'r7 Pulling from vision/serve'],
        [5.9, `Status: Downloaded newer image for ${image}`],
      ]).kind,
    ).toBe('pulled');
  });

  it('has pulled although a refusal within the window follows', () => {
    expect(evidenceAt(11, [...pulledLines, [8, `${daemon} error from registry: denied`]])).toMatchObject({
      kind: 'pulled',
    });
  });

  it('has pulled although its container begins again and again (runpod-workers/worker-comfyui#78)', () => {
    expect(
      evidenceAt(2, [
        [1, 'r7 Pulling from vision/serve'],
        [1, `Digest: sha256:${'de'.repeat(32)}`],
        [1, `Status: Image is up to date for ${image}`],
        [1, 'worker is ready'],
        [1, `start container for ${image}: begin`],
        [1.3, `start container for ${image}: begin`],
      ]),
    ).toMatchObject({ kind: 'pulled', line: expect.stringContaining('up to date') });
  });

  it.each<readonly [PullCause, string, string]>([
    [
      'container-cannot-start',
      'nrdg/cloudknot#309',
      'error starting container: Error response from daemon: OCI runtime create failed: exec: "/start.sh": permission denied: unknown',
    ],
    [
      'host-cannot-start',
      'dstackai/dstack#1976',
      'error creating container: container: create: container create: Error response from daemon: layer does not exist',
    ],
    ['wrong-architecture', 'an image of another architecture', 'exec /usr/bin/python3: exec format error'],
    [
      'out-of-disk',
      'a disk that the image filled',
      'error creating container: mkdir /var/lib/docker/overlay2/x: no space left on device',
    ],
  ])('has pulled, and %s is told beside it (%s)', (cause, _source, line) => {
    const evidence = evidenceAt(11, [...pulledLines, [10.8, line]]);
    expect(evidence).toMatchObject({
      kind: 'pulled',
      after: { cause, line: expect.stringContaining(line.slice(0, 30)) },
    });
    expect(evidenceAt(11, [...pulledLines, [10.8, line]], true)).not.toHaveProperty('after');
  });

  it('is not blamed for what a program says of its own network', () => {
    const evidence = evidenceAt(11, [...pulledLines, [10.8, 'error: connection refused by docker.example.com']]);
    expect(evidence).not.toHaveProperty('after');
    expect(evidence.kind).toBe('pulled');
  });

  it('shows a trouble of a later pull', () => {
    const later: Line = [10.8, 'failed to register layer: write /x: no space left on device'];
    expect(evidenceAt(11, [...pulledLines, later])).toMatchObject({ kind: 'failed', cause: 'out-of-disk' });
    const refused: Line = [10.7, 'error pulling image: 403 Forbidden'];
    expect(evidenceAt(11, [...pulledLines, refused]).kind).toBe('refused');
  });

  it('shows nothing of this token where its pull began with the token before', () => {
    expect(
      evidenceAt(3, [
        [-1, 'r7 Pulling from vision/serve'],
        [2, `Status: Downloaded newer image for ${image}`],
      ]),
    ).toEqual({ kind: 'nothing', pulledAt: storedAt + 2 * 60_000 });
  });
});

describe('a worker whose layers come down', () => {
  /** As posted in ComfyWorkflows/ComfyUI-Launcher#39: one layer of 5.7 GB. */
  const downloading: readonly Line[] = [
    [1, `pending image pull ${image}`],
    [1.2, '316f8cbc3be8 Downloading [>                    ]  37.63MB/5.689GB'],
    [7.9, '316f8cbc3be8 Downloading [================>    ]  4.63GB/5.689GB'],
  ];

  it('is downloading, which shows that the registry took the token', () => {
    expect(evidenceAt(8, downloading)).toEqual({
      kind: 'downloading',
      line: '316f8cbc3be8 Downloading [================> ] 4.63GB/5.689GB',
      at: storedAt + 7.9 * 60_000,
      showsToken: true,
    });
  });

  it('shows nothing of this token where it began before, and is downloading all the same', () => {
    expect(evidenceAt(8, [[-2, 'r7 Pulling from vision/serve'], ...downloading.slice(1)])).toMatchObject({
      kind: 'downloading',
      showsToken: false,
    });
  });

  it('outdates the failure before it', () => {
    const refused: Line = [0.5, `${daemon} error from registry: denied`];
    expect(evidenceAt(8, [refused, ...downloading]).kind).toBe('downloading');
    expect(
      evidenceAt(12, [
        [10.2, refused[1]],
        [11, 'r7 Pulling from vision/serve'],
      ]),
    ).toMatchObject({
      kind: 'downloading',
      line: 'the registry gave out the manifest',
    });
  });

  it('has stalled after ten silent minutes', () => {
    expect(evidenceAt(17.9, downloading).kind).toBe('downloading');
    expect(evidenceAt(18, downloading).kind).toBe('stalled');
  });

  it('is told from a pull that is only pending (runpod-workers/worker-comfyui#201)', () => {
    const pending = `error creating container: image pull: ${image}: pending`;
    expect(
      evidenceAt(11, [
        [10.1, pending],
        [10.2, `create container ${image}`],
        [10.3, pending],
      ]),
    ).toEqual({ kind: 'nothing' });
  });

  it('is read from containerd’s own progress, too', () => {
    const layer = `layer-sha256:${'ab'.repeat(32)}`;
    expect(evidenceAt(3, [[2, `${layer}:    downloading    |+++---|  3.2 MiB/12.0 MiB`]]).kind).toBe('downloading');
    expect(
      evidenceAt(3, [
        [2, `${layer}: waiting`],
        [2.5, `PullImage "${image}" returns image reference "sha256:${'cd'.repeat(32)}"`],
      ]).kind,
    ).toBe('pulled');
  });
});

/** Source: containerd internal/cri/server/images/image_pull.go (2; 1.7: pkg/cri/server), `pullProgressReporter`. */
describe('downloads that containerd has ended', () => {
  const at = (text: string) => `time="2026-11-23T17:50:12Z" level=info msg="${text}"`;
  const begun = at(`PullImage \\"${image}\\"`);
  const ended = (bytes: number) => at(`stop pulling image ${image}: active requests=0, bytes read=${bytes}`);
  const refused = `time="2026-11-23T17:50:12Z" level=error msg="PullImage \\"${image}\\" failed" error="failed to resolve reference: authorization failed: no basic auth credentials"`;

  it('show that the registry took the token, before the image is unpacked', () => {
    for (const lines of [[begun, ended(2_458_123)], [ended(2_458_123)]]) {
      const log = lines.map((text, index): Line => [1 + index, text]);
      expect(evidenceAt(4, log)).toMatchObject({ kind: 'downloading', showsToken: true });
    }
    const pulled = at(`Pulled image \\"${image}\\" with image id \\"sha256:ab\\"`);
    expect(
      evidenceAt(4, [
        [1, begun],
        [2, ended(2_458_123)],
        [3, pulled],
      ]),
    ).toMatchObject({ kind: 'pulled' });
  });

  it('show nothing where no more came than a refusal has, whichever line stands first', () => {
    expect(
      evidenceAt(13, [
        [11, begun],
        [11.1, ended(64_000)],
      ]),
    ).toEqual({ kind: 'nothing' });
    for (const lines of [
      [begun, ended(187), refused],
      [begun, refused, ended(187)],
    ]) {
      expect(
        evidenceAt(
          13,
          lines.map((text): Line => [11, text]),
        ),
      ).toMatchObject({ kind: 'refused' });
    }
  });

  it('are those of the attempt that failed just before', () => {
    const full = `time="2026-11-23T17:50:12Z" level=error msg="PullImage \\"${image}\\" failed" error="write /x: no space left on device"`;
    for (const lines of [
      [begun, ended(9_000_000), full],
      [begun, full, ended(9_000_000)],
    ]) {
      const log = lines.map((text): Line => [11, text]);
      expect(evidenceAt(13, log)).toMatchObject({ kind: 'failed', cause: 'out-of-disk' });
      expect(readPullAttempts(logOf(...log))).toHaveLength(1);
    }
  });
});

describe('a container that is started', () => {
  const start = `start container for ${image}: begin`;

  it.each([
    'Error: unauthorized: authentication required',
    'manifest unknown',
    'ollama: pulling manifest: Error: pull model manifest: 401 unauthorized',
    'toomanyrequests: Rate exceeded',
    'failed to download layer 3 of the model: 403 Forbidden',
    'no space left on device',
  ])('has a program, which does not speak of its own pull: %s', (line) => {
    const cached: readonly Line[] = [
      [1, `create container ${image}`],
      [1.1, start],
      [11, line],
      [11.5, line],
    ];
    expect(evidenceAt(13, cached)).toEqual({ kind: 'nothing' });
    expect(evidenceAt(13, [...pulledLines, ...cached.slice(1)])).toMatchObject({ kind: 'pulled' });
    expect(evidenceAt(13, [...pulledLines, ...cached.slice(1)])).not.toHaveProperty('after');
  });

  it('has a host, which goes on speaking', () => {
    const log: readonly Line[] = [
      [1, start],
      [10.5, `${daemon} denied: Your authorization token has expired.`],
    ];
    expect(evidenceAt(13, log)).toMatchObject({ kind: 'refused' });
    expect(
      evidenceAt(13, [
        [1, start],
        [2, 'stop container'],
        [11, 'unauthorized: authentication required'],
      ]),
    ).toMatchObject({
      kind: 'refused',
    });
    expect(
      evidenceAt(3, [
        [1, start],
        [1.1, 'exec /start.sh: exec format error'],
      ]),
    ).toMatchObject({
      kind: 'failed',
      cause: 'wrong-architecture',
    });
  });

  it('has its image, where layers of it came down before', () => {
    const log: readonly Line[] = [
      [1, 'r7 Pulling from vision/serve'],
      [1.5, '316f8cbc3be8: Pull complete'],
      [2, start],
    ];
    expect(evidenceAt(3, log)).toEqual({ kind: 'pulled', line: start, at: storedAt + 120_000 });
    expect(evidenceAt(3, log.slice(2))).toEqual({ kind: 'nothing' });
  });
});

describe('a pull that goes on', () => {
  const begun: Line = [1, 'r7 Pulling from vision/serve'];
  const moving: Line = [1.1, '316f8cbc3be8: Downloading [=>  ]  1MB/5GB'];

  it('is downloading while a layer is tried again', () => {
    const log: readonly Line[] = [begun, moving, [12, '316f8cbc3be8: Retrying in 10 seconds']];
    expect(evidenceAt(13, log)).toMatchObject({ kind: 'downloading', at: storedAt + 12 * 60_000 });
    expect(evidenceAt(22.1, log)).toMatchObject({ kind: 'stalled' });
  });

  it('is downloading after a failed attempt', () => {
    const failed: Line = [2, `${daemon} read tcp: connection reset by peer`];
    const again: readonly Line[] = [
      [2.3, begun[1]],
      [14, moving[1]],
    ];
    expect(evidenceAt(14.2, [begun, moving, failed, ...again])).toMatchObject({
      kind: 'downloading',
      showsToken: true,
    });
  });

  it('is told by amounts of an image alone', () => {
    const log: readonly Line[] = [
      [1, `Pulling image ${image}: 42% (2.3GB/5.6GB)`],
      [7.9, `Pulling image ${image}: 82% (4.6GB/5.6GB)`],
    ];
    expect(evidenceAt(8, log)).toMatchObject({ kind: 'downloading', at: storedAt + 7.9 * 60_000 });
    expect(evidenceAt(8, [[1, 'Downloading shards: 10% (1GB/9GB)']])).toEqual({ kind: 'nothing' });
  });

  it('ends with the token that it began with, which says nothing of the new one', () => {
    const ended = `${daemon} denied: Your authorization token has expired. Reauthenticate and try again.`;
    const log: readonly Line[] = [
      [-300, begun[1]],
      [-200, moving[1]],
      [14, ended],
    ];
    expect(evidenceAt(14.5, log)).toMatchObject({
      kind: 'unsettled',
      believedFrom: storedAt + 14 * 60_000 + settlingMs,
    });
    expect(evidenceAt(15, [...log, [14.4, ended], [14.4, noSuchImage]])).toMatchObject({ kind: 'refused' });
  });
});

describe('a log that is read as attempts', () => {
  it('has one for each begin, with what came of it', () => {
    const attempts = readPullAttempts(
      logOf(
        [1, `create container ${image}`],
        [1.1, 'r7: Pulling from vision/serve'],
        [1.2, 'c1e0ef7b956a: Pulling fs layer'],
        [1.3, 'c1e0ef7b956a: Retrying in 5 seconds'],
        [2, `create container ${image}`],
        [2.1, 'r7: Pulling from vision/serve'],
        [2.2, 'c1e0ef7b956a: Already exists'],
        [2.3, `Status: Image is up to date for ${image}`],
        [9, noSuchImage],
      ),
    );
    expect(attempts).toMatchObject([
      { beganAt: storedAt + 60_000, tokenTakenAt: storedAt + 66_000 },
      { beganAt: storedAt + 120_000, pulled: { at: storedAt + 138_000 } },
      { failed: { cause: 'other' } },
    ]);
    expect(attempts[0]).not.toHaveProperty('failed');
  });

  it('takes any failure for the end of a pull under way, and for nothing at other times', () => {
    const line = 'error: nobody has words for this';
    expect(
      evidenceAt(11, [
        [10, 'r7 Pulling from vision/serve'],
        [10.5, line],
      ]),
    ).toMatchObject({ cause: 'other', line });
    expect(evidenceAt(11, [[10.5, line]])).toEqual({ kind: 'nothing' });
  });

  it.each([
    'the program says r7: Pulling from vision/serve',
    `it wrote Digest: sha256:${'a'.repeat(64)}`,
    `Digest: sha256:${'a'.repeat(63)}`,
    `we have Status: Image is up to date for ${image}`,
    `it has successfully pulled image "${image}"`,
    'my program is downloading an image: 2.3GB/5.6GB',
    'download of weights: 2.3GB/5.6GB, of imagery',
    'please create container soon',
    'the pending image pull is none of ours',
    'now pulling image tiles',
    'we stop container ships',
  ])('takes no words of a program for those of a host: %s', (line) => {
    expect(readPullAttempts(logOf([1, line]))).toEqual([]);
    const told = readPullAttempts(logOf([1, `create container ${image}`], [2, line]));
    expect(told).toEqual(readPullAttempts(logOf([1, `create container ${image}`])));
  });

  it.each([
    ['create container', 1],
    [`create container ${image}`, 2],
    ['pending image pull', 2],
    [`pulling image ${image}`, 2],
  ])('has another where a host says "%s" after the first was given the token: %d', (line, count) => {
    const first: readonly Line[] = [
      [1, `create container ${image}`],
      [2, 'r7: Pulling from vision/serve'],
    ];
    const refused: Line = [4, 'unauthorized: authentication required'];
    expect(readPullAttempts(logOf(...first, [3, line], refused))).toHaveLength(count);
  });

  it.each([
    [`start container for ${image}: begin`, false],
    [`we start container for ${image}: begin`, true],
    [`start container for ${image}: begin again`, true],
  ])('has a program’s own words after "%s" for a failed pull: %s', (line, isFailed) => {
    const lines: readonly Line[] = [
      [1, `create container ${image}`],
      [2, line],
      [3, 'unauthorized: authentication required'],
    ];
    expect(readPullAttempts(logOf(...lines)).some(({ failed }) => failed !== undefined)).toBe(isFailed);
  });

  it('remembers the newest of thousands', () => {
    const lines = Array.from(
      { length: 1000 },
      (_, index): Line => [index, `${daemon} toomanyrequests: Rate exceeded ${index}`],
    );
    const attempts = readPullAttempts(logOf(...lines));
    expect(attempts).toHaveLength(200);
    expect(attempts.at(-1)?.failed?.line).toContain('999');
  });

  it('gives lines that are plain and bounded', () => {
    const [attempt] = readPullAttempts(logOf([1, `${daemon} \u001b]0;title\u0007\u202e${'x'.repeat(70_000)}`]));
    expect(attempt?.failed?.line.length).toBeLessThanOrEqual(200);
    expect(attempt?.failed?.line).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    const [late] = readPullAttempts(logOf([1, `${daemon} ${'x'.repeat(70_000)}: no basic auth credentials`]));
    expect(late?.failed?.line).toMatch(/^error pulling image: .*…x+: no basic auth credentials$/);
  });
});

describe('what a report says of a cause', () => {
  it('is failed for the token and for a missing image alone', () => {
    const failed = Object.entries(pullVerdicts).filter(([, { proof }]) => proof === 'failed');
    expect(failed.map(([cause, { reason }]) => [cause, reason])).toEqual([
      ['refused', 'login-refused'],
      ['missing', 'image-missing'],
    ]);
    expect(pullVerdicts.other.reason).toBe('pull-failed');
  });
});
