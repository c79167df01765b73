import { describe, expect, it } from 'vitest';
import { createApplyRollout } from '../../functions/apply-rollout.ts';
import { RefreshNotStartedError, RunpodUnavailableError } from '../../functions/lib/errors.ts';
import type { RolloutDeps } from '../../functions/lib/rollout/execution.ts';
import { createProcessMemory, type RolloutMemory } from '../../functions/lib/rollout/memory.ts';
import type { RolloutStep } from '../../functions/lib/rollout/order.ts';
import { type CurrentRollout, claim, firstRecord, type RolloutRecord } from '../../functions/lib/rollout/record.ts';
import type { LogLine } from '../../functions/lib/runpod/log-line.ts';
import type { Worker } from '../../functions/lib/runpod/management.ts';
import type { ImageRelease } from '../../functions/lib/runpod/releases.ts';
import { createPlanRollout } from '../../functions/plan-rollout.ts';
import { createRollBack } from '../../functions/roll-back.ts';
import { createWatchRollout } from '../../functions/watch-rollout.ts';

const startedAt = Date.parse('2026-11-25T12:00:00Z');
const minuteMs = 60_000;
const repository = '123456789012.dkr.ecr.us-east-1.amazonaws.com/team/worker';
const digestOf = (letter: string): string => `sha256:${letter.repeat(64)}`;
const [oldDigest, newDigest, otherDigest] = [digestOf('1'), digestOf('2'), digestOf('3')];
const imageOf = (digest: string): string => `${repository}:production@${digest}`;
const tagged = `${repository}:production`;

/** An endpoint at Runpod, and what was asked of it. */
class Endpoint {
  isThere = true;
  image = tagged;
  registry = 'cred';
  releases: ImageRelease[] = [];
  workers: Worker[] = [];
  logs = new Map<string, readonly LogLine[]>();
  given: string[] = [];
  /** How the next jobs stand, and who ran them. */
  job: { readonly status: string; readonly workerId?: string } = { status: 'IN_QUEUE' };
  submitted = 0;
  read: string[] = [];
  /** What somebody else does right before the next change, or right after it. */
  meanwhile: (() => void) | undefined;
  afterwards: (() => void) | undefined;
  time = startedAt;

  /** What Runpod may not tell of a release. */
  isNumbered = true;
  isDated = true;
  isReleased = true;
  /** Whether Runpod, which says that it took a change, shows it. */
  isShown = true;
  /** An image that Runpod does not take for a while. */
  refuses: string | undefined;
  /** Whether Step Functions starts no refresh. */
  refreshesFail = false;

  change(image: string): void {
    const createdAt = this.isDated ? this.time : undefined;
    const version = this.isNumbered ? this.releases.length + 2 : undefined;
    if (this.isReleased) this.releases.unshift({ version, createdAt, old: this.image, new: image });
    this.image = image;
  }

  keys: string[] = [];

  readonly runpodFor: RolloutDeps['runpodFor'] = ({ apiKey, rolloutKey = apiKey }) => ({
    management: {
      requireCredential: async () => {},
      isKnownToV2: async () => true,
      listEndpoints: async () => [],
      listTemplatesAndPods: async () => [],
      listOtherUsers: async () => [],
      getEndpoint: async (id) =>
        this.isThere
          ? { id, name: 'images', image: this.image, registry: this.registry, workers: { max: 3 } }
          : undefined,
      listWorkers: async () => this.workers,
    },
    // Runpod knows no releases of an endpoint that it does not have.
    listImageReleases: async () => {
      if (!this.isThere) throw new RunpodUnavailableError('Runpod answered 404 "resource not found".');
      return this.releases;
    },
    changeImage: async (_, image) => {
      if (image === this.refuses) throw new RunpodUnavailableError('Runpod answered 500.');
      this.meanwhile?.();
      this.meanwhile = undefined;
      this.given.push(image);
      this.keys.push(rolloutKey);
      if (this.isShown) this.change(image);
      this.afterwards?.();
      this.afterwards = undefined;
    },
    readWorkerLog: async (_, worker) => {
      this.read.push(worker);
      return this.logs.get(worker) ?? [];
    },
    jobs: {
      submit: async () => {
        this.submitted += 1;
        return `job-${this.submitted}`;
      },
      status: async () => this.job,
      cancel: async () => {},
    },
  });
}

/** A memory in which somebody else writes between the reading and the writing of the next change. */
const overtaken = (memory: RolloutMemory, write: (record: RolloutRecord) => RolloutRecord): RolloutMemory => {
  let isDone = false;
  return {
    ...memory,
    change: async (id, change) => {
      if (isDone) return memory.change(id, change);
      isDone = true;
      change(await memory.read(id));
      await memory.change(id, (record) => (record === undefined ? undefined : write(record)));
      return memory.change(id, change);
    },
  };
};

const seen = { image: tagged, digest: oldDigest };
const wanted = { image: imageOf(newDigest), digest: newDigest, pushedAt: startedAt - 2 * minuteMs };
const newer = { image: imageOf(otherDigest), digest: otherDigest, pushedAt: startedAt };
const supersede = (record: RolloutRecord): RolloutRecord => claim(record, newer, startedAt);

