import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LiveSource } from '../../console/live.ts';
import { readEvents } from '../../console/run-history.ts';
import { worstFirst } from '../../console/standing.ts';
import { awsClientDefaults } from '../../functions/lib/aws/client.ts';
import { createMemory } from '../../functions/lib/memory/memory.ts';
import { rolloutForm } from '../../functions/lib/rollout/memory.ts';
import type { SimulatedEndpoint } from '../../simulator/runpod/server.ts';
import { region, World } from '../../simulator/world.ts';
import type { Caller } from '../../stack/caller.ts';
import { keys, run, runOnScreen } from '../support/command.ts';
import { awsRefuses } from '../support/failures.ts';
import {
  beginFollowing,
  digestOfTag,
  followerId,
  pushBroken,
  pushImage,
  rollOut,
  rolloutRecord,
  settle,
} from '../support/rollouts.ts';

const mark = 'SENTINELPASSWORD';
let world: World;
let source: LiveSource;

/** Who looks at a world's stack. */
const callerOf = (of: World): Caller => {
  const { settings } = of.platform();
  const aws = { ...awsClientDefaults(settings, 4 * 1024 * 1024), region };
  return { stackName: 'runpod-ecr-refresh-dev', stage: 'dev', region, settings, aws };
};

beforeAll(async () => {
  world = await World.begin({ passwordMark: mark });
  const image = world.push('team/worker', 'v1');
  const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
  world.runpod.startWorker(endpoint);
  await world.refresh({ trigger: 'schedule' });
  await world.clock.advance(3_600_000);
  const good = new Set(world.runpod.keys.get(world.apiKey));
  world.runpod.keys.set(world.apiKey, new Set());
  await world.refresh({ trigger: 'manual' });
  world.runpod.keys.set(world.apiKey, good);
  Object.assign(world.deployment.alarms[0] ?? {}, { state: 'ALARM' });
  Object.assign(world.deployment.outputs, { Version: '0.0.9' });
  const listener = { protocol: 'email', endpoint: 'you@example.com', isConfirmed: true };
  for (const topic of ['alerts', 'alarms'])
    world.deployment.subscriptions.push({
      ...listener,
      topicArn: `arn:aws:sns:${region}:123456789012:runpod-ecr-refresh-dev-${topic}`,
      isEnded: topic === 'alerts',
    });
  source = await LiveSource.begin(callerOf(world), 50);
});

afterAll(async () => {
  await source.end();
  await world.end();
});

