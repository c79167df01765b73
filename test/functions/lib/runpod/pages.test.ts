import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { send } from '../../../../functions/lib/http.ts';
import { createConnectRunpod } from '../../../../functions/lib/runpod/client.ts';
import { createRunpodManagement } from '../../../../functions/lib/runpod/management.ts';
import { readList } from '../../../../functions/lib/runpod/pages.ts';
import { WorldClock } from '../../../../simulator/clock.ts';
import { Faults, json, type Loopback, type Reply, serve } from '../../../../simulator/loopback.ts';
import { Runpod } from '../../../../simulator/runpod/server.ts';

let server: Loopback;
let answer: (query: URLSearchParams) => Reply;
let queries: string[];
let time: number;

beforeAll(async () => {
  server = await serve(new WorldClock(), new Faults(), ({ url }) => {
    queries.push(url.search);
    return answer(url.searchParams);
  });
});
afterAll(() => server.close());
beforeEach(() => {
  queries = [];
  time = 0;
});

const clientOf = (apiKey: string) =>
  createConnectRunpod({
    send,
    now: () => time,
    sleep: async () => {},
    readApiKey: async () => apiKey,
    timeoutMs: 5000,
  })('ssm:/key');

const read = () =>
  readList(
    clientOf('rpa_a_key_of_some_length'),
    { what: 'list the things', url: new URL(`${server.origin}/v2/things`), scope: 'for reading things' },
    'things',
    z.object({ id: z.string() }),
  );

const page = (ids: readonly string[], nextCursor: unknown = null, hasNextPage: unknown = nextCursor !== null): Reply =>
  json(200, { things: ids.map((id) => ({ id })), pagination: { nextCursor, hasNextPage } });

const idsOf = (things: ReadonlyArray<{ readonly id: string }>): string[] => things.map(({ id }) => id);

describe('a list of Runpod’s', () => {
  it('is followed to its end, however short its pages are', async () => {
    const pages: Readonly<Record<string, Reply>> = {
      '': page(['a'], 'an/opaque+one='),
      'an/opaque+one=': page([], 'another'),
      another: page(['b', 'c']),
    };
    answer = (query) => pages[query.get('cursor') ?? ''] ?? json(422, {});
    expect(idsOf(await read())).toEqual(['a', 'b', 'c']);
    expect(queries).toEqual(['', '?cursor=an%2Fopaque%2Bone%3D', '?cursor=another']);
  });

  it('counts once what moves to the next page while it is read', async () => {
    answer = (query) => (query.has('cursor') ? page(['b', 'c']) : page(['a', 'b'], 'next'));
    expect(idsOf(await read())).toEqual(['a', 'b', 'c']);
  });

  it.each([
    ['nothing about pages', { things: [{ id: 'a' }] }],
    ['nothing about pages but their name', { things: [{ id: 'a' }], pagination: null }],
    [
      'no next page, and a cursor all the same',
      { things: [{ id: 'a' }], pagination: { nextCursor: 'x', hasNextPage: false } },
    ],
  ])('ends where it says %s', async (_, body) => {
    answer = () => json(200, body);
    expect(idsOf(await read())).toEqual(['a']);
    expect(queries).toHaveLength(1);
  });

  it('is not looked for where a header says so', async () => {
    answer = () => ({ ...page(['a']), headers: { link: '</v2/things?page=2>; rel="next"' } });
    await read();
    expect(queries).toHaveLength(1);
  });

  it.each([
    ['a cursor that it gave before', () => page([], 'again'), /names as the next page one that was read before/, 2],
    [
      'two cursors in turn',
      (query: URLSearchParams) => page([], query.get('cursor') === 'one' ? 'two' : 'one'),
      /one that was read before/,
      3,
    ],
    ['a next page without a cursor', () => page([], null, true), /another page, and not where/, 1],
    ['a next page with an empty cursor', () => page([], '', true), /another page, and not where/, 1],
    ['a cursor that fits no URL', () => page([], 'x'.repeat(5000)), /another page, and not where/, 1],
    ['pages in another form', () => json(200, { things: [], pagination: [] }), /no such list/, 1],
    ['a list in another form', () => json(200, { things: 'none' }), /no such list/, 1],
    ['new cursors without end', () => page([], `cursor-${queries.length}`), /no last page within 100\./, 100],
    [
      'more than anything has',
      () =>
        page(
          Array.from({ length: 6000 }, (_, index) => `${queries.length}-${index}`),
          `c${queries.length}`,
        ),
      /listed more than 10000/,
      2,
    ],
  ])('is refused for %s', async (_, answers, message, asked) => {
    answer = answers;
    await expect(read()).rejects.toMatchObject({
      name: 'RunpodUnavailableError',
      message: expect.stringMatching(message),
    });
    expect(queries).toHaveLength(asked);
  });

  it('is given up where its pages take too long', async () => {
    answer = () => {
      time += 9000;
      return page([], `cursor-${queries.length}`);
    };
    await expect(read()).rejects.toThrow('had no last page within 40 s');
    expect(queries).toHaveLength(5);
  });

  it('says what Runpod refused, on whichever page', async () => {
    answer = (query) => (query.has('cursor') ? json(422, { detail: 'cursor: malformed' }) : page([], 'next'));
    await expect(read()).rejects.toMatchObject({
      name: 'RunpodRequestRejectedError',
      message: expect.stringContaining('422 "cursor: malformed"'),
    });
  });

  it('is read by small pages from its beginning where a full one is too large', async () => {
    const text = 'x'.repeat(5 * 1024 * 1024);
    answer = (query) => {
      if (query.get('limit') === '100') return page([query.get('cursor') ?? 'first'], query.has('cursor') ? null : 'b');
      return query.has('cursor') ? json(200, { things: [], text }) : page(['a'], 'next');
    };
    expect(idsOf(await read())).toEqual(['first', 'b']);
    expect(queries).toEqual(['', '?cursor=next', '?limit=100', '?limit=100&cursor=b']);
  });

  it('is refused where even a small page is too large', async () => {
    answer = () => json(200, { things: [{ id: 'a', name: 'x'.repeat(5 * 1024 * 1024) }] });
    await expect(read()).rejects.toThrow(/more than \d+ bytes/);
    expect(queries).toHaveLength(2);
  });
});