const begin = async (current: Partial<CurrentRollout> = {}, more: Partial<RolloutRecord> = {}) => {
  const runpod = new Endpoint();
  const memory = createProcessMemory();
  const claimed = claim(firstRecord(seen), wanted, startedAt);
  if (claimed.current === undefined) throw new Error('a claim has a rollout under way');
  await memory.change('ep', () => ({
    ...claimed,
    ...more,
    current: { ...claimed.current, ...current } as CurrentRollout,
  }));
  const metrics: Array<readonly [string, number]> = [];
  const refreshes: Array<readonly [string, object]> = [];
  const errors: string[] = [];
  const deps = (of: RolloutMemory = memory) => ({
    memory: of,
    runpodFor: runpod.runpodFor,
    now: () => runpod.time,
    startRefresh: async (name: string, input: object) => {
      if (runpod.refreshesFail) throw new RefreshNotStartedError('Step Functions did not answer.');
      refreshes.push([name, input]);
      return 'started' as const;
    },
    meter: { add: (name: string, value: number) => void metrics.push([name, value]), flush: () => {} },
    log: { info: () => {}, error: (message: string) => void errors.push(message) },
  });
  return { runpod, memory, deps, metrics, refreshes, errors, record: () => memory.read('ep') };
};

const order = {
  endpoint: 'ep',
  attempt: 1,
  digest: newDigest,
  target: { name: 'production', runpod: { apiKey: 'ssm:/k', registry: 'cred' } },
  proveWithinMinutes: 15,
  waiting: ['staging'],
};

const watching = { phase: 'watching', appliedAt: startedAt, version: 2 } as const;
const returning = { phase: 'returning', brokenWhy: 'it does not start', appliedAt: startedAt, version: 2 } as const;
const readyWorker = (version: number, image: string): Worker => ({
  id: 'w',
  status: 'IDLE',
  isStale: false,
  version,
  image,
  startedAt: new Date(startedAt + 5000).toISOString(),
});
const pulledLog = (image: string): LogLine[] => [
  { line: `create container ${image}`, at: startedAt + 5000 },
  { line: `Digest: ${image.split('@')[1]}`, at: startedAt + 10_000 },
  { line: `Status: Downloaded newer image for ${image}`, at: startedAt + 10_000 },
  { line: `start container for ${image}: begin`, at: startedAt + 11_000 },
];
const proves = (runpod: Endpoint, image: string, version: number): void => {
  runpod.image = image;
  runpod.workers = [readyWorker(version, image)];
  runpod.logs.set('w', pulledLog(image));
  runpod.time = startedAt + 2 * minuteMs;
};

describe('a step of a rollout whose endpoint has gone', () => {
  it.each([
    ['plan-rollout', {}, createPlanRollout],
    ['apply-rollout', {}, createApplyRollout],
    ['watch-rollout', watching, createWatchRollout],
    ['roll-back', returning, createRollBack],
  ] as const)('%s ends it as such, and changes nothing', async (_name, current, create) => {
    const { runpod, deps, record } = await begin(current);
    runpod.isThere = false;
    expect(await create(deps())(order)).toMatchObject({
      next: 'notify',
      ending: { verdict: 'superseded', why: 'Runpod has no such endpoint any more', isTold: false },
    });
    expect(runpod.given).toEqual([]);
    expect((await record())?.current).toBeUndefined();
  });

  it.each([
    ['apply-rollout', {}, tagged, createApplyRollout],
    ['roll-back', returning, imageOf(newDigest), createRollBack],
  ] as const)('%s does, too, where it goes right after it was changed', async (_name, current, image, create) => {
    const { runpod, deps } = await begin(current);
    runpod.image = image;
    runpod.meanwhile = () => {
      runpod.isThere = false;
    };
    expect(await create(deps())(order)).toMatchObject({ ending: { verdict: 'superseded' } });
    expect(runpod.given).toHaveLength(1);
  });
});

describe('a step of a rollout that another execution has taken over', () => {
  it.each([
    ['plan-rollout', {}, createPlanRollout],
    ['apply-rollout', {}, createApplyRollout],
    ['watch-rollout', watching, createWatchRollout],
    ['roll-back', returning, createRollBack],
  ] as const)('%s does nothing', async (_name, current, create) => {
    const { runpod, memory, deps, record } = await begin(current);
    await memory.change('ep', (before) => (before === undefined ? before : supersede(before)));
    const before = await record();
    expect(await create(deps())(order)).toMatchObject({ next: 'notify', ending: { verdict: 'superseded' } });
    expect(runpod.given).toEqual([]);
    expect(await record()).toEqual(before);
  });

  it('counts no proof, and starts nobody who waits, where that came in between', async () => {
    const { runpod, memory, deps, metrics, refreshes, record } = await begin(watching);
    proves(runpod, imageOf(newDigest), 2);
    const step = await createWatchRollout(deps(overtaken(memory, supersede)))(order);
    expect(step).toMatchObject({ next: 'notify', ending: { verdict: 'superseded', isTold: false } });
    expect([metrics, refreshes]).toEqual([[], []]);
    expect(await record()).toMatchObject({ proven: [], current: { attempt: 2, digest: otherDigest } });
  });

  it('gives nothing, where that came in between', async () => {
    const { runpod, memory, deps } = await begin();
    expect(await createApplyRollout(deps(overtaken(memory, supersede)))(order)).toMatchObject({ next: 'notify' });
    expect(runpod.given).toEqual([]);
  });

  it('refuses nothing and returns nothing, where that came in between', async () => {
    const { runpod, memory, deps, record } = await begin(watching);
    runpod.image = imageOf(newDigest);
    runpod.workers = [{ ...readyWorker(2, imageOf(newDigest)), status: 'INITIALIZING' }];
    runpod.logs.set('w', [
      ...pulledLog(imageOf(newDigest)).slice(0, 3),
      { line: 'exec /start.sh: exec format error', at: startedAt + 12_000 },
    ]);
    runpod.time = startedAt + 2 * minuteMs;
    expect(await createWatchRollout(deps(overtaken(memory, supersede)))(order)).toMatchObject({
      next: 'notify',
      ending: { verdict: 'superseded' },
    });
    expect(await record()).toMatchObject({ refused: [], current: { phase: 'planned', digest: otherDigest } });
  });

  it('tells of no choice by hand, where that came in between', async () => {
    const { runpod, memory, deps, record } = await begin();
    runpod.image = imageOf(otherDigest);
    expect(await createPlanRollout(deps(overtaken(memory, supersede)))(order)).toMatchObject({
      ending: { isTold: false },
    });
    expect((await record())?.refused).toEqual([]);
  });
});

