import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runRefresh } from '../../cli/refresh/run.ts';
import { readTargets } from '../../functions/lib/targets.ts';
import { World } from '../../simulator/world.ts';
import type { Status } from '../../stack/status.ts';
import { keys, run, runOnScreen } from '../support/command.ts';
import { awsRefuses, whenAsked } from '../support/failures.ts';

const mark = 'SENTINELPASSWORD';
const apiKey = 'rpa_SENTINELKEYSENTINELKEYSENTINEL';

let world: World;

beforeEach(async () => {
  world = await World.begin({ passwordMark: mark, apiKey });
  const image = world.push('team/worker', 'v1');
  world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
  // Nothing is deployed: the command needs no stack.
  world.deployment.status = undefined;
});

afterEach(() => world.end());

const refresh = (words: readonly string[] = [], environment: Record<string, string | undefined> = {}) =>
  run(world, ['refresh', ...words], { environment });

const targetsFile = (yaml: string): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'targets-')), 'targets.yml');
  writeFileSync(path, yaml);
  return path;
};

const secondTarget = () => {
  world.runpod.addCredential('second00', 'second', { username: 'AWS', password: 'never-filled' });
  const target = (name: string, registry: string) =>
    `  - { name: ${name}, ecr: { region: us-east-1 }, runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: ${registry} } }`;
  return targetsFile(`targets:\n${target('production', '6n2k8v4d')}\n${target('second', 'second00')}\n`);
};

