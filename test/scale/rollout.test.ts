import { afterEach, describe, expect, it } from 'vitest';
import type { RolloutRecord } from '../../functions/lib/rollout/record.ts';
import type { Execution } from '../../simulator/aws/step-functions.ts';
import type { SimulatedEndpoint } from '../../simulator/runpod/server.ts';
import { registryHost, type World } from '../../simulator/world.ts';
import {
  beginFollowing,
  digestOfTag,
  followerId,
  hold,
  pinned,
  pushBroken,
  pushImage,
  rollOut,
  rolloutRecord,
  settle,
  targetsFollowing,
  textsOf,
} from '../support/rollouts.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

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

describe('an image that no worker has had to start with', () => {
  it('ends its execution unproved, is watched by every later run, and is proven when a worker starts', async () => {
    await begin(undefined, { isWarm: false });
    const digest = await pushImage(world);
    const startedAt = world.clock.now();
    await rollOut(world);
    expect(world.clock.now() - startedAt).toBeLessThan(hourMs);
    expect(executions()[0]?.status).toBe('SUCCEEDED');
    expect(await record()).toMatchObject({ current: { phase: 'watching', digest } });
    world.runpod.startWorker(endpoint);
    await world.clock.advance(minuteMs);
    await rollOut(world);
    expect(await record()).toMatchObject({ proven: [{ digest }] });
    expect(world.runpod.endpoints.get(followerId)?.releases).toHaveLength(1);
  });

  it('is taken back by a later run where it turns out broken', async () => {
    await begin(undefined, { isWarm: false });
    const digest = await pushBroken(world, 'cannot start');
    await rollOut(world);
    expect(endpoint.image).toBe(ours(digest));
    world.runpod.startWorker(endpoint);
    await world.clock.advance(minuteMs);
    await rollOut(world);
    expect(endpoint.image).toBe(ours(firstDigest));
    expect(await record()).toMatchObject({ refused: [{ digest }] });
  });

  it('is told of once after a day', async () => {
    await begin(undefined, { isWarm: false });
    await pushImage(world);
    for (let run = 0; run < 14; run += 1) {
      await rollOut(world);
      await world.clock.advance(4 * hourMs);
    }
    expect(textsOf(world)).toHaveLength(1);
    expect(textsOf(world)[0]).toMatch(/for a day/);
  });

  it('is superseded by a newer one, and what both come back to stays', async () => {
    await begin(undefined, { isWarm: false });
    await pushImage(world);
    await rollOut(world);
    const newer = await pushImage(world);
    await rollOut(world);
    expect(endpoint.image).toBe(ours(newer));
    expect(await record()).toMatchObject({
      current: { digest: newer, earlier: { digest: firstDigest } },
      ended: { verdict: 'superseded' },
    });
  });
});