describe('a rollout that works', () => {
  it('is applied once, and watched from the release that gave it', async () => {
    const { runpod, deps, record } = await begin();
    expect(await createPlanRollout(deps())(order)).toEqual({ next: 'apply' });
    expect(await createApplyRollout(deps())(order)).toEqual({ next: 'watch' });
    expect(await createApplyRollout(deps())(order)).toEqual({ next: 'watch' });
    expect(runpod.given).toEqual([imageOf(newDigest)]);
    expect(await createPlanRollout(deps())(order)).toEqual({ next: 'watch' });
    expect((await record())?.current).toMatchObject({ phase: 'watching', appliedAt: startedAt, version: 2 });
  });

  it('is looked at soon at first, and then every minute', async () => {
    const { runpod, deps } = await begin(watching);
    runpod.image = imageOf(newDigest);
    const watch = createWatchRollout(deps());
    for (const [seconds, after] of [
      [10, 15],
      [300, 30],
      [840, 60],
      [898, 5],
    ] as const) {
      runpod.time = startedAt + seconds * 1000;
      expect(await watch(order)).toMatchObject({ next: 'wait', lookAfterSeconds: after });
    }
  });

  it('is proven, counted, and starts who waits', async () => {
    const { runpod, deps, metrics, refreshes, record } = await begin(watching);
    proves(runpod, imageOf(newDigest), 2);
    expect(await createWatchRollout(deps())(order)).toMatchObject({ ending: { verdict: 'proven', isTold: false } });
    expect(metrics).toEqual([['MinutesFromPushToProven', 4]]);
    expect(refreshes).toEqual([
      [`proven-ep-1-${newDigest.slice(7, 27)}`, { trigger: 'rollout', targets: ['staging'] }],
    ]);
    expect(await record()).toMatchObject({
      earlier: { image: imageOf(newDigest), digest: newDigest },
      previous: { image: imageOf(oldDigest), digest: oldDigest },
      proven: [{ digest: newDigest }],
      ended: { verdict: 'proven' },
    });
  });

  it.each([
    ['by itself', false, undefined, undefined, [{ digest: oldDigest }, { digest: newDigest }], 1],
    ['by hand', true, undefined, undefined, [{ digest: oldDigest }, { digest: newDigest, byHand: true }], 0],
    [
      'by hand where the endpoint wants it',
      true,
      newDigest,
      undefined,
      [{ digest: oldDigest }, { digest: newDigest }],
      1,
    ],
    [
      'by hand where it was proven before',
      true,
      undefined,
      newDigest,
      [{ digest: newDigest }, { digest: oldDigest }],
      0,
    ],
  ] as const)('is proven %s', async (_what, isAsked, wish, before, proven, measured) => {
    const { runpod, deps, record, metrics } = await begin(isAsked ? { ...watching, isAsked } : watching, {
      ...(wish === undefined ? {} : { wanted: { digest: wish, image: imageOf(wish), since: startedAt } }),
      proven: [...(before === undefined ? [] : [before]), oldDigest].map((digest) => ({
        image: imageOf(digest),
        digest,
        at: startedAt,
      })),
    });
    proves(runpod, imageOf(newDigest), 2);
    expect(await createWatchRollout(deps())(order)).toMatchObject({ ending: { verdict: 'proven' } });
    // From the push it is counted where the endpoint followed it.
    expect(metrics).toHaveLength(measured);
    const found = (await record())?.proven ?? [];
    expect(found.map(({ digest, byHand }) => (byHand === undefined ? { digest } : { digest, byHand }))).toEqual(proven);
  });

  it('is told where people were told of trouble before', async () => {
    const { runpod, deps, record } = await begin(watching, { told: `unproved ${newDigest}` });
    proves(runpod, imageOf(newDigest), 2);
    expect(await createWatchRollout(deps())(order)).toMatchObject({ ending: { verdict: 'proven', isTold: true } });
    expect((await record())?.told).toBeUndefined();
  });

  it('is unproved where no worker had to start, and told of after a day, once', async () => {
    const { runpod, memory, deps, record } = await begin(watching);
    runpod.image = imageOf(newDigest);
    const watch = createWatchRollout(deps());
    // An execution that is asked once more after a crash tells again, another one does not.
    for (const [minutes, attempt, isTold] of [
      [15, 1, false],
      [24 * 60 - 1, 2, false],
      [24 * 60, 3, true],
      [24 * 60, 3, true],
      [25 * 60, 4, false],
    ] as const) {
      await memory.change('ep', (before) => before?.current && { ...before, current: { ...before.current, attempt } });
      runpod.time = startedAt + minutes * minuteMs;
      expect(await watch({ ...order, attempt })).toMatchObject({ ending: { verdict: 'unproved', isTold } });
    }
    expect(await record()).toMatchObject({ told: `unproved ${newDigest}`, current: { phase: 'watching' } });
  });
});

