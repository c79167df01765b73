import { describe, expect, it } from 'vitest';
import type { WorkerEvidence } from '../../../../functions/lib/runpod/pull-attempts.ts';
import {
  clock,
  downloadingVerdict,
  pulledVerdict,
  readWorkerLogs,
  troubleVerdict,
  type WorkerLogs,
} from '../../../../functions/lib/runpod/worker-verdicts.ts';

const storedAt = Date.parse('2026-11-23T12:00:00Z');
const at = storedAt + 12.6 * 60_000;
const atText = '2026-11-23T12:12:36.000Z';
const line = 'as the host says it';
const moment = { storedAt, now: at };

/** Logs of workers w1, w2 and so on, each of which shows one thing. */
const logsOf = (...evidences: readonly WorkerEvidence[]): WorkerLogs => {
  const shown = evidences.map((evidence, index) => ({ worker: `w${index + 1}`, evidence }));
  const all: WorkerLogs['all'] = (kind) =>
    shown.flatMap(({ worker, evidence }) => (isOf(kind, evidence) ? [{ worker, evidence }] : []));
  return { all, find: (kind) => all(kind)[0] };
};
const isOf = <Kind extends WorkerEvidence['kind']>(
  kind: Kind,
  evidence: WorkerEvidence,
): evidence is Extract<WorkerEvidence, { readonly kind: Kind }> => evidence.kind === kind;

const nothing: WorkerEvidence = { kind: 'nothing' };
const pulled: WorkerEvidence = { kind: 'pulled', line, at };
const stopped: WorkerEvidence = {
  ...pulled,
  after: { cause: 'container-cannot-start', line: 'no such file', at: at + 1000 },
};
const downloading = (showsToken: boolean): WorkerEvidence => ({ kind: 'downloading', line, at, showsToken });

it('writes a time of day to the minute', () => expect(clock(at)).toBe('12:12 UTC'));

describe('a worker that pulled', () => {
  it('shows that the endpoint’s workers can', () => {
    expect(pulledVerdict(logsOf(nothing, pulled))).toEqual({
      proof: 'observed',
      reason: 'worker-pulled',
      evidence: 'Worker w2 pulled the image at 12:12 UTC, after the update.',
      worker: 'w2',
      line,
      at: atText,
    });
  });

  it('shows nothing where its container does not start, and none does where none pulled', () => {
    expect(pulledVerdict(logsOf(stopped))).toBeUndefined();
    expect(pulledVerdict(logsOf(stopped, pulled))).toMatchObject({ worker: 'w2' });
    expect(pulledVerdict(logsOf(nothing, downloading(true)))).toBeUndefined();
  });
});

describe('a worker that downloads', () => {
  it('shows the token where it began after the update', () => {
    expect(downloadingVerdict(logsOf(downloading(false), downloading(true)))).toEqual({
      proof: 'pending',
      reason: 'worker-downloading',
      evidence: 'Worker w2 is downloading the image, and ECR took the new token for it.',
      worker: 'w2',
      line,
      at: atText,
    });
  });

  it('is waited for where it did not', () => {
    expect(downloadingVerdict(logsOf(nothing, downloading(false), downloading(false)))).toEqual({
      proof: 'pending',
      reason: 'waiting-for-worker',
      evidence: 'Worker w2 is downloading the image, with the token that it began with.',
      worker: 'w2',
      line,
      at: atText,
    });
  });

  it('may be none', () => expect(downloadingVerdict(logsOf(nothing, pulled))).toBeUndefined());
});

