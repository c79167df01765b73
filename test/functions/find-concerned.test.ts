import { describe, expect, it } from 'vitest';
import { createFindConcerned } from '../../functions/find-concerned.ts';
import { RunpodUnavailableError } from '../../functions/lib/errors.ts';
import type { PushWindow } from '../../functions/lib/memory/push-window.ts';
import type { Endpoint } from '../../functions/lib/runpod/management.ts';
import type { Target } from '../../functions/lib/targets.ts';

const noon = Date.parse('2026-11-23T12:00:00Z');
const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
const target = (name: string, apiKey: string, registryId = name): Target => ({
  name,
  ecr: { region: 'us-east-1' },
  runpod: { apiKey, registry: registryId },
});
const endpoint = (id: string, repository: string, credential: string): Endpoint => ({
  id,
  name: id,
  image: `${registry}/${repository}:v1`,
  registry: credential,
  workers: { max: 3 },
});
const event = (...names: string[]) => ({
  resolved: {
    trigger: 'push',
    names,
    giveUpAt: '2026-11-23T16:30:00Z',
    pushed: { account: '123456789012', region: 'us-east-1', waitUntil: noon },
  },
});

/** Runpod, by key, and what was asked of it. */
const begin = (endpoints: Record<string, readonly Endpoint[] | Error>, targets: readonly Target[]) => {
  const world = {
    asked: [] as string[],
    windows: [] as PushWindow[],
    errors: [] as string[],
    now: noon,
    /** What listing a key's endpoints takes. */
    listMs: 0,
    pushed: (): Promise<ReadonlySet<string>> => Promise.resolve(new Set(['team/worker'])),
    find: (...names: string[]) => find(event(...names)),
  };
  const find = createFindConcerned({
    loadTargets: () => targets,
    repositoriesOf: (window) => {
      world.windows.push(window);
      return world.pushed();
    },
    listEndpoints: async (key) => {
      world.asked.push(key);
      world.now += world.listMs;
      const found = endpoints[key] ?? [];
      if (found instanceof Error) throw found;
      return found;
    },
    requestsPerMinute: 60,
    now: () => world.now,
    log: { info: () => {}, error: (message) => void world.errors.push(message) },
  });
  return world;
};

describe('the targets that a push concerns', () => {
  const targets = [target('one', 'ssm:/a'), target('two', 'ssm:/a'), target('three', 'ssm:/b')];
  const endpoints = {
    'ssm:/a': [endpoint('1', 'team/worker', 'one'), endpoint('2', 'team/other', 'two')],
    'ssm:/b': [endpoint('3', 'team/worker', 'three')],
  };

  it('are those with an endpoint of it, and each key is asked once', async () => {
    const world = begin(endpoints, targets);
    const { resolved, concerned } = await world.find('one', 'two', 'three');
    expect(concerned).toBe(2);
    expect(resolved).toMatchObject({
      trigger: 'push',
      giveUpAt: '2026-11-23T16:30:00Z',
      names: ['one', 'three'],
      concernsAll: false,
      outcomes: [{ name: 'one' }, { name: 'three' }],
    });
    expect(resolved).not.toHaveProperty('pushed');
    expect(world.asked).toEqual(['ssm:/a', 'ssm:/b']);
    expect(world.windows).toEqual([{ account: '123456789012', region: 'us-east-1', waitUntil: noon }]);
  });

  it('are of those that were asked for alone', async () => {
    const world = begin(endpoints, targets);
    expect(await world.find('two')).toMatchObject({ concerned: 0, resolved: { names: [] } });
    expect(world.asked).toEqual(['ssm:/a']);
    expect(await world.find()).toMatchObject({ concerned: 0 });
    expect(await world.find('gone')).toMatchObject({ concerned: 0 });
    expect(world.asked).toEqual(['ssm:/a']);
  });

  it('may be any of the registry where nobody knows what was pushed', async () => {
    const world = begin(endpoints, targets);
    world.pushed = () => Promise.reject(new Error('no memory'));
    expect(await world.find('one', 'two', 'three')).toMatchObject({ concerned: 3 });
    expect(world.errors).toEqual(['What was pushed is not known, so it may be anything']);
  });

  it('are left to the schedule where their key cannot be asked, and the run fails where none can', async () => {
    const down = new RunpodUnavailableError('Runpod is down.');
    const world = begin({ ...endpoints, 'ssm:/a': down }, targets);
    expect(await world.find('one', 'two', 'three')).toMatchObject({ concerned: 1, resolved: { names: ['three'] } });
    expect(world.errors).toEqual([
      'Whom a push concerns could not be asked of Runpod; its targets are left to the schedule',
    ]);
    await expect(world.find('one', 'two')).rejects.toBe(down);
  });

  it('are of the keys that could be asked within four minutes', async () => {
    const many = Array.from({ length: 12 }, (_, index) => target(`t${index}`, `ssm:/${index}`));
    const all = many.map(({ name, runpod }) => [runpod.apiKey, [endpoint(name, 'team/worker', name)]] as const);
    const world = begin(Object.fromEntries(all), many);
    world.listMs = 30_000;
    expect(await world.find(...many.map(({ name }) => name))).toMatchObject({ concerned: 8 });
    expect(world.asked).toHaveLength(8);
  });
});
