import { afterEach, describe, expect, it } from 'vitest';
import type { RolloutRecord } from '../../functions/lib/rollout/record.ts';
import type { Execution } from '../../simulator/aws/step-functions.ts';
import type { SimulatedEndpoint } from '../../simulator/runpod/server.ts';
import { registryHost, statesOf, type World } from '../../simulator/world.ts';
import {
  beginFollowing,
  digestOfTag,
  followerId,
  pinned,
  pushBroken,
  pushImage,
  rollOut,
  rolloutRecord,
  targetsFollowing,
  textsOf,
} from '../support/rollouts.ts';

const minuteMs = 60_000;

let world: World;
let endpoint: SimulatedEndpoint;
let firstDigest: string;

const begin = async (...options: Parameters<typeof beginFollowing>): Promise<void> => {
  ({ world, endpoint } = await beginFollowing(...options));
  firstDigest = await digestOfTag(world, 'production');
};

afterEach(() => world.end());

const executions = (): Execution[] => [...world.rollouts.executions.values()];
const record = (id = followerId): Promise<RolloutRecord> => rolloutRecord(world, id);
const ours = (digest: string, tag = 'production'): string => pinned(tag, digest);

describe('a rollout that works', () => {
  it('records what the endpoint has, and changes nothing, when it is seen first', async () => {
    await begin();
    expect(executions()).toEqual([]);
    expect(await record()).toMatchObject({
      earlier: { image: `${registryHost}/team/worker:production`, digest: firstDigest },
      given: [],
    });
  });

  it('gives an endpoint the image that its tag names now, pinned, and proves it by a worker', async () => {
    await begin();
    const digest = await pushImage(world);
    await rollOut(world);
    const [execution] = executions();
    expect(statesOf(execution as Execution).slice(0, 6)).toEqual([
      'PlanRollout',
      'Planned',
      'ApplyRollout',
      'Applied',
      'WatchRollout',
      'Watched',
    ]);
    expect(execution?.status).toBe('SUCCEEDED');
    expect(endpoint.image).toBe(ours(digest));
    expect(await record()).toMatchObject({
      earlier: { digest },
      proven: [{ digest }],
      ended: { verdict: 'proven', digest },
    });
    expect(textsOf(world)).toEqual([]);
    expect(world.measurements.map(({ name }) => name)).toContain('MinutesFromPushToProven');
  });

  it('is over once: the next run finds nothing to do', async () => {
    await begin();
    await pushImage(world);
    await rollOut(world);
    await rollOut(world);
    expect(executions()).toHaveLength(1);
  });

  it('replaces a worker that runs a job when it has finished', async () => {
    await begin();
    world.runpod.occupy(endpoint, 5 * minuteMs);
    const digest = await pushImage(world);
    await rollOut(world);
    expect(await record()).toMatchObject({ proven: [{ digest }] });
    expect(executions()[0]?.events.filter(({ type }) => type === 'StateEntered').length).toBeGreaterThan(15);
  });

  it.each([
    ['without versions and images of workers', { versionsAreNull: true }],
    ['where an unchanged image makes no release', { unchangedImageIsReleased: false }],
  ])('is proven %s', async (_, unestablished) => {
    await begin();
    Object.assign(world.runpod.unestablished, unestablished);
    const digest = await pushImage(world);
    await rollOut(world);
    expect(await record()).toMatchObject({ proven: [{ digest }] });
  });

  it('wakes an endpoint without workers by a canary job, where that is asked for', async () => {
    await begin(targetsFollowing(`{ id: ${followerId}, rollout: { tag: production, canary: { input: {} } } }`), {
      isWarm: false,
    });
    const digest = await pushImage(world);
    await rollOut(world);
    expect(await record()).toMatchObject({ proven: [{ digest }] });
    expect(world.runpod.jobs.size).toBe(1);
  });

  it('follows the highest version in a range, and none that is lower', async () => {
    const rollout = `{ id: ${followerId}, rollout: { semver: '^1.4' } }`;
    await begin(targetsFollowing(rollout));
    await pushImage(world, {}, 'v1.5.0');
    await rollOut(world);
    expect(endpoint.image).toMatch(/:v1\.5\.0@sha256:/);
    await pushImage(world, {}, 'v1.4.9');
    await rollOut(world);
    expect(executions()).toHaveLength(1);
  });
});

