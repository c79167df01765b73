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
    timeoutMs: 500,
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
      timeoutMs: 500,
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

describe('Retry-After', () => {
  it.each([
    ['12', 12_000],
    [' 12 ', 12_000],
    ['999999999', 86_400_000],
    ['Thu, 01 Jan 1970 00:00:30 GMT', 30_000],
    ['Wed, 31 Dec 1969 00:00:00 GMT', 0],
    ['soon', undefined],
    [undefined, undefined],
  ])('%j is %j ms', (value, expected) => {
    expect(retryAfterMs(new Map(Object.entries(value === undefined ? {} : { 'retry-after': value })), 0)).toBe(
      expected,
    );
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

  it('is read page by page where there are pages', async () => {
    answer = ({ url }) => {
      const page = Number(url.searchParams.get('page') ?? 1);
      const reply = json(200, { endpoints: [{ id: `ep${page}` }] });
      return page === 3
        ? reply
        : { ...reply, headers: { ...reply.headers, link: `</v2/serverless?page=${page + 1}>; rel="next"` } };
    };
    expect((await management().listEndpoints()).map(({ id }) => id)).toEqual(['ep1', 'ep2', 'ep3']);
  });

  it.each([
    ['<https://evil.example/v2/serverless>; rel="next"'],
    ['<http://[broken>; rel="next"'],
    ['</v2/serverless?page=2>; rel="prev"'],
  ])('is not looked for elsewhere: %s', async (link) => {
    answer = () => ({ status: 200, headers: { link }, body: '{"endpoints":[]}' });
    await management().listEndpoints();
    expect(requests).toHaveLength(1);
  });

  it('has no more items than anybody has', async () => {
    const endpoints = Array.from({ length: 6000 }, (_, index) => ({ id: `e${index}` }));
    answer = () => ({
      status: 200,
      headers: { link: '</v2/serverless>; rel="next"' },
      body: JSON.stringify({ endpoints }),
    });
    await expect(management().listEndpoints()).rejects.toThrow(/listed more than 10000/);
    expect(requests).toHaveLength(2);
  });

  it('never has the key repeated in an error', async () => {
    answer = ({ headers }) => ({ status: 500, body: JSON.stringify({ detail: `no ${headers.authorization}` }) });
    const refused = management().listEndpoints();
    await expect(refused).rejects.toThrow(/withheld: it repeats a secret/);
  });

  it('has a last page, or is refused', async () => {
    answer = () => ({ status: 200, headers: { link: '</v2/serverless>; rel="next"' }, body: '{"endpoints":[]}' });
    await expect(management().listEndpoints()).rejects.toThrow(/has no last page/);
    expect(requests).toHaveLength(100);
  });

  it('is refused in any other form', async () => {
    answer = () => json(200, { endpoints: 'none', id: 'other' });
    await expect(management().listEndpoints()).rejects.toThrow(/no such list/);
    await expect(management().getEndpoint('ep')).rejects.toThrow(/no endpoint/);
    await expect(management().isKnownToV2('cred')).rejects.toThrow(/no credential/);
    await expect(management().listWorkers('ep')).rejects.toThrow(/JSON of a form we do not know/);
    await expect(management().listOtherUsers('cred')).rejects.toThrow(/no such list/);
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
