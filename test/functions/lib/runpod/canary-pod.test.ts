import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { send } from '../../../../functions/lib/http.ts';
import {
  createPod,
  lookAtPod,
  maxPodMs,
  type PodUnderWay,
  podNameOf,
  readPodName,
  sweepPods,
} from '../../../../functions/lib/runpod/canary-pod.ts';
import { createConnectRunpod } from '../../../../functions/lib/runpod/client.ts';
import { createRunpodPods } from '../../../../functions/lib/runpod/pods.ts';
import { createReadPodLog } from '../../../../functions/lib/runpod/worker-log.ts';
import { WorldClock } from '../../../../simulator/clock.ts';
import {
  Faults,
  json,
  type Loopback,
  type LoopbackRequest,
  type Reply,
  serve,
} from '../../../../simulator/loopback.ts';

const stack = 'runpod-ecr-refresh-production';
const begin = Date.parse('2026-11-26T12:00:00Z');
const minuteMs = 60_000;
const name = podNameOf(stack, 'production', begin);

/** What Runpod answers to an operation, by `METHOD path`, where it is not what is usual. */
let answers: Record<string, (request: LoopbackRequest) => Reply>;
/** What was asked, as `METHOD path`. */
let asked: string[];
let time: number;
let pods: Array<Record<string, unknown>>;
let log: Array<{ readonly line: string; readonly at: number }>;
let server: Loopback;

const problem = (status: number, detail: string): Reply => json(status, { title: 'x', status, detail });

const usual = ({ method, url }: LoopbackRequest): Reply => {
  const id = url.pathname.split('/')[3];
  if (method === 'DELETE') {
    const index = pods.findIndex((pod) => pod.id === id);
    if (index === -1) return problem(404, 'resource not found');
    pods.splice(index, 1);
    return { status: 204 };
  }
  if (url.pathname.endsWith('/logs')) {
    const frames = log.map(({ line, at }, index) => {
      const data = JSON.stringify({ source: 'system', line, ts: new Date(at).toISOString() });
      return `id: ${index}\ndata: ${data}\n\n`;
    });
    return { status: 200, headers: { 'content-type': 'text/event-stream' }, body: frames.join('') };
  }
  if (url.pathname.endsWith('/cpus')) {
    return json(200, {
      cpus: [
        { id: 'cpu5c', vcpu: { min: 3 }, price: { securePerVcpu: 0.05 } },
        { id: 'cpu3g', vcpu: { min: 1 }, price: { securePerVcpu: 0.04 } },
        { id: 'cpu3c', vcpu: { min: 2 }, price: { securePerVcpu: 0.04 } },
        { id: 'dear', vcpu: { min: 2 }, price: { securePerVcpu: 0.126 } },
        { id: 'free', vcpu: { min: 2 }, price: { securePerVcpu: 0 } },
        { id: 'odd', vcpu: {}, price: { securePerVcpu: 'much' } },
        ...Array.from({ length: 5 }, (_, index) => ({
          id: `more${index}`,
          vcpu: { min: 2 },
          price: { securePerVcpu: 0.06 + index / 1000 },
        })),
      ],
    });
  }
  return method === 'POST' ? json(201, { id: 'new', name, status: 'PROVISIONING' }) : json(200, { pods });
};

beforeAll(async () => {
  server = await serve(new WorldClock(), new Faults(), (request) => {
    const call = `${request.method} ${request.url.pathname.replace('/v2/', '')}`;
    asked.push(call);
    return (answers[call] ?? usual)(request);
  });
});
afterAll(() => server.close());
beforeEach(() => {
  [answers, asked, pods, log, time] = [{}, [], [], [], begin];
});

const runpodOf = () => {
  const client = createConnectRunpod({
    send,
    now: () => time,
    sleep: async () => {},
    readApiKey: async () => 'rpa_a_key_of_some_length',
    timeoutMs: 5000,
  })('ssm:/key');
  const settings = { RUNPOD_API_URL: new URL(`${server.origin}/v2`), LOG_LISTEN_SECONDS: 0.05 };
  return { ...createRunpodPods(client, settings), readLog: createReadPodLog(client, settings) };
};

