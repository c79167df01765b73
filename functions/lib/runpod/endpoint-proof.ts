import { isSameRegistry } from '../ecr/host.ts';
import { explainReference, parseImageReference } from '../ecr/image-reference.ts';
import { quote } from '../quote.ts';
import type { EndpointProof } from '../report/outcome.ts';
import type { Endpoint, Worker } from './management.ts';
import { classifyPullLine, type PullLine } from './pull-log.ts';
import type { LogLine } from './worker-log.ts';

/** Why a proof is what it is, for machines. */
type ProofReason =
  | 'worker-pulled'
  | 'token-pulled'
  | 'waiting-for-worker'
  | 'endpoint-missing'
  | 'other-credential'
  | 'other-registry'
  | 'bad-reference'
  | 'image-not-pullable'
  | 'image-not-tried'
  | 'login-refused'
  | 'image-missing'
  | 'parked'
  | 'throttled'
  | 'stuck'
  | 'unhealthy'
  | 'out-of-disk'
  | 'wrong-architecture'
  | 'canary-completed'
  | 'canary-failed'
  | 'not-looked';

/** What a check of an endpoint came to: its record, with a reason of ours and always a sentence. */
type EndpointVerdict = Readonly<Omit<EndpointProof, 'endpoint' | 'reason' | 'evidence'>> & {
  readonly reason: ProofReason;
  /** What was seen, and the remedy where one is needed. */
  readonly evidence: string;
};

/** A worker together with what its host logged since the update. */
export interface WatchedWorker {
  readonly worker: Worker;
  readonly log: readonly LogLine[];
}

/** How a canary job fares; `running` until it has ended or its time is up. */
export interface CanaryView {
  readonly state: 'running' | 'completed' | 'failed';
  /** What became of it, in a clause. */
  readonly clause: string;
}

/** What one check at Runpod brought, and what is known from before. Times are epoch milliseconds. */
export interface EndpointView {
  readonly endpoint: Endpoint | undefined;
  readonly endpointId: string;
  /** Whether targets.yml names the endpoint, rather than it having been found by its credential. */
  readonly isNamed: boolean;
  readonly credentialId: string;
  readonly registry: string;
  /** What trying the image on ECR came to; a problem is a clause. */
  readonly image: { readonly digest: string } | { readonly problem: string; readonly isPassing: boolean } | undefined;
  readonly workers: readonly WatchedWorker[];
  /** `undefined` where the endpoint has no canary. */
  readonly canary: CanaryView | undefined;
  readonly storedAt: number;
  readonly now: number;
  readonly propagationMs: number;
}

/** A cold start longer than this marks a worker unhealthy at Runpod. */
const maxColdStartMs = 7 * 60_000;
/** Hosts retry a failing pull about every 15 s: by then a lasting refusal has repeated itself. */
const settlingMs = 45_000;

const clock = (milliseconds: number): string => `${new Date(milliseconds).toISOString().slice(11, 16)} UTC`;

interface Decisive extends LogLine {
  readonly kind: PullLine;
  readonly worker: string;
}

/** The newest line of a worker's log that says anything about pulling. */
const decisiveLine = ({ worker, log }: WatchedWorker): Decisive | undefined => {
  for (const line of [...log].reverse()) {
    const kind = classifyPullLine(line.line);
    if (kind !== 'other') return { ...line, kind, worker: worker.id };
  }
  return undefined;
};

const shown = ({ line, at, worker }: Decisive) => ({ worker, line: quote(line), at: new Date(at).toISOString() });

