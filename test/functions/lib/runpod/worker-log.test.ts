import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readSettings } from '../../../../functions/lib/env.ts';
import { send } from '../../../../functions/lib/http.ts';
import { createConnectRunpod } from '../../../../functions/lib/runpod/client.ts';
import { createReadWorkerLog } from '../../../../functions/lib/runpod/worker-log.ts';

const since = Date.parse('2026-11-23T12:00:00Z');
const time = (seconds: number): string => new Date(since + seconds * 1000).toISOString();
const frame = (line: string, seconds = 1, id = `${time(seconds)}/1`): string =>
  `id: ${id}\ndata: ${JSON.stringify({ source: 'system', line, ts: time(seconds) })}\n\n`;

let script: Array<(response: ServerResponse, lastEventId: string | undefined) => void>;
let asked: string[];

const server = createServer((request, response) => {
  asked.push(`${request.url} ${request.headers['last-event-id'] ?? ''}`.trim());
  const play = script.shift();
  if (play === undefined) {
    response.writeHead(503).end();
    return;
  }
  play(response, request.headers['last-event-id'] as string | undefined);
});
let origin = '';

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  script = [];
  asked = [];
});

const read = async (seconds = '0.15') => {
  const client = createConnectRunpod({
    send,
    now: Date.now,
    sleep: async () => {},
    readApiKey: async () => 'rpa_a_key_of_some_length',
    timeoutMs: 500,
  })('ssm:/key');
  const settings = readSettings({ RUNPOD_API_URL: `${origin}/v2`, LOG_LISTEN_SECONDS: seconds });
  return createReadWorkerLog(client, settings)('ep', 'w/1', since);
};

const stream =
  (...chunks: Array<string | Uint8Array>) =>
  async (response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const chunk of chunks) {
      response.write(chunk);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

/** A stream that ends; the attempt to resume it is then refused, which ends the reading without waiting. */
const finished =
  (...chunks: Array<string | Uint8Array>) =>
  async (response: ServerResponse) => {
    await stream(...chunks)(response);
    response.end();
  };

const breakOff = (text: string) => (response: ServerResponse) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(text, () => setTimeout(() => response.destroy(), 20));
};