describe('what keeps a worker', () => {
  const failed = (cause: 'missing' | 'out-of-disk' | 'container-cannot-start'): WorkerEvidence => ({
    kind: 'failed',
    tookToken: false,
    cause,
    line,
    at,
  });
  const refused: WorkerEvidence = { kind: 'refused', line, at };
  const stalled: WorkerEvidence = { kind: 'stalled', line, at };
  const unsettled = (believedFrom: number): WorkerEvidence => ({
    kind: 'unsettled',
    believedFrom,
    cause: 'missing',
    line,
    at,
  });

  it.each<readonly [string, WorkerEvidence, object]>([
    [
      'a refusal, with how long after the update',
      refused,
      {
        proof: 'failed',
        reason: 'login-refused',
        evidence: expect.stringMatching(/^Worker w2 is still refused by ECR 13 min after the update\. Check /),
        line,
        at: atText,
      },
    ],
    [
      'a failed pull',
      failed('missing'),
      {
        proof: 'failed',
        reason: 'image-missing',
        evidence: expect.stringMatching(/^Worker w2 could not pull the image: "as the host says it"\. Push /),
        line,
        at: atText,
      },
    ],
    [
      'a container that does not start',
      failed('container-cannot-start'),
      { evidence: expect.stringMatching(/^Worker w2 could not start the container: "as the host says it"\. /) },
    ],
    [
      'a container that does not start after a pull',
      stopped,
      {
        proof: 'degraded',
        reason: 'container-cannot-start',
        evidence: expect.stringMatching(
          /^Worker w2 pulled the image, and its container does not start: "no such file"\. \w/,
        ),
        line: 'no such file',
        at: '2026-11-23T12:12:37.000Z',
      },
    ],
    [
      'a download that has stopped',
      stalled,
      {
        proof: 'degraded',
        reason: 'stuck',
        evidence:
          "Worker w2 began to download the image and has logged nothing since 12:12 UTC. Look at the endpoint's logs.",
        line,
        at: atText,
      },
    ],
    [
      'what may pass',
      unsettled(at + 60_000),
      {
        proof: 'pending',
        reason: 'waiting-for-worker',
        evidence: 'Worker w2 has not pulled yet: "as the host says it". What it met may pass until 12:13 UTC.',
        line,
        at: atText,
      },
    ],
  ])('is %s', (_what, evidence, verdict) => {
    expect(troubleVerdict(logsOf(nothing, evidence), moment)).toMatchObject({ worker: 'w2', ...verdict });
  });

  it('is none where there is none, or where its time to pass has come', () => {
    expect(troubleVerdict(logsOf(nothing, pulled, downloading(true)), moment)).toBeUndefined();
    expect(troubleVerdict(logsOf(unsettled(at)), moment)).toBeUndefined();
    expect(troubleVerdict(logsOf(unsettled(at), unsettled(at + 1)), moment)).toMatchObject({ worker: 'w2' });
  });

  it('is the worst of several: a refusal, then a failure of the image, then any, and then what may pass', () => {
    const reasonOf = (...evidences: readonly WorkerEvidence[]) => troubleVerdict(logsOf(...evidences), moment)?.reason;
    expect(reasonOf(failed('missing'), refused)).toBe('login-refused');
    expect(reasonOf(failed('out-of-disk'), failed('missing'))).toBe('image-missing');
    expect(reasonOf(stopped, failed('out-of-disk'))).toBe('out-of-disk');
    expect(reasonOf(stalled, stopped)).toBe('container-cannot-start');
    expect(reasonOf(unsettled(at + 1), stalled)).toBe('stuck');
  });
});

it('reads each worker’s log by itself, and takes what failed before for mended where the container runs', () => {
  const log = (message: string) => [{ at: storedAt + 60_000, line: message }];
  const view = (status: string) => ({
    storedAt,
    propagationMs: 10 * 60_000,
    now: storedAt + 30 * 60_000,
    workers: [
      { worker: { id: 'w1', status }, log: log('error pulling image: no space left on device') },
      { worker: { id: 'w2', status: 'INITIALIZING' }, log: [] },
    ],
  });
  const kinds = (status: string) => {
    const logs = readWorkerLogs(view(status));
    return [logs.find('failed')?.worker, logs.all('nothing').map(({ worker }) => worker)];
  };
  expect(kinds('INITIALIZING')).toEqual(['w1', ['w2']]);
  for (const status of ['RUNNING', 'IDLE']) expect(kinds(status)[0]).toBeUndefined();
});
