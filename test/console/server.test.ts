import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPage } from '../../console/build.ts';
import { EmbeddedSource } from '../../console/embedded.ts';
import { drawMachines, layOut } from '../../console/layout.ts';
import { type ServedConsole, serveConsole } from '../../console/server.ts';
import { readDefinition } from '../../runner/definition.ts';

let source: EmbeddedSource;
let served: ServedConsole;
let session = '';

interface ConsoleAnswer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

/** Asks with any headers, also those that fetch would not let us choose. */
const ask = (
  path: string,
  {
    method = 'GET',
    headers = {},
    body = '',
  }: { method?: string; headers?: Record<string, string>; body?: string } = {},
) =>
  new Promise<ConsoleAnswer>((resolve, reject) => {
    const sent = request(
      new URL(path, served.origin),
      { method, headers: { authorization: `Bearer ${session}`, ...headers } },
      (answer) => {
        text(answer).then(
          (content) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: content }),
          reject,
        );
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });

const definition = () => readDefinition({ functionArn: (name) => name, alertTopicArn: 'alerts' });

const serve = async (): Promise<ServedConsole> => serveConsole(source, await buildPage(), await drawMachines(), 0);

const open = ({ url, origin }: ServedConsole, token = new URLSearchParams(new URL(url).hash.slice(1)).get('token')) => {
  const body = JSON.stringify({ token });
  const headers = { origin, 'content-type': 'application/json', 'content-length': String(body.length) };
  return ask(new URL('/api/open', origin).href, { method: 'POST', headers, body });
};

const sessionOf = ({ body }: ConsoleAnswer): string => (JSON.parse(body) as { session: string }).session;

beforeAll(async () => {
  source = await EmbeddedSource.begin({ livedHours: 0 });
  served = await serve();
  session = sessionOf(await open(served));
});

afterAll(async () => {
  await served.close();
  await source.end();
});

describe('the console’s server', () => {
  it('is on this machine only, and opens once by its address', async () => {
    const fresh = await serve();
    expect(new URL(fresh.url).hostname).toBe('127.0.0.1');
    const asStranger = (token: string) =>
      ask(`${fresh.origin}/api/drawings`, { headers: { authorization: `Bearer ${token}` } });
    expect((await asStranger('x')).status).toBe(401);
    expect((await open(fresh, 'wrong')).status).toBe(403);
    const opened = await open(fresh);
    expect([opened.status, sessionOf(opened)]).toEqual([200, expect.stringMatching(/^[\w-]{32}$/)]);
    expect((await open(fresh)).status).toBe(403);
    expect((await asStranger(sessionOf(opened))).status).toBe(200);
    // A cookie would reach every other port of this host, another console's among them.
    expect(opened.headers['set-cookie']).toBeUndefined();
    await fresh.close();
  });

  it('allows its page nothing from elsewhere, and nothing inline', async () => {
    const { headers, body } = await ask('/');
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|\*|https?:|data:/);
    expect(body).not.toMatch(/\sstyle=|\son\w+=|<style|<script(?! type="module" src="\/page\.js">)/);
    expect(headers['x-content-type-options']).toBe('nosniff');
  });

  it('is under 200 KB in all', async () => {
    const files = await buildPage();
    const bytes = [...files.values()].reduce((sum, { content }) => sum + content.byteLength, 0);
    const { body } = await ask('/api/drawings');
    expect([...files.keys()].sort()).toEqual(['/', '/icon.svg', '/page.css', '/page.js', '/runbook']);
    expect(bytes + body.length).toBeLessThan(200 * 1024);
  });

  it.each<readonly [string, Parameters<typeof ask>[1], string, number]>([
    ['another host’s name', { headers: { host: 'evil.example' } }, '/', 403],
    ['another port', { headers: { host: '127.0.0.1:1' } }, '/', 403],
    [
      'another page',
      {
        method: 'POST',
        headers: { origin: 'https://evil.example', 'content-type': 'application/json' },
        body: '{"name":"push"}',
      },
      '/api/switch',
      403,
    ],
    [
      'no page at all',
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"push"}' },
      '/api/switch',
      403,
    ],
    ['somebody without the session', { headers: { authorization: 'Bearer x' } }, '/api/events', 401],
    ['somebody with nothing', { headers: { authorization: '' } }, '/api/runs/run-1', 401],
  ])('answers nothing to %s', async (_what, options, path, status) => {
    const { status: answered, body } = await ask(path, options);
    expect([answered, body.length < 100]).toEqual([status, true]);
  });

  it.each<readonly [string, Record<string, string>, string, number]>([
    ['a form', { 'content-type': 'text/plain' }, '{"name":"push"}', 415],
    ['what is no JSON', {}, 'push', 400],
    ['a switch that there is not', {}, '{"name":"constructor","value":"x"}', 404],
    ['what every object inherits', {}, '{"name":"constructor","value":"name"}', 404],
    ['a position that there is not', {}, '{"name":"runpod","value":"toString"}', 404],
    ['more than a switch', {}, JSON.stringify({ name: 'x'.repeat(2000) }), 413],
  ])('turns no switch for %s', async (_what, headers, body, status) => {
    const more = {
      origin: served.origin,
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    };
    expect((await ask('/api/switch', { method: 'POST', headers: { ...more, ...headers }, body })).status).toBe(status);
  });

  it.each([
    ['/nothing', 404],
    ['/api/runs/%E0%A4%A', 400],
    ['/api/runs/none', 404],
    ['/../package.json', 404],
  ])('has nothing at %s', async (path, status) => {
    expect((await ask(path)).status).toBe(status);
  });

  it('shows what went into a state and came out of it, with the token sealed', async () => {
    const path = '/api/runs/run-1/states/UpdateRunpod';
    await expect.poll(async () => (await ask(path)).body, { timeout: 20_000 }).toContain('"output"');
    expect(JSON.parse((await ask(path)).body)).toMatchObject({
      run: 'run-1',
      state: 'UpdateRunpod',
      input: { token: { sealed: expect.stringMatching(/^v2\./) } },
    });
    const opened = JSON.parse((await ask('/api/runs/run-1')).body);
    expect(opened).toMatchObject({ run: 'run-1', machine: 'refresh', trigger: 'schedule' });
    expect(JSON.stringify(opened)).not.toContain('sealed');
  });
});

