import { describe, expect, it } from 'vitest';
import { plainLine } from '../../../../functions/lib/runpod/log-line.ts';
import { judgeAttempts, type PullCause, readPullAttempts } from '../../../../functions/lib/runpod/pull-attempts.ts';

const host = '210987654321.dkr.ecr.eu-west-1.amazonaws.com';
const image = `${host}/vision/serve:r7`;
const repository = `${host}/vision/serve`;
const digest = `sha256:${'c4'.repeat(32)}`;
const manifestUrl = `https://${host}/v2/vision/serve/manifests/r7`;
const blobUrl = `https://${host}/v2/vision/serve/blobs/${digest}`;
const bucketUrl = 'https://prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com/1a/2b?X-Amz-Signature=9';
const notThere = "The repository with name 'vision/serve' does not exist in the registry with id '210987654321'";
const storedAt = Date.parse('2026-11-23T17:40:00Z');
const propagationMs = 600_000;

/**
 * What a line says, and the file that words it, as the tags have it that this was read from: moby v20.10.27, v23.0.15,
 * v24.0.9, v25.0.6, v26.1.5, v27.5.1, v28.5.2 and docker-v29.7.2; containerd v1.6.38, v1.7.28, v2.0.0, v2.1.0 and v2.3.4.
 * Docker 29 has moby's `distribution` in daemon/internal; containerd 2 has what others call `remotes`, `images`,
 * `content` and `metadata` in core.
 */
type Row = readonly [right: PullCause, line: string, source: string];
/** What several versions word alike. */
const graphDriver = {
  network: [
    [
      'registry-unreachable',
      `Get "https://${host}/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)`,
      'Go net/http, through distribution/registry.go',
    ],
    [
      'registry-unreachable',
      `Get "https://${host}/v2/": dial tcp: lookup ${host} on 10.0.0.2:53: read udp 10.0.0.9:4711->10.0.0.2:53: i/o timeout`,
      'Go net',
    ],
    [
      'registry-unreachable',
      `error pulling image configuration: download failed after attempts=6: dial tcp: lookup prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com: no such host`,
      'distribution/xfer/download.go',
    ],
    [
      'registry-unreachable',
      'error pulling image configuration: read tcp 10.0.0.9:51234->52.218.1.1:443: read: connection reset by peer',
      'Go net, through distribution/pull_v2.go',
    ],
  ],
  disk: [
    [
      'out-of-disk',
      'write /var/lib/docker/tmp/GetImageBlob123456789: no space left on device',
      'distribution/pull_v2.go, createDownloadFile',
    ],
  ],
  corrupt: [
    ['other', `filesystem layer verification failed for digest ${digest}`, 'distribution/pull_v2.go, Download'],
    ['other', `image config verification failed for digest ${digest}`, 'distribution/pull_v2.go, pullSchema2Config'],
    ['other', `manifest verification failed for digest ${digest}`, 'distribution/pull_v2.go, schema2ManifestDigest'],
    [
      'other',
      `image verification failed for digest ${digest}`,
      'distribution/pull_v2.go, verifySchema1Manifest (to 27)',
    ],
  ],
  throttled: [['throttled', 'toomanyrequests: Rate exceeded', 'distribution registry/client/errors.go']],
} as const satisfies Record<string, readonly Row[]>;