describe('an endpoint that is given an image', () => {
  it('is changed with the key for it, where there is one', async () => {
    for (const [create, current, image] of [
      [createApplyRollout, {}, tagged],
      [createRollBack, returning, imageOf(newDigest)],
    ] as const) {
      const { runpod, deps } = await begin(current);
      runpod.image = image;
      await create(deps())(order);
      const { name, runpod: keys } = order.target;
      const other = await begin(current);
      other.runpod.image = image;
      await create(other.deps())({ ...order, target: { name, runpod: { ...keys, rolloutKey: 'ssm:/rollout' } } });
      expect([runpod.keys, other.runpod.keys]).toEqual([['ssm:/k'], ['ssm:/rollout']]);
    }
  });

  it.each([
    ['no number', { isNumbered: false }, { appliedAt: startedAt + 1000 }],
    ['no time', { isDated: false }, { appliedAt: startedAt + 1000, version: 2 }],
    ['no release at all', { isReleased: false }, { appliedAt: startedAt + 1000 }],
  ] as const)('is watched where its release has %s', async (_what, unsaid, current) => {
    const { runpod, deps, record } = await begin();
    Object.assign(runpod, unsaid, { time: startedAt + 1000 });
    expect(await createApplyRollout(deps())(order)).toEqual({ next: 'watch' });
    expect((await record())?.current).toMatchObject({ phase: 'watching', ...current });
    expect((await record())?.current?.version).toBe('version' in current ? current.version : undefined);
  });

  it.each([
    ['the new image', {}, tagged, imageOf(newDigest), createApplyRollout, 'watch'],
    ['the earlier one back', returning, imageOf(newDigest), imageOf(oldDigest), createRollBack, 'watch back'],
  ] as const)('is given %s again where Runpod took the change and does not show it', async (...of) => {
    const [, current, image, given, create, next] = of;
    const { runpod, deps, record } = await begin(current);
    runpod.image = image;
    runpod.isShown = false;
    const step = create(deps());
    await expect(step(order)).rejects.toThrow(RunpodUnavailableError);
    expect(await record()).toMatchObject({ refused: [], current: { attempt: 1 } });
    runpod.isShown = true;
    expect(await step(order)).toEqual({ next });
    expect([runpod.image, runpod.given]).toEqual([given, [given, given]]);
  });

  it('is counted as given, with the newest release before it', async () => {
    const { runpod, deps, record } = await begin();
    runpod.releases = [{ version: 1, createdAt: startedAt - 5000, old: undefined, new: tagged }];
    await createApplyRollout(deps())(order);
    expect(await record()).toMatchObject({
      given: [{ image: imageOf(newDigest), digest: newDigest, at: startedAt }],
      current: { releasedBefore: startedAt - 5000 },
    });
  });

  it('is given it again where a crash came before Runpod took it', async () => {
    const { runpod, deps } = await begin({ phase: 'applying' });
    expect(await createApplyRollout(deps())(order)).toEqual({ next: 'watch' });
    expect(runpod.given).toEqual([imageOf(newDigest)]);
  });

  it('is left alone where Runpod took it, and somebody has put back the earlier one since', async () => {
    const { runpod, deps } = await begin({ phase: 'applying' });
    runpod.change(imageOf(newDigest));
    runpod.image = tagged;
    expect(await createApplyRollout(deps())(order)).toMatchObject({ ending: { verdict: 'superseded', isTold: true } });
    expect(runpod.given).toEqual([]);
  });

  it('is given it where an older release had given it once', async () => {
    const { runpod, deps } = await begin({ phase: 'applying', releasedBefore: startedAt });
    runpod.releases = [{ version: 1, createdAt: startedAt, old: tagged, new: imageOf(newDigest) }];
    expect(await createApplyRollout(deps())(order)).toEqual({ next: 'watch' });
    expect(runpod.given).toHaveLength(1);
  });

  it('is not given it where it uses another credential by now, or its image was chosen since the push', async () => {
    const { runpod, deps } = await begin();
    runpod.registry = 'other';
    expect(await createPlanRollout(deps())(order)).toMatchObject({
      ending: { verdict: 'superseded', why: 'the endpoint uses another credential', isTold: false },
    });

    const byHand = { earlier: { image: tagged, digest: oldDigest, byHand: true } } as const;
    const chosen = (createdAt: number | undefined) => [{ version: 1, createdAt, old: undefined, new: tagged }];
    const plan = async (createdAt: number | undefined, current: Partial<CurrentRollout> = byHand) => {
      const one = await begin({ ...byHand, ...current });
      one.runpod.releases = chosen(createdAt);
      const step = await createPlanRollout(one.deps())(order);
      return 'ending' in step ? step.ending.verdict : step.next;
    };
    expect(await plan(wanted.pushedAt + 1)).toBe('superseded');
    expect(await plan(undefined)).toBe('superseded');
    expect(await plan(wanted.pushedAt)).toBe('apply');
    expect(await plan(wanted.pushedAt + 1, { isAsked: true })).toBe('apply');
    expect(await plan(wanted.pushedAt + 1, { earlier: { image: tagged, digest: oldDigest } })).toBe('apply');
  });

  it('has nothing refreshed that does not wait, and stays proven where what waits cannot be', async () => {
    const proven = { ending: { verdict: 'proven' } };
    const alone = await begin(watching);
    proves(alone.runpod, imageOf(newDigest), 2);
    expect(await createWatchRollout(alone.deps())({ ...order, waiting: [] })).toMatchObject(proven);
    expect(alone.refreshes).toEqual([]);

    const { runpod, deps, refreshes, errors } = await begin(watching);
    proves(runpod, imageOf(newDigest), 2);
    runpod.refreshesFail = true;
    expect(await createWatchRollout(deps())(order)).toMatchObject(proven);
    expect([refreshes, errors]).toEqual([
      [],
      ['The refresh of endpoints that waited for this proof could not be started'],
    ]);
  });

  it('ends with a word to those who were told of trouble; another end leaves them with what they know', async () => {
    const { runpod, deps, record } = await begin(watching, { told: `unproved ${newDigest}` });
    proves(runpod, imageOf(newDigest), 2);
    expect(await createWatchRollout(deps())(order)).toMatchObject({ ending: { verdict: 'proven', isTold: true } });
    expect((await record())?.told).toBeUndefined();

    const other = await begin(watching, { told: 'stopped' });
    other.runpod.isThere = false;
    expect(await createWatchRollout(other.deps())(order)).toMatchObject({ ending: { isTold: false } });
    expect((await other.record())?.told).toBe('stopped');
    const untold = await begin(watching);
    untold.runpod.isThere = false;
    await createWatchRollout(untold.deps())(order);
    expect(await untold.record()).not.toHaveProperty('told');
  });

  it('ends as it had ended where its function is asked once more', async () => {
    const { runpod, deps, metrics } = await begin(watching);
    proves(runpod, imageOf(newDigest), 2);
    const watch = createWatchRollout(deps());
    const first = await watch(order);
    expect(first).toMatchObject({ ending: { verdict: 'proven', earlier: imageOf(oldDigest) } });
    expect(await watch(order)).toMatchObject({
      ending: { verdict: 'proven', image: imageOf(newDigest), earlier: imageOf(newDigest), isTold: false },
    });
    expect(metrics).toHaveLength(1);
  });
});

