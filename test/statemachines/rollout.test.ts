import { afterEach, describe, expect, it } from 'vitest';
import { statesOf, type World } from '../../simulator/world.ts';
import { beginFollowing, digestOfTag, pinned, rollOut } from '../support/rollouts.ts';

let world: World;
afterEach(() => world.end());

const lastRollout = (of: World) => [...of.rollouts.executions.values()].at(-1);

describe('a rollout', () => {
  it('gives an endpoint the image that its tag names now, and proves it', async () => {
    const begun = await beginFollowing();
    world = begun.world;
    expect(world.rollouts.executions.size).toBe(0);
    world.push('team/worker', 'production');
    await rollOut(world);
    expect(world.logs.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(begun.endpoint.image).toBe(pinned('production', await digestOfTag(world, 'production')));
    const execution = lastRollout(world);
    expect(statesOf(execution as never)).toEqual([]);
  });
});
