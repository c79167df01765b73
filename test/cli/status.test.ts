import { tmpdir } from 'node:os';
import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { showStatus } from '../../cli/status/show.ts';
import { status } from '../../cli/status/status.ts';
import { createTerminal } from '../../cli/terminal.ts';
import { wallClock } from '../../runner/engine.ts';
import { World } from '../../simulator/world.ts';
import type { Status } from '../../stack/status.ts';
import { connectionOf, keys, run, runOnScreen } from '../support/command.ts';
import { awsRefuses, whenAsked } from '../support/failures.ts';
import { subscribeAll } from '../support/subscriptions.ts';

let world: World;

beforeAll(async () => {
  world = await World.begin();
  const image = world.push('team/worker', 'v1');
  const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
  world.runpod.startWorker(endpoint);
  subscribeAll(world);
  await world.refresh({ trigger: 'schedule' });
});

afterAll(() => world.end());

beforeEach(() => {
  world.faults.clear();
  world.deployment.status = 'UPDATE_COMPLETE';
  world.deployment.outputs.Version = '0.1.0';
  world.deployment.schedule.state = 'ENABLED';
  for (const alarm of world.deployment.alarms) alarm.state = 'OK';
});

const deployed = (change: Pick<World['deployment'], 'status'>) => void Object.assign(world.deployment, change);