describe('a rollout that has ended', () => {
  it.each([
    ['a choice by hand', {}, imageOf(otherDigest), createApplyRollout],
    ['a choice by hand while it was watched', watching, imageOf(otherDigest), createWatchRollout],
    ['a way back that was not ours', returning, imageOf(otherDigest), createRollBack],
  ] as const)('tells of %s, also where its function is asked once more', async (_what, current, image, create) => {
    const { runpod, deps } = await begin(current);
    runpod.image = image;
    const step = create(deps());
    const first = await step(order);
    expect(first).toMatchObject({ ending: { isTold: true } });
    const again = await step(order);
    expect('ending' in again && again.ending).toMatchObject({
      isTold: true,
      verdict: 'ending' in first && first.ending.verdict,
    });
  });

  it('tells of a proof after trouble, also where its function is asked once more', async () => {
    const { runpod, deps } = await begin(watching, { told: `unproved ${newDigest}` });
    proves(runpod, imageOf(newDigest), 2);
    const watch = createWatchRollout(deps());
    for (const _ of ['first', 'again']) {
      expect(await watch(order)).toMatchObject({ ending: { verdict: 'proven', isTold: true } });
    }
  });
});

describe('a watched rollout', () => {
  const fails = (id: string, more: Partial<Worker> = {}): Worker => ({
    ...readyWorker(2, imageOf(newDigest)),
    id,
    status: 'UNHEALTHY',
    ...more,
  });

  it('reads the logs of ten workers of its release, and of no other', async () => {
    const { runpod, deps } = await begin(watching);
    runpod.image = imageOf(newDigest);
    runpod.workers = [
      fails('old', { version: 1 }),
      fails('stale', { isStale: true }),
      ...Array.from({ length: 12 }, (_, index) => fails(`w${index}`, { status: 'INITIALIZING' })),
    ];
    expect(await createWatchRollout(deps())(order)).toMatchObject({ next: 'wait' });
    expect(runpod.read).toEqual(Array.from({ length: 10 }, (_, index) => `w${index}`));
  });

  it('finds the number of its release where it was not known when it was given', async () => {
    const { runpod, deps } = await begin({ phase: 'watching', appliedAt: startedAt });
    runpod.change(imageOf(newDigest));
    proves(runpod, imageOf(newDigest), 1);
    expect(await createWatchRollout(deps())(order)).toMatchObject({ next: 'wait' });
    proves(runpod, imageOf(newDigest), 2);
    expect(await createWatchRollout(deps())(order)).toMatchObject({ ending: { verdict: 'proven' } });
  });

  it('carries workers that failed from look to look: they vanish from Runpod’s list', async () => {
    const { runpod, deps, record } = await begin(watching);
    runpod.image = imageOf(newDigest);
    const watch = createWatchRollout(deps());
    runpod.workers = [fails('one')];
    const first = await watch(order);
    expect(first).toMatchObject({ next: 'wait', watched: { failed: [{ worker: 'one' }] } });
    runpod.workers = [];
    const step = 'watched' in first ? { watched: first.watched } : {};
    expect(await watch({ ...order, step })).toMatchObject({ next: 'wait', watched: { failed: [{ worker: 'one' }] } });
    runpod.workers = [fails('two')];
    expect(await watch({ ...order, step })).toEqual({ next: 'back' });
    expect(await record()).toMatchObject({
      refused: [{ digest: newDigest, by: 'workers', why: expect.stringContaining('worker two is unhealthy') }],
      current: { phase: 'returning' },
    });
  });

  it('asks by a canary job where that is wanted, and again where another release ran it', async () => {
    const { runpod, deps } = await begin(watching);
    runpod.image = imageOf(newDigest);
    runpod.workers = [{ ...readyWorker(2, imageOf(newDigest)), status: 'INITIALIZING' }];
    const watch = createWatchRollout(deps());
    const asked = { ...order, canary: { input: { prompt: 'ping' } } };
    const first = await watch(asked);
    expect(first).toMatchObject({ next: 'wait', watched: { jobId: 'job-1', jobs: 1 } });
    const step = 'watched' in first ? { watched: first.watched } : {};
    runpod.job = { status: 'COMPLETED', workerId: 'of another release' };
    expect(await watch({ ...asked, step })).toMatchObject({ next: 'wait', watched: { jobId: 'job-2', jobs: 2 } });
    runpod.job = { status: 'COMPLETED', workerId: 'w' };
    expect(await watch({ ...asked, step })).toMatchObject({ ending: { verdict: 'proven' } });
    expect(runpod.submitted).toBe(2);
  });

  it('waits for one canary job where its time is up, so that a later refresh can prove it', async () => {
    const { runpod, deps } = await begin(watching);
    runpod.image = imageOf(newDigest);
    runpod.workers = [{ ...readyWorker(2, imageOf(newDigest)), status: 'INITIALIZING' }];
    runpod.time = startedAt + 3 * 60 * minuteMs;
    const watch = createWatchRollout(deps());
    const asked = { ...order, canary: { input: { prompt: 'ping' } } };
    const first = await watch(asked);
    expect(first).toMatchObject({ next: 'wait', lookAfterSeconds: 60, watched: { jobId: 'job-1', jobs: 1 } });
    const step = 'watched' in first ? { watched: first.watched } : {};
    runpod.job = { status: 'FAILED' };
    expect(await watch({ ...asked, step })).toMatchObject({ ending: { verdict: 'unproved' } });
    expect(runpod.submitted).toBe(1);
    runpod.job = { status: 'COMPLETED', workerId: 'w' };
    expect(await watch({ ...asked, step })).toMatchObject({ ending: { verdict: 'proven' } });
  });

  it('submits no job for a way back', async () => {
    const { runpod, deps } = await begin({ ...returning, backAt: startedAt, backVersion: 2 });
    runpod.image = imageOf(oldDigest);
    expect(await createWatchRollout(deps())({ ...order, canary: { input: {} } })).toMatchObject({ next: 'wait' });
    expect(runpod.submitted).toBe(0);
  });

  it('ends where somebody gave the endpoint another image', async () => {
    const { runpod, deps, record } = await begin(watching);
    runpod.image = imageOf(otherDigest);
    expect(await createWatchRollout(deps())(order)).toMatchObject({ ending: { verdict: 'superseded', isTold: true } });
    expect((await record())?.earlier).toEqual({ image: imageOf(otherDigest), byHand: true });
  });

  it('ends its way back where somebody gave the endpoint another image', async () => {
    const { runpod, deps, record } = await begin({ ...returning, backAt: startedAt });
    runpod.image = imageOf(otherDigest);
    expect(await createWatchRollout(deps())(order)).toMatchObject({
      ending: { verdict: 'broken', back: 'not ours', why: 'it does not start', isTold: true },
    });
    expect((await record())?.earlier).toEqual({ image: imageOf(otherDigest), byHand: true });
  });

  it('goes on where a person asked for it, held or not', async () => {
    const { runpod, deps } = await begin({ ...watching, isAsked: true }, { heldSince: startedAt });
    runpod.image = imageOf(newDigest);
    expect(await createWatchRollout(deps())(order)).toMatchObject({ next: 'wait' });
  });
});