describe('an endpoint that people change', () => {
  const byHand = `${registryHost}/team/worker:debug`;

  it('keeps what was chosen while an image was rolled out, and is not given that image again', async () => {
    await begin(undefined, { isWarm: false });
    const digest = await pushImage(world);
    world.push('team/worker', 'debug');
    world.start();
    await world.clock.advance(5 * minuteMs);
    expect(endpoint.image).toBe(ours(digest));
    world.runpod.release(endpoint, byHand);
    await settle(world);
    await world.clock.advance(minuteMs);
    await rollOut(world);
    await rollOut(world);
    expect(endpoint.image).toBe(byHand);
    expect(await record()).toMatchObject({ refused: [{ digest, by: 'person' }] });
    expect(textsOf(world).filter((text) => text.includes('by hand'))).toHaveLength(1);
    await world.clock.advance(minuteMs);
    const newer = await pushImage(world);
    await rollOut(world);
    expect(endpoint.image).toBe(ours(newer));
  });

  it('keeps the earlier image where somebody has put it back by hand', async () => {
    await begin();
    const digest = await pushImage(world);
    await rollOut(world);
    world.runpod.release(endpoint, `${registryHost}/team/worker@${firstDigest}`);
    await world.clock.advance(minuteMs);
    await rollOut(world);
    await rollOut(world);
    expect(endpoint.image).toBe(`${registryHost}/team/worker@${firstDigest}`);
    expect(await record()).toMatchObject({ refused: [{ digest, by: 'person' }] });
  });

  it('gets back what was chosen at the very moment of the change', async () => {
    await begin();
    world.push('team/worker', 'debug');
    await pushImage(world);
    let isFirst = true;
    world.runpod.onImageChange = () => {
      if (isFirst) world.runpod.release(endpoint, byHand);
      isFirst = false;
    };
    await rollOut(world);
    expect(endpoint.image).toBe(byHand);
    expect(textsOf(world)[0]).toMatch(/by hand at the same moment, which was put back/);
    await rollOut(world);
    expect(endpoint.image).toBe(byHand);
  });

  it('keeps what was chosen after a push that no run had seen yet, and says so', async () => {
    await begin();
    const digest = await pushImage(world);
    world.push('team/worker', 'debug');
    await world.clock.advance(minuteMs);
    world.runpod.release(endpoint, byHand);
    await rollOut(world);
    await world.clock.advance(hourMs);
    await rollOut(world);
    expect(endpoint.image).toBe(byHand);
    expect(textsOf(world).filter((text) => text.includes('by hand'))).toHaveLength(1);
    expect(await record()).toMatchObject({
      refused: expect.arrayContaining([expect.objectContaining({ digest, by: 'person' })]),
    });
  });

  it('keeps what was chosen while the earlier image came back, after a push that no run had seen', async () => {
    await begin();
    world.push('team/worker', 'debug');
    await pushBroken(world, 'cannot start');
    world.runpod.onImageChange = (_, image) => {
      if (image !== ours(firstDigest)) return;
      world.push('team/worker', 'production');
      void world.clock.sleep(5000).then(() => world.runpod.release(endpoint, byHand));
    };
    await rollOut(world);
    expect(await record()).toMatchObject({ ended: { verdict: 'broken', back: 'not ours' } });
    for (let run = 0; run < 2; run += 1) {
      await world.clock.advance(minuteMs);
      await rollOut(world);
    }
    expect(endpoint.image).toBe(byHand);
  });

  it('takes what was pushed after the choice, though no run was in between', async () => {
    await begin();
    world.push('team/worker', 'debug');
    world.runpod.release(endpoint, byHand);
    await world.clock.advance(minuteMs);
    const digest = await pushImage(world);
    await rollOut(world);
    expect(endpoint.image).toBe(ours(digest));
    expect(await record()).toMatchObject({ proven: [{ digest }] });
  });

  it('is left alone where it was held', async () => {
    await begin();
    await hold(world);
    await pushImage(world);
    await rollOut(world);
    expect(executions()).toEqual([]);
    expect(endpoint.image).toBe(`${registryHost}/team/worker:production`);
  });
});

