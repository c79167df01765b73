import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { send } from '../../../../functions/lib/http.ts';
import { createConnectRunpod } from '../../../../functions/lib/runpod/client.ts';
import { createChangeImage, createListImageReleases } from '../../../../functions/lib/runpod/releases.ts';
import { WorldClock } from '../../../../simulator/clock.ts';
import { Faults, json, type Loopback, type Reply, serve } from '../../../../simulator/loopback.ts';

let server: Loopback;
let answer: Reply;
let asked: unknown[];

beforeAll(async () => {
  server = await serve(new WorldClock(), new Faults(), ({ method, url, body }) => {
    asked.push([method, `${url.pathname}${url.search}`, body]);
    return answer;
  });
});
afterAll(() => server.close());
beforeEach(() => {
  asked = [];
});

const connect = () => ({
  client: createConnectRunpod({
    send,
    now: () => 0,
    sleep: async () => {},
    readApiKey: async () => 'rpa_a_key_of_some_length',
    timeoutMs: 5000,
  })('ssm:/key'),
  urls: { RUNPOD_API_URL: new URL(`${server.origin}/v2`) },
});
const list = () => {
  const { client, urls } = connect();
  return createListImageReleases(client, urls)('ep');
};
const change = () => {
  const { client, urls } = connect();
  return createChangeImage(client, urls)('ep', 'registry/new');
};

const at = (minute: number): string => `2026-11-23T12:0${minute}:00Z`;
const imageChange = (from: unknown, to: unknown) => ({ field: 'template.imageName', old: from, new: to });
const refused = json(403, { title: 'Forbidden', status: 403, detail: 'access denied' });

describe('the releases of an endpoint', () => {
  it('are those that changed its image, the newest first', async () => {
    answer = json(200, {
      releases: [
        { version: 2, createdAt: at(2), diff: [{ field: 'workersMax', old: 1, new: 2 }, imageChange('a', 'b')] },
        { version: 3, createdAt: at(3), diff: [imageChange('b', 'c')] },
        { version: 4, createdAt: at(4), diff: [{ field: 'workersMax', old: 2, new: 3 }] },
        { version: 5, createdAt: at(5), diff: null },
      ],
    });
    expect(await list()).toEqual([
      { version: 3, createdAt: Date.parse(at(3)), old: 'b', new: 'c' },
      { version: 2, createdAt: Date.parse(at(2)), old: 'a', new: 'b' },
    ]);
    expect(asked).toEqual([['GET', '/v2/serverless/ep/releases?limit=50', '']]);
  });

  it('are taken without what Runpod does not tell, or tells oddly', async () => {
    answer = json(200, {
      releases: [
        { version: null, createdAt: null, diff: [imageChange(null, 'first')] },
        { version: 'two', createdAt: 'yesterday', diff: [imageChange('x'.repeat(513), 'x'.repeat(512))] },
        { version: 3, createdAt: at(3), diff: [imageChange('a', 'x'.repeat(513))] },
        { version: 4, createdAt: at(4), diff: [imageChange('a', 4)] },
        { version: 5, createdAt: at(5), diff: [imageChange('first', 'last')] },
      ],
    });
    expect(await list()).toEqual([
      { version: 5, createdAt: Date.parse(at(5)), old: 'first', new: 'last' },
      { version: undefined, createdAt: undefined, old: undefined, new: 'first' },
      { version: undefined, createdAt: undefined, old: undefined, new: 'x'.repeat(512) },
    ]);
  });

  it.each([{}, { releases: null }, { releases: [] }])('are none where Runpod lists none: %j', async (body) => {
    answer = json(200, body);
    expect(await list()).toEqual([]);
  });

  it('need a key that may read endpoints', async () => {
    answer = refused;
    await expect(list()).rejects.toThrow(/list the releases of endpoint ep .*for reading serverless endpoints/s);
  });
});

describe('an endpoint that is given an image', () => {
  it('is given nothing else', async () => {
    answer = json(200, { id: 'ep', name: 'ep', image: 'registry/new', registry: null, workers: { max: 1 } });
    await change();
    expect(asked).toEqual([['PATCH', '/v2/serverless/ep', '{"image":"registry/new"}']]);
  });

  it('is no other than was asked for', async () => {
    answer = json(200, { id: 'other', name: 'ep', image: 'registry/new', registry: null, workers: { max: 1 } });
    await expect(change()).rejects.toMatchObject({
      name: 'RunpodUnavailableError',
      message: 'Runpod, asked to give endpoint ep the image registry/new, answered with another endpoint.',
    });
  });

  it('needs a key that may change endpoints', async () => {
    answer = refused;
    await expect(change()).rejects.toThrow(
      /give endpoint ep the image registry\/new .*for changing serverless endpoints/s,
    );
  });
});
