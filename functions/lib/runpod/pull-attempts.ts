import { upstreamPattern } from '../ecr/registry-answer.ts';
import { quote } from '../quote.ts';
import { type LogLine, plainLine } from './log-line.ts';

/**
 * Why an attempt to pull failed, or a container did not start. Only `refused` speaks of the token; what keeps a container
 * from starting is the image's fault or the host's, and `other` is a cause that has no words here yet.
 */
export type PullCause =
  | 'refused'
  | 'missing'
  | 'wrong-architecture'
  | 'throttled'
  | 'registry-unreachable'
  | 'out-of-disk'
  | 'archived'
  | 'blob-store'
  | 'upstream'
  | 'not-an-image'
  | 'container-cannot-start'
  | 'host-cannot-start'
  | 'other';

/** A line of the host that says what went wrong. The line is plain and bounded, fit for a message. */
interface PullTrouble {
  readonly cause: PullCause;
  readonly line: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** One attempt of a host to pull an image. Times are epoch milliseconds. */
interface PullAttempt {
  /** Its first line, as far back as the log goes. */
  readonly beganAt: number;
  /** When the host first had what a registry gives only to a token that it took: a manifest or a layer. */
  readonly tokenTakenAt?: number;
  /** The newest line of a layer's progress. */
  readonly moved?: { readonly line: string; readonly at: number };
  /** The line that says that the image is there, and what kept a container of it from starting afterwards. */
  readonly pulled?: { readonly line: string; readonly at: number; readonly after?: PullTrouble };
  readonly failed?: PullTrouble;
}

/** How the hosts' programs word a cause, and whose words they are. */
interface Wording {
  readonly cause: PullCause;
  readonly pattern: RegExp;
  /** Whether it may speak of something else than the token once the registry has taken the token. */
  readonly isWeak?: boolean;
  /** The programs and versions that use it, and the file that has it. */
  readonly source: string;
}

/** A host's own store of content and snapshots has lost something: whatever is "not found" there, the registry has. */
const hostStorePattern =
  /\blease (?:\S{1,80} )?does not exist|\bsnapshot (?:\S{1,200} )?does not exist|content digest \S{1,80} not found|missing parent \S{1,80} bucket|snapshotter not loaded/i;

/**
 * Causes by wording, first match wins: what is exact stands before what is general. Hosts pass on the words of moby
 * (Docker 20 to 29: graph drivers, and from 24 on the containerd image store, which 29 has by default), of containerd
 * (1.6 to 2), and, quoted in both, of ECR and of S3. References, addresses and ARNs are taken out before
 * (`proseOf`): a repository may be called `archive`, and a tag `v403`.
 */
const wordings: readonly Wording[] = [
  // What ECR says of the registry that it caches images of: it had taken the token by then.
  {
    cause: 'upstream',
    pattern: upstreamPattern,
    source: 'ECR API, the errors of BatchGetImage and of pull through cache rules; aws/containers-roadmap#2354',
  },
  {
    cause: 'other',
    pattern: hostStorePattern,
    source: 'containerd core/metadata/leases.go and snapshot.go, core/snapshots/storage/bolt.go, core/content',
  },
  // What the store behind ECR says about its keys, whatever the status that it came with.
  {
    cause: 'blob-store',
    pattern: /ciphertext refers to|customer master key|\bkms\w{0,32}exception|\bkms key\b|kms:decrypt/i,
    source: 'AWS KMS API errors, passed on by S3 and ECR',
  },
  {
    cause: 'archived',
    pattern: /\b(?:is|are|was|been) archived\b|\barchived image|imagearchived|\barchiv\w{1,4} storage|storage class/i,
    source: 'ECR user guide, "Archiving an image"',
  },
  {
    cause: 'out-of-disk',
    pattern:
      /no space left|\bdisk (?:is )?full\b|quota exceeded|not enough (?:disk )?(?:space|storage)|insufficient (?:disk|storage)|disk (?:is )?too small|\benospc\b|\bout of space\b|thin pool has \d{1,20} free/i,
    source: 'Linux ENOSPC and EDQUOT, in every version; moby daemon/graphdriver/zfs and devmapper',
  },
  // "no match for platform in manifest: not found" is no missing image, so these stand before it.
  {
    cause: 'wrong-architecture',
    pattern:
      /no matching manifest for|no match for platform|no manifest found for platform|no image found in (?:image index|manifest list) for/i,
    source: 'moby distribution/pull_v2.go (20 to 29); containerd images/handlers.go and images/image.go (1.6 to 2)',
  },
  {
    cause: 'wrong-architecture',
    pattern:
      /image operating system \S{1,64} cannot be used|cannot download image with operating system|does not match the (?:detected|specified)(?: host)? platform|does not provide the specified platform|unsupported (?:os|platform|architecture)\b|operating system is not supported/i,
    source: 'moby distribution/config.go, distribution/pull_v2.go, daemon/images/image.go, daemon/containerd/image.go',
  },
  {
    cause: 'wrong-architecture',
    pattern: /exec format error/i,
    source: 'Linux ENOEXEC, through runc',
  },
  {
    cause: 'not-an-image',
    pattern:
      /un(?:supported|expected) media ?type|encountered remote \S{1,160} when fetching|unsupported manifest format|schema 1 support (?:has been removed|is disabled)|schema 1 images have been deprecated and disabled|schema 1 (?:image manifests are|not supported)|schema1|media ?type \S{1,160} is no longer supported|invalid (?:config )?media ?type|is not an? (?:container )?image\b|ai models are not|media-?type: expected|mismatched image rootfs|mediatype in manifest should be|don't match image configuration|invalid rootfs in image|layers and diffids don't match|rejecting \d{1,12} byte manifest/i,
    source:
      'moby distribution/errors.go (20 to 29); containerd images/image.go, remotes/docker/resolver.go, client/pull.go, core/unpack/unpacker.go',
  },
  {
    cause: 'registry-unreachable',
    pattern: /proxy authentication required/i,
    source: 'Go net/http, of a proxy that the host goes through',
  },
  // The token, in words that mean nothing else.
  {
    cause: 'refused',
    pattern: /token (?:has |is )?expired|expired token|token included in the request is (?:invalid|expired)/i,
    source: 'ECR user guide, "Troubleshooting Docker errors"; AWS common errors',
  },
  {
    cause: 'refused',
    pattern:
      /no basic auth credentials|missing username or secret|incorrect username or password|invalid (?:username|credentials|authorization)|authorization failed|did not include a token|login attempt to \S{1,300} failed with status: 40[013]/i,
    source:
      'distribution registry/client/auth; moby registry/auth.go; containerd remotes/docker/authorizer.go and remotes/docker/resolver.go (1.6 to 2)',
  },
  {
    cause: 'refused',
    pattern: /not authorized to perform:? ?ecr/i,
    source: 'IAM user guide, "Troubleshoot access denied error messages"',
  },
  // ECR answers these only to whom it knows, so they stand before "does not exist or may require".
  {
    cause: 'missing',
    pattern:
      /repository with name .{1,300} does not exist in the registry|requested image not found|image with imageid|unknown blob|unknown manifest|no such (?:manifest|repository|tag)\b|manifest unknown|name unknown|repository name not known|blob unknown|manifest for \S{1,512} not found|layer ?inaccessible/i,
    source: 'ECR API errors; distribution registry/api/v2; moby distribution/errors.go (20 to 29)',
  },
  {
    cause: 'throttled',
    pattern:
      /toomanyrequests|too many requests|rate exceeded|throttl|rate limit|limit ?exceeded|retry-after:|slow ?down|reduce your request rate/i,
    source:
      'ECR user guide, "Troubleshooting Amazon ECR error messages"; distribution errcode TOOMANYREQUESTS; S3 SlowDown',
  },
  {
    cause: 'refused',
    pattern:
      /pull access denied|no pull access|requested access to the resource is denied|does not exist or may require|insufficient_scope/i,
    source:
      'moby distribution/errors.go and daemon/containerd/image_pull.go; containerd remotes/docker/resolver.go; Docker before 17.05',
  },
  // A status or a code alone: the registry's answer to a token, unless the registry has taken that token already.
  {
    cause: 'refused',
    pattern:
      /(?<!permission |operation |mount )\bdenied(?::|$)|\bunauthorized\b|\bunauthenticated\b|authentication required|not authorized|(?:^|: |40[13] \(?)(?:forbidden|unauthorized)\b|: 40[13]$|login required|(?:invalid|wrong|bad|missing|no|rejected the|refused the)(?: \w{1,20})? (?:user ?name|credentials?|log-?in|password|authorization|token)\b|(?:credentials?|log-?in|auth\w{0,12}|token)(?: (?:was|were|is|are|has|have|been)){0,2} (?:rejected|refused|failed|failure)\b|failed to (?:log ?in|authenticate)\b|credentials? (?:(?:has|have|is|are) )?expired|signature (?:has )?expired|access ?denied/i,
    isWeak: true,
    source: 'distribution errcode DENIED and UNAUTHORIZED; containerd remotes/errors (1.7 to 2), resolver.go (1.6)',
  },
  {
    cause: 'registry-unreachable',
    pattern:
      /\b50[0234] (?:internal|bad|service|gateway)|\bbad gateway\b|gateway time-?out|no healthy upstream|upstream connect error|internal ?failure|internal (?:\w{1,16} )?error|serverexception|network is down|unexpected http status: 5|service unavailable|requesttimeout|client\.timeout|deadline exceeded|timed? ?out\b|timeout|connection (?:reset|refused|closed|timed|force closed)|network is unreachable|no route to host|no such host|server misbehaving|name resolution|\beof\b|broken pipe|stream error|closed network connection|connection (?:lost|broken)|goaway|no progress in|http response to https client|tls: |x509: |dial tcp|failed to do request/i,
    source: 'Go net, net/http and crypto/tls, as moby and containerd pass them on; distribution client/errors.go',
  },
  // Asked for a token of its own, a registry or its token server may also be out of reach or throttle.
  {
    cause: 'refused',
    pattern: /failed to authorize\b|failed to fetch (?:oauth|anonymous) token/i,
    source: 'containerd remotes/docker/resolver.go and remotes/docker/authorizer.go (1.6 to 2)',
  },
  // "failed to resolve reference "…": …: not found", "content at … not found: not found"
  {
    cause: 'missing',
    pattern:
      /failed to resolve (?:reference|image).{1,300}not found|content at \S{1,512} not found|\b(?:image|repository|tag)(?: (?:…|\S{1,160}))?:? (?:does not exist|not found|could not be found)|: not found["'\\]{0,3}$|\b(?:tag|manifest|layer|digest) (?:\S{1,160} )?(?:does not exist|not found)|404 not found/i,
    source: 'containerd remotes/docker/resolver.go, remotes/docker/fetcher.go (1.6 to 2), with errdefs.ErrNotFound',
  },
];

/** A status that stands alone, as in `registry returned 401`. */
const statusPattern =
  /(?:\bstatus(?: code)?|\bcode|\bhttp|\breturned|\banswered|\bresponded(?: with)?|\bgot)(?: |: ?|=)(?<status>4\d\d|5\d\d)\b/i;
const causeOfStatus = (status: number): PullCause | undefined => {
  if (status === 401 || status === 403) return 'refused';
  if (status === 404) return 'missing';
  if (status === 429) return 'throttled';
  return status >= 500 ? 'registry-unreachable' : undefined;
};

/** What says that a container of an image that is there cannot be started. It never speaks of the token. */
const containerPattern =
  /\boci runtime\b|\brunc\b|\bexec(?: failed)?: |\bexec … |\bexec \S{1,200}: |nvidia-container-cli|failed to create (?:shim|containerd task|task)|(?:error|failed) (?:to start|starting) container|executable file not found|error (?:while )?(?:mounting|creating mount source)|layer does not exist|could not select device driver|device injection failed|container name \S{1,200} is already in use|programming external connectivity|port is already allocated|invalid mount config|no command specified/i;
/**
 * What of these the image is to blame for: a program, a user or a folder that it names and has not.
 *
 * Source: runc libcontainer/standard_init_linux.go and moby daemon/start.go, daemon/create.go, daemon/oci_linux.go
 */
const imageFaultPattern =
  /executable file not found|\bexec(?: failed)?: |\bexec … |\bexec \S{1,200}: |\bexec user process|no command specified|unable to find (?:user|group)|no matching entries in (?:passwd|group)|chdir to cwd|(?:working directory|workdir)\b/i;
/** Of a host's GPU, its driver and its devices, whatever the image asks for. */
const hostFaultPattern = /nvidia|\bnvml\b|\bcuda\b|\bdevices?\b|\bgpus?\b/i;
const creatingPattern = /^(?:error|failed)(?: response from daemon:)? (?:to create|creating) container\b/i;
/** S3's own words or hosts in a line. Sources: moby quotes a body it cannot parse; containerd names the address. */
const storePattern = /<Code>|starport-layer|\bs3[.-][\w.-]{0,128}amazonaws|\.s3\./i;
/** A layer that came down and could not be unpacked: neither the registry nor the container has to do with it. */
const unpackPattern = /failed to (?:register|extract) layer/i;
const failurePattern =
  /\b(?:error|errors|wrong|failed|failure|fatal|cannot|could not|couldn't|can't|unable|invalid|rpc error|exceeded|unexpected|refused|denied|aborted|cancell?ed|panic|corrupt\w{0,4}|mismatch)\b/i;
const pullPattern =
  /\b(?:pull\w{0,4}|registry|manifest|layer|blob|unpack\w{0,3}|extract\w{0,4}|snapshot\w{0,4}|failed commit on ref|diff id)\b/i;
/** The registry's API in a line: Go's errors begin with the address that was asked, and say no more of what for. */
const registryApiPattern = /\bhttps:\/\/[^\s/]{1,255}\/v2\//;
/** How a host's own programs begin, whatever a program of the image says meanwhile. */
const hostPattern =
  /^(?:error|failed)(?: to)? (?:pull|creat|start)\w{0,4}(?: and unpack)? (?:image|container)\b|response from daemon|failed to pull and unpack|^time="/i;
const imagePattern =
  /\b(?:image|container|docker|daemon|filesystem|rootfs|reference|download\w{0,3}|failed to copy|content descriptor)\b/i;

/** What is a registry's own: an error code as distribution's errcode writes it, and what ECR calls a token. */
const registryPattern =
  /^(?:unauthorized|denied): |basic auth|authorization token|security token|\becr:|resource is denied/i;

const maxQuotedEnd = 99;

/** Quotes a line by both its ends: the first names what was done, the last names the cause. */
const quoteEnds = (line: string): string =>
  quote(line.length <= 2 * maxQuotedEnd ? line : `${line.slice(0, maxQuotedEnd)}…${line.slice(-maxQuotedEnd)}`);

/** A line without what people named themselves: references, addresses, paths and ARNs become an ellipsis. */
const proseOf = (line: string): string =>
  line
    .split(' ')
    .map((word) => {
      if (word.includes('<') || !/\/|arn:|sha256:|\.dkr[.-]/.test(word)) return word;
      return `…${/[:,]["']?$|:$/.test(word) ? ':' : ''}`;
    })
    .join(' ');

/** What one line says. */
type Sign =
  | {
      readonly kind:
        | 'begun'
        | 'waiting'
        | 'named'
        | 'moved'
        | 'halted'
        | 'pulled'
        | 'started'
        | 'ended'
        | 'echo'
        | 'silent';
    }
  | {
      readonly kind: 'failed';
      readonly cause: PullCause;
      readonly isWeak: boolean;
      /** What it failed at; `elsewhere` where the line names nothing that a pull has to do with. */
      readonly stage: 'pull' | 'container' | 'unsaid' | 'elsewhere';
    };

/** Docker's progress has a layer's 12 digits first; containerd's has the kind of content and its digest. */
const layerPattern =
  /^(?:[0-9a-f]{12}|(?:layer|config|manifest|index)-sha256:[0-9a-f]{12,64}):? +(?:downloading|verifying|download complete|extracting|pull complete|done|unpacking|pulling fs layer|waiting|already exists|exists|retrying|resolved)/i;
/** `2.3GB/5.6GB` */
const amountPattern = /\d ?[kmgt]?i?b ?(?:\/|of) ?\d/i;

/** containerd's CRI plugin has ended its downloads, of all that it asked for or of too little (image_pull.go, 1.7 to 2). */
const haltedPattern = /\bstop pulling image \S{1,512} active requests=\d{1,10}, bytes read=(?<bytes>\d{1,20})\b/;
/** What containerd reads of a refusal at most, without any layer (remotes/errors/errors.go, `NewUnexpectedStatusErr`). */
const maxRefusalBytes = 64_000;

/** Source: moby distribution/xfer/download.go, distribution/pull_v2.go, daemon/containerd/progress.go; ctr's progress. */
const progressOf = (line: string): Sign | undefined => {
  if (layerPattern.test(line)) return { kind: 'moved' };
  if (amountPattern.test(line) && /^(?:pull|download|extract)\w{0,4}\b.{0,600}\bimage\b/i.test(line))
    return { kind: 'moved' };
  if (/^\S{1,200} Pulling from \S/.test(line)) return { kind: 'named' };
  if (/^Digest: sha256:[0-9a-f]{64}\b/.test(line)) return { kind: 'pulled' };
  if (/^Status: (?:Downloaded newer image|Image is up to date) for \S/.test(line)) return { kind: 'pulled' };
  const bytesRead = haltedPattern.exec(line)?.groups?.bytes;
  if (bytesRead !== undefined) return { kind: Number(bytesRead) > maxRefusalBytes ? 'halted' : 'silent' };
  // kubelet, the CRI plugin of containerd (pkg/cri/server/image_pull.go; 2: internal/cri), and moby with its image store.
  if (/^successfully pulled image\b|\bmsg="(?:pulled image \\?"|image pulled")|\breturns image reference\b/i.test(line))
    return { kind: 'pulled' };
  if (/^start container for \S{1,512} ?begin$/i.test(line)) return { kind: 'started' };
  if (/^(?:stop|remove) container\b/i.test(line)) return { kind: 'ended' };
  if (/^create container \S|^pending image pull\b|^pulling image\b|\bmsg="PullImage [^\s]{1,512}""$/i.test(line))
    return { kind: 'begun' };
  if (/\bimage pull: \S{1,512}: pending\b/i.test(line)) return { kind: 'waiting' };
  return undefined;
};

/** What a status alone says: the registry's answer to a token, unless it has taken that token already. */
const statusIn = (prose: string): Pick<Wording, 'cause' | 'isWeak'> | undefined => {
  const cause = causeOfStatus(Number(statusPattern.exec(prose)?.groups?.status));
  return cause === undefined ? undefined : { cause, isWeak: cause === 'refused' };
};

/** What one plain line says about pulling. */
const signOf = (line: string): Sign => {
  const progress = progressOf(line);
  if (progress !== undefined) return progress;
  if (/\bno such image: /i.test(line)) return { kind: 'echo' };

  const prose = proseOf(line);
  const found = wordings.find(({ pattern }) => pattern.test(prose)) ?? statusIn(prose);
  const failed = (cause: PullCause, stage: (Sign & { kind: 'failed' })['stage'], isWeak = false): Sign => ({
    kind: 'failed',
    cause,
    isWeak,
    stage,
  });
  if (unpackPattern.test(prose)) return failed(found?.cause === 'out-of-disk' ? found.cause : 'other', 'pull');
  // A helper of the host's that is missing says nothing of any token, nor of a container.
  if (/error getting credentials/i.test(prose)) return failed('other', 'pull');
  const isHostFault = hostStorePattern.test(prose) || (found === undefined && hostFaultPattern.test(prose));
  if (isHostFault && creatingPattern.test(prose)) return failed('host-cannot-start', 'container');
  if (containerPattern.test(prose)) {
    if (found?.cause === 'wrong-architecture' || found?.cause === 'out-of-disk')
      return failed(found.cause, 'container');
    const isOfImage = imageFaultPattern.test(prose) && !hostFaultPattern.test(prose);
    return failed(isOfImage ? 'container-cannot-start' : 'host-cannot-start', 'container');
  }
  const isPull = pullPattern.test(prose) || registryApiPattern.test(line);
  const stage = isPull ? 'pull' : creatingPattern.test(prose) ? 'container' : 'unsaid';
  if (storePattern.test(line) && failurePattern.test(prose)) {
    return failed(found === undefined || found.cause === 'refused' ? 'blob-store' : found.cause, 'pull');
  }
  if (found !== undefined) {
    if (found.cause === 'registry-unreachable' && !isPull && !failurePattern.test(prose)) return { kind: 'silent' };
    // Any program says "denied" and "not found": that is of a pull where the line is of an image or a registry.
    const isOfImage = stage !== 'unsaid' || imagePattern.test(prose) || registryPattern.test(prose);
    if ((found.cause === 'refused' || found.cause === 'missing') && !isOfImage) return failed('other', 'elsewhere');
    // Layers are asked for after the manifest, which ECR gives to a token that it takes.
    const isOfLayer = found.isWeak === true && /\/blobs\/sha256:/.test(line);
    return failed(isOfLayer ? 'blob-store' : found.cause, stage, found.isWeak);
  }
  if (!failurePattern.test(prose)) return { kind: 'silent' };
  if (isPull || stage === 'container') return failed('other', stage);
  return failed('other', imagePattern.test(prose) ? 'unsaid' : 'elsewhere');
};

/** What a line alone says went wrong. `undefined` where it says nothing of the kind, as "No such image" does. */
export const causeOf = (line: string): PullCause | undefined => {
  const sign = signOf(plainLine(line));
  return sign.kind === 'failed' ? sign.cause : undefined;
};

/** Lines of one failure follow each other at once; a host tries again after about 15 s. */
const sameFailureMs = 5_000;
/** Attempts remembered: a host that fails for a day makes thousands. */
const maxAttempts = 200;

const isOfStart = (cause: PullCause): boolean => cause === 'container-cannot-start' || cause === 'host-cannot-start';

type Draft = { -readonly [Key in keyof PullAttempt]: PullAttempt[Key] };

/**
 * Reads a worker's or a pod's system log, oldest first, as attempts to pull.
 *
 * Each begins, moves layers, and ends pulled, or failed with the first cause that the host gave. What follows a failure
 * ("No such image") belongs to it. The newest attempts are answered, oldest first.
 */
export const readPullAttempts = (log: readonly LogLine[]): readonly PullAttempt[] => {
  const attempts: Draft[] = [];
  const begin = (at: number): Draft => {
    const attempt: Draft = { beganAt: at };
    attempts.push(attempt);
    if (attempts.length > maxAttempts) attempts.shift();
    return attempt;
  };
  /** The attempt under way. */
  const open = (): Draft | undefined => {
    const last = attempts.at(-1);
    return last === undefined || last.pulled !== undefined || last.failed !== undefined ? undefined : last;
  };

  const fail = ({ cause, isWeak, stage }: Sign & { kind: 'failed' }, line: string, at: number): void => {
    const last = attempts.at(-1);
    const underWay = open();
    const trouble = (attempt?: Draft): PullTrouble => ({
      cause: isWeak && attempt?.tokenTakenAt !== undefined ? 'blob-store' : cause,
      line: quoteEnds(line),
      at,
    });
    if (underWay !== undefined) {
      underWay.failed = trouble(underWay);
      return;
    }
    const isConsequence = isOfStart(cause) || (cause === 'other' && stage === 'container');
    // Whatever fails while a pull is under way may be why it ends; at other times it is not about pulling.
    if (stage === 'elsewhere') return;
    if (last?.failed !== undefined && (isConsequence || at - last.failed.at <= sameFailureMs)) {
      if (last.failed.cause === 'other') last.failed = { ...trouble(last), at: last.failed.at };
      return;
    }
    if (last?.pulled !== undefined && stage !== 'pull') {
      const isOfContainer =
        stage === 'container' || cause === 'out-of-disk' || cause === 'wrong-architecture' || isOfStart(cause);
      if (isOfContainer) {
        const told = trouble();
        const isKept = cause === 'out-of-disk' || cause === 'wrong-architecture' || isOfStart(cause);
        last.pulled = { ...last.pulled, after: isKept ? told : { ...told, cause: 'host-cannot-start' } };
        return;
      }
      // What a program says of its own network or rights is not about pulling.
      if (cause !== 'refused' || isWeak) return;
    }
    begin(at).failed = trouble();
  };

  /** Whether a container runs, so that its program may speak. */
  let isStarted = false;
  for (const { line, at } of log) {
    const sign = signOf(line);
    const last = attempts.at(-1);
    if (sign.kind !== 'failed' && sign.kind !== 'silent') isStarted = sign.kind === 'started';
    switch (sign.kind) {
      case 'silent':
      case 'ended':
        break;
      case 'started': {
        // A container is started of an image that is there: layers that came down before are all that it lacked.
        const underWay = open();
        if (underWay?.moved !== undefined) underWay.pulled = { line: quoteEnds(line), at };
        break;
      }
      case 'begun':
        if (open() === undefined || last?.tokenTakenAt !== undefined) begin(at);
        break;
      case 'waiting':
        if (open() === undefined) begin(at);
        break;
      case 'named': {
        const underWay = open();
        const attempt = underWay?.tokenTakenAt === undefined ? (underWay ?? begin(at)) : begin(at);
        attempt.tokenTakenAt = at;
        break;
      }
      case 'moved': {
        const attempt = open() ?? begin(at);
        attempt.tokenTakenAt ??= at;
        attempt.moved = { line: quoteEnds(line), at };
        break;
      }
      case 'halted': {
        // A failure may be logged before the line that says so.
        const attempt = last === undefined ? begin(at) : open();
        if (attempt === undefined) break;
        attempt.tokenTakenAt ??= at;
        attempt.moved = { line: quoteEnds(line), at };
        break;
      }
      case 'pulled': {
        // "Status: …" follows "Digest: …", and "returns image reference" follows "Pulled image": the same of the same attempt.
        if (
          last?.pulled !== undefined &&
          at - last.pulled.at <= sameFailureMs &&
          /^Status: |\breturns image/.test(line)
        ) {
          last.pulled = { ...last.pulled, line: quoteEnds(line) };
          break;
        }
        const attempt = open() ?? begin(at);
        attempt.tokenTakenAt ??= at;
        attempt.pulled = { line: quoteEnds(line), at };
        break;
      }
      case 'echo':
        if (last?.failed === undefined) (open() ?? begin(at)).failed = { cause: 'other', line: quoteEnds(line), at };
        break;
      case 'failed': {
        const isOfHost = sign.stage === 'container' || sign.cause === 'wrong-architecture' || hostPattern.test(line);
        if (!isStarted || isOfHost) fail(sign, line, at);
        break;
      }
    }
  }
  return attempts;
};

/** What a worker shows about the token that was stored at a moment. Lines are plain and bounded. */
export type WorkerEvidence =
  /** It pulled. `after` is what keeps its container from starting nevertheless. */
  | { readonly kind: 'pulled'; readonly line: string; readonly at: number; readonly after?: PullTrouble }
  /** Layers are coming down. `showsToken` where the attempt began, as far as the log goes, after the token was stored. */
  | { readonly kind: 'downloading'; readonly line: string; readonly at: number; readonly showsToken: boolean }
  /** Layers came down and have stopped to. */
  | { readonly kind: 'stalled'; readonly line: string; readonly at: number }
  /** The registry refused the token, after the window in which that may have been the old one. */
  | { readonly kind: 'refused'; readonly line: string; readonly at: number }
  /** Something else went wrong. `tookToken` where layers came down in that attempt. */
  | ({ readonly kind: 'failed'; readonly tookToken: boolean } & PullTrouble)
  /** A failure that may pass, or may be the old token's: look again at `believedFrom`. */
  | ({ readonly kind: 'unsettled'; readonly believedFrom: number } & PullTrouble)
  /** Nothing of this token. `pulledAt` where it pulled with the one before. */
  | { readonly kind: 'nothing'; readonly pulledAt?: number };

/** What is known around a worker's log. Times are epoch milliseconds. */
interface EvidenceMoment {
  readonly storedAt: number;
  readonly propagationMs: number;
  readonly now: number;
  /** Whether its container runs: what failed before is then mended. */
  readonly hasStarted: boolean;
}

/** Hosts retry a failing pull about every 15 s: by then a lasting failure has repeated itself. */
export const settlingMs = 45_000;
/** Hosts log several ticks a second; checking and unpacking one large layer can be silent for minutes. */
const maxSilenceMs = 10 * 60_000;
/** What no second try mends: told at once. */
const lastingCauses: readonly PullCause[] = [
  'out-of-disk',
  'wrong-architecture',
  'archived',
  'not-an-image',
  'container-cannot-start',
  'host-cannot-start',
];

/**
 * Decides what a worker's attempts show about the token stored at a moment.
 *
 * The newest attempt that tells anything counts. One that only began tells nothing, so the failure before it stands;
 * and a pull that worked is not undone by a refusal that may have been of the old token.
 */
export const judgeAttempts = (
  attempts: readonly PullAttempt[],
  { storedAt, propagationMs, now, hasStarted }: EvidenceMoment,
): WorkerEvidence => {
  const believedFrom = storedAt + propagationMs;
  const isSettled = now >= believedFrom + settlingMs;
  /** A host takes the token from its caller when a pull begins: a pull that began before used the old one. */
  const provingPull = attempts.findLast(({ pulled, beganAt }) => pulled !== undefined && beganAt >= storedAt)?.pulled;
  const telling = attempts.findLast(({ tokenTakenAt, failed }) => tokenTakenAt !== undefined || failed !== undefined);
  if (telling === undefined) return { kind: 'nothing' };
  const { pulled, failed, moved, tokenTakenAt } = telling;

  if (failed !== undefined && failed.at >= storedAt) {
    const tookToken = tokenTakenAt !== undefined;
    if (failed.cause === 'refused') {
      // A pull that began with the old token ends with it, however late.
      const isOfOld = tookToken && telling.beganAt < believedFrom;
      if (failed.at > believedFrom && isSettled && !isOfOld)
        return { kind: 'refused', line: failed.line, at: failed.at };
      const from = isOfOld ? Math.max(believedFrom, failed.at) : believedFrom;
      return provingPull === undefined
        ? { kind: 'unsettled', ...failed, believedFrom: from + settlingMs }
        : { kind: 'pulled', ...provingPull };
    }
    if (hasStarted) return provingPull === undefined ? { kind: 'nothing' } : { kind: 'pulled', ...provingPull };
    const isOfToday = failed.cause !== 'missing' || failed.at > believedFrom;
    if (lastingCauses.includes(failed.cause) || (isSettled && isOfToday))
      return { kind: 'failed', tookToken, ...failed };
    return { kind: 'unsettled', ...failed, believedFrom: believedFrom + settlingMs };
  }
  if (provingPull !== undefined) {
    const { after, ...seen } = provingPull;
    return { kind: 'pulled', ...seen, ...(after === undefined || hasStarted ? {} : { after }) };
  }
  if (pulled !== undefined) return { kind: 'nothing', pulledAt: pulled.at };
  if (failed !== undefined || tokenTakenAt === undefined) return { kind: 'nothing' };
  const newest = moved ?? { line: 'the registry gave out the manifest', at: tokenTakenAt };
  if (now - newest.at > maxSilenceMs) return { kind: 'stalled', ...newest };
  return { kind: 'downloading', ...newest, showsToken: telling.beganAt >= storedAt };
};

/** What an endpoint's report says of each cause: how bad it is, its reason for machines, and what to do about it. */
export const pullVerdicts = {
  refused: {
    proof: 'failed',
    reason: 'login-refused',
    remedy: "Check that the endpoint's credential is the one that was updated, then terminate the worker.",
  },
  missing: {
    proof: 'failed',
    reason: 'image-missing',
    remedy: "Push the image, or correct the endpoint's image.",
  },
  'wrong-architecture': {
    proof: 'degraded',
    reason: 'wrong-architecture',
    remedy: 'Build the image with --platform linux/amd64.',
  },
  throttled: { proof: 'degraded', reason: 'throttled', remedy: 'Start fewer workers at a time.' },
  'registry-unreachable': {
    proof: 'degraded',
    reason: 'pull-failed',
    remedy: 'Hosts try again by themselves; where it lasts, look at the status of Amazon ECR and of Runpod.',
  },
  'out-of-disk': {
    proof: 'degraded',
    reason: 'out-of-disk',
    remedy: 'Give the endpoint a larger container disk.',
  },
  archived: {
    proof: 'degraded',
    reason: 'pull-failed',
    remedy: 'Restore the archived image in Amazon ECR, or push it again.',
  },
  'blob-store': {
    proof: 'degraded',
    reason: 'pull-failed',
    remedy: "The registry took the token, but the image's content could not be read: check the repository's KMS key.",
  },
  upstream: {
    proof: 'degraded',
    reason: 'pull-failed',
    remedy:
      'The registry took the token, but could not get the image from the registry that it caches: check the pull through cache rule and its secret.',
  },
  'not-an-image': {
    proof: 'degraded',
    reason: 'pull-failed',
    remedy: 'Give the endpoint a container image; what its reference names is something else.',
  },
  'container-cannot-start': {
    proof: 'degraded',
    reason: 'container-cannot-start',
    remedy: "The image is there, but its container does not start: check its entrypoint and the endpoint's settings.",
  },
  'host-cannot-start': {
    proof: 'degraded',
    reason: 'container-cannot-start',
    remedy:
      "The image is there, but its host starts no container of it: look at the endpoint's GPU types, CUDA versions and volumes.",
  },
  other: {
    proof: 'degraded',
    reason: 'pull-failed',
    remedy: "Look at the endpoint's logs.",
  },
} as const satisfies Record<
  PullCause,
  { readonly proof: 'failed' | 'degraded'; readonly reason: string; readonly remedy: string }
>;
