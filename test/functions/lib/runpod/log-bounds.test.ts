import { describe, expect, it } from 'vitest';
import { RunpodUnavailableError } from '../../../../functions/lib/errors.ts';
import type { RunpodCall, RunpodClient } from '../../../../functions/lib/runpod/client.ts';
import { createReadPodLog, createReadWorkerLog } from '../../../../functions/lib/runpod/worker-log.ts';

const storedAt = Date.parse('2026-11-23T12:00:00Z');
const minuteMs = 60_000;
const frame = (line: string, at: number): string =>
  `data: ${JSON.stringify({ source: 'system', line, ts: new Date(at).toISOString() })}\n\n`;
const frames = (count: number, firstAt: number): string =>
  Array.from({ length: count }, (_, index) => frame(`l${index}`, firstAt + index)).join('');

interface Opened {
  readonly call: RunpodCall;
  readonly listenMs: number;
  readonly maxBytes: number;
}

/** Runpod's logs, one text for each connection in their order and none after these, and how they were opened. */
const logsOf = (...texts: readonly string[]) => {
  const opened: Opened[] = [];
  const left = [...texts];
  const nobody = () => Promise.reject(new Error('not asked for'));
  async function* chunksOf(text: string): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text);
  }
  const client: RunpodClient = {
    now: () => 0,
    send: nobody,
    ask: nobody,
    open: async (call, bounds) => {
      opened.push({ call, ...bounds });
      const text = left.shift();
      if (text === undefined) throw new RunpodUnavailableError('no more');
      return { status: 200, headers: new Map<string, string>(), chunks: chunksOf(text) };
    },
  };
  const settings = { RUNPOD_API_URL: new URL('https://api.runpod.io/v2'), LOG_LISTEN_SECONDS: 60 };
  return {
    opened,
    read: () => createReadWorkerLog(client, settings)('4m7x2k9q', 'w1', storedAt),
    readPod: () => createReadPodLog(client, settings)('p1', storedAt),
  };
};
const pathsOf = (opened: readonly Opened[]): string[] =>
  opened.map(({ call: { url } }) => `${url.pathname}${url.search}`);

describe('a log that is asked for', () => {
  it('is that of a worker or of a pod, in the words of each', async () => {
    const logs = logsOf(frame('a', storedAt));
    expect(await logs.read()).toEqual([{ line: 'a', at: storedAt }]);
    expect(logs.opened[0]).toMatchObject({
      call: {
        what: 'show the log of worker w1',
        url: new URL('https://api.runpod.io/v2/serverless/4m7x2k9q/workers/w1/logs?source=system&tail=5000'),
        scope: 'for reading serverless endpoints',
        headers: {},
      },
      maxBytes: 4 * 1024 * 1024,
    });
    const pods = logsOf(frame('b', storedAt));
    expect(await pods.readPod()).toEqual([{ line: 'b', at: storedAt }]);
    expect(pods.opened[0]?.call).toMatchObject({
      what: 'show the log of pod p1',
      url: new URL('https://api.runpod.io/v2/pods/p1/logs?source=system&tail=5000'),
      scope: 'for reading pods',
    });
  });

  it('is listened to as long as it may, over all connections', async () => {
    const { opened, read } = logsOf('', '', '', '');
    await read();
    expect(opened).toHaveLength(3);
    for (const { listenMs } of opened) {
      expect(listenMs).toBeGreaterThan(50_000);
      expect(listenMs).toBeLessThanOrEqual(60_000);
    }
  });
});

describe('a log that is long', () => {
  const beginning = '/v2/serverless/4m7x2k9q/workers/w1/logs?source=system&since=2026-11-23T11%3A45%3A00.000Z';

  it('is asked for its beginning where its end has all the lines that are handed out, and begins too late', async () => {
    const end = frames(5000, storedAt);
    // The first connection ends, and is resumed from the beginning, for its frames have no ids.
    const logs = logsOf(end, end, end, frame('first', storedAt - minuteMs));
    const lines = await logs.read();
    expect(pathsOf(logs.opened).slice(3)[0]).toBe(beginning);
    expect([lines.length, lines[0]?.line, lines[1]?.line, lines.at(-1)?.line]).toEqual([5001, 'first', 'l0', 'l4999']);
  });

  it('is whole where there are fewer', async () => {
    const logs = logsOf(frames(4999, storedAt));
    expect(await logs.read()).toHaveLength(4999);
    expect(pathsOf(logs.opened).some((path) => path.includes('since'))).toBe(false);
  });

  it.each([
    [storedAt - 15 * minuteMs, false],
    [storedAt - 15 * minuteMs + 1, true],
  ])('whose end begins at %d is asked for its beginning: %s', async (firstAt, isAsked) => {
    const end = frames(5000, firstAt);
    const logs = logsOf(end, end, end);
    await logs.read().catch(() => []);
    expect(pathsOf(logs.opened).includes(beginning)).toBe(isAsked);
  });

  it('keeps the newest of more than it can keep', async () => {
    const end = frames(5001, storedAt - 60 * minuteMs);
    const lines = await logsOf(end, end, end).read();
    expect([lines.length, lines[0]?.line, lines.at(-1)?.line]).toEqual([5000, 'l1', 'l5000']);
  });

  it('is left where a connection brings more events than twice as many', async () => {
    const logs = logsOf(frames(10_001, storedAt - 60 * minuteMs));
    const lines = await logs.read();
    expect(logs.opened).toHaveLength(1);
    expect(lines.at(-1)?.line).toBe('l9999');
  });

  it('is left at a frame without an end, and what came before it stands', async () => {
    const logs = logsOf(`${frame('a', storedAt)}data: ${'x'.repeat(300 * 1024)}`);
    expect(await logs.read()).toEqual([{ line: 'a', at: storedAt }]);
    expect(logs.opened).toHaveLength(1);
  });

  it('is resumed after what is no event, which ends nothing', async () => {
    const logs = logsOf(`nonsense: 1\n\n${frame('a', storedAt)}`);
    expect(await logs.read()).toEqual([{ line: 'a', at: storedAt }]);
    expect(logs.opened).toHaveLength(2);
  });
});