const containerdStore = {
  resolve: [
    [
      'refused',
      `failed to resolve reference "${image}": pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials`,
      'containerd remotes/docker/resolver.go, Resolve, and authorizer.go',
    ],
    [
      'refused',
      `failed to resolve reference "${image}": unexpected status from HEAD request to ${manifestUrl}: 403 Forbidden`,
      'containerd remotes/errors/errors.go (from 1.6.25)',
    ],
    ['missing', `failed to resolve reference "${image}": ${image}: not found`, 'containerd remotes/docker/resolver.go'],
    [
      'registry-unreachable',
      `failed to resolve reference "${image}": failed to do request: Head "${manifestUrl}": dial tcp 10.0.0.7:443: connect: connection refused`,
      'containerd remotes/docker/resolver.go, request.do',
    ],
    [
      'throttled',
      `failed to resolve reference "${image}": unexpected status from HEAD request to ${manifestUrl}: 429 Too Many Requests`,
      'containerd remotes/errors/errors.go (from 1.6.25)',
    ],
  ],
  content: [
    [
      'missing',
      `failed to copy: httpReadSeeker: failed open: content at ${manifestUrl} not found: not found`,
      'containerd remotes/docker/fetcher.go; from 2.1 resolver.go, withErrorCheck',
    ],
    [
      'missing',
      `failed to copy: httpReadSeeker: failed open: could not fetch content descriptor ${digest} (application/vnd.oci.image.layer.v1.tar+gzip) from remote: not found`,
      'containerd remotes/docker/fetcher.go',
    ],
    [
      'registry-unreachable',
      `failed to copy: httpReadSeeker: failed open: failed to do request: Get "${bucketUrl}": net/http: TLS handshake timeout`,
      'containerd remotes/docker/httpreadseeker.go',
    ],
    [
      'out-of-disk',
      'failed to copy: failed to send write: write /var/lib/containerd/io.containerd.content.v1.content/ingest/9f/data: no space left on device: unknown',
      'containerd content/proxy/content_writer.go',
    ],
    [
      'out-of-disk',
      `failed to extract layer ${digest}: write /var/lib/containerd/tmpmounts/containerd-mount1/usr/lib/x.so: no space left on device: unknown`,
      'containerd unpacker.go (1.6), pkg/unpack/unpacker.go (1.7), core/unpack/unpacker.go (2.0 to 2.1)',
    ],
    [
      'other',
      `failed commit on ref "layer-${digest}": unexpected commit digest sha256:${'d5'.repeat(32)}, expected ${digest}: failed precondition`,
      'containerd content/local/writer.go',
    ],
    [
      'other',
      `failed commit on ref "layer-${digest}": "layer-${digest}" failed size validation: 17 != 4711: failed precondition`,
      'containerd metadata/content.go',
    ],
    [
      'other',
      `wrong diff id calculated on extraction "${digest}"`,
      'containerd unpacker.go (1.6), pkg/unpack/unpacker.go (1.7), core/unpack/unpacker.go (2.0 to 2.1)',
    ],
    [
      'registry-unreachable',
      'failed to copy: read tcp 10.0.0.9:51234->52.218.1.1:443: read: connection timed out',
      'Go net',
    ],
    [
      'wrong-architecture',
      `no match for platform in manifest ${digest}: not found`,
      'containerd images/image.go, Manifest',
    ],
  ],
  /** A status of a blob, up to containerd 2.1. */
  statusCode: [
    [
      'blob-store',
      `failed to copy: httpReadSeeker: failed open: unexpected status code ${bucketUrl}: 403 Forbidden`,
      'containerd remotes/docker/fetcher.go; 2.1: resolver.go, withErrorCheck',
    ],
    [
      'registry-unreachable',
      `failed to copy: httpReadSeeker: failed open: unexpected status code ${blobUrl}: 503 Service Unavailable`,
      'containerd remotes/docker/fetcher.go; 2.1: resolver.go, withErrorCheck',
    ],
  ],
  /** What containerd words otherwise by now: a status from 2.2 on, unpacking in 2.3. */
  newest: [
    [
      'blob-store',
      `failed to copy: httpReadSeeker: failed open: unexpected status from GET request to ${bucketUrl}: 403 Forbidden`,
      'containerd core/remotes/docker/resolver.go, withErrorCheck',
    ],
    [
      'out-of-disk',
      `failed to extract layer (application/vnd.oci.image.layer.v1.tar+gzip ${digest}) to overlayfs as "extract-1-ab ${digest}": write /usr/lib/x.so: no space left on device`,
      'containerd core/unpack/unpacker.go',
    ],
    [
      'other',
      `wrong diff id "${digest}" calculated on extraction "${digest}", desc "${digest}"`,
      'containerd core/unpack/unpacker.go',
    ],
    [
      'wrong-architecture',
      'no match for platform in manifest: not found',
      'containerd core/images/handlers.go, LimitManifests',
    ],
  ],
} as const satisfies Record<string, readonly Row[]>;