describe('the embedded Runpod', () => {
  const key = 'rpa_a_key_of_some_length';
  const runpod = new Runpod(new WorldClock());
  let embedded: Loopback;

  beforeAll(async () => {
    runpod.keys.set(key, new Set(['*']));
    for (let index = 0; index < 2500; index += 1) {
      const registry = index === 0 ? 'cred' : null;
      runpod.addEndpoint({ id: `ep${index}`, name: '', image: '', registry });
      runpod.templates.push({ id: `t${index}`, name: '', registry });
      runpod.pods.push({ id: `p${index}`, name: '', registry });
    }
    embedded = await runpod.start(new Faults(), '');
  });
  afterAll(() => embedded.close());

  const get = async (path: string): Promise<{ status: number; body: string }> => {
    const response = await fetch(`${embedded.origin}/v2/${path}`, { headers: { authorization: `Bearer ${key}` } });
    return { status: response.status, body: await response.text() };
  };

  it('gives a thousand at a time, newest first, and the oldest is found', async () => {
    const api = new URL(`${embedded.origin}/v2`);
    const management = createRunpodManagement(clientOf(key), { RUNPOD_API_URL: api, RUNPOD_GRAPHQL_URL: api });
    const endpoints = await management.listEndpoints();
    expect([endpoints.length, endpoints[0]?.id, endpoints.at(-1)?.id]).toEqual([2500, 'ep2499', 'ep0']);
    const others = await management.listOtherUsers('cred');
    expect(others.map(({ name }) => name)).toEqual(['template t0', 'pod p0']);
  });

  it.each([
    'templates?limit=0',
    'templates?limit=1001',
    'templates?limit=ten',
    'templates?limit=1.5',
    'templates?cursor=',
    'serverless/ep0/releases?cursor=made-up',
  ])('refuses %s', async (path) => {
    expect((await get(path)).status).toBe(422);
  });

  it('refuses the cursor of another list, or of pages of another length', async () => {
    const { body } = await get('templates?limit=10');
    const [, cursor = ''] = /"nextCursor":"([^"]+)"/.exec(body) ?? [];
    expect((await get(`templates?limit=10&cursor=${cursor}`)).status).toBe(200);
    expect((await get(`templates?cursor=${cursor}`)).status).toBe(422);
    expect((await get(`pods?limit=10&cursor=${cursor}`)).status).toBe(422);
  });
});
