import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { readSettings } from '../../../../functions/lib/env.ts';
import { send } from '../../../../functions/lib/http.ts';
import {
  createConnectRunpod,
  type RunpodClient,
  retryAfterMs,
  under,
} from '../../../../functions/lib/runpod/client.ts';
import { createRunpodManagement } from '../../../../functions/lib/runpod/management.ts';
import { WorldClock } from '../../../../simulator/clock.ts';
import {
  Faults,
  json,
  type Loopback,
  type LoopbackRequest,
  type Reply,
  serve,
} from '../../../../simulator/loopback.ts';
import { examplePolicy, RequestQuota } from '../../../../simulator/runpod/quota.ts';

let server: Loopback;
let answer: (request: LoopbackRequest) => Reply;
let requests: LoopbackRequest[];
let slept: number[];
let keys: string[];
let time: number;

beforeAll(async () => {
  server = await serve(new WorldClock(), new Faults(), (request) => {
    requests.push(request);
    return answer(request);
  });
});
afterAll(() => server.close());

const connect = () =>
  createConnectRunpod({
    send,
    now: () => time,
    sleep: async (milliseconds) => {
      slept.push(milliseconds);
      time += milliseconds;
    },
    readApiKey: async (_source, fresh = false) => (fresh ? (keys.at(-1) ?? '') : (keys[0] ?? '')),
    timeoutMs: 5000,
  });

let client: RunpodClient;

beforeEach(() => {
  answer = () => json(200, {});
  requests = [];
  slept = [];
  keys = ['rpa_cached_key_of_some_length'];
  time = 0;
  client = connect()('ssm:/key');
});

const call = () => ({ what: 'try', url: new URL(`${server.origin}/v2/x`), scope: 'secrets:read' });
const anything = z.object({});

describe('the Runpod client', () => {
  it('keeps quiet for as long as Retry-After says, with that key only', async () => {
    answer = () => ({ status: 429, headers: { 'retry-after': '12' }, body: '{}' });
    const connected = connect();
    await expect(connected('ssm:/key').ask(call(), anything)).rejects.toThrow(/wants to be left alone for 12 s/);
    time = 2000;
    answer = () => json(200, {});
    await connected('ssm:/key').ask(call(), anything);
    expect(slept).toEqual([10_000]);
    keys = ['rpa_another_key_of_some_length'];
    await connected('ssm:/key').ask(call(), anything);
    expect(slept).toEqual([10_000]);
  });

  it('does not wait inside a Lambda for a limit that lasts', async () => {
    answer = () => ({ status: 429, headers: { 'retry-after': '3312' }, body: '{"detail":"hour window"}' });
    await expect(client.ask(call(), anything)).rejects.toThrow(/429 "hour window".*3312 s/);
    await expect(client.ask(call(), anything)).rejects.toMatchObject({
      name: 'RunpodRateLimitedError',
      message: expect.stringContaining('not asked again'),
    });
    expect(requests).toHaveLength(1);
  });

  it('takes a limit without Retry-After as it comes', async () => {
    answer = () => ({ status: 429, body: '' });
    await expect(client.ask(call(), anything)).rejects.toThrow('Runpod, asked to try, asked us to slow down (429).');
  });

  it('reads a refused key again, for it may have been rotated', async () => {
    keys = ['rpa_the_old_key_of_some_length', 'rpa_the_new_key_of_some_length'];
    answer = ({ headers }) => (headers.authorization?.includes('new') ? json(200, {}) : json(401, {}));
    expect(await client.ask(call(), anything)).toEqual({});
  });

  it('never repeats a key that was rotated away', async () => {
    const [old, fresh] = ['rpa_the_old_key_of_some_length', 'rpa_the_new_key_of_some_length'];
    keys = [old, fresh];
    answer = ({ headers }) =>
      headers.authorization === `Bearer ${fresh}` ? json(500, { detail: `no longer ${old}` }) : json(401, {});
    await expect(client.ask(call(), anything)).rejects.toThrow(/withheld: it repeats a secret/);
    expect(requests).toHaveLength(2);
  });

  it('keeps quiet about streams, too', async () => {
    const bounds = { listenMs: 50, maxBytes: 100 };
    answer = () => ({ status: 429, headers: { 'retry-after': '3312' }, body: '{}' });
    await expect(client.ask(call(), anything)).rejects.toMatchObject({ name: 'RunpodRateLimitedError' });
    answer = () => ({ status: 200, body: 'x' });
    await expect(client.open(call(), bounds)).rejects.toMatchObject({
      name: 'RunpodRateLimitedError',
      message: expect.stringContaining('not asked again'),
    });
    expect(requests).toHaveLength(1);
  });

  it('passes on a mistake of ours, which is no fault of Runpod’s', async () => {
    const broken = createConnectRunpod({
      send: () => Promise.reject(new RangeError('ours')),
      now: () => 0,
      sleep: async () => {},
      readApiKey: async () => 'rpa_a_key_of_some_length',
      timeoutMs: 5000,
    })('ssm:/key');
    await expect(broken.ask(call(), anything)).rejects.toBeInstanceOf(RangeError);
  });

  it('says of what has a body that it is JSON, and of nothing else', async () => {
    await client.send({ ...call(), method: 'POST', body: {} });
    await client.send(call());
    expect(requests.map(({ headers }) => headers['content-type'])).toEqual(['application/json', undefined]);
  });

  it('opens a stream only where there is one', async () => {
    const bounds = { listenMs: 50, maxBytes: 100 };
    answer = () => json(404, { detail: 'no such worker' });
    await expect(client.open(call(), bounds)).rejects.toMatchObject({ name: 'RunpodUnavailableError' });
    answer = () => ({ status: 429, headers: { 'retry-after': '3' }, body: '{}' });
    await expect(client.open(call(), bounds)).rejects.toMatchObject({ name: 'RunpodRateLimitedError' });
    keys = ['rpa_another_key_of_some_length'];
    answer = () => ({ status: 200, body: 'x' });
    expect((await client.open(call(), bounds)).status).toBe(200);
  });
});

