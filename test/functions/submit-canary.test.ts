import { describe, expect, it } from 'vitest';
import { RunpodUnavailableError } from '../../functions/lib/errors.ts';
import { canaryMs, canaryTimeToLiveMs } from '../../functions/lib/runpod/canary.ts';
import type { Target } from '../../functions/lib/targets.ts';
import { createSubmitCanary, maxSubmitMs } from '../../functions/submit-canary.ts';

const noon = Date.parse('2026-11-23T12:00:00Z');
const canary = { input: { prompt: 'ping' } };

const begin = (endpoints: Target['endpoints'], requestsPerMinute = 6000) => {
  const world = {
    now: noon,
    submitMs: 0,
    submitted: [] as unknown[][],
    keys: [] as string[],
    waited: 0,
    run: (name = 'production') => submit({ target: { name, runpod: { apiKey: 'ssm:/k' } } }),
  };
  const submit = createSubmitCanary({
    loadTargets: () => [
      {
        name: 'production',
        ecr: { region: 'us-east-1' },
        runpod: { apiKey: 'ssm:/other', registry: 'cred' },
        ...(endpoints === undefined ? {} : { endpoints }),
      },
    ],
    jobsFor: (key) => {
      world.keys.push(key);
      return {
        submit: async (...call) => {
          world.submitted.push(call);
          world.now += world.submitMs;
          if (call[0] === 'down') throw new RunpodUnavailableError('Runpod is down.');
          if (call[0] === 'odd') throw 'nothing that is an error';
          return `job of ${call[0]}`;
        },
        status: () => Promise.reject(new Error('not asked')),
        cancel: () => Promise.reject(new Error('not asked')),
      };
    },
    now: () => world.now,
    sleep: async (milliseconds) => {
      world.now += milliseconds;
      world.waited += milliseconds;
    },
    requestsPerMinute,
  });
  return world;
};

describe('a target’s canary jobs', () => {
  it('are submitted to the endpoints that asked for one, with the run’s key and an end', async () => {
    const world = begin([{ id: 'a', canary }, { id: 'b' }, { id: 'c', canary }]);
    const giveUpAt = new Date(noon + canaryMs).toISOString().replace('.000', '');
    expect(await world.run()).toEqual([
      { endpoint: 'a', jobId: 'job of a', giveUpAt },
      { endpoint: 'c', jobId: 'job of c', giveUpAt },
    ]);
    expect(world.submitted).toEqual([
      ['a', canary.input, canaryTimeToLiveMs],
      ['c', canary.input, canaryTimeToLiveMs],
    ]);
    expect([world.keys, world.waited]).toEqual([['ssm:/k'], 0]);
  });

  it('are none where no endpoint is named', async () => {
    expect(await begin(undefined).run()).toEqual([]);
  });

  it('that could not be submitted are known by the error’s name, and hold up no other', async () => {
    const world = begin(['down', 'odd', 'a'].map((id) => ({ id, canary })));
    expect(await world.run()).toMatchObject([
      { endpoint: 'down', Error: 'RunpodUnavailableError' },
      { endpoint: 'odd', Error: 'Error' },
      { endpoint: 'a', jobId: 'job of a' },
    ]);
  });

  it('are a hundred at most', async () => {
    const world = begin(Array.from({ length: 120 }, (_, index) => ({ id: `e${index}`, canary })));
    expect(await world.run()).toHaveLength(100);
  });

  it('keep to the key’s quota, ten at once', async () => {
    const world = begin(
      Array.from({ length: 12 }, (_, index) => ({ id: `e${index}`, canary })),
      60,
    );
    await world.run();
    // Nine tenths of sixty a minute: the twelfth is made after twelve times 1.11 s.
    expect(Math.round(world.waited)).toBe(13_333);
  });

  it('are submitted for two minutes, and not begun with later', async () => {
    const world = begin(['a', 'b', 'c'].map((id) => ({ id, canary })));
    world.submitMs = maxSubmitMs / 2;
    expect(await world.run()).toHaveLength(2);
  });

  it('are none of a target that has left targets.yml', async () => {
    await expect(begin([]).run('gone')).rejects.toThrow(/gone/);
  });
});
