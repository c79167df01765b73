import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StartAnswer } from '../../functions/lib/aws/start-execution.ts';
import { createStartRefresh } from '../../functions/start-refresh.ts';
import { World } from '../../simulator/world.ts';

const push = {
  account: '123456789012',
  region: 'us-east-1',
  detail: { 'repository-name': 'team/worker', 'image-tag': 'v1' },
};

describe('start-refresh', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.begin({ startAt: Date.parse('2026-11-23T17:40:12.345Z') });
  });
  afterEach(() => world.end());

  it('starts one execution for all the pushes of a window, and another for the next', async () => {
    for (let count = 0; count < 20; count += 1) {
      expect(await world.invoke('start-refresh', { ...push, id: String(count) })).toMatchObject({ answer: 'started' });
      await world.clock.advance(2000);
    }
    expect([...world.stepFunctions.executions.values()].map(({ name, input }) => [name, JSON.parse(input)])).toEqual([
      [
        'push-123456789012-us-east-1-20261123T174000Z',
        {
          trigger: 'push',
          registry: { account: '123456789012', region: 'us-east-1' },
          waitUntil: '2026-11-23T17:41:05Z',
        },
      ],
    ]);
    await world.clock.advance(30_000);
    await world.invoke('start-refresh', push);
    expect(world.stepFunctions.executions.size).toBe(2);
  });

  it('lets a waiting execution of that name cover the push, although it was started otherwise', async () => {
    world.stepFunctions.start(
      'push-123456789012-us-east-1-20261123T174000Z',
      '{"trigger":"push","waitUntil":"2026-11-23T17:41:00Z"}',
    );
    expect(await world.invoke('start-refresh', push)).toMatchObject({ answer: 'waiting' });
    expect(world.stepFunctions.executions.size).toBe(1);
  });

  it('starts another where the execution of that name has ended before its window', async () => {
    await world.invoke('start-refresh', push);
    const [first] = world.stepFunctions.executions.values();
    first?.abort();
    await first?.ended;
    expect(await world.invoke('start-refresh', push)).toEqual({
      execution: 'push-123456789012-us-east-1-20261123T174000Z-2',
      answer: 'started',
    });
  });

  /** Asks at a moment, of a Step Functions that gives these answers. */
  const startAt = async (time: string, ...answers: StartAnswer[]) => {
    const asked: Array<readonly [string, object]> = [];
    const starting = createStartRefresh({
      loadTargets: () => world.targets,
      ownAccount: '123456789012',
      remember: async () => {},
      startExecution: async (name, input) => {
        asked.push([name, input]);
        return answers[asked.length - 1] ?? 'ended';
      },
      now: () => Date.parse(time),
      windowSeconds: 60,
    })(push);
    return { asked, ended: await starting.catch((error: unknown) => error) };
  };

  it('takes five names at most, and gives up, for Lambda to try again, where all have ended', async () => {
    const { asked, ended } = await startAt('2026-11-23T17:40:00Z');
    expect(asked.map(([name]) => name.replace(/^.*Z/, ''))).toEqual(['', '-2', '-3', '-4', '-5']);
    expect(ended).toMatchObject({ name: 'RefreshNotStartedError' });
    expect(await startAt('2026-11-23T17:40:00Z', 'ended', 'ended', 'ended', 'ended', 'waiting')).toMatchObject({
      ended: { execution: 'push-123456789012-us-east-1-20261123T174000Z-5', answer: 'waiting' },
    });
  });

  it.each([
    ['2026-11-23T17:39:59.999Z', '20261123T173900Z', '2026-11-23T17:40:05Z'],
    ['2026-11-23T17:40:00Z', '20261123T174000Z', '2026-11-23T17:41:05Z'],
    ['2026-11-23T17:40:59.999Z', '20261123T174000Z', '2026-11-23T17:41:05Z'],
    ['2026-11-23T17:41:00Z', '20261123T174100Z', '2026-11-23T17:42:05Z'],
  ])('counts a push at %s to the window %s', async (time, window, waitUntil) => {
    const { asked } = await startAt(time, 'started');
    expect(asked).toEqual([
      [
        `push-123456789012-us-east-1-${window}`,
        { trigger: 'push', registry: { account: '123456789012', region: 'us-east-1' }, waitUntil },
      ],
    ]);
  });

  it('starts nothing for a registry that no target has, and asks nobody', async () => {
    for (const registry of [{ account: '999999999999' }, { region: 'eu-west-1' }]) {
      expect(await world.invoke('start-refresh', { ...push, ...registry })).toEqual({ answer: 'no target' });
    }
    expect(world.stepFunctions.executions.size).toBe(0);
  });

  it('counts a push to the next window where the one that it came in has closed meanwhile', async () => {
    const asked: string[] = [];
    const remembered: number[] = [];
    let time = Date.parse('2026-11-23T17:40:59.900Z');
    const { execution } = await createStartRefresh({
      loadTargets: () => world.targets,
      ownAccount: '123456789012',
      remember: async ({ waitUntil }) => void remembered.push(waitUntil),
      startExecution: async (name) => {
        asked.push(name);
        time += 200;
        return 'started';
      },
      now: () => time,
      windowSeconds: 60,
    })(push);
    expect(asked.map((name) => name.slice(-7))).toEqual(['174000Z', '174100Z']);
    expect(execution).toBe(asked[1]);
    expect(remembered.map((at) => new Date(at).toISOString().slice(11, 19))).toEqual(['17:41:05', '17:42:05']);
  });

  it.each([
    [{}, /account: expected a string/],
    [{ ...push, detail: {} }, /repository-name: expected a string/],
    [{ ...push, detail: { 'repository-name': 'a'.repeat(257) } }, /repository-name: expected/],
    [{ account: '1', region: 'us-east-1' }, /account: expected an AWS account id of 12 digits/],
    [{ account: '123456789012', region: 'x"y' }, /region: expected an AWS region/],
    [null, /the document: expected a mapping/],
  ])('refuses %j, naming the field', async (event, message) => {
    await expect(world.invoke('start-refresh', event)).rejects.toMatchObject({
      name: 'InvalidInputError',
      message: expect.stringMatching(message),
    });
  });

  it('keeps names within what Step Functions takes, in the longest of regions', async () => {
    const registry = { account: '123456789012', region: 'ap-southeast-10' };
    world.writeTargets(`
targets:
  - { name: a, ecr: { region: ${registry.region} }, runpod: { apiKey: "ssm:/runpod-ecr-refresh/k", registry: r } }
`);
    const { execution } = (await world.invoke('start-refresh', { ...push, ...registry })) as { execution: string };
    expect(`${execution}-5`.length).toBeLessThanOrEqual(80);
  });
});
