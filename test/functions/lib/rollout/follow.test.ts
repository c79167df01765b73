import { describe, expect, it } from 'vitest';
import type { StartAnswer } from '../../../../functions/lib/aws/start-execution.ts';
import { PullError } from '../../../../functions/lib/ecr/registry.ts';
import { RefreshNotStartedError } from '../../../../functions/lib/errors.ts';
import { createFollow } from '../../../../functions/lib/rollout/follow.ts';
import type { Follower } from '../../../../functions/lib/rollout/followers.ts';
import { createProcessMemory } from '../../../../functions/lib/rollout/memory.ts';
import { endRollout, firstRecord } from '../../../../functions/lib/rollout/record.ts';

const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
const repository = `${registry}/team/worker`;
const digestOf = (letter: string): string => `sha256:${letter.repeat(64)}`;
const pinned = (letter: string, tag = 'production'): string => `${repository}:${tag}@${digestOf(letter)}`;
const now = Date.parse('2026-11-23T12:00:00Z');
const token = { username: 'AWS', password: 'secret' };
const target = { name: 'production', ecr: { region: 'us-east-1' }, runpod: { apiKey: 'ssm:/k', registry: 'cred' } };
const follower: Follower = { id: 'ep', settings: { tag: 'production', proveWithinMinutes: 20 }, target };
const waiting: Follower = {
  id: 'later',
  settings: { tag: 'production', after: 'ep', proveWithinMinutes: 20 },
  target: { ...target, name: 'later' },
};

/** An endpoint that has `a`, while `b` is behind its tag. */
const begin = async () => {
  const memory = createProcessMemory();
  await memory.change('ep', () => firstRecord({ image: pinned('a'), digest: digestOf('a') }));
  interface Changing {
    problem?: Error;
    answers: Array<StartAnswer | Error>;
    started: object[];
    errors: string[];
  }
  const changing: Changing = { answers: [], started: [], errors: [] };
  const world = Object.assign(changing, {
    memory,
    images: [
      { digest: digestOf('a'), tags: ['v1'], pushedAt: now - 2000 },
      { digest: digestOf('b'), tags: ['production'], pushedAt: now - 1000 },
    ],
    image: pinned('a'),
    record: () => memory.read('ep'),
    run: (execution: string, which = follower) => {
      const seen = { image: world.image, seenAt: now, execution, registry };
      return follow(which, seen, [follower, waiting], token);
    },
  });
  const follow = createFollow({
    registryClient: {
      tryImage: async () => {
        if (world.problem !== undefined) throw world.problem;
        return { digest: digestOf('b'), sizeInBytes: 1, layers: 1 };
      },
      tryToken: async () => {},
    },
    listImages: async () => world.images,
    memory,
    startExecution: async (_name, input) => {
      world.started.push(input);
      const answer = world.answers.shift() ?? 'started';
      if (answer instanceof Error) throw answer;
      return answer;
    },
    now: () => now,
    log: { info: () => {}, error: (message) => void world.errors.push(message) },
  });
  return world;
};

const noAmd64 = () => new PullError('no-linux-amd64', 'team/worker:production cannot run: it is for linux/arm64');

