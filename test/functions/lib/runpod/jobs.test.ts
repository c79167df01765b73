import { describe, expect, it } from 'vitest';
import type { RunpodCall, RunpodClient } from '../../../../functions/lib/runpod/client.ts';
import { createRunpodJobs } from '../../../../functions/lib/runpod/jobs.ts';

/** Runpod's run-time API with one answer for everything, and what it was asked. */
const jobsOf = (json: unknown) => {
  const asked: RunpodCall[] = [];
  const never = () => Promise.reject(new Error('not asked for'));
  const client: RunpodClient = {
    now: () => 0,
    send: never,
    open: never,
    ask: async (call, schema) => {
      asked.push(call);
      return schema.parse(json);
    },
  };
  const jobs = createRunpodJobs(client, { RUNPOD_JOBS_URL: new URL('https://api.runpod.ai/v2') });
  return { jobs, asked };
};

describe('a job', () => {
  it('is submitted with a time after which Runpod forgets it, and has the id that Runpod gives it', async () => {
    const { jobs, asked } = jobsOf({ id: 'job-1', status: 'IN_QUEUE' });
    expect(await jobs.submit('4m7x2k9q', { prompt: 'hi' }, 60_000)).toBe('job-1');
    expect(asked).toEqual([
      {
        what: 'run a canary job on endpoint 4m7x2k9q',
        method: 'POST',
        url: new URL('https://api.runpod.ai/v2/4m7x2k9q/run'),
        body: { input: { prompt: 'hi' }, policy: { executionTimeout: 60_000, ttl: 60_000 } },
        scope: 'for running jobs',
      },
    ]);
  });

  it.each([{}, { id: '' }, { id: 7 }])('is none where Runpod answers %j', async (json) => {
    await expect(jobsOf(json).jobs.submit('4m7x2k9q', {}, 1)).rejects.toThrow(/id/);
  });

  it.each([
    [{ status: 'IN_QUEUE' }, { status: 'IN_QUEUE' }],
    [
      { status: 'COMPLETED', workerId: 'w1', output: 'x' },
      { status: 'COMPLETED', workerId: 'w1' },
    ],
    [
      { status: 'FAILED', workerId: null },
      { status: 'FAILED', workerId: null },
    ],
  ])('whose status is %j stands so', async (json, expected) => {
    const { jobs, asked } = jobsOf(json);
    expect(await jobs.status('4m7x2k9q', 'job-1')).toEqual(expected);
    expect(asked).toEqual([
      {
        what: 'show job job-1 of endpoint 4m7x2k9q',
        url: new URL('https://api.runpod.ai/v2/4m7x2k9q/status/job-1'),
        scope: 'for reading serverless endpoints',
      },
    ]);
  });

  it('is cancelled, whatever Runpod says of it', async () => {
    const { jobs, asked } = jobsOf('gone');
    expect(await jobs.cancel('4m7x2k9q', 'job-1')).toBeUndefined();
    expect(asked).toEqual([
      {
        what: 'cancel job job-1 of endpoint 4m7x2k9q',
        method: 'POST',
        url: new URL('https://api.runpod.ai/v2/4m7x2k9q/cancel/job-1'),
        scope: 'for running jobs',
      },
    ]);
  });
});
