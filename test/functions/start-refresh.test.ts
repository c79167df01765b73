import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StartAnswer } from '../../functions/lib/aws/start-execution.ts';
import { createStartRefresh } from '../../functions/start-refresh.ts';
import { World } from '../../simulator/world.ts';

const push = { account: '123456789012', region: 'us-east-1', detail: { 'image-tag': 'v1' } };

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
          waitUntil: '2026-11-23T17:41:00Z',
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

  it('gives up, for Lambda to try again, where every name has ended', async () => {
    const startRefresh = createStartRefresh({
      startExecution: (): Promise<StartAnswer> => Promise.resolve('ended'),
      now: () => 0,
      windowSeconds: 60,
    });
    await expect(startRefresh(push)).rejects.toMatchObject({ name: 'RefreshNotStartedError' });
  });

  it.each([
    [{}, /account: expected a string/],
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
    const { execution } = (await world.invoke('start-refresh', {
      account: '123456789012',
      region: 'ap-southeast-10',
    })) as { execution: string };
    expect(`${execution}-5`.length).toBeLessThanOrEqual(80);
  });
});