describe('an endpoint that follows what is pushed', () => {
  it('has its rollout claimed and started, with whom it holds up', async () => {
    const world = await begin();
    expect(await world.run('one')).toEqual({
      endpoint: 'ep',
      state: 'rolling',
      why: expect.stringContaining('is wanted'),
      runs: expect.stringContaining('aaaaaaaaaaaa'),
      wanted: expect.stringContaining('bbbbbbbbbbbb'),
    });
    expect(world.started).toEqual([
      expect.objectContaining({ endpoint: 'ep', attempt: 1, digest: digestOf('b'), waiting: ['later'] }),
    ]);
    expect((await world.record())?.current).toMatchObject({ digest: digestOf('b'), phase: 'planned', startedAt: now });
  });

  it('goes on under the next number where its execution has ended without an end, a few times', async () => {
    const world = await begin();
    world.answers = ['ended', 'ended', 'started'];
    await world.run('one');
    expect(world.started).toEqual([1, 2, 3].map((attempt) => expect.objectContaining({ attempt })));
    expect(await world.record()).toMatchObject({ attempts: 3, current: { attempt: 3 } });

    world.answers = ['ended', 'ended', 'ended', 'ended', 'ended'];
    await world.run('two');
    expect(world.started).toHaveLength(8);
  });

  it('is left to the next run where its execution cannot be started', async () => {
    const world = await begin();
    world.answers = [new RefreshNotStartedError('Step Functions did not answer.')];
    expect(await world.run('one')).toMatchObject({
      state: 'rolling',
      why: expect.stringContaining('its execution could not be started, and the next run does'),
    });
    expect(world.errors).toEqual(['The rollout of endpoint ep could not be started']);
    await world.run('two');
    expect(world.started).toHaveLength(2);
  });

  it('is not given what cannot be pulled, and people hear of it once, and of its end', async () => {
    const world = await begin();
    world.problem = noAmd64();
    const told = { state: 'no image', why: expect.stringContaining('is not rolled out'), isTold: true };
    expect(await world.run('one')).toMatchObject(told);
    expect(await world.run('two')).not.toHaveProperty('isTold');
    expect(world.started).toEqual([]);
    expect(await world.record()).toMatchObject({ told: `not pullable ${digestOf('b')}` });

    world.images = [{ digest: digestOf('a'), tags: ['production'], pushedAt: now }];
    expect(await world.run('three')).toMatchObject({ state: 'current', isTold: true });
    expect(await world.run('four')).not.toHaveProperty('isTold');
    expect((await world.record())?.told).toBeUndefined();
  });

  it('goes on with what is under way while what is wanted now cannot be pulled, and tells of that afterwards', async () => {
    const world = await begin();
    world.answers = [new RefreshNotStartedError('Step Functions did not answer.')];
    await world.run('one');
    world.images.push({ digest: digestOf('c'), tags: ['production'], pushedAt: now });
    world.images[1] = { digest: digestOf('b'), tags: [], pushedAt: now - 1000 };
    world.problem = noAmd64();
    const goingOn = await world.run('two');
    expect(goingOn).toMatchObject({
      state: 'rolling',
      why: expect.stringMatching(/b{12}.* is under way; .*c{12}.* is not rolled out/),
    });
    expect(goingOn).not.toHaveProperty('isTold');
    expect(world.started).toHaveLength(2);
    expect(world.started[1]).toMatchObject({ attempt: 1, digest: digestOf('b') });

    await world.memory.change(
      'ep',
      (before) => before && endRollout(before, 'unproved', 'no worker had to start', now),
    );
    expect(await world.run('three')).toMatchObject({ state: 'no image', isTold: true });
    expect(world.started).toHaveLength(2);
  });

  it('is told of again in the same run, whose report nobody has seen where its function is asked once more', async () => {
    const world = await begin();
    world.problem = noAmd64();
    expect(await world.run('one')).toHaveProperty('isTold');
    expect(await world.run('one')).toHaveProperty('isTold');
    world.images = [{ digest: digestOf('a'), tags: ['production'], pushedAt: now }];
    expect(await world.run('two')).toHaveProperty('isTold');
    expect(await world.run('two')).toHaveProperty('isTold');
    expect(await world.run('three')).not.toHaveProperty('isTold');
  });

  it('is tried by the next run, where another image is wanted by the time that one was tried', async () => {
    const world = await begin();
    const { memory } = world;
    const { change } = memory;
    let isFirst = true;
    // Somebody else remembers meanwhile that the wanted image was refused.
    Object.assign(memory, {
      change: async (...[id, write]: Parameters<typeof change>) => {
        if (isFirst) {
          isFirst = false;
          const refused = {
            image: pinned('b'),
            digest: digestOf('b'),
            at: now,
            by: 'workers' as const,
            why: 'it ends',
          };
          await change(id, (before) => before && { ...before, refused: [refused] });
        }
        return change(id, write);
      },
    });
    expect(await world.run('one')).toMatchObject({ state: 'refused', why: expect.stringContaining('it ends') });
    expect(world.started).toEqual([]);
  });

  it('fails where the registry’s answer is none of an image', async () => {
    const world = await begin();
    world.problem = new TypeError('ours');
    expect(await world.run('one')).toEqual({ endpoint: 'ep', state: 'unknown', why: 'ours' });
    expect(world.errors).toEqual(['What endpoint ep wants could not be found']);
  });

  it('is begun with by the next run, where it may be only by the time that nothing was tried', async () => {
    const world = await begin();
    const { read } = world.memory;
    let isHeld = true;
    Object.assign(world.memory, {
      read: async (id: string) => {
        const record = await read(id);
        const held = isHeld && record !== undefined ? { ...record, heldSince: now } : record;
        isHeld = false;
        return held;
      },
    });
    expect(await world.run('one')).toEqual({
      endpoint: 'ep',
      state: 'no image',
      why: 'what is wanted now is tried by the next run',
      runs: expect.stringContaining('aaaaaaaaaaaa'),
      wanted: expect.stringContaining('bbbbbbbbbbbb'),
    });
    expect([world.started, (await world.record())?.current]).toEqual([[], undefined]);
    expect(await world.run('two')).toMatchObject({ state: 'rolling' });
  });

  it.each([
    ['', 'Runpod shows no such endpoint, or none with an image'],
    ['docker.io/library/nginx:1', `its image is none of ${registry}`],
    ['no reference', `its image is none of ${registry}`],
  ])('whose image is "%s" is not rolled out, and what is under way finds so', async (image, why) => {
    const world = await begin();
    await world.run('one');
    world.image = image;
    expect(await world.run('two')).toEqual({ endpoint: 'ep', state: 'no image', why });
    expect(world.started).toHaveLength(2);
  });

  it('is given what the one that it waits for has proven', async () => {
    const world = await begin();
    await world.memory.change('later', () => firstRecord({ image: pinned('a'), digest: digestOf('a') }));
    expect(await world.run('one', waiting)).toMatchObject({ state: 'waiting', why: 'ep has proven none yet' });
    expect(world.started).toEqual([]);
    await world.memory.change(
      'ep',
      (before) => before && { ...before, proven: [{ image: pinned('b'), digest: digestOf('b'), at: now }] },
    );
    expect(await world.run('two', waiting)).toMatchObject({ endpoint: 'later', state: 'rolling' });
    expect(world.started).toEqual([expect.objectContaining({ endpoint: 'later', waiting: [] })]);
  });

  it('is not started again where nothing of it is under way, nor numbered anew where another has done so', async () => {
    const world = await begin();
    world.images = [{ digest: digestOf('a'), tags: ['production'], pushedAt: now }];
    await world.run('one');
    expect(world.started).toEqual([]);

    const other = await begin();
    other.answers = ['ended', 'started'];
    const { change } = other.memory;
    let changes = 0;
    Object.assign(other.memory, {
      change: async (...[id, write]: Parameters<typeof change>) => {
        changes += 1;
        // Another refresh has given it the next number in between.
        if (changes === 2) {
          await change(
            id,
            (before) => before?.current && { ...before, attempts: 9, current: { ...before.current, attempt: 9 } },
          );
        }
        return change(id, write);
      },
    });
    await other.run('one');
    expect(other.started).toEqual([expect.objectContaining({ attempt: 1 }), expect.objectContaining({ attempt: 9 })]);
    expect(await other.record()).toMatchObject({ attempts: 9, current: { attempt: 9 } });
  });
});
