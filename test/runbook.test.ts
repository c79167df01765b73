import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { defined } from '../functions/lib/defined.ts';
import type { SimulatedEndpoint } from '../simulator/runpod/server.ts';
import { registryHost, World } from '../simulator/world.ts';
import { emptyFolder, run } from './support/command.ts';
import {
  beginFollowing,
  digestOfTag,
  followerId,
  followingTag,
  pinned,
  rollOut,
  rolloutRecord,
  settle,
  targetsFollowing,
} from './support/rollouts.ts';

const runbook = readFileSync(new URL('../docs/runbook.md', import.meta.url), 'utf8');
const sections = new Map(
  runbook
    .split(/^### /m)
    .slice(1)
    .map((text) => [text.slice(0, text.indexOf('\n')), text]),
);

/** What a person puts for the words in capitals. */
const words: Readonly<Record<string, string>> = { ENDPOINT: followerId, TAG: 'works', NAME: 'production' };

/** The commands of this project that a section names, in its order, as a person types them. */
const commandsOf = (section: string): string[][] =>
  [...(sections.get(section) ?? '').matchAll(/`npm run ([^`]+)`/g)].map(([, command = '']) =>
    command
      .replace(' -- ', ' ')
      .split(' ')
      .map((word) => words[word] ?? word),
  );

let world: World;
let endpoint: SimulatedEndpoint;
let folder: string;
const environment = { TARGETS_FILE: 'targets.yml' };
afterEach(() => world?.end());

const hourMs = 3_600_000;

/** Which of a section's commands its test has run. */
const followed = new Set<string>();

/** Runs one of the section's commands. `pick` is an option that no other of them has, or its last word. */
const follow = async (
  section: string,
  pick: string,
  { input }: { readonly input?: string } = {},
  ...more: string[]
) => {
  const found = commandsOf(section).filter(
    (command) => command.at(-1) === pick || (pick.startsWith('--') && command.includes(pick)),
  );
  expect(found, `the command with ${pick} in section ${section}`).toHaveLength(1);
  followed.add(found.join());
  return world.clock.until(
    run(world, [...(found[0] ?? []), ...more], { clock: world.clock, folder, environment, ...defined({ input }) }),
  );
};

const targetsYml = `targets:
  - name: production
    ecr: { region: us-east-1 }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d }