describe('a key’s quota', () => {
  const policy = '"minute";q=60;w=60, "hour";q=3000;w=3600, "day";q=50000;w=86400';
  const left = (limit: string, policyHeader = policy): Reply => ({
    ...json(200, {}),
    headers: { ratelimit: limit, 'ratelimit-policy': policyHeader },
  });
  const ask = (method: 'GET' | 'PATCH' = 'GET') => client.ask({ ...call(), method }, anything);

  it.each([
    ['"minute";r=176;t=12', []],
    ['"minute";r=7;t=12', []],
    ['"minute";r=6;t=12', [12_000]],
    ['"minute";r=0;t=12', [12_000]],
    ['"minute";r=50;t=12, "hour";r=300;t=15, "day";r=49500;t=45012', [15_000]],
    ['"minute";r=2;t=12,"hour";r=2;t=15', [15_000]],
    ['"day";r=4000;t=45012', []],
    ['minute', []],
    ['"minute";r=many;t=12', []],
    ['', []],
  ])('is kept to, a tenth of each window left to its owner: %s', async (limit, waits) => {
    answer = () => left(limit);
    await ask();
    await ask();
    expect(slept).toEqual(waits);
  });

  it.each([
    ['"hour";r=300;t=1800', /in this hour 300 of 3000 are left, and a tenth is its owner’s\. There are more in 1800 s/],
    ['"day";r=0;t=45012', /in this day 0 of 50000 are left/],
  ])('is not waited for in a Lambda where that takes long: %s', async (limit, message) => {
    answer = () => left(limit);
    await ask();
    await expect(ask()).rejects.toMatchObject({
      name: 'RunpodRateLimitedError',
      message: expect.stringMatching(message),
    });
    expect(requests).toHaveLength(1);
  });

  it('has its owner’s tenth for storing a token, where waiting takes long', async () => {
    answer = () => left('"hour";r=1;t=1800');
    await ask();
    await ask('PATCH');
    await expect(ask('PATCH')).rejects.toThrow(/0 of 3000 are left/);
    expect(requests).toHaveLength(2);
  });

  it('is another one’s with another key, and whole again after its window', async () => {
    const connected = connect();
    answer = () => left('"minute";r=0;t=40');
    await connected('ssm:/key').ask(call(), anything);
    keys = ['rpa_another_key_of_some_length'];
    await connected('ssm:/key').ask(call(), anything);
    keys = ['rpa_cached_key_of_some_length'];
    await expect(connected('ssm:/key').ask(call(), anything)).rejects.toThrow(/There are more in 40 s/);
    time = 40_000;
    await connected('ssm:/key').ask(call(), anything);
    expect(slept).toEqual([]);
  });

  it('without a policy is used to its end', async () => {
    answer = () => left('"minute";r=1;t=12', '');
    await ask();
    await ask();
    expect(slept).toEqual([]);
    await ask();
    expect(slept).toEqual([12_000]);
  });

  it('counts requests that are under way, whose answers come in any order', async () => {
    answer = () => left(`"minute";r=${10 - requests.length};t=12`, '"minute";q=10;w=60');
    await ask();
    await Promise.all(Array.from({ length: 8 }, () => ask()));
    expect(slept).toEqual([]);
    await ask();
    expect(slept).toEqual([12_000]);
  });

  it('is told by streams and refusals, too', async () => {
    answer = () => ({ ...left('"minute";r=2;t=12'), status: 503 });
    await expect(ask()).rejects.toMatchObject({ name: 'RunpodUnavailableError' });
    await expect(client.open(call(), { listenMs: 50, maxBytes: 100 })).rejects.toThrow();
    expect(slept).toEqual([12_000]);
  });

  it('is what the embedded Runpod counts, and never exceeded', async () => {
    const quota = new RequestQuota(examplePolicy);
    answer = () => quota.answer('key', time, () => json(200, {}));
    let refused = 0;
    while (requests.length < 3500 && refused < 200) {
      await client.ask(call(), anything).catch(() => {
        refused += 1;
        time += 30_000;
      });
    }
    expect([requests.length, Object.fromEntries(quota.peaks)]).toEqual([3500, { minute: 54, hour: 2700, day: 3500 }]);
  });
});

