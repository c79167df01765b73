import { describe, expect, it } from 'vitest';
import { createProcessMemory } from '../../functions/lib/rollout/memory.ts';
import { claim, firstRecord } from '../../functions/lib/rollout/record.ts';
import type { Target } from '../../functions/lib/targets.ts';
import { createStartRollouts } from '../../functions/start-rollouts.ts';

const noon = Date.parse('2026-11-23T12:00:00Z');
const hourMs = 3_600_000;
const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
const digestOf = (letter: string): string => `sha256:${letter.repeat(64)}`;
const image = `${registry}/team/worker:v1`;

const target = (name: string, ...ids: string[]): Target => ({
  name,
  ecr: { region: 'us-east-1' },
  runpod: { apiKey: 'ssm:/k', registry: name },
  endpoints: ids.map((id) => ({ id, rollout: { tag: 'production', proveWithinMinutes: 20 } })),
});
const inputOf = (name: string, endpoints: Record<string, string>) => ({
  execution: 'arn:run',
  target: name,
  credential: name,
  expiresAt: '2026-11-24T00:00:00Z',
  sealed: 'sealed',
  registry,
  endpoints: Object.entries(endpoints).map(([id, each]) => ({ id, image: each, seenAt: '2026-11-23T12:00:00Z' })),
});

const begin = (...targets: Target[]) => {
  const memory = createProcessMemory();
  const world = {
    memory,
    now: noon,
    /** What listing a repository's images takes, or why it fails. */
    listMs: 0,
    failure: undefined as Error | undefined,
    /** Why the token cannot be opened. */
    sealed: undefined as Error | undefined,
    opened: [] as unknown[],
    listed: [] as string[],
    started: [] as object[],
    errors: [] as string[],
    run: (name: string, endpoints: Record<string, string>) => start(inputOf(name, endpoints)),
    has: (id: string) => memory.change(id, () => firstRecord({ image, digest: digestOf('a') })),
  };
  const start = createStartRollouts({
    loadTargets: () => targets,
    unseal: async (sealed, context) => {
      world.opened.push([sealed, context]);
      if (world.sealed !== undefined) throw world.sealed;
      return { username: 'AWS', password: 'secret' };
    },
    registryClient: {
      tryImage: async () => ({ digest: digestOf('b'), sizeInBytes: 1, layers: 1 }),
      tryToken: async () => {},
    },
    listImages: async (_, repository) => {
      world.listed.push(repository);
      world.now += world.listMs;
      if (world.failure !== undefined) throw world.failure;
      return [
        { digest: digestOf('a'), tags: ['v1'], pushedAt: noon - 2 },
        { digest: digestOf('b'), tags: ['production'], pushedAt: noon - 1 },
      ];
    },
    memory,
    startExecution: async (_, input) => {
      world.started.push(input);
      return 'started';
    },
    now: () => world.now,
    log: { info: () => {}, error: (message) => void world.errors.push(message) },
  });
  return world;
};

describe('a run that starts rollouts', () => {
  it('starts those of its own target’s endpoints, with the token opened for that', async () => {
    const world = begin(target('one', 'a', 'b'), target('two', 'c'));
    for (const id of ['a', 'b', 'c']) await world.has(id);
    const { rollouts } = await world.run('one', { a: image, b: image, c: image });
    expect(rollouts.map(({ endpoint, state }) => [endpoint, state])).toEqual([
      ['a', 'rolling'],
      ['b', 'rolling'],
    ]);
    expect(world.started).toMatchObject([{ endpoint: 'a', digest: digestOf('b') }, { endpoint: 'b' }]);
    expect(world.listed).toEqual(['team/worker', 'team/worker']);
    expect(world.opened).toEqual([
      ['sealed', { execution: 'arn:run', target: 'one', credential: 'one', expiresAt: '2026-11-24T00:00:00Z' }],
    ]);
  });

  it.each([
    [
      'of another registry',
      { a: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/worker:v1' },
      `its image is none of ${registry}`,
    ],
    ['that nothing can read', { a: 'https://team' }, `its image is none of ${registry}`],
    ['of an endpoint that the run has not seen', {}, 'Runpod shows no such endpoint, or none with an image'],
    ['of an endpoint that has none', { a: '' }, 'Runpod shows no such endpoint, or none with an image'],
  ])('starts none for an image %s', async (_what, endpoints, why) => {
    const world = begin(target('one', 'a'));
    await world.has('a');
    const { rollouts } = await world.run('one', endpoints);
    expect(rollouts).toMatchObject([{ endpoint: 'a', state: 'no image', why }]);
    expect([world.started, world.listed]).toEqual([[], []]);
  });

  it('goes on with the others where one cannot be found out', async () => {
    const world = begin(target('one', 'a', 'b'));
    await world.has('b');
    world.failure = new Error('ECR is down');
    const { rollouts } = await world.run('one', { a: image, b: image });
    expect(rollouts).toEqual([
      { endpoint: 'a', state: 'unknown', why: 'ECR is down' },
      { endpoint: 'b', state: 'unknown', why: 'ECR is down' },
    ]);
    expect(world.errors).toEqual([
      'What endpoint a wants could not be found',
      'What endpoint b wants could not be found',
    ]);
  });

  it('begins with none after six minutes', async () => {
    const world = begin(target('one', 'a', 'b', 'c'));
    world.listMs = 3 * 60_000;
    const { rollouts } = await world.run('one', { a: image, b: image, c: image });
    expect(rollouts.map(({ state }) => state)).toEqual(['recorded', 'recorded', 'unknown']);
    expect(rollouts[2]?.why).toBe('there was no time for it; the next run looks');
  });

  it('ends, for the first target alone, what is under way for an endpoint that follows nothing', async () => {
    const world = begin(target('one', 'a'), target('two', 'b'));
    await world.memory.change('gone', () =>
      claim(
        firstRecord({ image, digest: digestOf('a') }),
        { image, digest: digestOf('b'), pushedAt: noon - 5 * hourMs },
        noon - 4 * hourMs,
      ),
    );
    expect((await world.run('two', {})).rollouts.map(({ endpoint }) => endpoint)).toEqual(['b']);
    const { rollouts } = await world.run('one', {});
    expect(rollouts).toMatchObject([{ endpoint: 'a' }, { endpoint: 'gone', state: 'unwatched', isTold: true }]);
    expect((await world.memory.read('gone'))?.current).toBeUndefined();
  });

  it('ends none where the token cannot be opened: nobody would hear of it', async () => {
    const world = begin(target('one', 'a'));
    await world.memory.change('gone', () =>
      claim(
        firstRecord({ image, digest: digestOf('a') }),
        { image, digest: digestOf('b'), pushedAt: noon - 5 * hourMs },
        noon - 4 * hourMs,
      ),
    );
    world.sealed = new Error('KMS is away');
    await expect(world.run('one', {})).rejects.toBe(world.sealed);
    expect((await world.memory.read('gone'))?.current).toBeDefined();
  });

  it('does all else where these cannot be read', async () => {
    const world = begin(target('one', 'a'));
    world.memory.readAll = () => Promise.reject(new Error('no memory'));
    expect((await world.run('one', { a: image })).rollouts).toMatchObject([{ endpoint: 'a', state: 'recorded' }]);
    expect(world.errors).toEqual(['Rollouts of endpoints that follow nothing could not be read']);
  });

  it('does nothing without targets', async () => {
    expect(await begin().run('one', {})).toEqual({ rollouts: [] });
  });
});