describe('somebody else’s choice', () => {
  it('that was made before stays', async () => {
    const { runpod, deps, record } = await begin();
    runpod.image = imageOf(otherDigest);
    expect(await createApplyRollout(deps())(order)).toMatchObject({ ending: { verdict: 'superseded', isTold: true } });
    expect(runpod.given).toEqual([]);
    expect(await record()).toMatchObject({
      earlier: { image: imageOf(otherDigest), byHand: true },
      refused: [{ digest: newDigest, by: 'person' }],
    });
  });

  it('is not what an endpoint had before the image that a person asks for again', async () => {
    const { runpod, deps, record } = await begin({ isAsked: true, from: [imageOf(newDigest)] });
    runpod.change(imageOf(otherDigest));
    runpod.change(imageOf(newDigest));
    expect(await createApplyRollout(deps())(order)).toEqual({ next: 'watch' });
    expect(runpod.given).toEqual([]);
    expect((await record())?.current).toMatchObject({ phase: 'watching', version: 3 });
  });

  it('that was made at the same moment is put back', async () => {
    const { runpod, deps } = await begin();
    runpod.meanwhile = () => runpod.change(imageOf(otherDigest));
    expect(await createApplyRollout(deps())(order)).toMatchObject({
      ending: { verdict: 'superseded', why: expect.stringContaining('at the same moment') },
    });
    expect(runpod.given).toEqual([imageOf(newDigest), imageOf(otherDigest)]);
  });

  it('of another credential at the same moment puts the image back', async () => {
    const { runpod, deps } = await begin();
    runpod.meanwhile = () => {
      runpod.registry = 'other';
    };
    expect(await createApplyRollout(deps())(order)).toMatchObject({
      ending: { why: expect.stringContaining('another credential') },
    });
    expect(runpod.image).toBe(tagged);
  });

  it('that was made while the earlier image was put back stays', async () => {
    const { runpod, deps } = await begin(returning);
    runpod.image = imageOf(newDigest);
    runpod.meanwhile = () => runpod.change(imageOf(otherDigest));
    expect(await createRollBack(deps())(order)).toMatchObject({
      ending: { verdict: 'broken', back: 'not ours', isTold: true },
    });
    expect(runpod.image).toBe(imageOf(otherDigest));
  });
});

