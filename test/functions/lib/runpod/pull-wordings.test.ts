import { describe, expect, it } from 'vitest';
import { plainLine } from '../../../../functions/lib/runpod/log-line.ts';
import {
  causeOf,
  judgeAttempts,
  type PullCause,
  readPullAttempts,
} from '../../../../functions/lib/runpod/pull-attempts.ts';

const host = '210987654321.dkr.ecr.eu-west-1.amazonaws.com';
const image = `${host}/vision/serve:r7`;
const manifest = `https://${host}/v2/vision/serve/manifests/r7`;
const blob = `https://${host}/v2/vision/serve/blobs/sha256:${'cd'.repeat(32)}`;
const digest = `sha256:${'ab'.repeat(32)}`;
const other = `sha256:${'ef'.repeat(32)}`;
const daemon = 'error pulling image: Error response from daemon:';
const unpack = `failed to pull and unpack image "${image}":`;
const resolve = `failed to resolve reference "${image}":`;
const copy = 'failed to copy: httpReadSeeker: failed open:';
const iam =
  'User: arn:aws:sts::210987654321:assumed-role/pull/s is not authorized to perform: ecr:BatchGetImage on resource: arn:aws:ecr:eu-west-1:210987654321:repository/vision/serve because no identity-based policy allows the ecr:BatchGetImage action';

type Row = readonly [cause: PullCause, source: string, line: string];