describe('status', () => {
  it('shows hours left, the proof of each endpoint, runs and alarms', async () => {
    const { code, printed, printedErrors } = await run(world, ['status']);
    expect(printedErrors).toBe('');
    expect(printed).toMatch(/^production {3}[█░]{36} {2}1[12] h \d+ min left, until \d\d:\d\d UTC$/m);
    expect(printed).toMatch(/^ {2}4m7x2k9q images {2}observed {2}\d+ min ago {2}Worker \w+ pulled the image/m);
    expect(printed).toMatch(/^last run .* by schedule, succeeded$/m);
    expect(printed).toMatch(/^next run .*about \d\d:\d\d UTC, in 2 h 5\d min$|in 3 h 0 min$/m);
    expect(printed).toMatch(
      /^✓ All is well: the token on record is good, without a gap since \d{4}-\d\d-\d\d \d\d:\d\d UTC\.$/m,
    );
    expect(code).toBe(0);
  });

  it('tells whose subscription was ended by the link in a mail, and that nobody is told any more', async () => {
    const [alerts, alarms] = world.deployment.subscriptions;
    Object.assign(alarms ?? {}, { isEnded: true });
    const { code, printed } = await run(world, ['status']);
    expect(printed).toContain(
      'Alarms no longer reach you@example.com: the subscription was ended by the link in a mail',
    );
    expect(printed).toContain('--authenticate-on-unsubscribe true');
    expect(code).toBe(1);
    world.deployment.subscriptions.splice(1);
    expect((await run(world, ['status'])).printed).toContain(
      '✗ Alarms reach nobody.\n  → Subscribe to the topic: docs/alerts.md.',
    );
    Object.assign(alarms ?? {}, { isEnded: false });
    world.deployment.subscriptions.splice(0, 1, ...[alerts, alarms].filter((each) => each !== undefined));
  });

  it('prints one JSON document for machines', async () => {
    const { code, printed } = await run(world, ['status', '--json']);
    const printedStatus = JSON.parse(printed) as Record<string, unknown>;
    expect(printedStatus).toMatchObject({
      version: 1,
      stack: { name: 'runpod-ecr-refresh-dev', region: 'us-east-1', status: 'UPDATE_COMPLETE' },
      targets: [{ name: 'production', proofs: { observed: 1 } }],
      lastRun: { status: 'SUCCEEDED', trigger: 'schedule' },
      schedule: { expression: 'rate(3 hours)', isEnabled: true },
      troubles: [],
    });
    expect(code).toBe(0);
  });

  it.each<readonly [string, () => void, RegExp, number]>([
    [
      'a stack that is not deployed',
      () => deployed({ status: undefined }),
      /There is no stack runpod-ecr-refresh-dev in us-east-1\. Deploy it: npx serverless deploy --stage dev/,
      1,
    ],
    [
      'a stack that is being deployed',
      () => deployed({ status: 'UPDATE_IN_PROGRESS' }),
      /\(being deployed: UPDATE_IN_PROGRESS\)/,
      0,
    ],
    [
      'a stack whose first deploy failed',
      () => deployed({ status: 'ROLLBACK_COMPLETE' }),
      /✗ Stack runpod-ecr-refresh-dev was not deployed: its first deploy failed \(ROLLBACK_COMPLETE\)/,
      1,
    ],
    [
      'a stack that is stuck between two versions, with the hours that are left',
      () => deployed({ status: 'UPDATE_ROLLBACK_FAILED' }),
      /^production .* h \d+ min left[\s\S]*is stuck between two versions \(UPDATE_ROLLBACK_FAILED\)[\s\S]*aws cloudformation continue-update-rollback --stack-name runpod-ecr-refresh-dev --region us-east-1[\s\S]*Do not remove the stack/m,
      1,
    ],
    [
      'another version',
      () => void Object.assign(world.deployment.outputs, { Version: '0.0.9' }),
      /✗ Deployed is version 0\.0\.9, this is 0\.1\.0\.\n {2}→ Deploy again: npx serverless deploy --stage dev --region us-east-1\.$/m,
      1,
    ],
    [
      'an open alarm',
      () => Object.assign(world.deployment.alarms[0] ?? {}, { state: 'ALARM' }),
      /✗ Alarm runpod-ecr-refresh-dev-RunFailed is open\.\n {2}→ docs\/runbook\.md, RunFailed\.$/m,
      1,
    ],
    [
      'a schedule that is switched off',
      () => void Object.assign(world.deployment.schedule, { state: 'DISABLED' }),
      /✗ The schedule is switched off\.\n {2}→ Switch it on: EventBridge Scheduler, runpod-ecr-refresh-dev\.$/m,
      1,
    ],
    [
      'AWS that refuses',
      () =>
        void world.faults.add({
          on: /DescribeAlarms/,
          does: awsRefuses,
        }),
      /AWS, asked to list the alarms, answered 400 AccessDeniedException "no"\. Allow cloudwatch:DescribeAlarms to whoever runs this\./,
      1,
    ],
  ])('tells of %s', async (_what, happen, expected, expectedCode) => {
    happen();
    const { code, printed, printedErrors } = await run(world, ['status']);
    expect(printed + printedErrors).toMatch(expected);
    expect(code).toBe(expectedCode);
  });

  it('tells of AWS that hangs', async () => {
    world.faults.add({ on: /DescribeStacks/, does: { hang: true } });
    const environment = { UPSTREAM_TIMEOUT_SECONDS: '0.2' };
    const { code, printedErrors } = await run(world, ['status'], { environment });
    expect(printedErrors).toMatch(/AWS, asked to look stack .* up, answered .*Check the network and the region/);
    expect(code).toBe(1);
  });

  it.each<readonly [string, readonly string[], Record<string, string | undefined>, RegExp, number]>([
    [
      'no credentials',
      [],
      { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined },
      /AWS has no credentials here\. Sign in/,
      1,
    ],
    ['another region', ['--region', 'eu-west-1'], {}, /There is no stack runpod-ecr-refresh-dev in eu-west-1/, 1],
    ['another stage', ['--stage', 'prod'], {}, /There is no stack runpod-ecr-refresh-prod/, 1],
    [
      'a region that is none',
      ['--region', 'mars'],
      {},
      /--region: expected an AWS region, such as us-east-1, found "mars"/,
      2,
    ],
    [
      'a region that is set to nothing',
      ['--stage', 'prod'],
      { AWS_REGION: '' },
      /There is no stack runpod-ecr-refresh-prod in us-east-1/,
      1,
    ],
    [
      'a stage that AWS takes no names of',
      ['--stage', 'x'.repeat(25)],
      {},
      /--stage: expected letters, digits and -, at most 24/,
      2,
    ],
    [
      'a stage that is none',
      ['--stage', 'a b'],
      {},
      /--stage: expected letters, digits and -, at most 24, found "a b"/,
      2,
    ],
    ['an option that there is not', ['--colour'], {}, /unknown option '--colour'/, 2],
  ])('with %s says what to do', async (_what, words, environment, expected, expectedCode) => {
    const { code, printed, printedErrors } = await run(world, ['status', ...words], { environment });
    expect(printedErrors).toMatch(expected);
    expect([code, printed]).toEqual([expectedCode, '']);
  });

  it.each([80, 200])('fits a terminal of %i columns, in colour', async (columns) => {
    const session = runOnScreen(world, ['status'], { columns });
    expect(await session.ended).toBe(0);
    const screen = session.screen();
    expect(screen.every((line) => line.length <= columns)).toBe(true);
    expect(screen.find((line) => line.startsWith('production'))).toContain(
      columns === 80 ? '█'.repeat(22) : '█'.repeat(33),
    );
    // Nothing was broken by the terminal: each line of ours is one of its.
    expect(screen.filter((line) => line.includes('4m7x2k9q'))).toHaveLength(1);
    expect(session.written()).toContain('\x1b[32m');
  });

  it.each<readonly [string, readonly string[], Record<string, string>]>([
    ['NO_COLOR is set', [], { NO_COLOR: '1' }],
    ['--no-color says so', ['--no-color'], {}],
    ['the terminal is dumb', [], { TERM: 'dumb' }],
  ])('shows no colours where %s', async (_what, words, environment) => {
    const session = runOnScreen(world, ['status', ...words], { environment });
    await session.ended;
    expect(session.written()).not.toContain('\x1b[3');
    expect(session.written()).not.toContain('\x1b[1m');
    expect(session.screen().join('\n')).toContain('All is well');
  });

  it('stops at Ctrl-C, at once', async () => {
    const { asked } = whenAsked(world.faults, /DescribeStacks/, { hang: true });
    const session = runOnScreen(world, ['status'], { environment: { UPSTREAM_TIMEOUT_SECONDS: '60' } });
    await asked;
    session.type(keys.interrupt);
    expect(await session.ended).toBe(130);
  });

  it('goes on with --watch, and ends well by Ctrl-C', async () => {
    const session = runOnScreen(world, ['status', '--watch']);
    await session.shows('Ctrl-C ends.');
    session.type(keys.interrupt);
    expect(await session.ended).toBe(0);
    expect(session.screen().join('\n')).toContain('All is well');
  });

  it('keeps the last picture where a check fails under --watch, and says how old it is and why', async () => {
    const ending = new AbortController();
    const frames: string[] = [];
    let waits = Promise.withResolvers<() => void>();
    let now = world.clock.now();
    const environment = world.processEnvironment();
    const context = {
      stdin: new PassThrough(),
      stdout: new PassThrough(),
      stderr: new PassThrough(),
      environment,
      folder: tmpdir(),
      aws: connectionOf(environment),
      now: () => now,
      clock: {
        ...wallClock,
        setTimeout: (check: () => void) => {
          waits.resolve(check);
          return 0;
        },
      },
      interrupted: ending.signal,
    };
    const terminal = {
      ...createTerminal(context),
      isLive: true,
      draw: (lines: readonly string[]) => void frames.push(lines.join('\n')),
    };
    const watching = status({ watch: true }, context, terminal);
    const check = await waits.promise;
    world.faults.add({ on: /DescribeAlarms/, does: awsRefuses });
    waits = Promise.withResolvers();
    now += 40_000;
    check();
    await waits.promise;
    ending.abort();
    expect(await watching).toBe(0);
    const [first = '', second = ''] = frames;
    expect(first).not.toContain('old');
    for (const kept of ['4m7x2k9q images  observed', '✓ All is well']) expect(second).toContain(kept);
    expect(second).toContain('✗ AWS, asked to list the alarms, answered 400 AccessDeniedException');
    expect(second.replaceAll(/\s+/g, ' ')).toMatch(/What was seen last is of \d\d:\d\d:\d\d UTC, 40 s old\./);
  });

  it('shows sentences whole with --full, and cuts them to the line without', async () => {
    const evidence = /Worker \w+ pulled the image at[^…]*\.\n/;
    expect((await run(world, ['status'])).printed).not.toMatch(evidence);
    expect((await run(world, ['status', '--full'])).printed).toMatch(evidence);
    const session = runOnScreen(world, ['status', '--full'], { columns: 80 });
    await session.ended;
    expect(session.screen().every((line) => line.length <= 80)).toBe(true);
  });

  it('keeps a hostile line from a worker a line', async () => {
    world.runpod.addEndpoint({
      id: 'hostile0',
      name: 'x',
      image: 'evil.example/\x1b[2J\x1b]0;owned\x07',
      registry: '6n2k8v4d',
    });
    await world.refresh({ trigger: 'schedule' });
    const { printed } = await run(world, ['status']);
    expect(printed).toContain('hostile0');
    expect([...printed].filter((sign) => sign < ' ' && sign !== '\n')).toEqual([]);
    world.runpod.endpoints.delete('hostile0');
  });
});