describe('a choice that was overwritten and could not be put back', () => {
  it.each([
    ['apply-rollout', {}, tagged, createApplyRollout],
    ['roll-back', returning, imageOf(newDigest), createRollBack],
  ] as const)('is put back by %s where it is asked once more', async (_name, current, image, create) => {
    const { runpod, deps } = await begin(current);
    runpod.image = image;
    runpod.meanwhile = () => {
      runpod.change(imageOf(otherDigest));
      runpod.time += 1000;
    };
    runpod.refuses = imageOf(otherDigest);
    const step = create(deps());
    await expect(step(order)).rejects.toThrow(RunpodUnavailableError);
    runpod.refuses = undefined;
    expect(await step(order)).toMatchObject({ next: 'notify', ending: { isTold: true } });
    expect(runpod.image).toBe(imageOf(otherDigest));
  });
});

describe('the way back', () => {
  it('gives the earlier image, and is watched', async () => {
    const { runpod, deps, record } = await begin(returning);
    runpod.change(imageOf(newDigest));
    runpod.time += minuteMs;
    expect(await createPlanRollout(deps())(order)).toEqual({ next: 'back' });
    expect(await createRollBack(deps())(order)).toEqual({ next: 'watch back' });
    expect(runpod.image).toBe(imageOf(oldDigest));
    expect((await record())?.current).toMatchObject({ backAt: startedAt + minuteMs, backVersion: 3 });
    expect(await createRollBack(deps())(order)).toEqual({ next: 'watch back' });
    expect(runpod.given).toHaveLength(1);
  });

  it.each([
    ['works', 3, 'IDLE', pulledLog(imageOf(oldDigest))],
    ['unproved', 3, undefined, []],
    [
      'broken',
      3,
      'INITIALIZING',
      [
        ...pulledLog(imageOf(oldDigest)).slice(0, 3),
        { line: 'exec /start.sh: exec format error', at: startedAt + 12_000 },
      ],
    ],
  ] as const)('%s is how it ended', async (back, version, status, log) => {
    const { runpod, deps, record } = await begin({ ...returning, backAt: startedAt, backVersion: version });
    runpod.image = imageOf(oldDigest);
    if (status !== undefined) runpod.workers = [{ ...readyWorker(version, imageOf(oldDigest)), status }];
    runpod.logs.set('w', log);
    runpod.time = startedAt + 16 * minuteMs;
    expect(await createWatchRollout(deps())(order)).toMatchObject({
      ending: { verdict: 'broken', why: 'it does not start', back, isTold: true },
    });
    expect(await record()).toMatchObject({
      earlier: { image: imageOf(oldDigest), digest: oldDigest },
      ended: { verdict: 'broken', back },
      told: `refused ${newDigest}`,
    });
  });
});