describe('what Runpod refuses', () => {
  const problem = (status: number, detail: string, errors?: unknown): Reply =>
    json(status, { title: 'No', status, detail, errors }, 'application/problem+json');

  it.each([
    [402, 'RunpodRequestRejectedError', /add credit/],
    [409, 'RunpodRequestRejectedError', /Something else holds it or is changing it/],
    [413, 'RunpodRequestRejectedError', /longer than Runpod takes/],
    [422, 'RunpodRequestRejectedError', /Check the ids/],
    [404, 'RunpodUnavailableError', /answered 404 "no"/],
  ])('with %d is a %s that says what to do', async (status, name, message) => {
    answer = () => problem(status, 'no');
    await expect(client.ask(call(), anything)).rejects.toMatchObject({ name, message: expect.stringMatching(message) });
  });

  it.each([
    [
      ["$: additional properties 'bogus' not allowed", '$.limit: too large'],
      /422 "Invalid. \$: additional properties 'bogus' not allowed; \$.limit: too large"/,
    ],
    [[], /422 "Invalid."/],
    ['none', /422 "Invalid."/],
    [
      [{ message: 'too long', location: 'body.password', value: 'hunter2' }, { message: 'unknown' }, { other: 1 }],
      /422 "Invalid."/,
    ],
    [
      [{ message: 'too long', location: 'body.password', value: 'hunter2' }, 'unknown'],
      /422 "Invalid. body.password: too long; unknown"/,
    ],
    [Array.from({ length: 20 }, () => 'x'.repeat(100)), /422 "Invalid. x{100}; x+…"/],
  ])('as invalid is told with what is wrong: %j', async (errors, message) => {
    answer = () => problem(422, 'Invalid.', errors);
    await expect(client.ask(call(), anything)).rejects.toThrow(message);
  });

  it('is told with the request’s id, where there is one', async () => {
    answer = () => ({ ...problem(409, 'busy'), headers: { 'x-request-id': 'req-7' } });
    await expect(client.ask(call(), anything)).rejects.toThrow('(409 "busy", request req-7)');
  });
});

describe('Retry-After', () => {
  it.each([
    ['12', 12_000],
    [' 12 ', 12_000],
    ['999999999', 86_400_000],
    ['Mon, 23 Nov 2026 12:00:30 GMT', 30_000],
    ['Sun, 22 Nov 2026 12:00:00 GMT', 0],
    ['soon', undefined],
    [undefined, undefined],
  ])('%j is %j ms', (value, expected) => {
    const headers = new Map(Object.entries(value === undefined ? {} : { 'retry-after': value }));
    expect(retryAfterMs(headers, Date.parse('2026-11-23T12:00:00Z'))).toBe(expected);
  });
});

describe('a URL', () => {
  const base = new URL('https://api.runpod.io/v2/');

  it('has its identifiers encoded', () => {
    expect(under(base, 'serverless', 'a/b?c#d e').href).toBe('https://api.runpod.io/v2/serverless/a%2Fb%3Fc%23d%20e');
  });

  it.each(['', '.', '..'])('is not built from %j', (id) => {
    expect(() => under(base, 'serverless', id)).toThrow(/cannot be an identifier/);
  });
});

