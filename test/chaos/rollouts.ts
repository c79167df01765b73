import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createMemory } from '../../functions/lib/memory/memory.ts';
import { rolloutForm } from '../../functions/lib/rollout/memory.ts';
import type { RolloutRecord } from '../../functions/lib/rollout/record.ts';
import { type FunctionName, functionNames } from '../../runner/functions.ts';
import type { FaultEffect } from '../../simulator/loopback.ts';
import type { SimulatedEndpoint } from '../../simulator/runpod/server.ts';
import { registryHost, World } from '../../simulator/world.ts';
import { digestOfTag, followerId, followingTag, hold, settle } from '../support/rollouts.ts';

const minuteMs = 60_000;
const repository = `${registryHost}/team/worker`;

/** A Lambda that died: Step Functions sees it so. */
class CrashError extends Error {
  override readonly name = 'Lambda.Unknown';
}

/** The world, and what was done to it that the invariants must know. Times are epoch milliseconds. */
interface Real {
  readonly world: World;
  readonly endpoint: SimulatedEndpoint;
  readonly crashes: Array<{ readonly name: FunctionName; readonly when: 'before' | 'after' }>;
  /** When each digest was pushed, and which of them do not run. */
  readonly pushed: Map<string, number>;
  /** The images that the rollout gave, in order. */
  readonly given: Array<{ readonly digest: string; readonly at: number }>;
  /** What somebody chose by hand last. */
  byHand: { readonly image: string; readonly at: number; readonly isOnRecord: boolean } | undefined;
  /** When the memory was lost last. */
  lostAt: number;
  /** Whether ECR has lost images that are there to come back to. */
  hasDeleted: boolean;
  readonly violations: string[];
}

type Command = fc.AsyncCommand<object, Real>;

const command = (name: string, run: (real: Real) => Promise<unknown> | unknown): Command => ({
  check: () => true,
  run: async (_, real) => void (await run(real)),
  toString: () => name,
});

const digestIn = (image: string): string => image.split('@')[1] ?? '';

const push = async (real: Real, tag: string, recipe = {}): Promise<string> => {
  real.world.push('team/worker', tag, recipe);
  const digest = await digestOfTag(real.world, tag);
  if (!real.pushed.has(digest)) real.pushed.set(digest, real.world.clock.now());
  return digest;
};

/** With a patience of its own: the functions' is a fifth of a second, which a busy machine exceeds. */
const memoryOf = ({ world }: Real) => createMemory({ ...world.platform().settings, UPSTREAM_TIMEOUT_SECONDS: 3 });

/** A second after whatever was before it, so that each moment has an order. Where the memory was lost just then, it is a first sight. */
const choose = async (real: Real, image: string): Promise<void> => {
  await real.world.clock.advance(1000);
  const record = await memoryOf(real)
    .read(rolloutForm, followerId)
    .catch(() => undefined);
  // The same reference once more is no other choice, and makes no release of an image: it is as old as the first time, and on
  // record where that was, and still is.
  const { byHand, lostAt } = real;
  const isSame = real.endpoint.image === image;
  const isOnRecord = isSame ? byHand?.isOnRecord === true && byHand.at > lostAt : record !== undefined;
  real.world.runpod.release(real.endpoint, image);
  const at = (isSame ? byHand?.at : undefined) ?? real.world.clock.now();
  real.byHand = { image, at, isOnRecord };
};

const answer = (status: number): FaultEffect => ({
  answer: { status, headers: { 'content-type': 'application/json' }, body: '{"message":"oh no"}' },
});

const upstreams = {
  'Runpod’s endpoints': /\/v2\/serverless/,
  'Runpod’s changes of endpoints': /PATCH \/v2\/serverless/,
  'Runpod’s releases': /releases/,
  'ECR’s list of images': /DescribeImages/,
  'the memory': /DynamoDB/,
  'the start of executions': /StartExecution/,
} as const;

const faults: Readonly<Record<string, FaultEffect>> = {
  'answers 500': answer(500),
  'resets connections': { reset: true },
  'answers 403': answer(403),
};

const concerned = functionNames.filter((name) => /rollout|roll-back|^notify$/.test(name));

const tick = fc.integer({ min: 0, max: 5 * 60 }).map((minutes) =>
  command(`a refresh runs, and ${minutes} minutes pass`, async ({ world }) => {
    world.start();
    await world.clock.advance(minutes * minuteMs);
  }),
);

