import { describe, expect, it } from 'vitest';
import { RunpodRateLimitedError, RunpodUnauthorizedError, RunpodUnavailableError } from '../../functions/lib/errors.ts';
import type { LogLine } from '../../functions/lib/runpod/log-line.ts';
import type { Watch } from '../../functions/lib/runpod/watch.ts';
import type { Target } from '../../functions/lib/targets.ts';
import { createVerifyEndpointPull } from '../../functions/verify-endpoint-pull.ts';
import { inputs } from '../../simulator/inputs.ts';

const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
const image = `${registry}/team/worker:v1`;
const storedAt = Date.parse('2026-11-23T12:00:00Z');
const minuteMs = 60_000;
const pulled = `Status: Downloaded newer image for ${image}`;

interface Worker {
  readonly id: string;
  readonly status: string;
  readonly startedAt?: string;
}
const starting = (id: string): Worker => ({ id, status: 'INITIALIZING' });
const idle = (id: string, startedAt: string): Worker => ({ id, status: 'IDLE', startedAt });

/** An endpoint of Runpod's, as it shows at a moment. */
interface Shown {
  readonly image?: string;
  readonly registry?: string;
  readonly workers?: readonly Worker[];
  /** What asking for its workers ends in. */
  readonly fails?: Error;
}

/** A Runpod whose endpoints, logs and clock are a test's. */
const runpodOf = (
  endpoints: Readonly<Record<string, Shown>>,
  { logs = {}, endpointsNamed }: { logs?: Record<string, string>; endpointsNamed?: Target['endpoints'] } = {},
) => {
  const shown = { ...endpoints };
  const calls: string[] = [];
  const clock = { now: storedAt + minuteMs };
  const target: Target = {
    name: 'production',
    ecr: { region: 'us-east-1' },
    runpod: { apiKey: 'ssm:/runpod-ecr-refresh/production/api-key', registry: '6n2k8v4d' },
    ...(endpointsNamed === undefined ? {} : { endpoints: endpointsNamed }),
  };
  const verify = createVerifyEndpointPull({
    loadTargets: () => [target],
    runpodFor: () => ({
      management: {
        requireCredential: async () => {},
        isKnownToV2: async () => true,
        listEndpoints: async () => {
          calls.push('list');
          return Object.entries(shown).map(([id, each]) => ({
            id,
            name: '',
            image: each.image ?? image,
            registry: each.registry ?? '6n2k8v4d',
            workers: { max: 20 },
          }));
        },
        getEndpoint: async () => undefined,
        listWorkers: async (id) => {
          calls.push(`workers ${id}`);
          const each = shown[id];
          if (each?.fails !== undefined) throw each.fails;
          return [...(each?.workers ?? [])];
        },
        listTemplatesAndPods: async () => [],
        listOtherUsers: async () => [],
      },
      readWorkerLog: async (_endpointId, workerId): Promise<readonly LogLine[]> => {
        calls.push(`log ${workerId}`);
        const line = logs[workerId];
        return line === undefined ? [] : [{ line, at: storedAt + 30_000 }];
      },
      jobs: {
        submit: async () => 'job',
        status: async (endpoint) => {
          calls.push(`job ${endpoint}`);
          return { status: 'COMPLETED' };
        },
        cancel: async () => {},
      },
    }),
    now: () => clock.now,
    sleep: async (milliseconds) => {
      clock.now += milliseconds;
    },
    propagationMs: 600_000,
    requestsPerMinute: 60,
  });
  /** Looks once, and answers with what it asked, too. */
  const look = async (before: Watch | object = {}, more: object = {}): Promise<Watch & { asked: string[] }> => {
    calls.length = 0;
    const watch = await verify(inputs.verifyEndpointPull({ before, ...more }));
    return { ...watch, asked: [...calls].sort() };
  };
  /** Looks until all have settled, as the machine does. */
  const watchAll = async (): Promise<{
    watch: Watch;
    looks: number;
    calls: number;
    minutes: number;
    bytes: number;
  }> => {
    const beganAt = clock.now;
    let [looks, count, bytes] = [0, 0, 0];
    let watch: Watch | object = {};
    for (;;) {
      const { asked, ...answer } = await look(watch);
      [looks, count, watch] = [looks + 1, count + asked.length, answer];
      bytes = Math.max(bytes, Buffer.byteLength(JSON.stringify(answer)));
      if (answer.status === 'settled') {
        return { watch: answer, looks, calls: count, minutes: (clock.now - beganAt) / minuteMs, bytes };
      }
      clock.now += (answer.recheckAfterSeconds ?? 0) * 1000;
    }
  };
  return { look, watchAll, clock, shown };
};