/** How each program words what keeps it from pulling, and the file of it, or the issue, that has the words. */
const programs: Readonly<Record<string, readonly Row[]>> = {
  'Docker 20.10, graph drivers': [
    [
      'refused',
      'distribution/registry/client/auth/session.go',
      `${daemon} Head "${manifest}": no basic auth credentials`,
    ],
    [
      'refused',
      'moby distribution/errors.go, translatePullError',
      `${daemon} pull access denied for ${host}/vision/serve, repository does not exist or may require 'docker login': denied: ${iam}`,
    ],
    [
      'refused',
      'moby registry/auth.go',
      `${daemon} login attempt to https://${host}/v2/ failed with status: 400 Bad Request`,
    ],
    [
      'refused',
      'distribution client/errors.go, an empty body',
      `${daemon} error parsing HTTP 403 response body: unexpected end of JSON input: ""`,
    ],
    [
      'missing',
      'moby distribution/errors.go',
      `${daemon} manifest for ${image} not found: manifest unknown: Requested image not found`,
    ],
    [
      'wrong-architecture',
      'moby distribution/pull_v2.go',
      `${daemon} no matching manifest for linux/amd64 in the manifest list entries`,
    ],
    [
      'wrong-architecture',
      'moby daemon/images/image.go',
      `error creating container: Error response from daemon: image with reference ${image} was found but does not match the specified platform: wanted linux/amd64, actual: linux/arm64`,
    ],
    ['throttled', 'distribution errcode', `${daemon} toomanyrequests: Rate exceeded`],
    [
      'out-of-disk',
      'moby pkg/chrootarchive',
      `failed to register layer: Error processing tar file(exit status 1): write /opt/lib.so: no space left on device`,
    ],
    [
      'out-of-disk',
      'moby distribution/pull_v2.go',
      `error pulling image: write /var/lib/docker/tmp/GetImageBlob618: no space left on device`,
    ],
    [
      'out-of-disk',
      'moby daemon/graphdriver/devmapper/deviceset.go',
      `failed to register layer: devmapper: Thin Pool has 2738 free data blocks which is less than minimum required 163840 free data blocks. Create more free space in thin pool or use dm.min_free_space option to change behavior`,
    ],
    [
      'registry-unreachable',
      'Go net/http',
      `${daemon} Get "https://${host}/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)`,
    ],
    [
      'registry-unreachable',
      'Go net',
      `${daemon} Get "https://${host}/v2/": dial tcp: lookup ${host} on 127.0.0.53:53: read udp 127.0.0.1:4->127.0.0.53:53: i/o timeout`,
    ],
    [
      'registry-unreachable',
      'moby distribution/xfer/download.go',
      `error pulling image: download failed after attempts=6: dial tcp 52.1.2.3:443: connect: connection refused`,
    ],
    [
      'registry-unreachable',
      'Go net',
      `${daemon} Get "https://${host}/v2/": dial tcp: lookup ${host}: Temporary failure in name resolution`,
    ],
    [
      'registry-unreachable',
      'Go crypto/x509',
      `${daemon} Get "https://${host}/v2/": x509: certificate signed by unknown authority`,
    ],
    [
      'other',
      'moby distribution/pull_v2.go',
      `error pulling image: filesystem layer verification failed for digest ${digest}`,
    ],
    ['other', 'moby distribution/pull_v2.go', `${daemon} manifest verification failed for digest ${digest}`],
    ['other', 'moby distribution/pull_v2_schema2', `${daemon} layers from manifest don't match image configuration`],
    [
      'other',
      'docker-credential-helpers client/client.go',
      `${daemon} error getting credentials - err: exec: "docker-credential-ecr-login": executable file not found in $PATH, out: \`\``,
    ],
  ],
  'Docker 23 to 28, graph drivers': [
    ['refused', 'distribution client/auth', `${daemon} Head "${manifest}": no basic auth credentials`],
    [
      'refused',
      'ECR user guide, "Troubleshooting Docker errors"',
      `${daemon} Head "${manifest}": denied: Your authorization token has expired. Reauthenticate and try again.`,
    ],
    ['refused', 'ECR, behind moby distribution/errors.go', `${daemon} unauthorized: Not Authorized`],
    [
      'missing',
      'moby distribution/errors.go',
      `${daemon} repository ${host}/vision/serve not found: name unknown: The repository with name 'vision/serve' does not exist in the registry with id '210987654321'`,
    ],
    [
      'wrong-architecture',
      'moby distribution/pull_v2.go, 23 on',
      `${daemon} no matching manifest for linux/amd64/v3 in the manifest list entries`,
    ],
    [
      'wrong-architecture',
      'moby daemon/images/image.go, 28',
      `error creating container: Error response from daemon: image with reference ${image} was found but its platform (linux/arm64) does not match the specified platform (linux/amd64)`,
    ],
    ['throttled', 'ECR API errors', `${daemon} ThrottlingException: Rate exceeded`],
    [
      'out-of-disk',
      'moby pkg/archive, 23 on',
      `failed to register layer: write /usr/lib/libcudnn.so.9: no space left on device`,
    ],
    [
      'out-of-disk',
      'moby daemon/graphdriver/zfs',
      `failed to register layer: exit status 1: "/usr/sbin/zfs create" => cannot create 'tank/docker/1': out of space`,
    ],
    [
      'registry-unreachable',
      'Go net/http, 1.20 on',
      `${daemon} Get "https://${host}/v2/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
    ],
    [
      'registry-unreachable',
      'Go http2',
      `error pulling image: http2: server sent GOAWAY and closed the connection; LastStreamID=1999, ErrCode=NO_ERROR`,
    ],
    ['registry-unreachable', 'Go http2', `error pulling image: http2: client connection lost`],
    [
      'registry-unreachable',
      'Go net/http',
      `${daemon} Get "https://${host}/v2/": net/http: HTTP/1.x transport connection broken: malformed HTTP response`,
    ],
    [
      'registry-unreachable',
      'Go net/http',
      `${daemon} Head "${manifest}": proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: no route to host`,
    ],
    [
      'other',
      'moby distribution/pull_v2.go',
      `error pulling image: filesystem layer verification failed for digest ${digest}`,
    ],
    ['other', 'Go archive/tar', `failed to register layer: archive/tar: invalid tar header`],
    [
      'other',
      'Linux EOPNOTSUPP',
      `failed to register layer: lsetxattr security.capability /usr/bin/ping: operation not supported`,
    ],
  ],
  'Docker 24 to 29, containerd image store': [
    [
      'refused',
      'containerd 1.7 remotes/docker/resolver.go',
      `${daemon} ${resolve} pulling from host ${host} failed with status code [manifests r7]: 403 Forbidden`,
    ],
    [
      'refused',
      'moby daemon/containerd/image_pull.go, 29',
      `${daemon} error from registry: Your authorization token has expired. Reauthenticate and try again.`,
    ],
    ['refused', 'moby daemon/containerd/image_pull.go, 29', `${daemon} error from registry: ${iam}`],
    ['refused', 'moby daemon/containerd/image_pull.go, 29', `${daemon} error from registry: no basic auth credentials`],
    ['refused', 'moby daemon/containerd/image_pull.go, 29', `${daemon} error from registry: Not Authorized`],
    [
      'refused',
      'containerd remotes/docker/resolver.go',
      `${daemon} ${resolve} pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed`,
    ],
    ['missing', 'containerd remotes/docker/resolver.go', `${daemon} ${resolve} ${image}: not found`],
    ['missing', 'ECR, behind moby 29', `${daemon} error from registry: Requested image not found`],
    [
      'wrong-architecture',
      'moby daemon/containerd/image_pull.go, 27 on',
      `${daemon} no matching manifest for linux/amd64 in the manifest list entries: no match for platform in manifest: not found`,
    ],
    [
      'wrong-architecture',
      'moby daemon/containerd/image.go, 28 on',
      `error creating container: Error response from daemon: image with reference ${image} was found but does not provide the specified platform (linux/amd64)`,
    ],
    ['throttled', 'moby daemon/containerd/image_pull.go, 29', `${daemon} error from registry: Rate exceeded`],
    [
      'throttled',
      'containerd core/remotes/errors',
      `${daemon} ${copy} unexpected status from GET request to ${blob}: 429 Too Many Requests`,
    ],
    [
      'out-of-disk',
      'containerd plugins/content/local/writer.go',
      `${daemon} failed to copy: failed to send write: write /var/lib/containerd/io.containerd.content.v1.content/ingest/0c/data: no space left on device`,
    ],
    [
      'out-of-disk',
      'containerd pkg/archive/tar.go',
      `${daemon} failed to extract layer ${digest}: write /var/lib/docker/rootfs/overlayfs/x: no space left on device`,
    ],
    [
      'registry-unreachable',
      'Go net',
      `${daemon} ${resolve} failed to do request: Head "${manifest}": dial tcp: lookup ${host}: no such host`,
    ],
    [
      'registry-unreachable',
      'Go context',
      `${daemon} ${copy} failed to do request: Get "${blob}": context deadline exceeded`,
    ],
    [
      'registry-unreachable',
      'Go net',
      `${daemon} failed to copy: read tcp 10.0.0.7:4->52.1.2.3:443: read: connection reset by peer`,
    ],
    [
      'other',
      'containerd content/helpers.go',
      `${daemon} failed to copy: failed commit on ref "layer-${digest}": unexpected commit digest ${other}, expected ${digest}: failed precondition`,
    ],
    [
      'other',
      'containerd content/local/writer.go',
      `${daemon} failed to copy: failed commit on ref "layer-${digest}": "layer-${digest}" failed size validation: 1204 != 5689: failed precondition`,
    ],
    [
      'other',
      'containerd rootfs/apply.go',
      `${daemon} failed to extract layer: wrong diff id calculated on extraction "${digest}"`,
    ],
  ],
  'containerd 1.6': [
    [
      'refused',
      'remotes/docker/resolver.go',
      `${unpack} ${resolve} pulling from host ${host} failed with status code [manifests r7]: 401 Unauthorized`,
    ],
    [
      'refused',
      'remotes/docker/authorizer.go',
      `rpc error: code = Unknown desc = ${unpack} ${resolve} pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials`,
    ],
    [
      'missing',
      'remotes/docker/resolver.go',
      `rpc error: code = NotFound desc = ${unpack} ${resolve} ${image}: not found`,
    ],
    ['wrong-architecture', 'images/image.go', `${unpack} no match for platform in manifest: not found`],
    [
      'throttled',
      'remotes/docker/fetcher.go',
      `${unpack} ${copy} unexpected status code ${blob}: 429 Too Many Requests - Server message: toomanyrequests: Rate exceeded`,
    ],
    [
      'throttled',
      'remotes/docker/resolver.go',
      `${unpack} ${resolve} pulling from host ${host} failed with status code [manifests r7]: 429 Too Many Requests`,
    ],
    [
      'out-of-disk',
      'content/local/writer.go',
      `${unpack} failed to copy: write /var/lib/containerd/io.containerd.content.v1.content/ingest/1f/data: no space left on device`,
    ],
    [
      'registry-unreachable',
      'Go net',
      `${unpack} ${resolve} failed to do request: Head "${manifest}": dial tcp 52.1.2.3:443: i/o timeout`,
    ],
    [
      'registry-unreachable',
      'remotes/docker/fetcher.go',
      `${unpack} ${copy} unexpected status code ${blob}: 503 Service Unavailable`,
    ],
    [
      'other',
      'content/helpers.go',
      `${unpack} failed commit on ref "layer-${digest}": unexpected commit digest ${other}, expected ${digest}: failed precondition`,
    ],
    [
      'not-an-image',
      'images/image.go',
      `${unpack} media-type: expected manifest but found index (application/vnd.docker.distribution.manifest.v2+json)`,
    ],
  ],
  'containerd 1.7': [
    [
      'refused',
      'remotes/errors/errors.go',
      `${unpack} ${resolve} unexpected status from HEAD request to ${manifest}: 403 Forbidden`,
    ],
    [
      'refused',
      'remotes/docker/authorizer.go',
      `${unpack} ${resolve} failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://auth.example.com/token: 401 Unauthorized`,
    ],
    ['missing', 'remotes/docker/fetcher.go', `${unpack} ${copy} content at ${blob} not found: not found`],
    ['wrong-architecture', 'images/image.go', `${unpack} no match for platform in manifest: not found`],
    [
      'throttled',
      'remotes/errors/errors.go',
      `${unpack} ${resolve} unexpected status from HEAD request to ${manifest}: 429 Too Many Requests`,
    ],
    [
      'out-of-disk',
      'archive/tar.go',
      `${unpack} failed to extract layer ${digest}: write /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/9/fs/x: no space left on device: unknown`,
    ],
    [
      'out-of-disk',
      'snapshots/devmapper',
      `${unpack} failed to prepare extraction snapshot "extract-1 ${digest}": failed to create snapshot: no space left on device: unknown`,
    ],
    [
      'registry-unreachable',
      'Go net/http',
      `${unpack} ${resolve} failed to do request: Head "${manifest}": net/http: TLS handshake timeout`,
    ],
    [
      'registry-unreachable',
      'internal/cri/server/images/image_pull.go, image_pull_progress_timeout',
      `cancel pulling image ${image} because of no progress in 5m0s`,
    ],
    [
      'other',
      'content/helpers.go',
      `${unpack} failed to copy: failed commit on ref "config-${digest}": unexpected commit digest ${other}, expected ${digest}: failed precondition`,
    ],
  ],
  'containerd 2': [
    [
      'refused',
      'core/remotes/docker/resolver.go',
      `${unpack} ${resolve} unexpected status from HEAD request to ${manifest}: 401 Unauthorized`,
    ],
    [
      'refused',
      'core/remotes/errors, 2.1 on',
      `${unpack} ${resolve} unexpected status from HEAD request to ${manifest}: 403 Forbidden: denied: Your authorization token has expired. Reauthenticate and try again.`,
    ],
    ['missing', 'core/remotes/docker/resolver.go', `${unpack} ${resolve} ${image}: not found`],
    ['wrong-architecture', 'core/images/image.go', `${unpack} no match for platform in manifest: not found`],
    [
      'throttled',
      'core/remotes/errors, 2.1 on',
      `${unpack} ${copy} unexpected status from GET request to ${blob}: 429 Too Many Requests: toomanyrequests: Rate exceeded`,
    ],
    [
      'out-of-disk',
      'plugins/content/local/writer.go',
      `${unpack} failed to copy: failed to send write: write /var/lib/containerd/io.containerd.content.v1.content/ingest/0c/data: no space left on device: unknown`,
    ],
    ['registry-unreachable', 'core/remotes/docker/fetcher.go', `${unpack} failed to copy: unexpected EOF`],
    [
      'registry-unreachable',
      'core/remotes/docker/fetcher.go',
      `${unpack} ${copy} unexpected status from GET request to ${blob}: 502 Bad Gateway`,
    ],
    [
      'other',
      'core/content/helpers.go',
      `${unpack} failed to copy: failed commit on ref "layer-${digest}": unexpected commit digest ${other}, expected ${digest}: failed precondition`,
    ],
    [
      'other',
      'core/unpack/unpacker.go',
      `${unpack} failed to unpack: apply: wrong diff id calculated on extraction "${digest}"`,
    ],
    [
      'not-an-image',
      'client/pull.go',
      `${unpack} ${resolve} not implemented: media type "application/vnd.docker.distribution.manifest.v1+prettyjws" is no longer supported since containerd v2.0, please rebuild the image as "application/vnd.docker.distribution.manifest.v2+json" or "application/vnd.oci.image.manifest.v1+json"`,
    ],
  ],
};