describe('the events', () => {
  /** The first message of the stream, for a page that has heard the batch of a number. */
  const listen = (lastEventId?: string): Promise<{ readonly id: number; readonly isWhole: boolean }> =>
    new Promise((resolve, reject) => {
      const heard = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
      const sent = request(
        new URL('/api/events', served.origin),
        { headers: { authorization: `Bearer ${session}`, ...heard } },
        (answer) => {
          let received = '';
          answer.on('data', (chunk: Buffer) => {
            received += chunk.toString();
            const [, id, data] = /id: (\d+)\ndata: (.+)\n\n/.exec(received) ?? [];
            if (data === undefined) return;
            sent.destroy();
            resolve({ id: Number(id), isWhole: (JSON.parse(data) as { isWhole: boolean }).isWhole });
          });
        },
      );
      sent.on('error', reject);
      sent.end();
    });

  it('are everything for a newcomer, and what it missed for one that comes back', async () => {
    const first = await listen();
    expect(first.isWhole).toBe(true);
    expect(await listen(String(first.id))).toEqual({ id: first.id + 1, isWhole: false });
    expect((await listen('nonsense')).isWhole).toBe(true);
  });

  it('reach a page that reads late, however much they are, over the same connection', async () => {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { authorization: `Bearer ${session}` };
      request(new URL('/api/events', served.origin), { headers }, resolve).on('error', reject).end();
    });
    for (let batch = 0; batch < 30; batch += 1) {
      for (let index = 0; index < 5; index += 1) {
        source.eventLog.put('alarms', {
          id: `late-${batch}-${index}-${'x'.repeat(100_000)}`,
          isOpen: false,
          description: '',
        });
      }
      source.eventLog.flush();
      await setImmediate();
    }
    const heard = new Set<string>();
    let received = '';
    for await (const chunk of answer) {
      received += String(chunk);
      for (const [id] of received.matchAll(/late-\d+-\d-/g)) heard.add(id);
      received = received.slice(-20);
      if (heard.has('late-29-4-')) break;
    }
    expect(heard.size).toBe(150);
    for (const { id } of source.eventLog.all('alarms'))
      if (id.startsWith('late-')) source.eventLog.remove('alarms', id);
  });
});

describe('the drawing', () => {
  it('has every state and every way between two, from the file that ships', async () => {
    const drawing = await layOut(definition());
    const names = [...JSON.stringify(definition()).matchAll(/"(\w+)":\{"(?:Comment":"(?:[^"\\]|\\.)*",")?Type":/g)].map(
      ([, name]) => name ?? '',
    );
    expect(drawing.nodes.map(({ id }) => id).sort()).toEqual(names.sort());
    expect(
      drawing.edges.some(({ from, to, kind }) => from === 'FetchToken' && to === 'PlanRetry' && kind === 'catch'),
    ).toBe(true);
    for (const { points } of drawing.edges) expect(points.length).toBeGreaterThan(1);
  });

  it('lays no state over another', async () => {
    const { nodes } = await layOut(definition());
    const states = nodes.filter(({ isGroup }) => !isGroup);
    const overlaps = states.flatMap((one) =>
      states.filter(
        (other) =>
          other.id < one.id &&
          one.x < other.x + other.width &&
          other.x < one.x + one.width &&
          one.y < other.y + other.height &&
          other.y < one.y + one.height,
      ),
    );
    expect(overlaps).toEqual([]);
  });
});