const aged = (id: string, ageMs: number, target = 'production', owner = stack) => ({
  id,
  name: podNameOf(owner, target, begin - ageMs),
  status: 'RUNNING',
});
const idsLeft = () => pods.map(({ id }) => id);
const deletions = () => asked.filter((call) => call.startsWith('DELETE'));

describe('the name of a canary pod', () => {
  it('says whose it is and until when', () => {
    expect(name).toBe('runpod-ecr-refresh-production_production_until_2026-11-26T12-08-00Z');
    expect(readPodName(name, stack)).toEqual({ target: 'production', until: begin + maxPodMs });
  });

  it.each([
    'my-pod',
    '',
    'runpod-ecr-refresh-production',
    'runpod-ecr-refresh-production_production',
    'runpod-ecr-refresh-production_production_until_',
    'runpod-ecr-refresh-production_production_until_2026',
    'runpod-ecr-refresh-production_production_until_2026-11-26',
    'runpod-ecr-refresh-production_production_until_2026-11-26T12-08-00Z_copy',
    'runpod-ecr-refresh-production_production_until_2026-11-26T12-08-00Z copy',
    'runpod-ecr-refresh-production_production_until_ 2026-11-26T12-08-00Z',
    'runpod-ecr-refresh-production_production_until_2026-11-26T12:08:00Z',
    'runpod-ecr-refresh-production_production_until_2026-11-26T99-08-00Z',
    'runpod-ecr-refresh-production_production_since_2026-11-26T12-08-00Z',
    'runpod-ecr-refresh-production-2_production_until_2026-11-26T12-08-00Z',
    'runpod-ecr-refresh_production_until_2026-11-26T12-08-00Z',
    'x_runpod-ecr-refresh-production_production_until_2026-11-26T12-08-00Z',
  ])('is not %j', (other) => {
    expect(readPodName(other, stack)).toBeUndefined();
  });
});

describe('a sweep', () => {
  const sweep = (own?: string) => sweepPods(runpodOf(), { stack, target: 'production', own, now: time });

  it('deletes the stack’s pods whose time is over, of whichever target, and nobody else’s', async () => {
    pods = [
      aged('own', 20 * minuteMs),
      aged('just', maxPodMs, 'staging'),
      aged('alive', maxPodMs - 1000, 'staging'),
      aged('other-stack', 99 * minuteMs, 'production', 'runpod-ecr-refresh-dev'),
      { id: 'theirs', name: 'my-pod', status: 'RUNNING' },
    ];
    expect(await sweep()).toBeUndefined();
    expect(idsLeft()).toEqual(['alive', 'other-stack', 'theirs']);
  });

  it('does not touch the pod that is under way, whatever the clock says', async () => {
    pods = [aged('own', 20 * minuteMs)];
    expect(await sweep(podNameOf(stack, 'production', begin - 20 * minuteMs))).toBeUndefined();
    expect(idsLeft()).toEqual(['own']);
  });

  it('does not delete again what is listed as deleted', async () => {
    pods = [{ ...aged('gone', 20 * minuteMs), status: 'TERMINATED' }];
    await sweep();
    expect(deletions()).toEqual([]);
  });

  it('says until when another pod of the target may live', async () => {
    pods = [aged('a', 3 * minuteMs), aged('b', minuteMs), aged('c', 2 * minuteMs), aged('d', 0, 'staging')];
    expect(await sweep()).toBe(begin - minuteMs + maxPodMs);
    expect(deletions()).toEqual([]);
  });

  it('waits for one whose clock was minutes ahead, and not for one that says it lives for ever', async () => {
    pods = [aged('ahead', -4 * minuteMs)];
    expect(await sweep()).toBe(begin + 4 * minuteMs + maxPodMs);
    pods = [aged('for ever', -6 * minuteMs)];
    expect(await sweep()).toBeUndefined();
    expect(idsLeft()).toEqual(['for ever']);
  });

  it('deletes five at a time', async () => {
    pods = Array.from({ length: 7 }, (_, index) => aged(`p${index}`, (20 + index) * minuteMs));
    await sweep();
    expect(pods).toHaveLength(2);
    await sweep();
    expect(pods).toEqual([]);
  });

  it('deletes the others where one cannot be deleted, and says so', async () => {
    pods = [aged('held', 20 * minuteMs), aged('a', 20 * minuteMs), aged('b', 30 * minuteMs)];
    answers['DELETE pods/held'] = () => problem(409, 'pod is locked');
    await expect(sweep()).rejects.toThrow(/delete pod held.*409.*pod is locked/);
    expect(idsLeft()).toEqual(['held']);
  });

  it('sees them beside pods that lack what others have', async () => {
    pods = [{ id: 'odd', name: null, status: null, cost: 'much' }, { id: 'older' }, aged('left', 20 * minuteMs)];
    await sweep();
    expect(idsLeft()).toEqual(['odd', 'older']);
  });

  it('reads all pages', async () => {
    pods = [aged('left', 20 * minuteMs)];
    answers['GET pods'] = ({ url }) =>
      url.searchParams.has('cursor')
        ? json(200, { pods, pagination: { hasNextPage: false } })
        : json(200, { pods: [], pagination: { hasNextPage: true, nextCursor: 'more' } });
    await sweep();
    expect(deletions()).toEqual(['DELETE pods/left']);
  });
});