/** What is wrong with how the endpoint is set up, which no token can mend. */
const misconfiguration = (view: EndpointView): EndpointVerdict | undefined => {
  const { endpoint, endpointId, isNamed, credentialId, registry, image } = view;
  if (endpoint === undefined) {
    return isNamed
      ? {
          proof: 'failed',
          reason: 'endpoint-missing',
          evidence: `Runpod has no endpoint ${endpointId}. Correct targets.yml.`,
        }
      : { proof: 'degraded', reason: 'endpoint-missing', evidence: 'The endpoint was deleted during this run.' };
  }
  if (endpoint.registry !== credentialId) {
    const found = endpoint.registry === null ? 'no credential' : `credential ${quote(endpoint.registry)}`;
    return {
      proof: 'failed',
      reason: 'other-credential',
      evidence: `The endpoint uses ${found} instead of ${credentialId}. Select ${credentialId} in its settings at Runpod.`,
    };
  }
  const fault = explainReference(endpoint.image);
  if (fault !== undefined) {
    return {
      proof: 'failed',
      reason: 'bad-reference',
      evidence: `No host can pull its image ${quote(JSON.stringify(endpoint.image))}: ${fault}. Correct the endpoint's image.`,
    };
  }
  const reference = parseImageReference(endpoint.image);
  if (reference === undefined || !isSameRegistry(reference.registry, registry)) {
    return {
      proof: isNamed ? 'failed' : 'degraded',
      reason: 'other-registry',
      evidence: `Its image ${quote(endpoint.image)} is not in ${registry}, whose token the credential holds. Give the endpoint an image of that registry, or another credential.`,
    };
  }
  if (image !== undefined && 'problem' in image) {
    if (image.isPassing) {
      return {
        proof: 'degraded',
        reason: 'image-not-tried',
        evidence: `The new token is stored, and its image could not be tried: ${image.problem}.`,
      };
    }
    return {
      proof: 'failed',
      reason: 'image-not-pullable',
      evidence: `The new token is stored, but this image cannot be pulled with it: ${image.problem}.`,
    };
  }
  if (endpoint.workers.max === 0) {
    return {
      proof: 'degraded',
      reason: 'parked',
      evidence:
        'Runpod has parked the endpoint: workers.max is 0, as it sets after long failure or idleness. A fresh token does not undo that: set max workers again.',
    };
  }
  return undefined;
};

/** What the workers' logs say, once it may be believed. */
const fromLogs = (view: EndpointView): EndpointVerdict | undefined => {
  const { workers, storedAt, propagationMs, now } = view;
  const lines = workers.map(decisiveLine).filter((line) => line !== undefined);
  const find = (...kinds: PullLine[]) => lines.find(({ kind }) => kinds.includes(kind));

  const pulled = find('pulled');
  if (pulled) {
    return {
      proof: 'observed',
      reason: 'worker-pulled',
      evidence: `Worker ${pulled.worker} pulled the image at ${clock(pulled.at)}, after the update.`,
      ...shown(pulled),
    };
  }
  const disk = find('out-of-disk');
  if (disk) {
    return {
      proof: 'degraded',
      reason: 'out-of-disk',
      evidence: `Worker ${disk.worker} has no disk left for the image. Give the endpoint a larger container disk.`,
      ...shown(disk),
    };
  }
  const architecture = find('wrong-architecture');
  if (architecture) {
    return {
      proof: 'degraded',
      reason: 'wrong-architecture',
      evidence: `Worker ${architecture.worker} cannot run the image. Build it with --platform linux/amd64.`,
      ...shown(architecture),
    };
  }
  const believedFrom = storedAt + propagationMs;
  const settled = now >= believedFrom + settlingMs;
  const refused = lines.find(({ kind, at }) => kind === 'refused' && at > believedFrom);
  if (refused && settled) {
    return {
      proof: 'failed',
      reason: 'login-refused',
      evidence: `Worker ${refused.worker} is still refused by ECR ${Math.round((refused.at - storedAt) / 60_000)} min after the update. Check that the endpoint's credential is the one that was updated, then terminate the worker.`,
      ...shown(refused),
    };
  }
  const missing = lines.find(({ kind, at }) => kind === 'missing' && at > believedFrom);
  if (missing && settled) {
    return {
      proof: 'failed',
      reason: 'image-missing',
      evidence: `Worker ${missing.worker} does not find the image. Push it, or correct the endpoint's image.`,
      ...shown(missing),
    };
  }
  const throttled = find('throttled');
  if (throttled && settled) {
    return {
      proof: 'degraded',
      reason: 'throttled',
      evidence: `ECR throttles the pulls of worker ${throttled.worker}. Start fewer workers at a time.`,
      ...shown(throttled),
    };
  }
  if (lines.length > 0 && !settled) {
    const [first] = lines;
    return {
      proof: 'pending',
      reason: 'waiting-for-worker',
      evidence: `Worker ${first?.worker} has not pulled yet; Runpod may take until ${clock(believedFrom)} to hand out the new password.`,
    };
  }
  return undefined;
};

