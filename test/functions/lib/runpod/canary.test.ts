import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import {
  canariesSchema,
  canaryMs,
  canaryOf,
  canaryTimeToLiveMs,
  checkCanary,
} from '../../../../functions/lib/runpod/canary.ts';

const now = Date.parse('2026-11-23T12:00:00Z');
const job = { endpoint: '4m7x2k9q', jobId: 'job-1', giveUpAt: now + 1 };

/** Jobs that all stand so, and what was cancelled. */
const jobsAre = (status: string, workerId?: string | null) => {
  const cancelled: string[] = [];
  const jobs = {
    submit: () => Promise.reject(new Error('not asked for')),
    status: async () => ({ status, workerId }),
    cancel: async (endpoint: string, jobId: string) => void cancelled.push(`${endpoint} ${jobId}`),
  };
  return { jobs, cancelled };
};

it('lives longer than it is followed, so that it is cancelled and not lost', () => {
  expect([canaryMs, canaryTimeToLiveMs]).toEqual([600_000, 780_000]);
});

describe('the canary of an endpoint', () => {
  const other = { ...job, endpoint: 'other' };

  it('is that of the endpoint', () => expect(canaryOf([other, job], '4m7x2k9q')).toBe(job));

  it('says so where its turn did not come', () => {
    expect(canaryOf([other], '4m7x2k9q')).toEqual({ endpoint: '4m7x2k9q', Error: 'it was not its turn in time' });
  });

  it('says so where none was submitted at all', () => {
    expect(canaryOf({ Error: 'RunpodUnavailableError' }, '4m7x2k9q')).toEqual({
      endpoint: '4m7x2k9q',
      Error: 'RunpodUnavailableError',
    });
  });

  it('is read as submitting hands it over', () => {
    const handed = [
      { ...job, giveUpAt: '2026-11-23T12:00:00Z' },
      { endpoint: 'x', Error: 'RunpodUnavailableError' },
    ];
    expect(z.parse(canariesSchema, handed)).toEqual([{ ...job, giveUpAt: now }, handed[1]]);
    expect(z.parse(canariesSchema, { Error: 'States.Timeout', Cause: '' })).toEqual({ Error: 'States.Timeout' });
  });
});

describe('a canary that is looked at', () => {
  it('has failed where it could not be submitted, and is asked for no more', async () => {
    const { jobs } = jobsAre('COMPLETED');
    expect(await checkCanary(jobs, { ...job, Error: 'RunpodUnavailableError' }, now)).toEqual({
      state: 'failed',
      clause: 'it could not be submitted (RunpodUnavailableError)',
    });
  });

  it.each([
    { endpoint: 'x' },
    { endpoint: 'x', jobId: 'job-1' },
    { endpoint: 'x', giveUpAt: now },
  ])('is none where there is only %j', async (none) =>
    expect(await checkCanary(jobsAre('COMPLETED').jobs, none, now)).toBeUndefined());

  it.each([
    ['COMPLETED', 'completed'],
    ['FAILED', 'failed'],
    ['CANCELLED', 'failed'],
    ['TIMED_OUT', 'failed'],
    ['IN_QUEUE', 'running'],
    ['IN_PROGRESS', 'running'],
    ['SOMETHING_NEW', 'running'],
  ])('that is %s is %s, on the worker that has it', async (status, state) => {
    const { jobs, cancelled } = jobsAre(status, 'w1');
    expect(await checkCanary(jobs, job, now)).toEqual({
      state,
      clause: `job job-1 is ${status} on worker w1`,
      workerId: 'w1',
    });
    expect(cancelled).toEqual([]);
  });

  it.each([null, undefined])('may be on no worker (%j)', async (workerId) => {
    expect(await checkCanary(jobsAre('IN_QUEUE', workerId).jobs, job, now)).toEqual({
      state: 'running',
      clause: 'job job-1 is IN_QUEUE',
    });
  });

  it('is cancelled when its time is up, and not where it has ended', async () => {
    const late = jobsAre('IN_PROGRESS', 'w1');
    expect(await checkCanary(late.jobs, job, now + 1)).toEqual({
      state: 'failed',
      clause: 'job job-1 is IN_PROGRESS on worker w1 after its time was up, and was cancelled',
      workerId: 'w1',
    });
    expect(late.cancelled).toEqual(['4m7x2k9q job-1']);
    const ended = jobsAre('COMPLETED');
    expect(await checkCanary(ended.jobs, job, now + 1)).toMatchObject({ state: 'completed' });
    expect(ended.cancelled).toEqual([]);
  });
});
