import type { EndpointVerdict, EndpointView, WatchedWorker } from './endpoint-proof.ts';
import { judgeAttempts, pullVerdicts, readPullAttempts, type WorkerEvidence } from './pull-attempts.ts';

type Kind = WorkerEvidence['kind'];
/** A worker and what its log shows, of one kind. */
interface Shown<Of extends Kind> {
  readonly worker: string;
  readonly evidence: Extract<WorkerEvidence, { readonly kind: Of }>;
}

/** What the workers' logs show, each worker's by itself. */
export interface WorkerLogs {
  /** The first worker whose log shows this. */
  readonly find: <Of extends Kind>(kind: Of) => Shown<Of> | undefined;
  readonly all: <Of extends Kind>(kind: Of) => readonly Shown<Of>[];
}

const startedStates = ['RUNNING', 'IDLE'];

const evidenceOf = (
  { worker, log }: WatchedWorker,
  { storedAt, propagationMs, now }: Pick<EndpointView, 'storedAt' | 'propagationMs' | 'now'>,
): WorkerEvidence =>
  judgeAttempts(readPullAttempts(log), {
    storedAt,
    propagationMs,
    now,
    hasStarted: startedStates.includes(worker.status),
  });

/** Reads the workers' logs as attempts to pull. */
export const readWorkerLogs = (
  view: Pick<EndpointView, 'workers' | 'storedAt' | 'propagationMs' | 'now'>,
): WorkerLogs => {
  const shown = view.workers.map((each) => ({ worker: each.worker.id, evidence: evidenceOf(each, view) }));
  const all = <Of extends Kind>(kind: Of): readonly Shown<Of>[] =>
    shown.filter((each): each is Shown<Of> => each.evidence.kind === kind);
  return { all, find: (kind) => all(kind)[0] };
};

/** A time of day. */
export const clock = (milliseconds: number): string => `${new Date(milliseconds).toISOString().slice(11, 16)} UTC`;

const seen = (worker: string, { line, at }: { readonly line: string; readonly at: number }) => ({
  worker,
  line,
  at: new Date(at).toISOString(),
});

/** A worker pulled the image, whatever has become of other workers. */
export const pulledVerdict = (logs: WorkerLogs): EndpointVerdict | undefined => {
  const pulled = logs.all('pulled').find(({ evidence }) => evidence.after === undefined);
  if (pulled === undefined) return undefined;
  const { worker, evidence } = pulled;
  return {
    proof: 'observed',
    reason: 'worker-pulled',
    evidence: `Worker ${worker} pulled the image at ${clock(evidence.at)}, after the update.`,
    ...seen(worker, evidence),
  };
};

/** A worker downloads the image with the new token: whatever stands in the way of others, this one may yet pull. */
export const downloadingVerdict = (logs: WorkerLogs): EndpointVerdict | undefined => {
  const downloading = logs.all('downloading');
  const { worker, evidence } = downloading.find((each) => each.evidence.showsToken) ?? downloading[0] ?? {};
  if (worker === undefined || evidence === undefined) return undefined;
  return {
    proof: 'pending',
    reason: evidence.showsToken ? 'worker-downloading' : 'waiting-for-worker',
    evidence: evidence.showsToken
      ? `Worker ${worker} is downloading the image, and ECR took the new token for it.`
      : `Worker ${worker} is downloading the image, with the token that it began with.`,
    ...seen(worker, evidence),
  };
};

/** What keeps workers from pulling, or their containers from starting, once it may be believed. */
export const troubleVerdict = (
  logs: WorkerLogs,
  { storedAt, now }: Pick<EndpointView, 'storedAt' | 'now'>,
): EndpointVerdict | undefined => {
  const refused = logs.find('refused');
  if (refused !== undefined) {
    const { worker, evidence } = refused;
    const { proof, reason, remedy } = pullVerdicts.refused;
    const minutes = Math.round((evidence.at - storedAt) / 60_000);
    return {
      proof,
      reason,
      evidence: `Worker ${worker} is still refused by ECR ${minutes} min after the update. ${remedy}`,
      ...seen(worker, evidence),
    };
  }
  const failures = logs.all('failed');
  const failed = failures.find(({ evidence: { cause } }) => pullVerdicts[cause].proof === 'failed') ?? failures[0];
  if (failed !== undefined) {
    const { worker, evidence } = failed;
    const { proof, reason, remedy } = pullVerdicts[evidence.cause];
    const what = reason === 'container-cannot-start' ? 'start the container' : 'pull the image';
    return {
      proof,
      reason,
      evidence: `Worker ${worker} could not ${what}: "${evidence.line}". ${remedy}`,
      ...seen(worker, evidence),
    };
  }
  const stopped = logs.find('pulled');
  if (stopped?.evidence.after !== undefined) {
    const { worker } = stopped;
    const { after } = stopped.evidence;
    const { proof, reason, remedy } = pullVerdicts[after.cause];
    return {
      proof,
      reason,
      evidence: `Worker ${worker} pulled the image, and its container does not start: "${after.line}". ${remedy}`,
      ...seen(worker, after),
    };
  }
  const stalled = logs.find('stalled');
  if (stalled !== undefined) {
    const { worker, evidence } = stalled;
    return {
      proof: 'degraded',
      reason: 'stuck',
      evidence: `Worker ${worker} began to download the image and has logged nothing since ${clock(evidence.at)}. Look at the endpoint's logs.`,
      ...seen(worker, evidence),
    };
  }
  const unsettled = logs.all('unsettled').find(({ evidence }) => now < evidence.believedFrom);
  if (unsettled !== undefined) {
    const { worker, evidence } = unsettled;
    return {
      proof: 'pending',
      reason: 'waiting-for-worker',
      evidence: `Worker ${worker} has not pulled yet: "${evidence.line}". What it met may pass until ${clock(evidence.believedFrom)}.`,
      ...seen(worker, evidence),
    };
  }
  return undefined;
};