const commands = [
  fc
    .integer({ min: 1, max: 120 })
    .map((minutes) => command(`${minutes} minutes pass`, ({ world }) => world.clock.advance(minutes * minuteMs))),
  fc.integer({ min: 1, max: 8 }).map((count) =>
    command(`${count} images are pushed within a minute or two, each with its event`, async (real) => {
      for (let index = 0; index < count; index += 1) {
        await push(real, 'production');
        await real.world.deliverPush('team/worker', 'production').catch(() => undefined);
        await real.world.clock.advance(10_000);
      }
    }),
  ),
  fc.constantFrom('ends' as const, 'cannot start' as const).map((fault) =>
    command(`an image is pushed whose program ${fault}`, async (real) => {
      const digest = await push(real, 'production');
      real.world.runpod.programFaults.set(digest, fault);
    }),
  ),
  fc.constant(command('an image for arm64 is pushed', (real) => push(real, 'production', { architecture: 'arm64' }))),
  fc.constant(
    command('somebody gives the endpoint an image by hand', async (real) => {
      await push(real, 'debug');
      await choose(real, `${repository}:debug`);
    }),
  ),
  fc.constant(
    command('somebody gives the endpoint its first image by hand', (real) => {
      const [first = ''] = real.pushed.keys();
      return choose(real, `${repository}@${first}`);
    }),
  ),
  fc
    .tuple(
      fc.constantFrom(...Object.keys(upstreams)),
      fc.constantFrom(...Object.keys(faults)),
      fc.integer({ min: 1, max: 6 }),
    )
    .map(([who, what, times]) =>
      command(`${who}: ${what}, ${times} times`, ({ world }) =>
        world.faults.add({
          on: upstreams[who as keyof typeof upstreams],
          does: faults[what] ?? { reset: true },
          times,
        }),
      ),
    ),
  fc.constant(command('all upstreams recover', ({ world }) => world.faults.clear())),
  fc
    .tuple(fc.constantFrom(...concerned), fc.constantFrom('before' as const, 'after' as const))
    .map(([name, when]) => command(`${name} crashes ${when} its work`, ({ crashes }) => crashes.push({ name, when }))),
  fc.constant(
    command('executions of rollouts are stopped', ({ world }) => {
      for (const execution of world.rollouts.executions.values()) if (execution.status === 'RUNNING') execution.abort();
    }),
  ),
  fc.constant(
    command('ECR deletes the oldest image', (real) => {
      const [first = ''] = real.pushed.keys();
      real.hasDeleted = true;
      real.world.registry.deleteImage(repository, first);
    }),
  ),
  fc.constant(
    command('the memory is lost', async (real) => {
      real.lostAt = real.world.clock.now();
      await real.world.dynamodb.lose();
    }),
  ),
  fc.constant(command('a worker starts', ({ world, endpoint }) => world.runpod.startWorker(endpoint))),
  fc.constant(command('all workers stop', ({ world, endpoint }) => world.runpod.stopWorkers(endpoint))),
  fc.constant(command('the endpoint is held', ({ world }) => hold(world).catch(() => undefined))),
  fc.constant(
    command('the endpoint is let go', (real) =>
      memoryOf(real)
        .change(rolloutForm, followerId, (before) => {
          if (before === undefined) return undefined;
          const { heldSince: _, ...rest } = before;
          return rest;
        })
        .catch(() => undefined),
    ),
  ),
  fc.constant(command('the functions start anew', (real) => restart(real))),
];

/** What a command of a failed history shrinks to. */
const nothing = command('', () => {});

/** Starts the functions anew, with the crashes that wait for them. */
const restart = ({ world, crashes }: Pick<Real, 'world' | 'crashes'>): void => {
  world.restart();
  const { invoke } = world;
  world.invoke = async (name, event) => {
    const index = crashes.findIndex((each) => each.name === name);
    const crash = index === -1 ? undefined : crashes.splice(index, 1)[0];
    if (crash?.when === 'before') throw new CrashError('The process died before it had begun.');
    const result = await invoke(name, event);
    if (crash === undefined) return result;
    throw new CrashError('The process died before it could answer.');
  };
};