`;
const enter = (targets: string): void => {
  folder = emptyFolder();
  writeFileSync(join(folder, 'targets.yml'), targets);
};

const begin = async (): Promise<void> => {
  world = await World.begin({ targets: targetsYml });
  enter(targetsYml);
  const image = world.push('team/worker', 'v1');
  endpoint = world.runpod.addEndpoint({ id: followerId, name: 'worker', image, registry: '6n2k8v4d' });
};

const beginRollout = async (targets = followingTag): Promise<void> => {
  ({ world, endpoint } = await beginFollowing(targets));
  enter(targets);
};

/** The section that the last alert leads to. */
const toldOf = (): string => {
  const { alerts } = JSON.parse(world.sns.inbox.at(-1)?.forms.https ?? '{}') as { alerts?: Array<{ section: string }> };
  return (alerts ?? []).map(({ section }) => section).join();
};
const refreshed = async (): Promise<string | undefined> => (await world.refresh()).error;
const push = async (tag = 'production'): Promise<string> => {
  world.push('team/worker', tag);
  return digestOfTag(world, tag);
};
const pushBroken = async (): Promise<string> => {
  const digest = await push();
  world.runpod.programFaults.set(digest, 'cannot start');
  return digest;
};
const isProven = async (digest: string): Promise<void> => {
  expect(endpoint.image).toContain(`@${digest}`);
  expect((await rolloutRecord(world)).proven.map((each) => each.digest)).toContain(digest);
};

/** By section: brings the world there, sees that it is there, and gets out by what the section says. */
const waysOut: Readonly<Record<string, (section: string) => Promise<void>>> = {
  async NoSuccess(section) {
    await begin();
    await world.refresh();
    world.deployment.schedule.state = 'DISABLED';
    await world.clock.advance(13 * hourMs);
    expect((await follow(section, 'doctor')).printed).toMatch(/✗ The schedule/);
    expect((await follow(section, 'refresh')).code).toBe(0);
    world.deployment.schedule.state = 'ENABLED';
    expect(await refreshed()).toBeUndefined();
    expect((await follow(section, 'doctor')).printed).not.toMatch(/✗ The schedule/);
  },
  async RunpodUnauthorizedError(section) {
    await begin();
    const access = new Set(world.runpod.keys.get(world.apiKey));
    world.runpod.keys.delete(world.apiKey);
    expect(await refreshed()).toBe('RunpodUnauthorizedError');
    const key = 'rpa_ANEWKEYANEWKEYANEWKEYANEWKEYANEWKEY';
    world.runpod.keys.set(key, access);
    const rotated = await follow(section, '--rotate-key', { input: key }, '--key-stdin', '--yes');
    expect(rotated).toMatchObject({ code: 0, printedErrors: '' });
    expect(await refreshed()).toBeUndefined();
  },
  async WrongRegistryError(section) {
    await begin();
    world.runpod.addEndpoint({ id: '7b3c9d1e', name: 'hub', image: 'docker.io/team/worker:v1', registry: '6n2k8v4d' });
    endpoint.registry = null;
    expect(await refreshed()).toBe('WrongRegistryError');
    expect((await follow(section, 'doctor')).printed).toContain('WrongRegistryError');
    expect((await follow(section, 'setup', {}, '--yes')).printedErrors).toBe('');
    world.writeTargets(readFileSync(join(folder, 'targets.yml'), 'utf8'));
    expect(await refreshed()).toBeUndefined();
  },
  async LambdaUnavailable(section) {
    await begin();
    world.invoke = () =>
      Promise.reject(Object.assign(new Error('An internal error'), { name: 'Lambda.ServiceException' }));
    expect((await world.refresh()).status).toBe('FAILED');
    expect((await follow(section, 'refresh')).code).toBe(0);
  },
  async PayloadTooLarge(section) {
    await begin();
    const { invoke } = world;
    world.invoke = async (name, event) =>
      name === 'discover-endpoints' ? { more: 'x'.repeat(300 * 1024) } : invoke(name, event);
    expect((await world.refresh()).status).toBe('FAILED');
    expect((await follow(section, '--target')).code).toBe(0);
  },
  async MemoryUnavailableError(section) {
    await begin();
    const repair = world.faults.add({ on: /DynamoDB_20120810/, does: { answer: { status: 500, body: '' } } });
    await world.refresh();
    repair();
    expect((await follow(section, 'status')).printed).not.toContain('left, until');
    await world.refresh();
    expect((await follow(section, 'status')).printed).toContain('left, until');
  },
  async RolloutFailed(section) {
    await beginRollout();
    await pushBroken();
    await rollOut(world);
    expect((await follow(section, 'rollout')).printed).toMatch(
      /refused team\/worker:production@\S+ at .*: worker \w+ logged/,
    );
  },
  async RolloutBroken(section) {
    await beginRollout();
    const digest = await pushBroken();
    await rollOut(world);
    expect(toldOf()).toBe(section);
    world.runpod.programFaults.clear();
    expect((await follow(section, '--retry', {}, '--wait')).code).toBe(0);
    await isProven(digest);
  },
  async RolloutStuck(section) {
    await beginRollout();
    world.runpod.programFaults.set(await digestOfTag(world, 'production'), 'cannot start');
    await pushBroken();
    await rollOut(world);
    expect(toldOf()).toBe(section);
    const digest = await push('works');
    expect((await follow(section, '--to', {}, '--wait')).code).toBe(0);
    await isProven(digest);
  },
  async RolloutWaiting(section) {
    await beginRollout(
      targetsFollowing(
        '{ id: 7b3c9d1e, rollout: { tag: production } }',
        `{ id: ${followerId}, rollout: { tag: production, after: 7b3c9d1e } }`,
      ),
    );
    world.runpod.addEndpoint({ id: '7b3c9d1e', name: 'sleeps', image: endpoint.image, registry: '6n2k8v4d' });
    await world.refresh();
    const digest = await push();
    world.push('team/worker', 'works');
    for (let hours = 0; hours < 27; hours += 3) {
      await rollOut(world);
      await world.clock.advance(3 * hourMs);
    }
    expect(toldOf()).toBe(section);
    expect((await follow(section, 'rollout')).printed).toContain(followerId);
    expect((await follow(section, '--to', {}, '--wait')).code).toBe(0);
    await isProven(await digestOfTag(world, 'works'));
    expect(digest).not.toBe('none');
  },
  async RolloutUnwatched(section) {
    const other = '{ id: 7b3c9d1e, rollout: { tag: other } }';
    await beginRollout(targetsFollowing(`{ id: ${followerId}, rollout: { tag: production } }`, other));
    world.runpod.addEndpoint({ id: '7b3c9d1e', name: 'other', image: endpoint.image, registry: '6n2k8v4d' });
    const first = await digestOfTag(world, 'production');
    world.runpod.stopWorkers(endpoint);
    await push();
    await rollOut(world);
    await world.clock.advance(3 * hourMs);
    const without = targetsFollowing(followerId, other);
    world.writeTargets(without);
    writeFileSync(join(folder, 'targets.yml'), without);
    await rollOut(world);
    expect(toldOf()).toBe(section);
    await follow(section, '--back');
    await settle(world);
    expect(endpoint.image).toBe(pinned('production', first));
  },
  async RolloutByHand(section) {
    await beginRollout();
    const digest = await push();
    const byHand = pinned('by-hand', await push('by-hand'));
    world.runpod.onImageChange = () => {
      world.runpod.onImageChange = () => {};
      void world.clock.sleep(20_000).then(() => world.runpod.release(endpoint, byHand));
    };
    await rollOut(world);
    expect(toldOf()).toBe(section);
    expect(endpoint.image).toBe(byHand);
    expect((await follow(section, '--retry', {}, '--wait')).code).toBe(0);
    await isProven(digest);
    expect((await follow(section, '--hold')).code).toBe(0);
    await push();
    await rollOut(world);
    await isProven(digest);
  },
  async RolloutStopped(section) {
    await beginRollout();
    const first = await digestOfTag(world, 'production');
    await push();
    const repair = world.faults.add({ on: /PATCH \/v2\/serverless/, does: { answer: { status: 403, body: '{}' } } });
    await rollOut(world);
    expect(toldOf()).toBe(section);
    repair();
    expect((await follow(section, 'rollout')).code).toBe(0);
    await follow(section, '--back', {}, '--wait');
    await settle(world);
    expect([pinned('production', first), `${registryHost}/team/worker:production`]).toContain(endpoint.image);
  },
};

describe('what the runbook says to do', () => {
  const withCommands = [...sections.keys()].filter((section) => /`(?:npm run|aws) /.test(sections.get(section) ?? ''));

  it('has a test for each section that has commands', () => {
    expect(Object.keys(waysOut).toSorted()).toEqual(withCommands.toSorted());
  });

  it.each(withCommands)('leads out of %s, by each of its commands', async (section) => {
    followed.clear();
    await waysOut[section]?.(section);
    expect(followed).toEqual(new Set(commandsOf(section).map(String)));
  });
});