describe('a pod that is created', () => {
  const wanted = { name, image: '123456789012.dkr.ecr.us-east-1.amazonaws.com/runpod-canary:v1', registry: '6n2k8v4d' };
  const create = () => createPod(runpodOf(), wanted, begin);
  let bodies: unknown[];
  const refuse = (...replies: readonly Reply[]): void => {
    bodies = [];
    answers['POST pods'] = (request) => {
      bodies.push(JSON.parse(request.body));
      return replies[bodies.length - 1] ?? replies.at(-1) ?? usual(request);
    };
  };
  const noCapacity = problem(400, 'There are no longer any instances available with the requested specifications.');

  it('is of the cheapest kind of CPU that has a price, with the credential and a disk', async () => {
    refuse();
    expect(await create()).toEqual({
      kind: 'pending',
      pod: { name, startedAt: begin, id: 'new' },
      recheckAfterSeconds: 20,
    });
    expect(bodies).toEqual([{ ...wanted, cpu: { id: 'cpu3c', vcpuCount: 2 }, disk: 5 }]);
  });

  it('is tried on six kinds, cheap ones only, and told as not tried', async () => {
    refuse(noCapacity);
    expect(await create()).toEqual({
      kind: 'ended',
      wasCreated: false,
      outcome: {
        proof: 'not-tried',
        reason: 'no-capacity',
        evidence: `No canary pod was created: Runpod refused to create the pod ${name} on more3 (400 "There are no longer any instances available with the requested specifications."). 6 kinds of CPU were tried.`,
      },
    });
    expect(bodies).toMatchObject([
      { cpu: { id: 'cpu3c', vcpuCount: 2 } },
      { cpu: { id: 'cpu3g', vcpuCount: 2 } },
      { cpu: { id: 'more0' } },
      { cpu: { id: 'more1' } },
      { cpu: { id: 'more2' } },
      { cpu: { id: 'more3' } },
    ]);
  });

  it('is the first that there is', async () => {
    refuse(noCapacity, problem(403, 'not allowed'), json(201, { id: 'third' }));
    expect(await create()).toMatchObject({ kind: 'pending', pod: { id: 'third' } });
    expect(bodies).toHaveLength(3);
  });

  it.each([
    [402, 'Your balance is too low.', 'no-balance', 1],
    [404, 'resource not found', 'rule-broken', 1],
    [413, 'too long', 'rule-broken', 1],
    [422, 'Request validation failed.', 'rule-broken', 1],
    [403, 'access denied', 'no-scope', 6],
    [400, 'disk is too small', 'rule-broken', 6],
    [400, 'Instance currently unavailable', 'no-capacity', 6],
  ])('and refused with %i %j is told as %s', async (status, detail, reason, tries) => {
    refuse(problem(status, detail));
    const made = await create();
    expect(made).toMatchObject({
      kind: 'ended',
      wasCreated: false,
      outcome: { proof: 'not-tried', reason, evidence: expect.stringContaining(detail) },
    });
    expect(bodies).toHaveLength(tries);
  });

  it('is not said to lack capacity for what its own name says', async () => {
    refuse(problem(400, 'disk is too small'));
    const made = await createPod(runpodOf(), { ...wanted, name: podNameOf(stack, 'no-capacity', begin) }, begin);
    expect(made).toMatchObject({ outcome: { reason: 'rule-broken' } });
  });

  it.each([
    ['capacity, where one kind had none', [noCapacity, problem(400, 'disk is too small')], 'no-capacity'],
    ['what keeps it from any kind', [noCapacity, problem(402, 'no money')], 'no-balance'],
  ])('tells %s', async (_, replies, reason) => {
    refuse(...replies);
    expect(await create()).toMatchObject({ outcome: { reason } });
  });

  it('is not tried where no kind is cheap enough', async () => {
    answers['GET catalog/cpus'] = () =>
      json(200, { cpus: [{ id: 'dear', vcpu: { min: 4 }, price: { securePerVcpu: 0.0626 } }] });
    refuse();
    expect(await create()).toEqual({
      kind: 'ended',
      wasCreated: false,
      outcome: {
        proof: 'not-tried',
        reason: 'no-capacity',
        evidence: 'No canary pod was created: Runpod’s catalogue has no CPU that costs little enough.',
      },
    });
    expect(bodies).toEqual([]);
  });

  it('is of the kind that is documented where there is no catalogue', async () => {
    answers['GET catalog/cpus'] = () => problem(500, 'oh no');
    refuse();
    await create();
    expect(bodies).toMatchObject([{ cpu: { id: 'cpu3c', vcpuCount: 2 } }]);
  });

  it.each([
    ['500', problem(500, 'oh no')],
    ['503', problem(503, 'down')],
    ['a page', { status: 201, body: '<html>' }],
    ['no id', json(201, { name })],
    ['an empty id', json(201, { id: '' })],
  ])('may be there though the answer is %s, and is never tried a second time', async (_, reply) => {
    refuse(reply);
    expect(await create()).toEqual({ kind: 'pending', pod: { name, startedAt: begin }, recheckAfterSeconds: 20 });
    expect(bodies).toHaveLength(1);
  });

  it.each([
    [401, 'RunpodUnauthorizedError'],
    [409, 'RunpodRequestRejectedError'],
    [429, 'RunpodRateLimitedError'],
  ])('and refused with %i is an error', async (status, error) => {
    refuse(problem(status, 'no'));
    await expect(create()).rejects.toMatchObject({ name: error });
    expect(bodies).toHaveLength(1);
  });
});