const begin = async (): Promise<Real> => {
  const world = await World.begin({
    targets: followingTag,
    startAt: Date.parse('2026-11-23T00:00:00Z'),
    environment: { UPSTREAM_TIMEOUT_SECONDS: '0.2', LOG_LISTEN_SECONDS: '0.02' },
  });
  const image = world.push('team/worker', 'production');
  const endpoint = world.runpod.addEndpoint({ id: followerId, name: 'worker', image, registry: '6n2k8v4d' });
  const real: Real = {
    world,
    endpoint,
    crashes: [],
    pushed: new Map([[await digestOfTag(world, 'production'), world.clock.now()]]),
    given: [],
    byHand: undefined,
    lostAt: 0,
    hasDeleted: false,
    violations: [],
  };
  world.runpod.onImageChange = (_, given) => {
    const at = world.clock.now();
    const digest = digestIn(given);
    const { byHand } = real;
    const isNewer = (real.pushed.get(digest) ?? 0) >= (byHand?.at ?? 0);
    if (
      byHand?.isOnRecord === true &&
      endpoint.image === byHand.image &&
      at - byHand.at > minuteMs &&
      byHand.at > real.lostAt &&
      !isNewer
    ) {
      real.violations.push(
        `what was chosen by hand was overwritten with ${given} after ${(at - byHand.at) / minuteMs} minutes`,
      );
    }
    real.given.push({ digest, at });
  };
  restart(real);
  await world.refresh();
  world.runpod.startWorker(endpoint);
  await world.clock.advance(minuteMs);
  return real;
};

const readRecord = async (real: Real): Promise<RolloutRecord> => {
  const record = await memoryOf(real).read(rolloutForm, followerId);
  assert(record !== undefined, 'nothing is remembered of the endpoint');
  return record;
};

/** Throws where something does not hold that must, whatever has happened. */
const expectInvariants = async (real: Real): Promise<void> => {
  const { world, endpoint, given, byHand, lostAt, hasDeleted } = real;
  const record = await readRecord(real);
  assert.deepEqual(real.violations, []);
  for (const { name, status } of world.rollouts.executions.values()) {
    assert(['SUCCEEDED', 'FAILED', 'ABORTED'].includes(status), `${name} is ${status}`);
  }
  const { current, ended, refused, heldSince } = record;
  assert(current === undefined || current.phase === 'watching', `a rollout has no verdict: it is ${current?.phase}`);
  if (given.length > 0 && current === undefined && lostAt === 0)
    assert(ended !== undefined, 'a rollout has no verdict');

  for (const digest of world.runpod.programFaults.keys()) {
    const times = given.filter((each) => each.digest === digest && each.at > lostAt).length;
    assert(times <= 1, `an image that does not run was given ${times} times`);
  }
  const isByHand = byHand !== undefined && endpoint.image === byHand.image;
  const has = digestIn(endpoint.image);
  const isOld = (given.findLast(({ digest }) => digest === has)?.at ?? 0) <= lostAt;
  // What the tag stood for when the endpoint was first seen after a loss is come back to, whether it runs or not.
  const since = given.filter(({ at }) => at > lostAt).map(({ digest }) => digest);
  const order = [...real.pushed.keys()];
  const isFirstSeen =
    lostAt > 0 && since.slice(0, since.indexOf(has)).some((digest) => order.indexOf(digest) > order.indexOf(has));
  if (!isByHand && !isOld && !isFirstSeen && !hasDeleted && heldSince === undefined) {
    assert(!world.runpod.programFaults.has(has), 'the endpoint is left on an image that does not run');
  }
  const wanted = await digestOfTag(world, 'production');
  const texts = world.sns.inbox.map(({ text }) => text.replaceAll('\u2060', '')).join('\n');
  const isTold =
    wanted === 'none' ||
    has === wanted ||
    record.earlier.digest === wanted ||
    refused.some(({ digest }) => digest === wanted) ||
    heldSince !== undefined ||
    texts.includes(wanted.slice(0, 19));
  assert(isTold, 'an image that is wanted was neither rolled out nor told of');
};

const playRollouts = async (history: Iterable<Command>): Promise<void> => {
  const real = await begin();
  const { world, endpoint } = real;
  try {
    await fc.asyncModelRun(() => ({ model: {}, real }), history);
    world.faults.clear();
    real.crashes.length = 0;
    restart(real);
    await settle(world);
    // An hour between them, for an endpoint is given six images an hour.
    for (let run = 0; run < 4; run += 1) {
      if (endpoint.workers.length === 0) world.runpod.startWorker(endpoint);
      await world.clock.advance(65 * minuteMs);
      await world.refresh();
      await settle(world);
    }
    await expectInvariants(real);
  } finally {
    await world.end();
  }
};

/** A property that holds for every history of pushes, crashes and people. */
export const rolloutChaos = fc.asyncProperty(
  fc.array(fc.oneof({ withCrossShrink: true }, fc.constant(nothing), { arbitrary: tick, weight: 5 }, ...commands), {
    minLength: 6,
    maxLength: 12,
    size: 'max',
  }),
  playRollouts,
);
