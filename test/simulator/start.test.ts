import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { createPacedPrint, play } from '../../simulator/play.ts';

const startWith = (environment: Record<string, string>, ...words: string[]) =>
  spawnSync(process.execPath, ['simulator/start.ts', ...words], {
    encoding: 'utf8',
    cwd: new URL('../..', import.meta.url).pathname,
    env: { ...process.env, ...environment },
  });

const start = (...words: string[]) => startWith({}, ...words);

describe('what is printed at a pace', () => {
  it('comes in order, with a pause after each line that is not empty, and nothing waits for it', async () => {
    const happened: string[] = [];
    const { print, printed } = createPacedPrint(
      (text) => void happened.push(text),
      async () => void happened.push('pause'),
    );
    for (const line of ['one', '', 'two']) print(line);
    expect(happened).toEqual([]);
    await printed();
    expect(happened).toEqual(['one\n', 'pause', '\n', 'two\n', 'pause']);
  });
});

describe('npm start', () => {
  it('plays every scenario, ends with 0 because all of it happened, and heeds none of the caller’s AWS variables', () => {
    const { status, stdout, stderr } = startWith({
      AWS_ENDPOINT_URL_KMS: 'http://127.0.0.1:1',
      AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true',
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    for (const said of [
      'Your authorization token has expired',
      'Status: Downloaded newer image',
      'three events started one refresh',
      'runpod-ecr-refresh: production delayed',
      'production recovered',
      'All of it happened',
    ]) {
      expect(stdout).toContain(said);
    }
    expect(stdout).not.toContain('\u001b[');
  });

  it.each(['expired', 'push', 'outage'] as const)('runs the part %s alone, as JSON for machines', async (scenario) => {
    let printed = '';
    const status = await play({ scenario, json: true }, { write: (text) => (printed += text) });
    expect(status).toBe(0);
    const events = printed
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string; happened?: boolean; name?: string });
    expect(events[0]).toMatchObject({ kind: 'scenario', name: scenario });
    const promises = events.filter(({ kind }) => kind === 'promise');
    expect(promises.length).toBeGreaterThan(2);
    expect(promises.every(({ happened }) => happened)).toBe(true);
  });

  it('says how it is called', () => {
    expect(start('--help')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('--scenario expired|push|outage'),
    });
    expect(start('--scenario', 'nonsense')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(
        "argument 'nonsense' is invalid. Allowed choices are expired, push, outage, rollout.",
      ),
    });
    expect(start('--nonsense')).toMatchObject({ status: 2 });
  });
});
