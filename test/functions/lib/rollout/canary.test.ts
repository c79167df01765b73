import { describe, expect, it } from 'vitest';
import { RunpodRequestRejectedError, RunpodUnavailableError } from '../../../../functions/lib/errors.ts';
import { checkRolloutCanary } from '../../../../functions/lib/rollout/canary.ts';
import type { Watched } from '../../../../functions/lib/rollout/order.ts';
import { canaryMs, canaryTimeToLiveMs } from '../../../../functions/lib/runpod/canary.ts';
import type { RunpodJobs } from '../../../../functions/lib/runpod/jobs.ts';

const now = Date.parse('2026-11-25T12:00:00Z');
const settings = { input: { prompt: 'ping' } };
const nothingWatched: Watched = { failed: [] };

/** Checks a canary whose job stands so, and which submits or fails to. */
const check = async (
  watched: Watched,
  job: Partial<Awaited<ReturnType<RunpodJobs['status']>>> = {},
  refusal?: Error,
  hasCanary = true,
) => {
  const submitted: unknown[][] = [];
  const asked: string[] = [];
  const jobs = {
    submit: async (...call: unknown[]) => {
      submitted.push(call);
      if (refusal !== undefined) throw refusal;
      return 'next';
    },
    status: async (_: string, id: string) => {
      asked.push(id);
      return { status: 'IN_QUEUE', ...job };
    },
    cancel: async () => {},
  };
  const found = await checkRolloutCanary(
    jobs,
    'ep',
    hasCanary ? settings : undefined,
    watched,
    (worker) => worker === 'new',
    now,
  );
  return { ...found, submitted, asked };
};
const watching = (jobs: number): Watched => ({ ...nothingWatched, jobId: 'first', jobUntil: now + 1000, jobs });

describe('the canary job of a rollout', () => {
  it('is none where none is wanted', async () => {
    const { canary, watched, submitted } = await check(nothingWatched, {}, undefined, false);
    expect([canary, watched, submitted]).toEqual([undefined, nothingWatched, []]);
  });

  it('is submitted at first, and followed for as long as it may run', async () => {
    const { canary, watched, submitted, asked } = await check(nothingWatched);
    expect(submitted).toEqual([['ep', settings.input, canaryTimeToLiveMs]]);
    expect(canary).toEqual({ state: 'running', clause: 'job next is IN_QUEUE' });
    expect(watched).toEqual({ ...nothingWatched, jobId: 'next', jobUntil: now + canaryMs, jobs: 1 });
    expect(asked).toEqual([]);
  });

  it('goes on while it runs', async () => {
    const { canary, watched, submitted, asked } = await check(watching(1), { status: 'IN_PROGRESS' });
    expect(canary).toMatchObject({ state: 'running' });
    expect([watched, submitted, asked]).toEqual([watching(1), [], ['first']]);
  });

  it('is a proof where a worker of the new version completed it', async () => {
    const { canary, submitted } = await check(watching(1), { status: 'COMPLETED', workerId: 'new' });
    expect([canary, submitted]).toEqual([expect.objectContaining({ state: 'completed', workerId: 'new' }), []]);
  });

  it.each([
    ['a worker of the old version completed it', { status: 'COMPLETED', workerId: 'old' }],
    ['nobody says which worker completed it', { status: 'COMPLETED' }],
    ['it failed', { status: 'FAILED' }],
  ])('is followed by another where %s, three in all', async (_what, job) => {
    const again = await check(watching(2), job);
    expect(again.submitted).toHaveLength(1);
    expect(again.watched).toMatchObject({ jobId: 'next', jobs: 3 });
    expect(again.canary?.state).toBe(job.status.toLowerCase());
    const last = await check(watching(3), job);
    expect([last.submitted, last.watched]).toEqual([[], watching(3)]);
  });

  it('has failed for good where Runpod takes no such job', async () => {
    const refused = await check(
      watching(1),
      { status: 'FAILED' },
      new RunpodRequestRejectedError('It needs no input.'),
    );
    expect(refused.canary).toEqual({ state: 'failed', clause: 'It needs no input.' });
    expect(refused.watched).toMatchObject({ jobId: 'first', jobs: 3 });
    const down = new RunpodUnavailableError('Runpod is down.');
    await expect(check(nothingWatched, {}, down)).rejects.toBe(down);
  });
});