describe('refresh', () => {
  it('mints, tries, stores and watches, without a stack', async () => {
    const endpoint = world.runpod.endpoints.get('4m7x2k9q');
    if (endpoint === undefined) throw new Error('no endpoint');
    world.runpod.startWorker(endpoint);
    const refreshing = run(world, ['refresh'], { clock: world.clock });
    const { code, printed, printedErrors } = await world.clock.until(refreshing);
    expect(printed).toMatch(/✓ production: stored a token that is good until .*, by v2\./);
    expect(printed).toMatch(/✓ 4m7x2k9q observed:/);
    expect(printedErrors.split('\n').filter((line) => line !== '')).toEqual([
      'production: asking Runpod which endpoints use the credential',
      'production: minting a token',
      'production: trying it on ECR',
      'production: storing it at Runpod',
      'production: watching the workers',
      'production: done',
    ]);
    expect(code).toBe(0);
    const [stored] = world.runpod.stored;
    expect(world.registry.letIn.has(stored?.token.password ?? '')).toBe(true);
    expect(printed + printedErrors).not.toContain(mark);
    expect(printed + printedErrors).not.toContain(apiKey);
  });

  it('prints the run’s report for machines', async () => {
    const { code, printed } = await refresh(['--json']);
    expect(JSON.parse(printed)).toMatchObject({
      version: 1,
      outcome: 'succeeded',
      targets: [{ target: 'production', refreshed: true, way: 'v2' }],
    });
    expect(code).toBe(0);
  });

  it('stores nothing with --dry-run, and says what it would have stored', async () => {
    world.runpod.offers.v2 = false;
    const { code, printed } = await refresh(['--dry-run']);
    expect(printed).toMatch(
      /✓ production: Would store a token that is good until .* in credential 6n2k8v4d, by\s+graphql\./,
    );
    expect(printed).toMatch(/✓ .*team\/worker:v1 can be pulled/);
    expect([code, world.runpod.stored]).toEqual([0, []]);
    const machine = await refresh(['--dry-run', '--json']);
    const report = JSON.parse(machine.printed) as { targets: object[] };
    expect(report).toMatchObject({ dryRun: true, outcome: 'succeeded', targets: [{ refreshed: false }] });
    expect(report).not.toHaveProperty('error');
    expect(report.targets[0]).toHaveProperty('would');
    expect(world.runpod.stored).toEqual([]);
  });

  it('fails a dry run that could not store', async () => {
    Object.assign(world.runpod.offers, { v2: false, graphql: false });
    const { code, printed } = await refresh(['--dry-run']);
    expect(printed).toMatch(/✗ production: RunpodUpdateUnsupportedError: Runpod has no API that updates/);
    expect(code).toBe(1);
  });

  it('refreshes only the targets it is told to', async () => {
    const environment = { TARGETS_FILE: secondTarget() };
    const { code } = await refresh(['--target', 'second'], environment);
    expect([code, world.runpod.stored.map(({ credential }) => credential)]).toEqual([0, ['second00']]);
  });

  it('leaves a note with the stack that is deployed beside, which status shows', async () => {
    await world.refresh();
    const scheduled = world.clock.now();
    world.deployment.status = 'UPDATE_COMPLETE';
    await world.clock.advance(60_000);
    const time = { clock: world.clock, now: world.clock.now };
    const { code, printedErrors } = await world.clock.until(run(world, ['refresh'], time));
    expect([code, printedErrors]).toEqual([0, expect.not.stringContaining('Not noted')]);
    const { printed } = await run(world, ['status', '--json'], time);
    const { targets, lastCommandRun } = JSON.parse(printed) as Status;
    expect(lastCommandRun).toMatchObject({ stored: ['production'], failed: [] });
    expect(Date.parse(targets[0]?.expiresAt ?? '') - scheduled).toBeGreaterThan(12 * 3_600_000 - 60_000);
  });

  it('goes on where the note is refused, and says so', async () => {
    world.deployment.status = 'UPDATE_COMPLETE';
    world.faults.add({ on: /DynamoDB/, does: awsRefuses });
    const { code, printedErrors } = await refresh();
    expect(code).toBe(0);
    expect(printedErrors).toMatch(/^Not noted with stack runpod-ecr-refresh-dev, .*AccessDeniedException/m);
  });

  it('watches only the endpoints it is told to', async () => {
    world.runpod.addEndpoint({ id: 'other000', name: '', image: 'docker.io/library/busybox:1', registry: '6n2k8v4d' });
    const { code, printed } = await refresh(['--endpoint', '4m7x2k9q', '--json']);
    const { targets } = JSON.parse(printed) as { targets: Array<{ endpoints: Array<{ endpoint: string }> }> };
    expect([code, targets[0]?.endpoints.map(({ endpoint }) => endpoint)]).toEqual([0, ['4m7x2k9q']]);
  });

  it('goes on trying while Runpod is down, for as long as it may', async () => {
    world.faults.add({ on: /PATCH \/v2\/registries/, does: { answer: { status: 503, body: 'no' } } });
    const calls: string[] = [];
    const startedAt = world.clock.now();
    const run = runRefresh({
      region: 'us-east-1',
      account: '123456789012',
      targets: readTargets(world.environment.TARGETS_FILE ?? ''),
      isDryRun: false,
      patienceMinutes: 40,
      platform: world.platform(),
      lasting: world.platform(),
      clock: world.clock,
      onCall: ({ name, phase }) => void calls.push(`${name} ${phase}`),
      signal: new AbortController().signal,
    });
    const report = await world.clock.until(run);
    const minutes = (world.clock.now() - startedAt) / 60_000;
    expect(report).toMatchObject({ outcome: 'failed', error: { name: 'RunpodUnavailableError' } });
    expect(minutes).toBeGreaterThan(25);
    expect(minutes).toBeLessThan(45);
    // A fresh token for each round of tries, all of them for nothing.
    expect(calls.filter((call) => call === 'fetch-token ended').length).toBeGreaterThan(2);
    expect(world.runpod.stored).toEqual([]);
  });

  it.each<readonly [string, () => void, readonly string[], () => Record<string, string | undefined>, RegExp, number]>([
    [
      'no targets.yml',
      () => {},
      [],
      () => ({ TARGETS_FILE: 'nowhere.yml' }),
      /nowhere\.yml cannot be read\. Run npm run setup/,
      1,
    ],
    [
      'a target that there is not',
      () => {},
      ['--target', 'nope'],
      () => ({}),
      /--target: expected a name of targets\.yml \(production\), found "nope"/,
      2,
    ],
    [
      'an endpoint of one of several targets',
      () => {},
      ['--endpoint', 'x'],
      () => ({ TARGETS_FILE: secondTarget() }),
      /--endpoint: say whose endpoint it is with --target/,
      2,
    ],
    [
      'a patience that is none',
      () => {},
      ['--patience', 'long'],
      () => ({}),
      /--patience: expected minutes from 0 to 240, found "long"/,
      2,
    ],
    [
      'no AWS credentials',
      () => {},
      [],
      () => ({ AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined }),
      /AWS has no credentials here/,
      1,
    ],
    [
      'the network down',
      () => {},
      [],
      () => ({ AWS_ENDPOINT_URL: 'http://127.0.0.1:9' }),
      /AWS, asked to say who this is, .*Check the network/,
      1,
    ],
    [
      'a key that Runpod refuses',
      () => void world.runpod.keys.clear(),
      [],
      () => ({}),
      /✗ production: RunpodUnauthorizedError: Runpod refused the API key/,
      1,
    ],
    [
      'a key without the scope',
      () => void world.runpod.keys.set(apiKey, new Set(['secrets:read', 'serverless:read'])),
      [],
      () => ({}),
      /✗ production: RunpodUnauthorizedError: [^✓]*403[^✓]*secrets:write/,
      1,
    ],
    [
      'an endpoint that cannot pull',
      () => void Object.assign(world.runpod.endpoints.get('4m7x2k9q') ?? {}, { registry: null }),
      ['--endpoint', '4m7x2k9q'],
      () => ({}),
      /✗ 4m7x2k9q failed: /,
      1,
    ],
  ])('with %s says what to do', async (_what, happen, words, environment, expected, code) => {
    happen();
    const ended = await refresh(words, environment());
    expect(ended.printed + ended.printedErrors).toMatch(expected);
    expect(ended.code).toBe(code);
    expect(ended.printed + ended.printedErrors).not.toContain(mark);
    expect(ended.printed + ended.printedErrors).not.toContain(apiKey);
  });

  it.each([80, 200])('shows in a terminal of %i columns how far it is, and then how it ended', async (columns) => {
    world.faults.add({ on: /GetAuthorizationToken/, does: { hang: true }, times: 1 });
    const session = runOnScreen(world, ['refresh'], { columns });
    await session.shows('minting a token');
    expect(await session.ended).toBe(0);
    const screen = session.screen().join('\n');
    expect(screen).toMatch(/^✓ production: stored a token/);
    expect(screen).not.toContain('minting a token');
    expect(session.screen().every((line) => line.length <= columns)).toBe(true);
  });

  it('stops at Ctrl-C, and stores to its end what it has begun to store', async () => {
    const { asked } = whenAsked(world.faults, /^PATCH \/v2\/registries/, { delayMs: 500 });
    const session = runOnScreen(world, ['refresh']);
    await asked;
    session.type(keys.interrupt);
    await session.echoes('^C');
    const first = await Promise.race([session.ended, setTimeout(500, 'still storing')]);
    expect(first).toBe('still storing');
    await world.clock.advance(500);
    expect(await session.ended).toBe(130);
    expect(world.runpod.stored).toHaveLength(1);
    expect(session.screen().join('\n').replaceAll('\n', ' ')).toMatch(
      /Stopped\. Runpod holds either the old token or the new one/,
    );
  });
});