describe('an image that does not work', () => {
  it.each([
    ['whose program cannot be started', 'cannot start', /stat \/start\.sh: no such file or directory/],
    ['whose program ends at once', 'ends', /started its program \d+ times, and it ended each time at once/],
  ] as const)('%s is taken back, and people hear one sentence', async (_, fault, why) => {
    await begin();
    const digest = await pushBroken(world, fault);
    await rollOut(world);
    const [execution] = executions();
    expect(statesOf(execution as Execution)).toContain('WatchRollBack');
    expect(execution).toMatchObject({ status: 'FAILED', error: 'RolloutBroken' });
    expect(endpoint.image).toBe(ours(firstDigest));
    expect(await record()).toMatchObject({
      refused: [{ digest, by: 'workers' }],
      ended: { verdict: 'broken', back: 'works' },
    });
    expect(textsOf(world)).toHaveLength(1);
    expect(textsOf(world)[0]).toMatch(why);
    expect(textsOf(world)[0]).toContain(`@${firstDigest.slice(0, 19)} is back, and works.`);
  });

  it('is never given again, a newer one is, and whoever heard of the first hears of it', async () => {
    await begin();
    const broken = await pushBroken(world, 'ends');
    await rollOut(world);
    await rollOut(world);
    expect(executions()).toHaveLength(1);
    const digest = await pushImage(world);
    await rollOut(world);
    expect(endpoint.image).toBe(ours(digest));
    expect((await record()).given.map((each) => each.digest)).toEqual([broken, digest]);
    expect(textsOf(world)).toHaveLength(2);
    expect(textsOf(world)[1]).toMatch(/runs team\/worker:production@\S+ and all is well again/);
  });

  it('holds up none that was pushed while the earlier one came back', async () => {
    await begin();
    await pushBroken(world, 'ends');
    await world.refresh();
    await world.clock.advance(minuteMs / 2);
    const digest = await pushImage(world);
    await rollOut(world);
    await world.clock.advance(minuteMs);
    await rollOut(world);
    expect(endpoint.image).toBe(ours(digest));
    expect((await record()).refused.map(({ by }) => by)).toEqual(['workers']);
  });

  it('is critical where the earlier one does not start either, and nothing more is tried', async () => {
    await begin();
    await pushBroken(world, 'cannot start');
    world.runpod.programFaults.set(firstDigest, 'cannot start');
    await rollOut(world);
    await rollOut(world);
    expect(executions()).toHaveLength(1);
    expect(await record()).toMatchObject({ ended: { verdict: 'broken', back: 'broken' } });
    expect(world.sns.inbox[0]?.subject).toMatch(/^\[CRITICAL\]/);
    expect(textsOf(world)[0]).toMatch(/does not start either, and nothing more is tried/);
  });

  it('is never given to an endpoint where the token cannot pull it, and people hear of it once', async () => {
    await begin();
    await pushImage(world, { architecture: 'arm64' });
    await rollOut(world);
    await rollOut(world);
    expect(executions()).toEqual([]);
    expect(endpoint.image).toBe(`${registryHost}/team/worker:production`);
    expect(textsOf(world)).toHaveLength(1);
    expect(textsOf(world)[0]).toMatch(/is not rolled out: .*amd64/);
  });

  it('is not given where ECR no longer holds the one to come back to', async () => {
    await begin();
    await pushImage(world);
    world.registry.deleteImage(`${registryHost}/team/worker`, firstDigest);
    await rollOut(world);
    await rollOut(world);
    expect(executions()).toEqual([]);
    expect(textsOf(world)).toHaveLength(1);
    expect(textsOf(world)[0]).toMatch(/ECR holds no longer the image to come back to/);
  });

  it('is not what keeps workers from starting where the registry throttles them', async () => {
    await begin();
    const digest = await pushImage(world);
    world.runpod.onImageChange = () =>
      void world.faults.add({
        on: /manifests\/sha256/,
        times: 6,
        does: { answer: { status: 503, body: '' } },
      });
    await rollOut(world);
    expect(await record()).toMatchObject({ proven: [{ digest }], refused: [] });
  });
});