const ids = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `ep${String(index).padStart(5, '0')}`);
const all = (count: number, each: (index: number) => Shown = () => ({})): Record<string, Shown> =>
  Object.fromEntries(ids(count).map((id, index) => [id, each(index)]));

describe('a look at all endpoints of a credential', () => {
  it('asks for one list, and for the workers of each', async () => {
    const { look } = runpodOf(all(3));
    expect(await look()).toEqual({
      status: 'settled',
      pending: [],
      unseen: 0,
      proofs: { tested: 3 },
      endpoints: ids(3).map((endpoint) => expect.objectContaining({ endpoint, proof: 'tested' })),
      asked: ['list', ...ids(3).map((id) => `workers ${id}`)],
    });
  });

  it('asks for the pending ones alone the next time, and adds what they come to', async () => {
    const { look, shown, clock } = runpodOf({ one: {}, two: { workers: [starting('w')] } }, { logs: {} });
    const first = await look();
    expect(first).toMatchObject({
      status: 'pending',
      recheckAfterSeconds: 15,
      pending: [{ id: 'two', since: storedAt / 1000 + 60, due: storedAt / 1000 + 75, watching: ['w'] }],
      proofs: { tested: 1 },
    });
    clock.now += 15_000;
    shown.two = {};
    const second = await look(first);
    expect(second.asked).toEqual(['list', 'workers two']);
    expect(second).toMatchObject({ status: 'settled', pending: [], proofs: { tested: 2 } });
    expect(second.endpoints.map(({ endpoint }) => endpoint)).toEqual(['one', 'two']);
  });

  it('asks nobody about an endpoint that is set up wrongly', async () => {
    const { look } = runpodOf(
      { moved: { registry: 'other' }, elsewhere: { image: 'runpod/base:1' } },
      { endpointsNamed: [{ id: 'moved' }, { id: 'elsewhere' }, { id: 'gone' }] },
    );
    const { asked, endpoints, proofs } = await look();
    expect(asked).toEqual(['list']);
    expect(proofs).toEqual({ failed: 3 });
    expect(endpoints.map(({ endpoint, reason }) => `${endpoint} ${reason}`)).toEqual([
      'elsewhere other-registry',
      'gone endpoint-missing',
      'moved other-credential',
    ]);
  });

  it('leaves an endpoint that could not be asked pending with its error, and tells of it when its patience is over', async () => {
    const { look, watchAll } = runpodOf({ one: {}, two: { fails: new RunpodUnavailableError('Runpod is down.') } });
    expect(await look()).toMatchObject({
      status: 'pending',
      pending: [{ id: 'two', error: 'RunpodUnavailableError' }],
      proofs: { tested: 1 },
    });
    const { watch, minutes } = await watchAll();
    expect(watch.endpoints[0]).toMatchObject({
      endpoint: 'two',
      proof: 'degraded',
      reason: 'not-looked',
      evidence: expect.stringContaining('(RunpodUnavailableError: Runpod is down.)'),
    });
    expect(minutes).toBeGreaterThan(17.7);
    expect(minutes).toBeLessThan(20);
  });

  it('tells at once of one that Runpod refuses to show', async () => {
    const { look } = runpodOf({ one: { fails: new RunpodUnauthorizedError('The key lacks a scope.') } });
    expect(await look()).toMatchObject({ status: 'settled', endpoints: [{ reason: 'not-looked' }] });
  });

  it('leaves a Runpod alone that asks to slow down, or that fails again and again', async () => {
    const limited = runpodOf(all(50, (index) => (index === 7 ? { fails: new RunpodRateLimitedError('slow') } : {})));
    const slow = await limited.look();
    expect(slow.asked.length).toBeLessThan(20);
    expect(slow).toMatchObject({ status: 'pending', recheckAfterSeconds: 30, next: expect.any(String) });
    expect(slow.unseen + slow.pending.length + (slow.proofs.tested ?? 0)).toBe(50);

    const down = runpodOf(all(50, () => ({ fails: new RunpodUnavailableError('down') })));
    const { asked, recheckAfterSeconds } = await down.look();
    expect(asked.length).toBeLessThan(12);
    expect(recheckAfterSeconds).toBe(30);
  });

  it('asks at once at first, and in the quota’s own time from then on', async () => {
    const { look, clock } = runpodOf(all(3, () => ({ workers: [starting('new')] })));
    const beganAt = clock.now;
    const { asked: _, ...first } = await look();
    expect([first.status, clock.now - beganAt]).toEqual(['pending', 0]);
    clock.now += 10 * minuteMs;
    const goesOnAt = clock.now;
    await look(first);
    // A list and three endpoints, at 54 requests a minute.
    expect(clock.now - goesOnAt).toBeGreaterThanOrEqual(4_000);
  });

  it('fails where nothing could be asked at all', async () => {
    const verify = createVerifyEndpointPull({
      loadTargets: () => [],
      runpodFor: () => {
        throw new RunpodUnavailableError('down');
      },
      now: () => storedAt,
      sleep: async () => {},
      propagationMs: 0,
      requestsPerMinute: 60,
    });
    await expect(verify(inputs.verifyEndpointPull())).rejects.toMatchObject({ name: 'RunpodUnavailableError' });
  });

  it('reads the logs of ten workers, and believes each of them', async () => {
    const dozen = Array.from({ length: 12 }, (_, index) => starting(`w${String(index).padStart(2, '0')}`));
    const { asked } = await runpodOf({ one: { workers: dozen } }).look();
    expect(asked.filter((each) => each.startsWith('log'))).toEqual(dozen.slice(0, 10).map(({ id }) => `log ${id}`));
    for (const { id } of dozen.slice(0, 10)) {
      const { look } = runpodOf({ one: { workers: dozen } }, { logs: { [id]: pulled } });
      expect(await look()).toMatchObject({ endpoints: [{ proof: 'observed', worker: id }] });
    }
    expect(await runpodOf({ one: { workers: dozen } }, { logs: { w10: pulled } }).look()).toMatchObject({
      status: 'pending',
    });
  });

  it('looks again at the workers that it waits for, whatever has become of them, and at no other', async () => {
    const { look, shown, clock } = runpodOf(
      {
        one: {
          workers: [
            idle('before', '2026-11-23T11:59:59Z'),
            idle('since', '2026-11-23T12:00:00Z'),
            { id: 'ill', status: 'UNHEALTHY' },
            starting('new'),
          ],
        },
      },
      { logs: { before: pulled, new: pulled } },
    );
    const first = await look({}, { storedAt: '2026-11-23T12:00:00Z' });
    expect(first.asked).toEqual(['list', 'log ill', 'log new', 'log since', 'workers one']);
    expect(first).toMatchObject({ status: 'settled', endpoints: [{ worker: 'new' }] });
    shown.one = { workers: [idle('before', '2026-11-23T11:59:59Z'), idle('other', '2026-11-23T11:00:00Z')] };
    clock.now += minuteMs;
    const pending = { id: 'one', since: storedAt / 1000, due: storedAt / 1000, watching: ['before'] };
    const second = await look({ status: 'pending', pending: [pending], unseen: 0, endpoints: [], proofs: {} });
    expect(second.asked).toEqual(['list', 'log before', 'workers one']);
    expect(second).toMatchObject({ endpoints: [{ proof: 'observed', worker: 'before' }] });
  });

  it('takes the word only of the image that the endpoint has now', async () => {
    const { look } = runpodOf({ one: {} });
    const other = { images: [{ image: `${registry}/team/other:v1`, problem: 'it is gone' }] };
    expect(await look({}, { images: other })).toMatchObject({ endpoints: [{ proof: 'tested' }] });
    expect(await look({}, { images: { images: [{ image, problem: 'it is gone' }] } })).toMatchObject({
      endpoints: [{ proof: 'failed', reason: 'image-not-pullable' }],
    });
    const digest = `sha256:${'ab'.repeat(32)}`;
    const { endpoints } = await look({}, { images: { images: [{ image, digest }] } });
    expect(endpoints[0]?.evidence).toContain('sha256:abababababab');
  });

  it('follows the canaries that were submitted, and tells of those that were not', async () => {
    const { look } = runpodOf(
      { one: {}, two: {} },
      {
        endpointsNamed: [
          { id: 'one', canary: { input: {} } },
          { id: 'two', canary: { input: {} } },
        ],
      },
    );
    const giveUpAt = new Date(storedAt + 10 * minuteMs).toISOString();
    const canaries = [
      { endpoint: 'one', jobId: 'j', giveUpAt },
      { endpoint: 'two', Error: 'RunpodUnavailableError' },
    ];
    expect((await look({}, { canaries })).endpoints.map(({ endpoint, reason }) => `${endpoint} ${reason}`)).toEqual([
      'two canary-failed',
      'one canary-completed',
    ]);
    const lost = await look({}, { canaries: { Error: 'States.Timeout', Cause: '' } });
    expect(lost.proofs).toEqual({ degraded: 2 });
  });
});