describe('a change of an endpoint that Runpod', () => {
  const json = (body: object) => ({
    answer: { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
  });
  const oddities = [
    ['makes, and answers with a broken connection', /PATCH \/v2\/serverless/, { lost: true }, 2],
    [
      'makes, and answers with 500 twice when asked for it',
      /GET \/v2\/serverless\/\w+$/,
      { answer: { status: 500 } },
      2,
    ],
    ['does not make, though it says so', /PATCH \/v2\/serverless/, json({ id: followerId, name: 'worker' }), 2],
    ['makes no release of', /releases/, json({ releases: null }), undefined],
    ['has a release without anything of', /releases/, json({ releases: [{ version: null, diff: null }] }), undefined],
  ] as const;

  it.each(oddities)('%s ends in a proof', async (_what, on, does, times) => {
    await begin();
    const digest = await pushImage(world);
    world.faults.add({ on, does, ...(times === undefined ? {} : { times }) });
    await rollOut(world);
    expect(endpoint.image).toBe(ours(digest));
    expect(await record()).toMatchObject({ proven: [{ digest }], refused: [], ended: { verdict: 'proven' } });
    expect(textsOf(world)).toEqual([]);
  });

  it.each(oddities)('%s is taken back where its image is broken', async (_what, on, does, times) => {
    await begin();
    const digest = await pushBroken(world, 'cannot start');
    await world.refresh();
    world.faults.add({ on, does, ...(times === undefined ? {} : { times }) });
    await settle(world);
    expect(endpoint.image).toBe(ours(firstDigest));
    expect(await record()).toMatchObject({ refused: [{ digest, by: 'workers' }], ended: { back: 'works' } });
    expect(textsOf(world)).toHaveLength(1);
  });

  it('makes of two endpoints with one template ends both on what works', async () => {
    const other = '7b3c9d1e';
    await begin(
      targetsFollowing(
        `{ id: ${followerId}, rollout: { tag: production } }`,
        `{ id: ${other}, rollout: { tag: production } }`,
      ),
    );
    const second = world.runpod.addEndpoint({
      id: other,
      name: 'second',
      image: endpoint.image,
      registry: '6n2k8v4d',
    });
    world.runpod.startWorker(second);
    await rollOut(world);
    world.runpod.onImageChange = (changed, image) => {
      const twin = changed === endpoint ? second : endpoint;
      if (twin.image !== image) world.runpod.release(twin, image);
    };
    await pushBroken(world, 'cannot start');
    for (let run = 0; run < 3; run += 1) {
      await rollOut(world);
      await world.clock.advance(minuteMs);
    }
    for (const each of [endpoint, second]) expect(each.image).toContain(firstDigest);
    const digest = await pushImage(world);
    await rollOut(world);
    await world.clock.advance(minuteMs);
    await rollOut(world);
    for (const each of [endpoint, second]) expect(each.image).toContain(digest);
  });
});

describe('an execution that crashes', () => {
  const states = ['PlanRollout', 'ApplyRollout', 'WatchRollout', 'RollBack', 'WatchRollBack', 'NotifyRollout'];

  it.each(states)('at %s is gone on with by the next run, under another number', async (state) => {
    await begin();
    const digest = state.includes('Back') ? await pushBroken(world, 'cannot start') : await pushImage(world);
    let isCrashed = false;
    world.rollouts.onEvent = (execution, event) => {
      if (isCrashed || event.type !== 'StateExited' || event.state.name !== state) return;
      isCrashed = true;
      execution.abort();
    };
    await rollOut(world);
    expect(executions()[0]?.status).toBe('ABORTED');
    expect([`${registryHost}/team/worker:production`, ours(digest), ours(firstDigest)]).toContain(endpoint.image);
    await rollOut(world);
    const { ended, current } = await record();
    expect(current).toBeUndefined();
    expect(ended).toMatchObject({ verdict: state.includes('Back') ? 'broken' : 'proven', digest });
    expect(endpoint.image).toBe(ours(state.includes('Back') ? firstDigest : digest));
  });

  it('is told of where the message failed once', async () => {
    await begin();
    await pushImage(world);
    world.faults.add({ on: /PATCH \/v2\/serverless/, does: { answer: { status: 403, body: '{}' } } });
    world.faults.add({ on: /Publish/, does: { reset: true }, times: 6 });
    await rollOut(world);
    expect(textsOf(world)).toHaveLength(1);
    await rollOut(world);
    expect(textsOf(world)).toHaveLength(1);
  });

  it('by an error of Runpod’s is told once, and gone on with', async () => {
    await begin();
    const digest = await pushImage(world);
    const mend = world.faults.add({
      on: /PATCH \/v2\/serverless/,
      does: { answer: { status: 403, body: '{"detail":"access denied"}' } },
    });
    await rollOut(world);
    await rollOut(world);
    expect(executions().map(({ error }) => error)).toEqual(['RunpodUnauthorizedError', 'RunpodUnauthorizedError']);
    expect(textsOf(world)).toHaveLength(1);
    expect(textsOf(world)[0]).toMatch(/was stopped by an error.*403/s);
    mend();
    await rollOut(world);
    expect(endpoint.image).toBe(ours(digest));
    expect(textsOf(world)).toHaveLength(2);
  });
});

describe('an endpoint that waits for another', () => {
  const other = '7b3c9d1e';
  const both = targetsFollowing(
    `{ id: ${followerId}, rollout: { tag: production } }`,
    `{ id: ${other}, rollout: { tag: production, after: ${followerId} } }`,
  );
  let second: SimulatedEndpoint;

  const beginBoth = async (isWarm = true): Promise<void> => {
    await begin(both, { isWarm });
    second = world.runpod.addEndpoint({ id: other, name: 'production', image: endpoint.image, registry: '6n2k8v4d' });
    world.runpod.startWorker(second);
    await rollOut(world);
  };

  it('takes what the other has proven, with nobody watching', async () => {
    await beginBoth();
    const digest = await pushImage(world);
    await rollOut(world);
    expect([endpoint.image, second.image]).toEqual([ours(digest), ours(digest)]);
    expect(executions().map(({ status }) => status)).toEqual(['SUCCEEDED', 'SUCCEEDED']);
  });

  it('never takes what the other has refused', async () => {
    await beginBoth();
    await pushBroken(world, 'ends');
    await rollOut(world);
    await rollOut(world);
    expect(second.image).toBe(`${registryHost}/team/worker:production`);
    expect(executions()).toHaveLength(1);
  });

  it('is told of once where the other has slept for a day', async () => {
    await beginBoth(false);
    await pushImage(world);
    for (let run = 0; run < 8; run += 1) {
      await rollOut(world);
      await world.clock.advance(6 * hourMs);
    }
    expect(second.image).toBe(`${registryHost}/team/worker:production`);
    expect(textsOf(world).filter((text) => text.includes(`endpoint ${other} waits`))).toHaveLength(1);
  });
});

describe('pushes in bursts', () => {
  it('give an endpoint six images an hour at most, and the last of them in the end', async () => {
    await begin();
    let digest = '';
    for (let count = 0; count < 9; count += 1) {
      digest = await pushImage(world);
      await rollOut(world);
    }
    expect((await record()).given).toHaveLength(6);
    await world.clock.advance(hourMs);
    await rollOut(world);
    expect(endpoint.image).toBe(ours(digest));
  });

  it('supersede one another while their executions run, and the last one stays', async () => {
    await begin();
    let digest = '';
    for (let count = 0; count < 4; count += 1) {
      digest = await pushImage(world);
      world.start();
      await world.clock.advance(5000 + count * 2000);
    }
    await settle(world);
    await rollOut(world);
    expect(endpoint.image).toBe(ours(digest));
    expect(await record()).toMatchObject({ ended: { verdict: 'proven', digest } });
  });
});

describe('an endpoint whose rollout is taken out of targets.yml while nothing has shown that its image works', () => {
  it('is told of once, keeps its image, and follows again from there', async () => {
    const other = '7b3c9d1e';
    const both = targetsFollowing(
      `{ id: ${followerId}, rollout: { tag: production } }`,
      `{ id: ${other}, rollout: { tag: other } }`,
    );
    await begin(both, { isWarm: false });
    world.runpod.addEndpoint({ id: other, name: 'other', image: endpoint.image, registry: '6n2k8v4d' });
    const digest = await pushImage(world);
    await rollOut(world);
    world.sns.inbox.length = 0;
    world.writeTargets(targetsFollowing(followerId, `{ id: ${other}, rollout: { tag: other } }`));
    for (let run = 0; run < 3; run += 1) {
      await world.clock.advance(3 * hourMs);
      await rollOut(world);
    }
    expect(textsOf(world)).toHaveLength(1);
    expect(textsOf(world)[0]).toMatch(
      /no run watches endpoint 4m7x2k9q, for targets\.yml has no rollout for it: it has team\/worker:production@\S+, and nothing has shown that it works\./,
    );
    expect(await record()).toMatchObject({ ended: { verdict: 'unproved' }, previous: { digest: firstDigest } });
    world.writeTargets(both);
    await rollOut(world);
    expect(endpoint.image).toBe(ours(digest));
    expect(await record()).toMatchObject({ earlier: { digest }, refused: [] });
    const newer = await pushImage(world);
    await rollOut(world);
    expect(endpoint.image).toBe(ours(newer));
  });
});

describe('an endpoint that goes while nothing has shown that its image works', () => {
  it.each([
    ['is deleted at Runpod', () => void world.runpod.endpoints.delete(followerId), /no such endpoint any more/],
    [
      'is given another credential',
      () => {
        endpoint.registry = null;
      },
      /uses another credential/,
    ],
  ])('and %s: its rollout ends', async (_what, go, why) => {
    await begin(undefined, { isWarm: false });
    await pushImage(world);
    await rollOut(world);
    expect(await record()).toMatchObject({ current: { phase: 'watching' } });
    go();
    await world.clock.advance(hourMs);
    await rollOut(world);
    const { current, ended } = await record();
    expect(current).toBeUndefined();
    expect(ended).toMatchObject({ verdict: 'superseded', why: expect.stringMatching(why) });
  });
});

describe('the last rollout taken out of targets.yml while one is under way', () => {
  it('leaves the endpoint on one of its two images, and refreshes go on', async () => {
    await begin(undefined, { isWarm: false });
    const digest = await pushImage(world);
    world.start();
    await world.clock.advance(5 * minuteMs);
    expect(executions().map(({ status }) => status)).toEqual(['RUNNING']);
    world.writeTargets(targetsFollowing(followerId));
    const execution = await world.refresh();
    await settle(world);
    expect(execution.status).toBe('SUCCEEDED');
    expect(executions().map(({ status }) => status)).toEqual(['FAILED']);
    expect(endpoint.image).toBe(ours(digest));
  });
});