describe('whether a key may create pods', () => {
  const ask = (reply: Reply, bodies: string[] = []) => {
    answers['POST pods'] = ({ body }) => {
      bodies.push(body);
      return reply;
    };
    return runpodOf().mayCreate();
  };

  it('is asked by a create that asks for nothing', async () => {
    const bodies: string[] = [];
    await ask(problem(422, 'Request validation failed.'), bodies);
    expect(bodies).toEqual(['{}']);
  });

  it.each([
    [403, false],
    [400, true],
    [422, true],
  ])('is, where that is answered %i, %s', async (status, may) => {
    expect(await ask(problem(status, 'no'))).toBe(may);
  });

  it.each([
    [401, 'RunpodUnauthorizedError', /asked to create a pod of nothing .*the scope for creating pods/],
    [402, 'RunpodRequestRejectedError', /create a pod of nothing/],
    [500, 'RunpodUnavailableError', /create a pod of nothing/],
  ])('is not known, where that is answered %i', async (status, error, message) => {
    await expect(ask(problem(status, 'no'))).rejects.toMatchObject({
      name: error,
      message: expect.stringMatching(message),
    });
  });
});

describe('a key that lacks a right', () => {
  it.each([
    ['GET pods', /asked to list the pods .*the scope for reading pods/, () => runpodOf().list()],
    [
      'GET catalog/cpus',
      /asked to list the kinds of CPU .*the scope for reading the catalogue/,
      () => runpodOf().listFlavours(),
    ],
    ['DELETE pods/p', /asked to delete pod p .*the scope for deleting pods/, () => runpodOf().delete('p')],
  ])('is told which, of %s', async (call, message, use) => {
    answers[call] = () => problem(401, 'no');
    await expect(use()).rejects.toThrow(message);
  });

  it('and a delete that is answered with a redirect is not done', async () => {
    answers['DELETE pods/p'] = () => ({ status: 304 });
    await expect(runpodOf().delete('p')).rejects.toMatchObject({ name: 'RunpodUnavailableError' });
  });
});

