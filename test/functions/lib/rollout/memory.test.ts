import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createProcessMemory,
  createRolloutMemory,
  type RolloutMemory,
} from '../../../../functions/lib/rollout/memory.ts';
import { firstRecord } from '../../../../functions/lib/rollout/record.ts';
import { isStopTold } from '../../../../functions/lib/rollout/stopped.ts';
import { World } from '../../../../simulator/world.ts';
import { createMemoryOf } from '../../../support/memories.ts';

const image = '123456789012.dkr.ecr.us-east-1.amazonaws.com/team/worker:v1';
const record = firstRecord({ image, digest: `sha256:${'a'.repeat(64)}` });
const execution = 'arn:aws:states:us-east-1:123456789012:execution:refresh-rollout:1';

let world: World;
beforeAll(async () => {
  world = await World.begin();
});
afterAll(() => world.end());

describe.each<readonly [string, () => RolloutMemory]>([
  ['the stack’s table', () => createRolloutMemory({ settings: world.platform().settings })],
  ['a process', createProcessMemory],
])('the memory of rollouts in %s', (_, create) => {
  it('knows nothing at first, and then what was written of each endpoint', async () => {
    const memory = create();
    expect(await memory.read('one')).toBeUndefined();
    expect(await memory.change('one', () => record)).toEqual(record);
    expect(await memory.change('one', (before) => before && { ...before, attempts: 7 })).toMatchObject({ attempts: 7 });
    await memory.change('two', () => record);
    expect(await memory.read('one')).toMatchObject({ attempts: 7 });
    expect([...(await memory.readAll()).keys()].toSorted()).toEqual(['one', 'two']);
  });

  it('stays as it is where it is handed back as it was, or not at all', async () => {
    const memory = create();
    expect(await memory.change('three', () => undefined)).toBeUndefined();
    expect(await memory.read('three')).toBeUndefined();
    await memory.change('three', () => record);
    expect(await memory.change('three', (before) => before)).toEqual(record);
    expect(await memory.read('three')).toEqual(record);
  });
});

it('is the one that a command brings, where it does', () => {
  const rolloutMemory = createProcessMemory();
  expect(createRolloutMemory({ settings: world.platform().settings, rolloutMemory })).toBe(rolloutMemory);
});

describe('an error that stopped an execution', () => {
  const tell = (memory: ReturnType<typeof createMemoryOf>, error = 'States.Timeout', by = execution) =>
    isStopTold(memory, { endpoint: 'ep', execution: by, error });

  it('is told once, by whichever execution, and again where it is another', async () => {
    const memory = createMemoryOf({ 'rollout ep': record });
    expect(await tell(memory)).toBe(false);
    expect(await tell(memory, 'States.Timeout', `${execution}2`)).toBe(true);
    expect(await tell(memory, 'RunpodUnavailableError', `${execution}3`)).toBe(false);
  });

  it('is told of an endpoint of which nothing is remembered', async () => {
    const memory = createMemoryOf();
    expect(await tell(memory)).toBe(false);
    expect(memory.records).toEqual({});
  });
});