const versions: Readonly<Record<string, readonly Row[]>> = {
  'Docker 20.10': [
    ['refused', `Head ${manifestUrl}: no basic auth credentials`, 'registry/client/auth (Go 1.13 does not quote)'],
    [
      'refused',
      `pull access denied for ${repository}, repository does not exist or may require 'docker login': denied: Your authorization token has expired. Reauthenticate and try again.`,
      'distribution/errors.go, translatePullError',
    ],
    [
      'missing',
      `manifest for ${image} not found: manifest unknown: Requested image not found`,
      'distribution/errors.go, translatePullError',
    ],
    ['missing', `repository ${repository} not found: name unknown: ${notThere}`, 'distribution/errors.go'],
    [
      'wrong-architecture',
      'no matching manifest for linux/amd64 in the manifest list entries',
      'distribution/pull_v2.go, pullManifestList',
    ],
    [
      'wrong-architecture',
      `image with reference ${image} was found but does not match the specified platform: wanted linux/amd64, actual: linux/arm64/v8`,
      'daemon/images/image.go, GetImage',
    ],
    [
      'out-of-disk',
      'failed to register layer: Error processing tar file(exit status 1): write /opt/lib.so: no space left on device',
      'pkg/chrootarchive/archive_unix.go',
    ],
    ['not-an-image', 'unsupported manifest format', 'distribution/pull_v2.go, pullManifestList'],
    ...graphDriver.throttled,
    ...graphDriver.network,
    ...graphDriver.disk,
    ...graphDriver.corrupt,
  ],
  'Docker 23': [
    ['refused', `Head "${manifestUrl}": no basic auth credentials`, 'registry/client/auth'],
    ['refused', `Head "${manifestUrl}": denied: Not Authorized`, 'distribution registry/client/errors.go'],
    [
      'missing',
      `manifest for ${image} not found: manifest unknown: Requested image not found`,
      'distribution/errors.go',
    ],
    [
      'wrong-architecture',
      'no matching manifest for linux/amd64 in the manifest list entries',
      'distribution/pull_v2.go',
    ],
    [
      'wrong-architecture',
      'cannot download image with operating system "windows" when requesting "linux"',
      'distribution/pull_v2.go, pullSchema2Config',
    ],
    [
      'not-an-image',
      'Encountered remote "application/vnd.cncf.helm.config.v1+json"(unknown) when fetching',
      'distribution/errors.go, invalidManifestClassError',
    ],
    [
      'out-of-disk',
      'failed to register layer: ApplyLayer exit status 1 stdout:  stderr: write /opt/lib.so: no space left on device',
      'pkg/chrootarchive/diff_unix.go',
    ],
    ...graphDriver.throttled,
    ...graphDriver.network,
    ...graphDriver.disk,
    ...graphDriver.corrupt,
  ],
};
const schemaOneOf: Readonly<Record<string, string>> = {
  '26': `[DEPRECATION NOTICE] Docker Image Format v1 and Docker Image manifest version 2, schema 1 support is disabled by default and will be removed in an upcoming release. Suggest the author of ${image} to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2. More information at https://docs.docker.com/go/deprecated-image-specs/`,
  '27': `[DEPRECATION NOTICE] Docker Image Format v1 and Docker Image manifest version 2, schema 1 support is disabled by default and will be removed in an upcoming release. Suggest the author of ${image} to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2. More information at https://docs.docker.com/go/deprecated-image-specs/`,
  '28': `Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed. Suggest the author of ${image} to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2. More information at https://docs.docker.com/go/deprecated-image-specs/`,
  '29': `Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed. Suggest the author of ${image} to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2. More information at https://docs.docker.com/go/deprecated-image-specs/`,
  '2.0': `failed to get converter for "${image}": Pulling Schema 1 images have been deprecated and disabled by default since containerd v2.0. As a workaround you may set an environment variable \`CONTAINERD_ENABLE_DEPRECATED_PULL_SCHEMA_1_IMAGE=1\`, but this will be completely removed in containerd v2.1.`,
  '2.1': `not implemented: media type "application/vnd.docker.distribution.manifest.v1+prettyjws" is no longer supported since containerd v2.1, please rebuild the image as "application/vnd.docker.distribution.manifest.v2+json" or "application/vnd.oci.image.manifest.v1+json"`,
};
/** Versions before these pull such images, with a warning; Docker 28.0 words it as 27 does. */
const schemaOne = (version: string): readonly Row[] =>
  schemaOneOf[version] === undefined
    ? []
    : [
        [
          'not-an-image',
          schemaOneOf[version],
          'distribution/errors.go; containerd client/pull.go and core/remotes/docker/schema1',
        ],
      ];