describe('a look at a pod', () => {
  const storedAt = begin - 10 * minuteMs;
  const ours = { name, startedAt: begin, id: 'ours' };
  const look = (after: number, pod: PodUnderWay = ours) => {
    time = begin + after;
    return lookAtPod(runpodOf(), pod, { storedAt, now: () => time });
  };
  const is = (status: string, more: object = {}): void => {
    pods = [{ id: 'ours', name, status, cost: 0.08, ...more }];
  };
  const say = (...lines: readonly string[]): void => {
    log = lines.map((line, index) => ({ line, at: begin + (30 + index) * 1000 }));
  };
  const refused =
    'Error response from daemon: Head "https://123456789012.dkr.ecr.us-east-1.amazonaws.com/v2/runpod-canary/manifests/v1": no basic auth credentials';
  const missing =
    'Error response from daemon: manifest for 123456789012.dkr.ecr.us-east-1.amazonaws.com/runpod-canary:v1 not found: manifest unknown: Requested image not found';

  it('too early to say comes again', async () => {
    is('STARTING');
    expect(await look(30_000)).toEqual({ kind: 'pending', pod: ours, recheckAfterSeconds: 20 });
    expect(idsLeft()).toEqual(['ours']);
  });

  it('comes again no later than its time ends', async () => {
    is('STARTING');
    expect(await look(maxPodMs - 5500)).toMatchObject({ recheckAfterSeconds: 6 });
    expect(await look(maxPodMs - 1)).toMatchObject({ kind: 'pending', recheckAfterSeconds: 1 });
    expect(await look(maxPodMs)).toMatchObject({ kind: 'ended' });
  });

  it('that pulled is observed, and deleted', async () => {
    is('RUNNING');
    say('v1 Pulling from runpod-canary', `Digest: sha256:${'a'.repeat(64)}`, 'Status: Downloaded newer image for x:v1');
    expect(await look(60_000)).toEqual({
      kind: 'ended',
      wasCreated: true,
      outcome: {
        proof: 'observed',
        reason: 'canary-pod',
        evidence: 'Pod ours pulled the canary’s image at 12:00 UTC, with the token that Runpod holds.',
        line: 'Status: Downloaded newer image for x:v1',
        at: '2026-11-26T12:00:31Z',
      },
    });
    expect(pods).toEqual([]);
  });

  it('that pulled a program which does not start is observed', async () => {
    is('STARTING');
    say(`Digest: sha256:${'a'.repeat(64)}`, 'error starting container: exec: "x": executable file not found in $PATH');
    expect(await look(60_000)).toMatchObject({ outcome: { proof: 'observed', reason: 'canary-pod' } });
    log.push({ line: 'create container x:v1', at: begin + 40_000 });
    log.push({ line: 'error starting container: exec: "x": executable file not found', at: begin + 50_000 });
    is('STARTING');
    expect(await look(60_000)).toMatchObject({
      outcome: { proof: 'observed', evidence: expect.stringContaining('program does not run') },
    });
  });

  it('whose program does not start, of an image that nobody saw it pull, is degraded', async () => {
    is('STARTING');
    say('error starting container: exec: "x": executable file not found in $PATH');
    expect(await look(60_000)).toMatchObject({ outcome: { proof: 'degraded', reason: 'container-cannot-start' } });
  });

  it('whose login is refused fails, in the host’s words, once it has repeated itself', async () => {
    is('STARTING');
    say(refused);
    expect(await look(44_000)).toMatchObject({ kind: 'pending' });
    expect(await look(45_000)).toMatchObject({
      kind: 'ended',
      outcome: {
        proof: 'failed',
        reason: 'login-refused',
        evidence: expect.stringMatching(/^ECR refused pod ours.*no basic auth credentials.*Run a refresh/),
        line: expect.stringContaining('no basic auth credentials'),
        at: '2026-11-26T12:00:30Z',
      },
    });
    expect(pods).toEqual([]);
  });

  it.each(['STARTING', 'RUNNING'])('whose image is missing is degraded, %s or not', async (status) => {
    is(status);
    say(missing);
    expect(await look(50_000)).toMatchObject({
      outcome: {
        proof: 'degraded',
        reason: 'image-missing',
        evidence: expect.stringMatching(/could not pull.*Requested image not found.*canaryPod\.image/),
      },
    });
  });

  it('whose pull is unsettled when its time ends is degraded', async () => {
    is('STARTING');
    log = [{ line: refused, at: begin - 1000 }];
    expect(await look(60_000)).toMatchObject({ kind: 'pending' });
    expect(await look(maxPodMs)).toMatchObject({ outcome: { proof: 'degraded', reason: 'pull-failed' } });
    expect(pods).toEqual([]);
  });

  it('whose pull does not end is degraded as stuck when its time does', async () => {
    is('STARTING');
    say('v1 Pulling from runpod-canary');
    expect(await look(60_000)).toMatchObject({ kind: 'pending' });
    expect(await look(maxPodMs)).toMatchObject({ outcome: { proof: 'degraded', reason: 'stuck' } });
  });

  it.each([
    ['RUNNING', 'degraded', 'pull-not-seen', 'Pod ours runs, and its log shows no pull.'],
    ['PROVISIONING', 'not-tried', 'not-started', 'Pod ours found no host within 8 min (PROVISIONING).'],
    ['EXITED', 'not-tried', 'not-started', 'Pod ours found no host within 8 min (EXITED).'],
  ])('%s and silent to its end is %s', async (status, proof, reason, evidence) => {
    is(status);
    expect(await look(maxPodMs - 1)).toMatchObject({ kind: 'pending' });
    expect(await look(maxPodMs)).toEqual({ kind: 'ended', wasCreated: true, outcome: { proof, reason, evidence } });
    expect(pods).toEqual([]);
  });

  it('whose log cannot be read says so at its end', async () => {
    is('RUNNING');
    answers['GET pods/ours/logs'] = () => problem(500, 'no log');
    expect(await look(60_000)).toMatchObject({ kind: 'pending' });
    expect(await look(maxPodMs)).toMatchObject({
      outcome: { reason: 'pull-not-seen', evidence: expect.stringMatching(/Its log could not be read: .*no log/) },
    });
  });

  it('that cannot be recovered ends at once', async () => {
    is('ERROR');
    expect(await look(20_000)).toMatchObject({
      kind: 'ended',
      outcome: { proof: 'not-tried', reason: 'not-started', evidence: 'Pod ours could not be started (ERROR).' },
    });
    expect(pods).toEqual([]);
  });

  it('that costs more than was said is deleted at once, and told', async () => {
    is('STARTING', { cost: 0.251 });
    expect(await look(20_000)).toEqual({
      kind: 'ended',
      wasCreated: true,
      outcome: {
        proof: 'not-tried',
        reason: 'too-expensive',
        evidence: 'Pod ours costs $0.251 an hour, and was deleted at once: more than $0.25 is not paid for it.',
      },
    });
    expect(pods).toEqual([]);
    is('STARTING', { cost: 0.25 });
    expect(await look(20_000)).toMatchObject({ kind: 'pending' });
  });

  it('that somebody deleted ends once it has been away for long', async () => {
    expect(await look(179_000)).toMatchObject({ kind: 'pending' });
    expect(await look(180_000)).toMatchObject({
      kind: 'ended',
      outcome: {
        proof: 'not-tried',
        reason: 'not-started',
        evidence: 'Somebody deleted pod ours before it had shown anything.',
      },
    });
    is('TERMINATED');
    expect(await look(180_000)).toMatchObject({ kind: 'ended', outcome: { reason: 'not-started' } });
  });

  it('that a person named anew is followed and deleted', async () => {
    is('RUNNING', { name: 'mine now' });
    expect(await look(180_000)).toMatchObject({ kind: 'pending' });
    expect(await look(maxPodMs)).toMatchObject({ outcome: { reason: 'pull-not-seen' } });
    expect(pods).toEqual([]);
  });

  it('whose creation was not answered is found by its name, with any other of it', async () => {
    pods = [
      { id: 'theirs', name: 'my-pod', status: 'RUNNING' },
      { id: 'one', name, status: 'STARTING' },
      { id: 'two', name, status: 'STARTING' },
    ];
    expect(await look(20_000, { name, startedAt: begin })).toEqual({
      kind: 'pending',
      pod: { ...ours, id: 'one' },
      recheckAfterSeconds: 20,
    });
    await look(maxPodMs, { name, startedAt: begin });
    expect(idsLeft()).toEqual(['theirs']);
  });

  it('whose creation was not answered is looked for for three minutes', async () => {
    const unanswered = { name, startedAt: begin };
    expect(await look(179_000, unanswered)).toEqual({ kind: 'pending', pod: unanswered, recheckAfterSeconds: 20 });
    expect(await look(180_000, unanswered)).toEqual({
      kind: 'ended',
      wasCreated: false,
      outcome: {
        proof: 'not-tried',
        reason: 'not-created',
        evidence: 'Runpod did not say whether it has created the canary pod, and lists none of its name.',
      },
    });
    expect(deletions()).toEqual([]);
  });

  it('is followed and deleted by its id where Runpod lists none', async () => {
    is('RUNNING');
    answers['GET pods'] = () => problem(500, 'no list');
    expect(await look(200_000)).toEqual({ kind: 'pending', pod: ours, recheckAfterSeconds: 20 });
    say(`Digest: sha256:${'a'.repeat(64)}`);
    expect(await look(60_000)).toMatchObject({ kind: 'ended', outcome: { proof: 'observed' } });
    expect(pods).toEqual([]);
  });

  describe('that has shown what it can', () => {
    const found = { proof: 'observed' as const, reason: 'canary-pod', evidence: 'It was seen.' };
    const shown = { ...ours, found };

    it('is deleted without another look at its log', async () => {
      is('RUNNING');
      expect(await look(60_000, shown)).toEqual({ kind: 'ended', wasCreated: true, outcome: found });
      expect(asked).toEqual(['GET pods', 'DELETE pods/ours']);
    });

    it('and has gone is deleted', async () => {
      expect(await look(60_000, shown)).toEqual({ kind: 'ended', wasCreated: true, outcome: found });
    });

    it.each([
      500, 503, 429, 409, 405,
    ])('is tried again five minutes beyond its time while Runpod says %i', async (status) => {
      is('RUNNING');
      answers['DELETE pods/ours'] = () => problem(status, 'not now');
      expect(await look(maxPodMs + 5 * minuteMs - 1, shown)).toEqual({
        kind: 'pending',
        pod: shown,
        recheckAfterSeconds: 20,
      });
      const ended = await look(maxPodMs + 5 * minuteMs, shown);
      expect(ended).toMatchObject({
        kind: 'ended',
        wasCreated: true,
        outcome: {
          ...found,
          evidence: expect.stringMatching(
            /^It was seen\. The pod could not be deleted \(.*not now.*\): it costs until the next run, which tries again\.$/,
          ),
        },
      });
    });

    it.each([401, 403])('is not tried again where the key may not (%i)', async (status) => {
      is('RUNNING');
      answers['DELETE pods/ours'] = () => problem(status, 'access denied');
      expect(await look(60_000, shown)).toMatchObject({
        kind: 'ended',
        outcome: { evidence: expect.stringContaining('access denied') },
      });
    });

    it('is not taken for deleted where a page is the answer', async () => {
      is('RUNNING');
      answers['DELETE pods/ours'] = () => ({ status: 200, body: '<!doctype html><title>Sign in</title>' });
      expect(await look(60_000, shown)).toMatchObject({ kind: 'pending' });
      answers['DELETE pods/ours'] = () => ({ status: 200, body: '{}' });
      expect(await look(60_000, shown)).toMatchObject({ kind: 'ended' });
    });

    it('is deleted by the second try', async () => {
      is('RUNNING');
      answers['DELETE pods/ours'] = () => problem(500, 'not now');
      await look(60_000, shown);
      answers = {};
      expect(await look(80_000, shown)).toMatchObject({ kind: 'ended' });
      expect(pods).toEqual([]);
    });
  });

  it('of which nothing was found out before Runpod ceased to answer says so', async () => {
    answers['GET pods'] = () => problem(500, 'no list');
    expect(await look(maxPodMs, { name, startedAt: begin })).toMatchObject({ kind: 'pending' });
    expect(await look(maxPodMs + 5 * minuteMs, { name, startedAt: begin })).toMatchObject({
      kind: 'ended',
      wasCreated: true,
      outcome: {
        proof: 'not-tried',
        reason: 'not-asked',
        evidence: expect.stringMatching(/^Runpod could not be asked how the canary pod fares\. The pod could not/),
      },
    });
  });
});