describe('the live console', () => {
  it('shows runs, tokens, proofs and alarms of the deployed stack', () => {
    const { eventLog } = source;
    expect(eventLog.scalars).toMatchObject({ mode: 'live', trouble: '', newestRun: 'run-2' });
    expect(eventLog.all('runs').map(({ status, trigger, error }) => [status, trigger, error])).toEqual([
      ['FAILED', 'manual', 'RunpodUnauthorizedError'],
      ['SUCCEEDED', 'schedule', undefined],
    ]);
    const [token] = eventLog.all('tokens');
    expect((token?.expiresAt ?? 0) - (token?.storedAt ?? 0)).toBeGreaterThan(11.9 * 3_600_000);
    expect(eventLog.get('alarms', 'runpod-ecr-refresh-dev-RunFailed')?.isOpen).toBe(true);
    expect(eventLog.all('alarms').filter(({ isOpen }) => isOpen)).toHaveLength(1);
  });

  it('says in one sentence how it stands, until when pulls work, and what comes next', () => {
    const { severity, pieces } = source.eventLog.scalars.sentence;
    expect(severity).toBe('critical');
    const text = pieces.map((piece) => (typeof piece === 'number' ? 'HH:MM' : piece)).join('');
    expect(text).toMatch(
      /^production: pulls work until HH:MM\. Its last run stored no token \(RunpodUnauthorizedError\)\. Deployed is version 0\.0\.9, this is \S+\. Alarm \S+ is open\. Alerts no longer reach you@example\.com: .* Next run HH:MM\.$/,
    );
  });

  it('has the last proof, with its age, where the last run stored nothing, also when it was begun after that', () => {
    const { eventLog } = source;
    expect(eventLog.all('refreshers')).toMatchObject([
      { id: 'production', error: { name: 'RunpodUnauthorizedError' }, proofs: { observed: 1 } },
    ]);
    const [endpoint] = eventLog.all('endpoints');
    expect(endpoint).toMatchObject({ id: '4m7x2k9q', proof: 'observed' });
    const [failed, earlier] = eventLog.all('runs');
    expect(endpoint?.at).toBeGreaterThanOrEqual(earlier?.startedAt ?? Number.POSITIVE_INFINITY);
    expect(endpoint?.at).toBeLessThan(failed?.startedAt ?? 0);
  });

  it('opens any run, with what went into its states and came out of them', async () => {
    const record = await source.run('run-2');
    const phases = new Map(record?.opened.states.map(({ id, phase }) => [id, phase]));
    expect([phases.get('ResolveTargets'), phases.get('Report'), phases.get('RefreshFailed')]).toEqual([
      'done',
      'done',
      'active',
    ]);
    // Those within the Map are in executions of their own.
    expect([phases.get('DiscoverEndpoints'), phases.get('FetchToken')]).toEqual(['caught', undefined]);
    expect(record?.details.get('Report')).toMatchObject({ output: { report: { outcome: 'failed' } } });
    expect(record?.opened).toMatchObject({
      status: 'FAILED',
      link: expect.stringMatching(/^https:\/\/us-east-1\.console\.aws\.amazon\.com\/states\/.*run-2$/),
    });
    expect((await source.run('run-1'))?.opened.status).toBe('SUCCEEDED');
    expect([await source.run('run-99'), await source.run('../x')]).toEqual([undefined, undefined]);
    expect(JSON.stringify(source.eventLog.whole())).not.toContain(mark);
  });

  it('links each alarm', () => {
    expect(source.eventLog.get('alarms', 'runpod-ecr-refresh-dev-RunFailed')?.link).toBe(
      'https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#alarmsV2:alarm/runpod-ecr-refresh-dev-RunFailed',
    );
  });

  it('changes nothing: it has no switches', () => {
    expect([source.turn(), world.stepFunctions.executions.size]).toEqual([false, 2]);
  });

  it('has a row for each target, the worst first', async () => {
    const targets = Array.from({ length: 11 }, (_, index) => {
      const registry = `credential${index}`;
      world.runpod.addCredential(registry, registry, { username: 'AWS', password: 'never-filled' });
      return `  - { name: target-${index}, ecr: { region: us-east-1 }, runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: ${registry} } }`;
    });
    world.writeTargets(`targets:\n${targets.join('\n')}\n`);
    await world.clock.advance(60_000);
    await world.refresh({ trigger: 'schedule' });
    await expect.poll(() => source.eventLog.all('refreshers').length).toBe(12);
    const [worst] = worstFirst(source.eventLog.all('refreshers'), Date.now());
    expect(worst?.id).toBe('production');
    // A target's lane has what a run came to for it, and no run that did not concern it.
    const runsOf = (name: string) => source.eventLog.all('runs').filter(({ refresher }) => refresher === name);
    await expect.poll(() => runsOf('target-7').map(({ run }) => run)).toEqual(['run-3']);
  });

  it('says when AWS cannot be read, and when it can again', async () => {
    const repair = world.faults.add({
      on: /DescribeAlarms/,
      does: awsRefuses,
    });
    await expect.poll(() => source.eventLog.scalars.trouble).toMatch(/Allow cloudwatch:DescribeAlarms/);
    repair();
    await expect.poll(() => source.eventLog.scalars.trouble).toBe('');
  });
});

describe('a rollout of the deployed stack', () => {
  it('is on the lane while it is under way, opens as a path, and shows that it came back', async () => {
    const { world: following, endpoint } = await beginFollowing(undefined, { isWarm: false });
    const image = following.push('team/worker', 'production');
    following.runpod.programFaults.set(following.registry.digestOf(image) ?? '', 'cannot start');
    await following.refresh();
    const execution = [...following.rollouts.executions.values()][0];
    await following.clock.advance(60_000);
    expect(execution?.status).toBe('RUNNING');
    const live = await LiveSource.begin(callerOf(following), 50);
    try {
      const shown = () => live.eventLog.all('rollouts');
      expect(shown()).toMatchObject([
        { endpoint: endpoint.id, refresher: 'production', run: execution?.name, image: expect.stringContaining(image) },
      ]);
      expect(shown()[0]?.endedAt).toBeUndefined();
      const record = await live.run(execution?.name ?? '');
      expect(record?.opened).toMatchObject({ machine: 'rollout', status: 'RUNNING' });
      expect(record?.opened.states.map(({ id }) => id)).toEqual(
        expect.arrayContaining(['PlanRollout', 'ApplyRollout', 'WatchRollout']),
      );
      following.runpod.startWorker(endpoint);
      await settle(following);
      await expect.poll(() => shown()[0]?.verdict, { timeout: 20_000 }).toBe('broken');
      expect(shown()).toHaveLength(1);
      expect((await live.run(execution?.name ?? ''))?.opened.states.map(({ id }) => id)).toContain('RollBack');
    } finally {
      await live.end();
      await following.end();
    }
  });
});