describe('a worker’s log', () => {
  it('is asked for by its end, with ids encoded', async () => {
    script = [stream(frame('a'))];
    await read();
    expect(asked).toEqual(['/v2/serverless/ep/workers/w%2F1/logs?source=system&tail=5000']);
  });

  it.each<readonly [string, Array<string | Uint8Array>, string[]]>([
    ['whole frames', [frame('a'), frame('b')], ['a', 'b']],
    ['comments', [': hello\n\n', frame('a'), ':\n'], ['a']],
    ['CRLF', [frame('a').replaceAll('\n', '\r\n')], ['a']],
    ['data over several lines', [`data: {"line":"a",\ndata: "ts":"${time(1)}"}\n\n`], ['a']],
    ['a frame that never ends', [frame('a'), 'data: {"line":'], ['a']],
    ['other events', ['event: ping\ndata: {}\n\n', 'retry: 5\n\n', frame('a')], ['a']],
    ['lines of the container', [frame('a').replace('system', 'container'), frame('b')], ['b']],
    ['lines from before the update', [frame('old', -60), frame('new')], ['old', 'new']],
    ['lines that would be obeyed by a terminal', [frame('\u001b[31mred\u001b[0m \u202etxt\u009b2J')], ['red txt 2J']],
    ['lines without a time', [frame('a').replace(time(1), 'soon').replace(time(1), 'soon'), frame('b')], ['b']],
    ['what is no JSON', ['data: hello\n\n', frame('a')], ['a']],
    [
      'characters split between chunks',
      [...Buffer.from(frame('naïve ✓'))].map((byte) => Uint8Array.of(byte)),
      ['naïve ✓'],
    ],
  ])('is read with %s', async (_what, chunks, lines) => {
    script = [finished(...chunks)];
    expect((await read('2')).map(({ line }) => line)).toEqual(lines);
  });

  it('is resumed where it broke off', async () => {
    script = [breakOff(frame('a', 1)), breakOff(frame('b', 2)), stream(frame('c', 3))];
    expect((await read('0.5')).map(({ line }) => line)).toEqual(['a', 'b', 'c']);
    expect(asked.map((each) => each.split(' ')[1])).toEqual([undefined, `${time(1)}/1`, `${time(2)}/1`]);
  });

  it('is resumed from the beginning where no frame had an id', async () => {
    script = [breakOff(': hello\n\n'), stream(frame('a'))];
    expect((await read('0.4')).map(({ line }) => line)).toEqual(['a']);
  });

  it('is resumed a few times and no more, and keeps what it heard', async () => {
    script = [breakOff(frame('a')), breakOff(''), breakOff(''), stream(frame('never'))];
    expect((await read('2')).map(({ line }) => line)).toEqual(['a']);
    script = [breakOff(frame('a'))];
    expect((await read('0.4')).map(({ line }) => line)).toEqual(['a']);
  });

  it('is refused where it cannot even be opened', async () => {
    await expect(read()).rejects.toMatchObject({ name: 'RunpodUnavailableError' });
  });

  it('passes on a refusal that comes while resuming', async () => {
    script = [breakOff(frame('a')), (response) => response.writeHead(401).end()];
    await expect(read('0.4')).rejects.toMatchObject({ name: 'RunpodUnauthorizedError' });
  });

  it('is cut in bytes', async () => {
    script = [stream(frame('a'), ...Array.from({ length: 50 }, () => `: ${'x'.repeat(100_000)}\n`), frame('never'))];
    expect((await read('2')).map(({ line }) => line)).toEqual(['a']);
    expect(asked).toHaveLength(1);
  });

  it('has lines of which both ends are kept, however long they are', async () => {
    script = [finished(frame(`error pulling image: ${'x'.repeat(200 * 1024)} no space left on device`))];
    const [line] = await read();
    expect(line?.line).toMatch(/^error pulling image: x+ … x+ no space left on device$/);
    expect(line?.line.length).toBeLessThan(4100);
  });

  it('has each line of a frame that holds several, at the frame’s time', async () => {
    script = [
      finished(frame('v1: Pulling from team/worker\r\n316f8cbc3be8: Pull complete\r\n', 2), frame('denied', 3)),
    ];
    expect(await read()).toEqual([
      { line: 'v1: Pulling from team/worker', at: since + 2000 },
      { line: '316f8cbc3be8: Pull complete', at: since + 2000 },
      { line: 'denied', at: since + 3000 },
    ]);
  });

  describe('of more lines than are backfilled', () => {
    const tick = (seconds: number): string => frame('316f8cbc3be8 Downloading', seconds);
    const begin = frame('v1 Pulling from team/worker', 1);
    const end = frame('failed to register layer: no space left on device', 900);

    it('ends with its newest, and begins with the oldest since some minutes before the update', async () => {
      const tail = Array.from({ length: 5200 }, (_, index) => tick(300 + index / 10));
      script = [
        finished([...tail, end].join('')),
        (response) => response.writeHead(503).end(),
        stream(begin + tail.join('')),
      ];
      const lines = await read('2');
      expect(lines[0]).toEqual({ line: 'v1 Pulling from team/worker', at: since + 1000 });
      expect(lines.at(-1)?.line).toBe('failed to register layer: no space left on device');
      expect(lines.filter(({ line }) => line.startsWith('316f8cbc3be8'))).toHaveLength(4999 + 201);
      expect(asked.at(-1)).toContain('source=system&since=2026-11-23T11%3A45%3A00.000Z');
    });

    it('is not asked for its beginning where its end reaches back to before the update', async () => {
      const tail = Array.from({ length: 5000 }, (_, index) => tick(index === 0 ? -1000 : index));
      script = [finished(tail.join(''))];
      expect(await read('2')).toHaveLength(5000);
      expect(asked.filter((each) => each.includes('since='))).toEqual([]);
    });

    it('is bounded at both ends', async () => {
      const long = 'x'.repeat(4000);
      const many = Array.from({ length: 900 }, (_, index) => frame(long, 100 + index)).join('');
      script = [finished(many), (response) => response.writeHead(503).end(), stream(many)];
      const lines = await read('2');
      expect(lines.length).toBeGreaterThan(262);
      expect(lines.length).toBeLessThanOrEqual(2 * 263 + 1);
    });
  });

  it('is the same however it is chunked', { timeout: 60_000 }, async () => {
    const text = Buffer.from(`: c\r\n\r\n${frame('ä')}${frame('b')}retry: 1\n\n${frame('c')}`);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: text.length - 1 }), { maxLength: 12 }), async (cuts) => {
        const edges = [0, ...new Set(cuts.sort((a, b) => a - b)), text.length];
        const chunks = edges.slice(1).map((end, index) => text.subarray(edges[index], end));
        script = [finished(...chunks)];
        expect((await read('2')).map(({ line }) => line)).toEqual(['ä', 'b', 'c']);
      }),
      { numRuns: 40 },
    );
  });
});
