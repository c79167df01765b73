import { isSameRegistry } from '../ecr/host.ts';
import { explainReference, parseImageReference } from '../ecr/image-reference.ts';
import type { ImageTrial } from '../ecr/tried-images.ts';
import { quote } from '../quote.ts';
import type { EndpointProof } from '../report/outcome.ts';
import type { LogLine } from './log-line.ts';
import type { Endpoint, Worker } from './management.ts';
import { settlingMs } from './pull-attempts.ts';
import {
  downloadingVerdict,
  pulledVerdict,
  readWorkerLogs,
  troubleVerdict,
  type WorkerLogs,
} from './worker-verdicts.ts';

/** Why a proof is what it is, for machines. */
type ProofReason =
  | 'worker-pulled'
  | 'worker-downloading'
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
  | 'pull-failed'
  | 'container-cannot-start'
  | 'canary-completed'
  | 'canary-failed'
  | 'not-looked';

/** What a check of an endpoint came to: its record, with a reason of ours and always a sentence. */
export type EndpointVerdict = Readonly<Omit<EndpointProof, 'endpoint' | 'reason' | 'evidence'>> & {
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
  /** The worker that ran it, where one did. */
  readonly workerId?: string;
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
  readonly image: ImageTrial | undefined;
  readonly workers: readonly WatchedWorker[];
  /** `undefined` where the endpoint has no canary. */
  readonly canary: CanaryView | undefined;
  readonly storedAt: number;
  /** When the endpoint was looked at for the first time since: its patience counts from then. */
  readonly firstLookAt: number;
  readonly now: number;
  readonly propagationMs: number;
}

/** A cold start longer than this marks a worker unhealthy at Runpod. */
const maxColdStartMs = 7 * 60_000;

/** An endpoint that could not be asked about, until its patience was over or because Runpod refused. */
export const notAsked = (name: string, message: string) => ({
  proof: 'degraded' as const,
  reason: 'not-looked' as const,
  evidence: `The new token is stored and ECR takes it, but Runpod could not be asked how the workers fare (${name}: ${message}) Look at the endpoint in the Runpod console.`,
});

/** When we stop waiting for an endpoint. Epoch milliseconds. */
export const patienceEnd = ({
  firstLookAt,
  propagationMs,
}: Pick<EndpointView, 'firstLookAt' | 'propagationMs'>): number =>
  firstLookAt + propagationMs + maxColdStartMs + settlingMs;

/** What is wrong with how the endpoint is set up, which no token can mend and no worker needs to be asked about. */
export const misconfiguration = (
  view: Pick<EndpointView, 'endpoint' | 'endpointId' | 'isNamed' | 'credentialId' | 'registry'>,
): EndpointVerdict | undefined => {
  const { endpoint, endpointId, isNamed, credentialId, registry } = view;
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

/** What our own try of the image found wrong with it. */
const imageProblem = ({ image }: EndpointView): EndpointVerdict | undefined =>
  image !== undefined && 'problem' in image && !image.isPassing
    ? {
        proof: 'failed',
        reason: 'image-not-pullable',
        evidence: `The new token is stored, but this image cannot be pulled with it: ${image.problem}.`,
      }
    : undefined;

/** What kept us from trying the image, which may pass. */
const imageNotTried = ({ image, canary }: EndpointView): EndpointVerdict | undefined =>
  image !== undefined && 'problem' in image && image.isPassing && canary?.state !== 'running'
    ? {
        proof: 'degraded',
        reason: 'image-not-tried',
        evidence: `The new token is stored, and its image could not be tried: ${image.problem}.`,
      }
    : undefined;

/** What the workers' states say where their logs say nothing. One that downloads is never told to be stuck. */
const fromWorkers = (view: EndpointView, logs: WorkerLogs): EndpointVerdict | undefined => {
  const { workers, storedAt, firstLookAt, now, propagationMs } = view;
  const isOver = now >= storedAt + propagationMs;
  const wait = (evidence: string): EndpointVerdict => ({ proof: 'pending', reason: 'waiting-for-worker', evidence });

  const downloading = logs.all('downloading').map(({ worker }) => worker);
  const starting = workers.filter(
    ({ worker: { id, status } }) => status === 'INITIALIZING' && !downloading.includes(id),
  );
  const stuck = starting.find(({ worker: { id, startedAt } }) => {
    const pulledAt = logs.all('nothing').find(({ worker }) => worker === id)?.evidence.pulledAt ?? storedAt;
    const beganAt = Date.parse(startedAt ?? '') || firstLookAt;
    return now - Math.max(storedAt, pulledAt, beganAt) >= maxColdStartMs;
  });
  if (stuck) {
    return {
      proof: 'degraded',
      reason: 'stuck',
      evidence: `Worker ${stuck.worker.id} has been starting for more than 7 min, and its log shows no pull since the update. Terminate it, and look at the endpoint's logs.`,
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
      evidence: `Worker ${unhealthy.worker.id} is unhealthy, and its log does not blame the token. Look at the endpoint's logs.`,
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
    evidence: `The canary job failed, and no worker's log blames the token: ${canary.clause}. Look at the endpoint's logs.`,
  };
};

/** Judges what a check of an endpoint brought. Pure: the same view gives the same verdict. */
export const judgeEndpoint = (view: EndpointView): EndpointVerdict => {
  const isOver = view.now >= patienceEnd(view);
  const logs = readWorkerLogs(view);
  const downloading = downloadingVerdict(logs);
  const waitedFor = isOver ? undefined : downloading;
  const verdict =
    misconfiguration(view) ??
    pulledVerdict(logs) ??
    // It may yet pull, which would outrank everything below.
    (waitedFor?.reason === 'worker-downloading' ? waitedFor : undefined) ??
    imageProblem(view) ??
    troubleVerdict(logs, view) ??
    waitedFor ??
    fromWorkers(view, logs) ??
    downloading ??
    imageNotTried(view) ??
    fromCanary(view);
  if (verdict?.proof === 'pending' && isOver) {
    return verdict === downloading
      ? {
          ...verdict,
          proof: 'tested',
          reason: 'worker-downloading',
          evidence: `${verdict.evidence} This token pulled the image from ECR, and no worker is failing.`,
        }
      : {
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
  firstLookAt,
  now,
  propagationMs,
}: Pick<EndpointView, 'storedAt' | 'firstLookAt' | 'now' | 'propagationMs'>): number => {
  const delay = Math.min(120_000, Math.max(15_000, now - firstLookAt));
  const settled = storedAt + propagationMs + settlingMs;
  return now < settled ? Math.min(now + delay, settled) : now + delay;
};