describe('rollouts of the deployed stack, one after the other', () => {
  let following: World;
  let endpoint: SimulatedEndpoint;
  let live: LiveSource;
  const shown = () => live.eventLog.all('rollouts');

  beforeEach(async () => {
    ({ world: following, endpoint } = await beginFollowing());
  });
  afterEach(async () => {
    await live.end();
    await following.end();
  });

  it('name what an endpoint had before, also once the new image is what it comes back to', async () => {
    const first = await digestOfTag(following, 'production');
    await pushImage(following);
    await rollOut(following);
    live = await LiveSource.begin(callerOf(following), 50);
    expect(shown()).toMatchObject([
      { verdict: 'proven', earlier: expect.stringContaining(first), image: endpoint.image },
    ]);
  });

  it('begin when the image was given that time', async () => {
    const digest = await pushBroken(following, 'cannot start');
    await rollOut(following);
    await following.clock.advance(3_600_000);
    await createMemory(following.platform().settings).change(rolloutForm, followerId, (before) =>
      before === undefined ? before : { ...before, refused: [] },
    );
    await rollOut(following);
    const given = (await rolloutRecord(following)).given.filter((each) => each.digest === digest);
    expect(given).toHaveLength(2);
    live = await LiveSource.begin(callerOf(following), 50);
    expect(shown()).toMatchObject([{ verdict: 'broken', startedAt: given[1]?.at }]);
  });

  it('are under way once, whatever execution goes on with one', async () => {
    following.runpod.stopWorkers(endpoint);
    await pushImage(following);
    await rollOut(following);
    live = await LiveSource.begin(callerOf(following), 50);
    expect(shown()).toMatchObject([{ id: `${followerId} 1` }]);
    await following.refresh();
    await expect.poll(() => shown().map(({ id }) => id)).toEqual([`${followerId} 2`]);
  });
});

describe('a history', () => {
  const enter = (id: number, name: string) =>
    ({
      id,
      previousEventId: id - 1,
      type: 'TaskStateEntered',
      timestamp: undefined,
      stateEnteredEventDetails: { name, input: '{"a":1}' },
    }) as const;
  const leave = (id: number, name: string) =>
    ({
      id,
      previousEventId: id - 1,
      type: 'TaskStateExited',
      timestamp: undefined,
      stateExitedEventDetails: { name, output: '{"b":2}' },
    }) as const;
  const event = (id: number, type: 'LambdaFunctionScheduled' | 'LambdaFunctionFailed') =>
    ({ id, previousEventId: id - 1, type, timestamp: undefined }) as const;

  it.each([
    ['at work', [enter(1, 'A')], 'active'],
    ['at work again', [enter(1, 'A'), leave(2, 'A'), enter(3, 'A')], 'active'],
    ['done', [enter(1, 'A'), event(2, 'LambdaFunctionScheduled'), leave(3, 'A')], 'done'],
    [
      'being retried',
      [enter(1, 'A'), event(2, 'LambdaFunctionScheduled'), event(3, 'LambdaFunctionFailed')],
      'retried',
    ],
    [
      'done after a retry',
      [enter(1, 'A'), event(2, 'LambdaFunctionFailed'), event(3, 'LambdaFunctionScheduled'), leave(4, 'A')],
      'done',
    ],
    ['caught', [enter(1, 'A'), event(2, 'LambdaFunctionFailed'), leave(3, 'A')], 'caught'],
  ] as const)('tells that a state is %s', (_what, events, phase) => {
    const [states, details] = [new Map(), new Map()];
    readEvents([...events], states, details);
    expect(states.get('A')).toMatchObject({ id: 'A', phase });
    expect(details.get('A')).toMatchObject({ input: { a: 1 } });
  });
});

describe('npm run console', () => {
  it.each([[[]], [['--live']]])('serves a page that opens, and ends by Ctrl-C (%j)', async (words) => {
    const { written, echoes, type, ended } = runOnScreen(world, ['console', ...words, '--json']);
    await echoes('\n');
    const { url } = JSON.parse(written()) as { url: string };
    const { origin, hash } = new URL(url);
    const page = await fetch(origin);
    const opened = await fetch(new URL('/api/open', origin), {
      method: 'POST',
      headers: { origin, 'content-type': 'application/json' },
      body: JSON.stringify({ token: new URLSearchParams(hash.slice(1)).get('token') }),
    });
    expect(opened.status).toBe(200);
    expect([page.status, await page.text()]).toEqual([
      200,
      expect.stringContaining('<title>runpod-ecr-refresh console</title>'),
    ]);
    type(keys.interrupt);
    expect(await ended).toBe(0);
  });

  it.each<readonly [string, readonly string[], RegExp, number]>([
    [
      'a stack that is not there',
      ['--live', '--stage', 'prod'],
      /There is no stack runpod-ecr-refresh-prod in us-east-1/,
      1,
    ],
    ['a port that is none', ['--port', 'x'], /--port: expected a number from 0 to 65535, found "x"/, 2],
    ['an option that there is not', ['--colour'], /unknown option '--colour'/, 2],
  ])('with %s says what to do', async (_what, words, expected, code) => {
    const ended = await run(world, ['console', ...words]);
    expect([ended.code, ended.printedErrors]).toEqual([code, expect.stringMatching(expected)]);
  });

  it('explains itself', async () => {
    const { code, printed } = await run(world, ['console', '--help']);
    expect([code, printed]).toEqual([0, expect.stringContaining('npm run console -- --live')]);
  });
});
