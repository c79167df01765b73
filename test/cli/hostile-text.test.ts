import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registryHost, World } from '../../simulator/world.ts';
import { run } from '../support/command.ts';

/** Escapes, C1 controls, what turns the reading direction round, what ends a line, and what nobody sees. */
const hostile =
  'serve\u001b[31m\u001b]0;title\u0007\u009b2J\u0085\u202e\u2066\u2028\u2029\u200b\ufeff\u00ad\u{e0041}\u0000\u007f end';
/** What keeps links and mentions of others' making apart in messages. */
const wordJoiner = '\u2060';
const obeyed = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

let world: World;

beforeAll(async () => {
  world = await World.begin();
  const image = world.push('team/worker', 'v1');
  const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: hostile, image, registry: '6n2k8v4d' });
  world.runpod.addEndpoint({
    id: '8h3j5l1p',
    name: `other ${hostile}`,
    image: `${image}${hostile}`,
    registry: '6n2k8v4d',
  });
  world.runpod.addEndpoint({
    id: '2b9c4d7f',
    name: hostile,
    image: `${registryHost}/team/gone:v1`,
    registry: '6n2k8v4d',
  });
  world.runpod.addEndpoint({ id: '3c8d5e6g', name: hostile, image: `docker.io/${hostile}`, registry: null });
  world.runpod.createPod({
    name: hostile,
    image: `${image}${hostile}`,
    registry: '6n2k8v4d',
    cpu: { id: 'cpu3c', vcpuCount: 2 },
  });
  const worker = world.runpod.startWorker(endpoint);
  worker.terminate();
  const ts = new Date(Date.now() - 60_000).toISOString();
  worker.lines.push({ id: `${ts}/1`, ts, line: `error pulling image: ${hostile}` });
  await world.refresh({ trigger: 'schedule' });
});
afterAll(() => world.end());

describe('text of Runpod’s that a terminal would obey', () => {
  it.each([
    [['status']],
    [['status', '--json']],
    [['doctor']],
    [['doctor', '--json']],
    [['refresh', '--dry-run']],
    [['refresh', '--dry-run', '--json']],
  ])('comes out of %j plain', async (words) => {
    const { printed, printedErrors } = await run(world, words, { environment: { COLUMNS: '400' } });
    expect(printed).not.toBe('');
    const lines = `${printed}${printedErrors}`.split('\n').filter((line) => obeyed.test(line));
    expect(lines).toEqual([]);
    // What is escaped in JSON is there again once it is read.
    if (words.includes('--json')) expect(printed).not.toMatch(/\\u00[01789]|\\u20[0-2]|\\u206|\\ufeff/i);
  });

  it('comes out of every message plain', () => {
    const told = world.sns.inbox.flatMap(({ subject, text, forms }) => [subject, text, ...Object.values(forms)]);
    expect(told.join('')).toContain('serve');
    const lines = told.flatMap((text) => text.split('\n')).map((line) => line.replaceAll(wordJoiner, ''));
    expect(lines.filter((line) => obeyed.test(line))).toEqual([]);
  });
});