describe('the step that gives the earlier image back', () => {
  const ending = async (step: Promise<RolloutStep>) => {
    const found = await step;
    return 'ending' in found ? found.ending : found;
  };

  it('changes nothing where another execution has taken over, or it is not to be given back', async () => {
    const { runpod, deps, memory, record } = await begin(returning, { attempts: 2 });
    runpod.image = imageOf(newDigest);
    await memory.change('ep', (before) => before && claim(before, newer, startedAt));
    const before = await record();
    expect(await ending(createRollBack(deps())(order))).toMatchObject({ verdict: 'superseded', isTold: false });
    const other = await begin(watching);
    other.runpod.image = imageOf(newDigest);
    expect(await ending(createRollBack(other.deps())(order))).toMatchObject({ verdict: 'superseded' });
    expect([runpod.given, other.runpod.given, await record()]).toEqual([[], [], before]);
    expect(await ending(createRollBack(deps())({ ...order, endpoint: 'unknown' }))).toMatchObject({
      verdict: 'superseded',
    });
  });

  it('leaves an image that is neither of the two, and remembers it', async () => {
    const { runpod, deps, record } = await begin(returning);
    runpod.image = imageOf(otherDigest);
    expect(await ending(createRollBack(deps())(order))).toMatchObject({
      verdict: 'broken',
      back: 'not ours',
      why: 'it does not start',
    });
    expect(runpod.given).toEqual([]);
    expect(await record()).toMatchObject({ earlier: { image: imageOf(otherDigest) }, ended: { back: 'not ours' } });
  });

  it('leaves what somebody gave it right afterwards', async () => {
    const { runpod, deps, record } = await begin(returning);
    runpod.image = imageOf(newDigest);
    runpod.afterwards = () => runpod.change(imageOf(otherDigest));
    expect(await ending(createRollBack(deps())(order))).toMatchObject({ back: 'not ours' });
    expect([runpod.image, runpod.given]).toEqual([imageOf(otherDigest), [imageOf(oldDigest)]]);
    expect((await record())?.earlier).toEqual({ image: imageOf(otherDigest), byHand: true });
  });

  it.each([
    ['its release and its time', {}, { backAt: startedAt, backVersion: 2 }],
    ['its own clock, where the release has no time', { isDated: false }, { backAt: startedAt, backVersion: 2 }],
    ['no number, where it has none', { isNumbered: false }, { backAt: startedAt }],
    ['its own clock, where there is no release', { isReleased: false }, { backAt: startedAt }],
  ] as const)('remembers %s', async (_what, unsaid, expected) => {
    const { runpod, deps, record } = await begin(returning);
    runpod.image = imageOf(newDigest);
    Object.assign(runpod, unsaid);
    expect(await createRollBack(deps())(order)).toEqual({ next: 'watch back' });
    const { backAt, backVersion } = { ...(await record())?.current };
    expect({ backAt, backVersion }).toEqual({ backVersion: undefined, ...expected });
  });

  it('counts an older release of the earlier image for none of its own', async () => {
    const { runpod, deps, record } = await begin(returning);
    runpod.image = imageOf(newDigest);
    runpod.releases = [{ version: 7, createdAt: startedAt - 5, old: imageOf(otherDigest), new: imageOf(oldDigest) }];
    runpod.isReleased = false;
    expect(await createRollBack(deps())(order)).toEqual({ next: 'watch back' });
    expect((await record())?.current?.backVersion).toBeUndefined();
    expect(runpod.image).toBe(imageOf(oldDigest));
  });

  it('is satisfied with an endpoint that has the earlier image already, and with when that was', async () => {
    for (const [current, backAt] of [
      [returning, startedAt + 1000],
      [{ ...returning, backAt: startedAt }, startedAt],
    ] as const) {
      const { runpod, deps, record } = await begin(current);
      runpod.image = imageOf(oldDigest);
      runpod.time = startedAt + 1000;
      expect(await createRollBack(deps())(order)).toEqual({ next: 'watch back' });
      expect(runpod.given).toEqual([]);
      expect((await record())?.current?.backAt).toBe(backAt);
    }
  });

  it('ends where another execution takes over before it can remember', async () => {
    const { runpod, deps, memory } = await begin(returning);
    runpod.image = imageOf(newDigest);
    expect(await ending(createRollBack(deps(overtaken(memory, supersede)))(order))).toMatchObject({
      verdict: 'superseded',
      isTold: false,
    });
  });
});

describe('an endpoint that is held', () => {
  it.each([
    ['ends what is under way', {}, { verdict: 'held' }],
    ['does not end what a person asked for', { isAsked: true }, undefined],
    ['does not end a way back', returning, undefined],
  ] as const)('%s', async (_what, current, ending) => {
    const { runpod, deps } = await begin(current, { heldSince: startedAt });
    if ('brokenWhy' in current) runpod.image = imageOf(newDigest);
    const step = await createPlanRollout(deps())(order);
    expect('ending' in step ? step.ending : undefined).toEqual(
      ending === undefined ? undefined : expect.objectContaining(ending),
    );
  });

  it.each([
    ['watch-rollout', createWatchRollout],
    ['plan-rollout', createPlanRollout],
  ])('ends what is watched, where nobody asked for it, and stays on its image: %s', async (_name, create) => {
    const { runpod, deps, record } = await begin(watching, { heldSince: startedAt });
    runpod.image = imageOf(newDigest);
    expect(await create(deps())(order)).toMatchObject({ ending: { verdict: 'held' } });
    expect(await record()).toMatchObject({
      earlier: { image: imageOf(newDigest), digest: newDigest },
      previous: { digest: oldDigest },
      ended: { verdict: 'held' },
    });
  });

  it('has what it had, where it was held before Runpod took the change', async () => {
    const { deps, record } = await begin({ phase: 'applying' }, { heldSince: startedAt });
    expect(await createPlanRollout(deps())(order)).toMatchObject({ ending: { verdict: 'held' } });
    expect((await record())?.earlier).toEqual(seen);
  });
});