for (const version of ['24', '25', '26', '27', '28', '29']) {
  Object.assign(versions, {
    [`Docker ${version}, graph drivers`]: [
      ['refused', `Head "${manifestUrl}": no basic auth credentials`, 'registry/client/auth'],
      [
        'refused',
        `pull access denied for ${repository}, repository does not exist or may require 'docker login': denied: User: arn:aws:sts::210987654321:assumed-role/pull/s is not authorized to perform: ecr:BatchGetImage on resource: arn:aws:ecr:eu-west-1:210987654321:repository/vision/serve`,
        'distribution/errors.go',
      ],
      [
        'missing',
        `manifest for ${image} not found: manifest unknown: Requested image not found`,
        'distribution/errors.go',
      ],
      ['missing', `repository ${repository} not found: name unknown: ${notThere}`, 'distribution/errors.go'],
      [
        'wrong-architecture',
        'no matching manifest for linux/amd64 in the manifest list entries',
        'distribution/pull_v2.go',
      ],
      [
        'wrong-architecture',
        'image operating system "windows" cannot be used on this platform: operating system is not supported',
        'distribution/config.go, and CheckOS of image (24: pkg/system)',
      ],
      [
        'out-of-disk',
        'failed to register layer: write /opt/lib.so: no space left on device',
        'distribution/xfer/download.go',
      ],
      ...schemaOne(version),
      ...graphDriver.throttled,
      ...graphDriver.network,
      ...graphDriver.disk,
      ...graphDriver.corrupt,
    ],
    [`Docker ${version}, containerd image store`]: [
      ...(version < '28'
        ? []
        : ([
            ['refused', 'error from registry: denied', 'daemon/containerd/registry_errors.go (from 28.1)'],
            [
              'refused',
              'error from registry: Your authorization token has expired. Reauthenticate and try again.',
              'daemon/containerd/registry_errors.go (from 28.1)',
            ],
            ['missing', `error from registry: ${notThere}`, 'daemon/containerd/registry_errors.go (from 28.1)'],
            [
              'throttled',
              'error from registry: retry-after: 92.923µs, allowed: 44000/minute',
              'daemon/containerd/registry_errors.go (from 28.1)',
            ],
          ] satisfies readonly Row[])),
      ...(version < '25'
        ? []
        : ([
            [
              'refused',
              `pull access denied for ${repository}, repository does not exist or may require 'docker login'`,
              'daemon/containerd/image_pull.go',
            ],
            version < '27'
              ? [
                  'wrong-architecture',
                  `image with reference ${image} was found but does not match the specified platform: wanted linux/amd64, actual: linux/arm64`,
                  'daemon/containerd/image.go',
                ]
              : [
                  'wrong-architecture',
                  `image with reference ${image} was found but does not provide the specified platform (linux/amd64)`,
                  'daemon/containerd/image.go',
                ],
          ] satisfies readonly Row[])),
      version < '27'
        ? ['wrong-architecture', 'no match for platform in manifest: not found', 'containerd images/handlers.go']
        : [
            'wrong-architecture',
            'no matching manifest for linux/amd64 in the manifest list entries: no match for platform in manifest: not found',
            'daemon/containerd/image_pull.go',
          ],
      ...(version < '29' ? containerdStore.statusCode : containerdStore.newest),
      ...containerdStore.resolve,
      ...containerdStore.content,
    ],
  });
}
for (const version of ['1.6', '1.7', '2.0', '2.1', '2.3']) {
  const pull = (rest: string) => `failed to pull and unpack image "${image}": ${rest}`;
  Object.assign(versions, {
    [`containerd ${version}`]: [
      ...(version < '1.7'
        ? ([
            [
              'refused',
              pull(
                `failed to resolve reference "${image}": pulling from host ${host} failed with status code [manifests r7]: 401 Unauthorized`,
              ),
              'remotes/docker/resolver.go (to 1.6.24)',
            ],
            [
              'throttled',
              pull(
                `failed to resolve reference "${image}": pulling from host ${host} failed with status code [manifests r7]: 429 Too Many Requests`,
              ),
              'remotes/docker/resolver.go (to 1.6.24)',
            ],
          ] satisfies readonly Row[])
        : []),
      ...[
        ...schemaOne(version),
        ...containerdStore.resolve,
        ...containerdStore.content,
        ...(version < '2.3' ? containerdStore.statusCode : containerdStore.newest),
      ].flatMap(([right, line, source]) => [
        [right, pull(line), source],
        // The CRI plugin's log, level and all.
        [
          right,
          `time="2026-11-23T17:50:12.5Z" level=error msg="PullImage \\"${image}\\" failed" error="rpc error: code = Unknown desc = ${pull(line).replaceAll('"', '\\"')}"`,
          `${source}, through instrumented_service.go of pkg/cri (2: internal/cri)`,
        ],
      ]),
    ],
  });
}

