import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import type { Send } from '../../../../functions/lib/http.ts';
import {
  clauseOf,
  createConnectRunpod,
  deleteAt,
  maxPatienceMs,
  type RunpodAnswer,
} from '../../../../functions/lib/runpod/client.ts';

const now = Date.parse('2026-11-23T12:00:00Z');
const key = 'rpa_a_key_of_some_length';
const call = { what: 'try', url: new URL('https://api.runpod.io/v2/x'), scope: 'secrets:read' };
const anything = z.object({});

const answerOf = (status: number, text: string, headers: Record<string, string> = {}): RunpodAnswer => {
  const json = (): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  };
  return { status, headers: new Map(Object.entries(headers)), json: json(), text: () => text, secrets: [key] };
};

interface Sent {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A client of a Runpod that answers so, one after the other, and what it was sent. */
const clientOf = (
  ...answers: ReadonlyArray<readonly [status: number, text: string, headers?: Record<string, string>]>
) => {
  const sent: Sent[] = [];
  const slept: number[] = [];
  const left = [...answers];
  const sendNext: Send = async (_url, { method, headers }) => {
    sent.push({ method, headers });
    const [status, text, more = {}] = left.shift() ?? [200, '{}'];
    async function* body(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(text);
    }
    return { status, headers: new Map(Object.entries(more)), body: body() };
  };
  const client = createConnectRunpod({
    send: sendNext,
    now: () => now,
    sleep: async (milliseconds) => void slept.push(milliseconds),
    readApiKey: async () => key,
    timeoutMs: 5000,
  })('ssm:/key');
  return { client, sent, slept };
};

describe('what an answer says', () => {
  it.each<readonly [string, string]>([
    ['{"detail":"it is bad","title":"Bad"}', '400 "it is bad"'],
    ['{"title":"Bad"}', '400 "Bad"'],
    ['{"detail":"it is bad","errors":["a","b"]}', '400 "it is bad a; b"'],
    ['{"errors":["a"]}', '400 "a"'],
    ['{"title":"Bad","errors":[]}', '400 "Bad"'],
    ['{"errors":[{"message":"m","location":"$.x"},{"message":"n","value":"v"}]}', '400 "$.x: m; n"'],
    ['{"error":"e","message":"m"}', '400 "e"'],
    ['{"message":"m"}', '400 "m"'],
    ['<html>', '400 "a web page"'],
    ['\n <html>', '400 "a web page"'],
    ['one < two', '400 "one < two"'],
    ['', '400'],
  ])('in %j is %s', (text, clause) => expect(clauseOf(answerOf(400, text))).toBe(clause));

  it('has the request’s id, and no key', () => {
    expect(clauseOf(answerOf(500, '', { 'x-request-id': 'r1' }))).toBe('500, request r1');
    expect(clauseOf(answerOf(500, `no ${key}`))).not.toContain(key);
  });
});

describe('a deletion', () => {
  it.each<readonly [number, string]>([
    [204, ''],
    [200, ' \n'],
    [299, '{}'],
    [404, '{"detail":"resource not found"}'],
    [404, ' '],
  ])('is done where Runpod answers %d %j', async (status, text) => {
    const { client, sent } = clientOf([status, text]);
    await expect(deleteAt(client, call)).resolves.toBeUndefined();
    expect(sent[0]?.method).toBe('DELETE');
  });

  it.each<readonly [number, string, string]>([
    [200, '<html>', 'Runpod, asked to try, answered with something that is not JSON.'],
    [300, '', 'Runpod, asked to try, answered 300.'],
    [404, '{"detail":"the requested path was not found"}', 'answered 404 "the requested path was not found"'],
    [404, '<html>', 'answered 404 "a web page"'],
    [500, '', 'Runpod, asked to try, answered 500.'],
  ])('is not known to be done where it answers %d %j', async (status, text, message) => {
    await expect(deleteAt(clientOf([status, text]).client, call)).rejects.toMatchObject({
      name: 'RunpodUnavailableError',
      message: expect.stringContaining(message),
    });
  });
});

describe('an answer that is asked for', () => {
  it('is read whatever success it is', async () => {
    expect(await clientOf([299, '{"a":1}']).client.ask(call, z.object({ a: z.number() }))).toEqual({ a: 1 });
  });

  it.each<readonly [string, string]>([
    ['hello', 'Runpod, asked to try, answered 200 with something that is not JSON: hello.'],
    ['', 'Runpod, asked to try, answered 200 with something that is not JSON: nothing.'],
    ['[]', 'Runpod, asked to try, answered 200 with JSON of a form we do not know: [].'],
  ])('is none in %j', async (text, message) => {
    await expect(clientOf([200, text]).client.ask(call, anything)).rejects.toThrow(message);
  });

  it('is a request to slow down, with and without for how long', async () => {
    await expect(clientOf([429, '']).client.ask(call, anything)).rejects.toThrow(
      /^Runpod, asked to try, asked us to slow down \(429\)\.$/,
    );
    await expect(clientOf([429, '', { 'retry-after': '12' }]).client.ask(call, anything)).rejects.toThrow(
      /^Runpod, asked to try, asked us to slow down \(429\)\. It wants to be left alone for 12 s\.$/,
    );
  });

  it.each<readonly [string, string]>([
    ['"minute";r=0;t=21', '0 are left'],
    ['"minute";r=0;t=21, "hour";r=5;t=9', '0 are left'],
  ])('is not asked for where %s', async (limit, count) => {
    const { client, sent } = clientOf([200, '{}', { ratelimit: limit }]);
    await client.ask(call, anything);
    await expect(client.ask(call, anything)).rejects.toThrow(`of the API key’s requests in this minute ${count}`);
    expect(sent).toHaveLength(1);
  });

  it('is waited for as long as patience lasts', async () => {
    const { client, slept } = clientOf([200, '{}', { ratelimit: `"minute";r=0;t=${maxPatienceMs / 1000}` }]);
    await client.ask(call, anything);
    await client.ask(call, anything);
    expect(slept).toEqual([maxPatienceMs]);
  });
});

it('a stream is asked for as one, and what it says of the quota is heeded', async () => {
  const { client, sent } = clientOf([200, '', { ratelimit: '"minute";r=0;t=21' }]);
  await client.open(call, { listenMs: 1, maxBytes: 1 });
  expect(sent[0]?.headers.accept).toBe('text/event-stream');
  await expect(client.ask(call, anything)).rejects.toMatchObject({ name: 'RunpodRateLimitedError' });
});