describe('many endpoints', () => {
  it.each([1, 3, 30, 100, 1000])('of which there are %i and all settle at once take few calls', async (count) => {
    const { watch, calls, minutes } = await runpodOf(all(count)).watchAll();
    expect(watch.proofs).toEqual({ tested: count });
    // A run asks six things besides: for the credential, three lists, the update, and whether v2 knows it.
    expect(calls + 6).toBeLessThanOrEqual(1.1 * count + 8);
    expect(minutes).toBeLessThan(22);
  });

  it('never make more than nine tenths of a quota’s requests in a minute, but for the first forty', async () => {
    const { watchAll } = runpodOf(all(200));
    const { minutes } = await watchAll();
    expect(minutes).toBeGreaterThan((200 - 54) / 54);
    expect(minutes).toBeLessThan(200 / 54 + 0.5);
  });

  it('are each waited for from its own first look', async () => {
    const { watchAll } = runpodOf(all(300, (index) => (index === 299 ? { workers: [starting('w')] } : {})));
    const { watch, minutes } = await watchAll();
    expect(watch.proofs).toEqual({ tested: 299, degraded: 1 });
    expect(watch.endpoints[0]).toMatchObject({ endpoint: 'ep00299', reason: 'stuck' });
    expect(minutes).toBeGreaterThan(7 + 4);
  });

  it('fit a state, however many are pending or in trouble', async () => {
    const long = (index: number) => `${registry}/${'n'.repeat(200)}:${index}`;
    const troubled = await runpodOf(
      all(1000, (index) => ({ image: long(index), workers: [starting('w')].slice(index % 2) })),
    ).watchAll();
    expect(troubled.watch.proofs).toEqual({ degraded: 500, tested: 500 });
    expect(troubled.watch.endpoints.every(({ proof }) => proof === 'degraded')).toBe(true);
    expect(troubled.bytes).toBeLessThan(150 * 1024);
    // A look is nine events of a history: a Task, a Choice and a Wait.
    expect(troubled.looks * 9).toBeLessThan(5000);
  });
});