describe('a run that concerned nobody', () => {
  let failing: World;
  const statusOf = async (): Promise<Status> => {
    const time = { clock: failing.clock, now: failing.clock.now };
    return JSON.parse((await run(failing, ['status', '--json'], time)).printed) as Status;
  };
  const textsOf = async () => (await statusOf()).troubles.map(({ text }) => text);
  const pushForNobody = async () => {
    await failing.deliverPush('team/nobody', 'v1');
    await failing.clock.advance(120_000);
  };

  beforeEach(async () => {
    failing = await World.begin();
    await failing.refresh();
    await failing.clock.advance(3 * 3_600_000);
  });
  afterEach(() => failing.end());

  it('is no success that hides a failure', async () => {
    failing.runpod.credentials.clear();
    await failing.refresh();
    const before = await textsOf();
    expect(before).toContain('The last run ended FAILED: CredentialNotFoundError.');
    await pushForNobody();
    expect((await statusOf()).lastRun).toMatchObject({ name: 'run-2', status: 'FAILED' });
    expect(await textsOf()).toEqual(before);
  });

  it('does not hide the last success, however many there are', async () => {
    for (let count = 0; count < 21; count += 1) await pushForNobody();
    expect((await statusOf()).lastRun).toMatchObject({ name: 'run-1', status: 'SUCCEEDED', trigger: 'schedule' });
    await failing.dynamodb.lose();
    expect((await statusOf()).lastRun).toMatchObject({ name: expect.stringMatching(/^push-/), status: 'SUCCEEDED' });
  });

  it('does not hide the last failure either, which stands with its target where another has succeeded since', async () => {
    failing.writeTargets(`
targets:
  - { name: production, ecr: { region: us-east-1 }, runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: gone0000 } }
  - { name: other, ecr: { region: us-east-1 }, runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d } }
`);
    await failing.refresh();
    for (let count = 0; count < 21; count += 1) await pushForNobody();
    expect((await statusOf()).lastRun).toMatchObject({
      name: 'run-2',
      status: 'FAILED',
      error: { name: 'CredentialNotFoundError' },
    });
    await failing.refresh({ targets: ['other'] });
    const { lastRun, troubles } = await statusOf();
    expect(lastRun).toMatchObject({ name: 'run-3', status: 'SUCCEEDED' });
    expect(troubles).toContainEqual({
      text: 'production: the last run that concerned it stored no token: CredentialNotFoundError.',
      remedy: expect.stringContaining('docs/runbook.md, CredentialNotFoundError.'),
    });
  });
});

describe('a target of more endpoints than a report holds', () => {
  const terminal = createTerminal({
    stdin: process.stdin,
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    environment: {},
  });
  const at = Date.parse('2026-11-23T12:00:00Z');
  const shown = (proofs: Record<string, number>): string => {
    const iso = new Date(at).toISOString();
    const endpoint = { endpoint: '4m7x2k9q', proof: 'failed', reason: 'image-missing' } as const;
    const picture: Status = {
      version: 1,
      at: iso,
      ownVersion: '0.1.0',
      stack: { name: 'refresh', region: 'us-east-1', status: 'UPDATE_COMPLETE', isBusy: false, version: '0.1.0' },
      targets: [{ name: 'production', lookedAt: iso, proofs, endpoints: [endpoint] }],
      running: [],
      openAlarms: [],
      troubles: [],
    };
    return showStatus(picture, at, terminal).join('\n');
  };

  it('tells of the others by their proofs, whether they are well or not', () => {
    expect(shown({ failed: 4, observed: 7 })).toMatch(/^ +and more: 3 failed, 7 observed$/m);
    expect(shown({ failed: 1 })).not.toContain('and more');
  });
});