/** What the workers' states say where their logs say nothing. */
const fromWorkers = (view: EndpointView): EndpointVerdict | undefined => {
  const { workers, storedAt, now, propagationMs } = view;
  const isOver = now >= storedAt + propagationMs;
  const wait = (evidence: string): EndpointVerdict => ({ proof: 'pending', reason: 'waiting-for-worker', evidence });

  const starting = workers.filter(({ worker }) => worker.status === 'INITIALIZING');
  const stuck = starting.find(({ worker }) => {
    const since = Math.max(storedAt, Date.parse(worker.startedAt ?? '') || storedAt);
    return now - since >= maxColdStartMs;
  });
  if (stuck) {
    return {
      proof: 'degraded',
      reason: 'stuck',
      evidence: `Worker ${stuck.worker.id} has been starting for more than 7 min without pulling. Terminate it, and look at the endpoint's logs.`,
      worker: stuck.worker.id,
    };
  }
  if (starting.length > 0) return wait(`Worker ${starting[0]?.worker.id} is starting and has not pulled yet.`);

  const unhealthy = workers.find(({ worker }) => worker.status === 'UNHEALTHY');
  if (unhealthy) {
    if (!isOver) return wait(`Worker ${unhealthy.worker.id} is unhealthy and may be replaced.`);
    return {
      proof: 'degraded',
      reason: 'unhealthy',
      evidence: `Worker ${unhealthy.worker.id} is unhealthy, and its log does not blame the login. Look at the endpoint's logs.`,
      worker: unhealthy.worker.id,
    };
  }
  if (workers.length > 0 && workers.every(({ worker }) => worker.status === 'THROTTLED')) {
    if (!isOver) return wait('All workers wait for capacity.');
    return {
      proof: 'degraded',
      reason: 'throttled',
      evidence: 'All workers wait for capacity at Runpod. Allow more GPU types or data centers.',
    };
  }
  return undefined;
};

/** What a canary job shows besides: that the endpoint works, or that something other than pulling keeps it from working. */
const fromCanary = ({ canary }: EndpointView): EndpointVerdict | undefined => {
  if (canary === undefined) return undefined;
  if (canary.state === 'running') {
    return {
      proof: 'pending',
      reason: 'waiting-for-worker',
      evidence: `The canary job is under way: ${canary.clause}.`,
    };
  }
  if (canary.state === 'completed') {
    return {
      proof: 'tested',
      reason: 'canary-completed',
      evidence: `This token pulled the endpoint's image from ECR, and a canary job completed: ${canary.clause}.`,
    };
  }
  return {
    proof: 'degraded',
    reason: 'canary-failed',
    evidence: `The canary job failed, and no worker's log blames the login: ${canary.clause}. Look at the endpoint's logs.`,
  };
};

/** Judges what a check of an endpoint brought. Pure: the same view gives the same verdict. */
export const judgeEndpoint = (view: EndpointView): EndpointVerdict => {
  const verdict = misconfiguration(view) ?? fromLogs(view) ?? fromWorkers(view) ?? fromCanary(view);
  const lastCheck = view.storedAt + view.propagationMs + maxColdStartMs + settlingMs;
  if (verdict?.proof === 'pending' && view.now >= lastCheck) {
    return {
      ...verdict,
      proof: 'degraded',
      reason: 'stuck',
      evidence: `${verdict.evidence} We have stopped waiting for it.`,
    };
  }
  if (verdict !== undefined) return verdict;
  const digest = view.image !== undefined && 'digest' in view.image ? ` ${view.image.digest.slice(0, 19)}` : '';
  return {
    proof: 'tested',
    reason: 'token-pulled',
    evidence: `This token pulled the endpoint's image${digest} from ECR; no worker has had to pull since.`,
  };
};

/** When to check again: soon at first, then every two minutes, and right after the window has closed. Epoch milliseconds. */
export const nextCheck = ({
  storedAt,
  now,
  propagationMs,
}: Pick<EndpointView, 'storedAt' | 'now' | 'propagationMs'>): number => {
  const delay = Math.min(120_000, Math.max(15_000, now - storedAt));
  const settled = storedAt + propagationMs + settlingMs;
  return now < settled ? Math.min(now + delay, settled) : now + delay;
};