describe('what Runpod knows', () => {
  const management = () =>
    createRunpodManagement(
      client,
      readSettings({ RUNPOD_API_URL: `${server.origin}/v2`, RUNPOD_GRAPHQL_URL: `${server.origin}/graphql` }),
    );

  it('never has the key repeated in an error', async () => {
    answer = ({ headers }) => ({ status: 500, body: JSON.stringify({ detail: `no ${headers.authorization}` }) });
    const refused = management().listEndpoints();
    await expect(refused).rejects.toThrow(/withheld: it repeats a secret/);
  });

  it('is refused in any other form', async () => {
    answer = () => json(200, { endpoints: 'none', id: 'other' });
    await expect(management().listEndpoints()).rejects.toThrow(/no such list/);
    await expect(management().getEndpoint('ep')).rejects.toThrow(/no endpoint/);
    await expect(management().isKnownToV2('cred')).rejects.toThrow(/no credential/);
    await expect(management().listWorkers('ep')).rejects.toThrow(/JSON of a form we do not know/);
    await expect(management().listOtherUsers('cred')).rejects.toThrow(/no such list/);
  });

  it('is missing where Runpod says so of the thing, and not where it says so of the path', async () => {
    answer = () => json(404, { title: 'Not Found', status: 404, detail: 'resource not found' });
    expect(await management().getEndpoint('ep')).toBeUndefined();
    await expect(management().requireCredential('cred')).rejects.toMatchObject({ name: 'CredentialNotFoundError' });
    answer = () => json(404, { title: 'Not Found', status: 404, detail: 'The requested path was not found.' });
    const message = expect.stringContaining('404 "The requested path was not found."');
    const moved = { name: 'RunpodUnavailableError', message };
    await expect(management().getEndpoint('ep')).rejects.toMatchObject(moved);
    await expect(management().requireCredential('cred')).rejects.toMatchObject(moved);
  });

  it('is not missing where something before Runpod knows no such path', async () => {
    answer = () => ({ status: 404, body: '404 page not found' });
    await expect(management().getEndpoint('ep')).rejects.toMatchObject({ name: 'RunpodUnavailableError' });
    answer = () => ({ status: 404, body: '<html>nginx</html>' });
    await expect(management().requireCredential('cred')).rejects.toThrow(/404 "a web page"/);
  });

  it('is refused where GraphQL’s list is no list, or cannot be had', async () => {
    answer = ({ url }) => (url.pathname === '/graphql' ? json(200, { data: null }) : json(404, {}));
    await expect(management().requireCredential('cred')).rejects.toThrow(
      /by GraphQL, answered with something that is no such list/,
    );
    answer = ({ url }) => json(url.pathname === '/graphql' ? 500 : 404, {});
    await expect(management().requireCredential('cred')).rejects.toMatchObject({ name: 'RunpodUnavailableError' });
  });

  it('may be silent where nothing is required', async () => {
    answer = ({ url }) => {
      if (url.pathname.endsWith('/workers')) return json(200, { workers: [{ id: 'w', status: 'IDLE' }] });
      return json(200, { id: 'ep' });
    };
    expect(await management().getEndpoint('ep')).toEqual({
      id: 'ep',
      name: '',
      image: '',
      registry: null,
      workers: { max: undefined },
    });
    expect(await management().listWorkers('ep')).toEqual([{ id: 'w', status: 'IDLE' }]);
  });

  it('may miss any key, or have null for it', async () => {
    const bare = { id: 'bare' };
    const nulls = { id: 'nulls', name: null, image: null, registry: null, workers: null };
    const max = { id: 'max', workers: { max: null } };
    answer = () => json(200, { endpoints: [bare, nulls, max] });
    const empty = { name: '', image: '', registry: null, workers: { max: undefined } };
    expect(await management().listEndpoints()).toEqual(['bare', 'nulls', 'max'].map((id) => ({ id, ...empty })));
    answer = () => json(200, { workers: [{ id: 'w' }, { id: 'v', status: null, startedAt: null }] });
    expect((await management().listWorkers('ep')).map(({ status }) => status)).toEqual(['UNKNOWN', 'UNKNOWN']);
  });

  it('may have keys of another type, where they can be done without', async () => {
    const odd = { id: 'odd', name: 7, image: {}, registry: 'cred', workers: { max: '3' } };
    answer = () => json(200, { endpoints: [odd, { id: 'well', workers: 3 }] });
    const empty = { name: '', image: '', workers: { max: undefined } };
    expect(await management().listEndpoints()).toEqual([
      { id: 'odd', registry: 'cred', ...empty },
      { id: 'well', registry: null, ...empty },
    ]);
    answer = () =>
      json(200, { workers: [{ id: 'w', status: 1, startedAt: 2, isStale: 'no', version: '7', image: [] }] });
    expect((await management().listWorkers('ep')).map(({ id, status }) => ({ id, status }))).toEqual([
      { id: 'w', status: 'UNKNOWN' },
    ]);
    for (const item of [{ id: 7 }, { id: null }, { id: 'a', registry: 7 }]) {
      answer = () => json(200, { endpoints: [item, { id: 'well' }] });
      await expect(management().listEndpoints()).rejects.toThrow(/no such list/);
    }
  });

  it('names the templates and pods that use a credential', async () => {
    answer = ({ url }) =>
      url.pathname.endsWith('/templates')
        ? json(200, {
            templates: [
              { id: 't1', name: 'base', registry: 'cred' },
              { id: 't2', registry: null },
            ],
          })
        : json(200, { pods: [{ id: 'p1', registry: 'cred' }, { id: 'p2' }] });
    expect(await management().listOtherUsers('cred')).toEqual([
      { name: 'template base (t1)', image: '' },
      { name: 'pod p1', image: '' },
    ]);
  });
});