describe('how each version words a pull that failed', () => {
  describe.each(Object.entries(versions))('%s', (_version, rows) => {
    it.each(rows)('%s: %s (%s)', (right, line) => {
      const prefixes = /^time=/.test(line) ? [''] : ['', 'error pulling image: Error response from daemon: '];
      for (const prefix of prefixes) {
        const at = storedAt + propagationMs + 60_000;
        const log = [{ line: plainLine(prefix + line), at }];
        const evidence = judgeAttempts(readPullAttempts(log), {
          storedAt,
          propagationMs,
          now: at + 60_000,
          hasStarted: false,
        });
        expect(evidence).toMatchObject(right === 'refused' ? { kind: 'refused' } : { kind: 'failed', cause: right });
      }
    });
  });
});

const layers = '316f8cbc3be8';
const layerRef = `layer-${digest}:`;
/** What each version writes while it pulls, and when the image is there. */
const progress: Readonly<Record<string, { readonly moving: readonly string[]; readonly pulled: readonly string[] }>> = {
  'Docker 20.10 to 29 (pkg/streamformatter; distribution/xfer/download.go)': {
    moving: [
      'r7: Pulling from vision/serve',
      `${layers}: Pulling fs layer`,
      `${layers}: Downloading [=>      ]  37.63MB/5.689GB`,
      `${layers}: Verifying Checksum`,
      `${layers}: Download complete`,
      `${layers}: Extracting [=>      ]  1.1MB/5.689GB`,
      `${layers}: Pull complete`,
    ],
    pulled: [`Digest: ${digest}`, `Status: Downloaded newer image for ${image}`],
  },
  'Docker 20 to 27, a schema 1 image with its warning (distribution/pull_v2.go)': {
    moving: [
      'r7: Pulling from vision/serve',
      `[DEPRECATION NOTICE] Docker Image Format v1, and Docker Image manifest version 2, schema 1 support will be removed in an upcoming release. Suggest the author of ${image} to upgrade the image to the OCI Format, or Docker Image manifest v2, schema 2.`,
      `${layers}: Downloading [=>      ]  1.1MB/5.689GB`,
    ],
    pulled: [`Digest: ${digest}`, `Status: Downloaded newer image for ${image}`],
  },
  'Docker 24, containerd image store (daemon/containerd/progress.go; image_pull.go, in the log)': {
    moving: [`${layers}: Downloading 37.63MB/5.689GB`, `${layers}: Download complete`, `${layers}: Already exists`],
    pulled: [`time="2026-11-23T17:50:12Z" level=info msg="image pulled" digest="${digest}" remote="${image}"`],
  },
  'Docker 25 to 29, containerd image store (daemon/containerd/progress.go and image_pull.go; extracting from 28 on)': {
    moving: [
      'r7: Pulling from vision/serve',
      `${layers}: Pulling fs layer`,
      `${layers}: Waiting`,
      `${layers}: Downloading 37.63MB/5.689GB`,
      `${layers}: Download complete`,
      `${layers}: Extracting 2 s`,
    ],
    pulled: [`Digest: ${digest}`, `Status: Image is up to date for ${image}`],
  },
  'containerd 1.6 to 2, CRI (pkg/cri/server/image_pull.go; internal/cri/server/images), with the progress of ctr (cmd/ctr/commands/content/fetch.go)':
    {
      moving: [
        `time="2026-11-23T17:50:12Z" level=info msg="PullImage \\"${image}\\""`,
        `${layerRef} downloading |++++    | 1.1 GiB/5.7 GiB`,
      ],
      pulled: [
        `time="2026-11-23T17:55:12Z" level=info msg="Pulled image \\"${image}\\" with image id \\"${digest}\\", repo tag \\"${image}\\", size \\"5689\\" in 4m2s"`,
        `time="2026-11-23T17:55:12Z" level=info msg="PullImage \\"${image}\\" returns image reference \\"${digest}\\""`,
      ],
    },
};

describe('how each version words a pull that goes well', () => {
  const evidenceOf = (lines: readonly string[]) =>
    judgeAttempts(
      readPullAttempts(lines.map((line, index) => ({ line: plainLine(line), at: storedAt + index * 1000 }))),
      {
        storedAt,
        propagationMs,
        now: storedAt + 120_000,
        hasStarted: false,
      },
    );

  it.each(Object.entries(progress))('%s', (_version, { moving, pulled }) => {
    expect(evidenceOf(moving)).toMatchObject({ kind: 'downloading', showsToken: true });
    for (const line of pulled) expect(evidenceOf([...moving, line])).toMatchObject({ kind: 'pulled' });
    expect(
      readPullAttempts(moving.concat(pulled).map((line) => ({ line: plainLine(line), at: storedAt }))),
    ).toHaveLength(1);
  });
});
