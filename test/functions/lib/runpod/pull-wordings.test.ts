import { describe, expect, it } from 'vitest';
import {
  causeOf,
  judgeAttempts,
  type PullCause,
  readPullAttempts,
} from '../../../../functions/lib/runpod/pull-attempts.ts';

const host = '210987654321.dkr.ecr.eu-west-1.amazonaws.com';
const image = `${host}/vision/serve:r7`;
const manifest = `https://${host}/v2/vision/serve/manifests/r7`;
const upstreamRefuses =
  'The authentication to the upstream registry failed. Verify that the credentials provided in the pull through cache rule are correct, and try again.';

/** The same kinds in the words of other programs that pull: podman, skopeo, and whatever reports a status alone. */
describe('other words of the same kind', () => {
  it.each<readonly [PullCause, string]>([
    // moby registry/auth.go
    ['refused', `login attempt to https://${host}/v2/ failed with status: 400 Bad Request`],
    // moby daemon/graphdriver/devmapper/deviceset.go and zfs
    ['out-of-disk', 'devmapper: Thin Pool has 2738 free data blocks which is less than minimum required 163840'],
    ['out-of-disk', 'exit status 1: "/usr/sbin/zfs create" => cannot create \'tank/docker/1\': out of space'],
    // Go's http2 and net/http
    ['registry-unreachable', 'http2: server sent GOAWAY and closed the connection; LastStreamID=1999'],
    ['registry-unreachable', 'http2: client connection lost'],
    ['registry-unreachable', 'net/http: HTTP/1.x transport connection broken: malformed HTTP response'],
    // containerd internal/cri/server/images/image_pull.go
    ['registry-unreachable', `cancel pulling image ${image} because of no progress in 5m0s`],
    // docker-credential-helpers client/client.go
    [
      'other',
      'error getting credentials - err: exec: "docker-credential-ecr-login": executable file not found in $PATH',
    ],
    ['refused', 'registry authentication failed: bad credentials'],
    ['refused', 'registry credentials rejected'],
    ['refused', 'the registry rejected the provided credentials'],
    ['refused', 'missing registry credentials'],
    ['refused', `no credentials found for ${host}`],
    ['refused', 'docker login failed: invalid token'],
    ['refused', `failed to authenticate with registry ${host}`],
    ['refused', `basic auth failed for ${host}`],
    ['refused', 'registry returned 401'],
    ['refused', 'status=403'],
    ['missing', 'registry returned 404'],
    ['missing', 'no such manifest'],
    ['missing', 'there is no image of that name: tag v9 not found'],
    ['missing', 'image not found in registry'],
    ['missing', 'repository does not exist'],
    ['throttled', 'registry returned 429'],
    ['registry-unreachable', 'registry returned 503'],
    ['registry-unreachable', 'http2: client connection force closed via ClientConn.Close'],
    ['not-an-image', 'invalid config mediatype application/vnd.oci.empty.v1+json'],
    ['not-an-image', 'OCI artifact is not a container image'],
    ['not-an-image', 'media type "application/vnd.docker.distribution.manifest.v1+prettyjws" is no longer supported'],
    ['refused', `invalid login for ${host}`],
    ['refused', 'wrong username or password'],
    ['refused', `Error response from daemon: Head "${manifest}": Forbidden`],
    ['refused', `repository ${host}/vision/serve not found: does not exist or no pull access`],
    ['missing', `Error response from daemon: repository ${host}/vision/serve not found`],
    ['missing', `image ${image} does not exist`],
    ['missing', 'unknown blob'],
    // Layers are asked for after the manifest: ECR had taken the token.
    [
      'blob-store',
      `failed open: unexpected status from GET request to https://${host}/v2/vision/serve/blobs/sha256:${'ab'.repeat(32)}: 403 Forbidden`,
    ],
    [
      'refused',
      `failed open: unexpected status from GET request to https://${host}/v2/vision/serve/blobs/sha256:${'ab'.repeat(32)}: 403 Forbidden - Server message: denied: User is not authorized to perform: ecr:GetDownloadUrlForLayer`,
    ],
    // containerd core/unpack/unpacker.go
    ['not-an-image', 'unexpected media type application/octet-stream for sha256:1: not found'],
    ['out-of-disk', 'container disk too small for image: image 40GB, disk 20GB'],
    ['registry-unreachable', `Get "https://${host}/v2/": http: server gave HTTP response to HTTPS client`],
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
    ['not-an-image', "layers from manifest don't match image configuration"],
    ['not-an-image', `failed to pull and unpack image "${image}": number of layers and diffIDs don't match: 1 != 0`],
    ['not-an-image', `failed to resolve reference "${image}": rejecting 9000000 byte manifest for ${image}: not found`],
    // Go net/http: a proxy's status alone.
    ['registry-unreachable', `Get "https://${host}/v2/": Proxy Authentication Required`],
    ['registry-unreachable', `Get "https://${host}/v2/": Bad Gateway`],
    ['registry-unreachable', `Get "https://${host}/v2/": Gateway Timeout`],
    ['registry-unreachable', 'error from registry: Internal service error'],
    ['registry-unreachable', 'no healthy upstream'],
    // A token server that cannot be asked refuses nobody.
    [
      'registry-unreachable',
      `failed to resolve reference "${image}": failed to authorize: failed to fetch anonymous token: Get "https://auth.example.com/token": dial tcp 10.0.0.7:443: connect: no route to host`,
    ],
    [
      'throttled',
      `failed to resolve reference "${image}": failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://auth.example.com/token: 429 Too Many Requests`,
    ],
    [
      'refused',
      `failed to resolve reference "${image}": failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://auth.example.com/token: 400 Bad Request`,
    ],
  ])('say %s: %s', (cause, words) => {
    expect(causeOf(`error pulling image: ${words}`)).toBe(cause);
  });

  it.each([
    // aws/containers-roadmap#2354; what Docker 29 and containerd make of the same answer; the ECR API's own errors.
    `pull access denied for ${host}/docker-hub/library/alpine, repository does not exist or may require 'docker login': denied: ${upstreamRefuses}`,
    `error from registry: ${upstreamRefuses}`,
    `failed to resolve reference "${image}": unexpected status from HEAD request to ${manifest}: 403 Forbidden - Server message: denied: ${upstreamRefuses}`,
    'error from registry: The secret is unable to be accessed. Verify the resource permissions for the secret and try again.',
    'name unknown: The ARN of the secret specified in the pull through cache rule was not found.',
    'unknown: UnableToGetUpstreamImageException',
    'unknown: UnableToDecryptSecretValueException: the KMS key is disabled',
  ])('say that ECR cannot get an image that it caches, and nothing of the token: %s', (words) => {
    expect(causeOf(`error pulling image: Error response from daemon: ${words}`)).toBe('upstream');
  });

  it('say that a right is missing where the cache needs one of the token', () => {
    const denied =
      'User: arn:aws:sts::210987654321:assumed-role/pull/s is not authorized to perform: ecr:BatchImportUpstreamImage on resource: arn:aws:ecr:eu-west-1:210987654321:repository/docker-hub/library/alpine';
    expect(causeOf(`error pulling image: Error response from daemon: error from registry: ${denied}`)).toBe('refused');
  });

  // containerd core/metadata and core/snapshots/storage/bolt.go; moby daemon/containerd/image_pull.go
  it.each([
    `failed to pull and unpack image "${image}": failed to prepare extraction snapshot "extract-1": parent snapshot sha256:ab does not exist: not found`,
    `failed to pull and unpack image "${image}": unable to prepare extraction snapshot: snapshot does not exist: not found`,
    'failed to lease content: content digest sha256:ab: not found',
    'lease does not exist: not found',
    'missing parent "sha256:ab" bucket: not found',
  ])('say that a host has lost something of its own, which is no missing image: %s', (words) => {
    expect(causeOf(`error pulling image: Error response from daemon: ${words}`)).toBe('other');
  });

  it.each([
    'error creating container: Error response from daemon: snapshot sha256:ab does not exist: not found',
    'error creating container: Failed to initialize NVML: Driver/library version mismatch',
    'Error response from daemon: could not select device driver "" with capabilities: [[gpu]]',
    'Error response from daemon: Conflict. The container name "/x" is already in use by container "y".',
    'Error response from daemon: driver failed programming external connectivity on endpoint x: Bind for 0.0.0.0:80 failed: port is already allocated',
    'error creating container: Error response from daemon: invalid mount config for type "bind": bind source path does not exist: /x',
    'CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=all',
    // moby daemon/volume/mounts; runc libcontainer and nvidia's hook
    "Error response from daemon: error while creating mount source path '/x': mkdir /x: permission denied",
    'OCI runtime create failed: container_linux.go:380: starting container process caused: error running hook: nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, please update your driver',
    'nvidia-container-cli: device error: GPU-1: unknown device: unknown',
    'OCI runtime start failed: starting container: setting up network: address already in use',
  ])('say that a host does not start a container: %s', (line) => {
    expect(causeOf(line)).toBe('host-cannot-start');
  });

  it.each([
    'error creating container: Error response from daemon: No command specified',
    'OCI runtime create failed: runc create failed: unable to start container process: exec: "/start.sh": stat /start.sh: no such file or directory: unknown',
    'error starting container: OCI runtime create failed: unable to find user app: no matching entries in passwd file',
    'OCI runtime create failed: chdir to cwd ("/app") set in config.json failed: permission denied: unknown',
  ])('say that an image has nothing to start: %s', (line) => {
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
    'wandb: ERROR authentication failed: invalid token',
    'api returned 401',
    'upstream answered 404',
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