describe.each(Object.entries(programs))('%s', (_program, rows) => {
  it.each(rows)('says %s (%s): %s', (cause, _source, line) => {
    expect(causeOf(line)).toBe(cause);
  });
});

/** The same kinds in the words of other programs that pull: podman, skopeo, and whatever reports a status alone. */
describe('other words of the same kind', () => {
  it.each<readonly [PullCause, string]>([
    ['refused', 'registry authentication failed: bad credentials'],
    ['refused', 'HTTP 401'],
    ['refused', 'invalid status code from registry 403 (Forbidden)'],
    ['refused', 'InvalidSignatureException: Signature expired: 20261123T1 is now earlier than 20261123T2'],
    ['missing', `unexpected status from HEAD request to ${manifest}: 404 Not Found`],
    ['missing', 'HTTP 404'],
    ['missing', 'tag does not exist: v9'],
    ['throttled', 'HTTP 429'],
    ['throttled', 'Request limit exceeded'],
    ['out-of-disk', 'disk is full'],
    ['out-of-disk', 'not enough storage'],
    [
      'wrong-architecture',
      'choosing an image from manifest list: no image found in image index for architecture amd64, variant "", OS linux',
    ],
    ['registry-unreachable', 'HTTP 503'],
    ['registry-unreachable', 'unknown: Internal error. Please try again'],
    ['registry-unreachable', `Get "https://${host}/v2/": read: network is down`],
    [
      'not-an-image',
      'invalid mediaType: expected application/vnd.oci.image.config.v1+json got application/vnd.cncf.helm.config.v1+json',
    ],
    ['not-an-image', 'mismatched image rootfs and manifest layers'],
  ])('say %s: %s', (cause, words) => {
    expect(causeOf(`error pulling image: ${words}`)).toBe(cause);
  });

  it.each([
    'Error response from daemon: could not select device driver "" with capabilities: [[gpu]]',
    'Error response from daemon: Conflict. The container name "/x" is already in use by container "y".',
    'Error response from daemon: driver failed programming external connectivity on endpoint x: Bind for 0.0.0.0:80 failed: port is already allocated',
    'error creating container: Error response from daemon: invalid mount config for type "bind": bind source path does not exist: /x',
    'CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=all',
  ])('say that a container cannot start: %s', (line) => {
    expect(causeOf(line)).toBe('container-cannot-start');
  });
});

describe('what a program of the image says of its own rights and files', () => {
  it.each([
    'PermissionError: [Errno 13] Permission denied: /workspace',
    'mysql: Access denied for user',
    'handler: 401 Unauthorized from https://api.openai.com/v1',
    'requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: https://huggingface.co/x',
    'Cannot access gated repo. Access to model is restricted and you are not authorized',
    'jwt: token has expired',
    'FATAL: password authentication failed for user "postgres"',
    'sh: 1: nvidia-smi: not found',
  ])('is neither a refused token nor a missing image: %s', (line) => {
    const at = (minute: number) => minute * 60_000;
    const judge = (...texts: string[]) =>
      judgeAttempts(readPullAttempts(texts.map((text, index) => ({ line: text, at: at(12 + index) }))), {
        storedAt: 0,
        propagationMs: at(10),
        now: at(20),
        hasStarted: false,
      });
    expect(judge(line)).toEqual({ kind: 'nothing' });
    expect(judge(`Status: Downloaded newer image for ${image}`, line)).toMatchObject({ kind: 'pulled' });
  });
});

/** A pull that works, as each program tells of it. */
const pulls: ReadonlyArray<readonly [program: string, source: string, lines: readonly string[]]> = [
  [
    'Docker 20.10 to 28, graph drivers',
    'moby distribution/pull_v2.go, distribution/xfer/download.go',
    [
      'r7: Pulling from vision/serve',
      'c1e0ef7b956a: Pulling fs layer',
      'c1e0ef7b956a: Verifying Checksum',
      'c1e0ef7b956a: Download complete',
      'c1e0ef7b956a: Pull complete',
      `Digest: ${digest}`,
      `Status: Downloaded newer image for ${image}`,
    ],
  ],
  [
    'Docker 24 to 29, containerd image store',
    'moby daemon/containerd/progress.go',
    [
      'r7: Pulling from vision/serve',
      'c1e0ef7b956a: Pulling fs layer',
      'c1e0ef7b956a: Downloading [==>  ]  3.1MB/29MB',
      'c1e0ef7b956a: Download complete',
      'c1e0ef7b956a: Extracting 1 s',
      'c1e0ef7b956a: Pull complete',
      `Digest: ${digest}`,
      `Status: Downloaded newer image for ${image}`,
    ],
  ],
  [
    'Docker, an image that is there',
    'moby distribution/pull.go',
    ['r7: Pulling from vision/serve', `Digest: ${digest}`, `Status: Image is up to date for ${image}`],
  ],
  [
    'containerd 1.6 to 2, CRI',
    'internal/cri/server/images/image_pull.go',
    [`PullImage "${image}"`, `PullImage "${image}" returns image reference "${digest}"`],
  ],
];

it.each(pulls)('%s has pulled by its own words (%s)', (_program, _source, lines) => {
  const log = lines.map((line, index) => ({ line: plainLine(line), at: index * 1000 }));
  expect(readPullAttempts(log)).toMatchObject([{ pulled: { at: expect.any(Number) } }]);
});
