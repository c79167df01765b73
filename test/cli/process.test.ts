import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { World } from '../../simulator/world.ts';
import { emptyFolder, keys, runInTerminal, runPiped, runReadSlowly, runUnread } from '../support/command.ts';
import { whenAsked } from '../support/failures.ts';

const apiKey = 'rpa_SENTINELKEYSENTINELKEYSENTINEL';
let world: World;

beforeEach(async () => {
  world = await World.begin({ apiKey });
  const image = world.push('team/worker', 'v1');
  world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
});

afterEach(() => world.end());

/** What doctor finds of so many targets is more than any pipe holds. */
const manyTargets = (): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'targets-')), 'targets.yml');
  const targets = Array.from(
    { length: 400 },
    (_, index) =>
      `  - { name: target-${index}, ecr: { region: us-east-1 }, runpod: { apiKey: "ssm:/nothing-here", registry: credential${index} } }`,
  );
  writeFileSync(path, `targets:\n${targets.join('\n')}\n`);
  return path;
};

describe('a command in a process of its own, with pipes', () => {
  it('prints all of a long answer, however slowly it is read', async () => {
    const environment = { TARGETS_FILE: manyTargets() };
    const { code, printed, printedErrors } = await runReadSlowly(world, ['doctor', '--json'], { environment });
    expect(printed.length).toBeGreaterThan(400_000);
    const { findings } = JSON.parse(printed) as { findings: object[] };
    expect(findings.length).toBeGreaterThan(4_000);
    expect([code, printedErrors]).toEqual([1, '']);
  });

  it('ends without a word when its reader goes away', async () => {
    const environment = { TARGETS_FILE: manyTargets() };
    const { code, printedErrors } = await runUnread(world, ['doctor'], { environment });
    expect([code, printedErrors]).toEqual([130, '']);
  });

  it('finds AWS where the AWS command line does, and ends with 0 where all is well', async () => {
    const { code, printed, printedErrors } = await runPiped(world, ['refresh', '--json']);
    expect(printedErrors.split('\n')).toContain('production: done');
    expect(JSON.parse(printed)).toMatchObject({ outcome: 'succeeded' });
    expect(code).toBe(0);
  });

  it('ends with 1 where AWS has no credentials', async () => {
    const environment = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };
    const { code, printedErrors } = await runPiped(world, ['status'], { environment });
    expect(printedErrors).toMatch(/^AWS has no credentials here\. Sign in/);
    expect(code).toBe(1);
  });

  it('takes the credentials of the profile that it is told', async () => {
    const folder = emptyFolder();
    const file = (name: string, content: string): string => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    const environment = {
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
      AWS_CONFIG_FILE: file('config', '[profile other]\nregion = eu-west-1\n'),
      AWS_SHARED_CREDENTIALS_FILE: file(
        'credentials',
        '[other]\naws_access_key_id = AKIAEMBEDDEDPERSON00\naws_secret_access_key = embedded\n',
      ),
    };
    const words = ['refresh', '--profile', 'other', '--json'];
    const { code, printed } = await runPiped(world, words, { environment });
    expect(JSON.parse(printed)).toMatchObject({ outcome: 'succeeded' });
    expect(code).toBe(0);
  });

  it('ends with 2 where the command line has a mistake', async () => {
    const { code, printed, printedErrors } = await runPiped(world, ['alert', '--loud']);
    expect(printedErrors).toMatch(/^error: unknown option '--loud'/);
    expect([code, printed]).toEqual([2, '']);
  });

  it('reads no more of its input than a key can be, and waits for no more', async () => {
    const options = { folder: emptyFolder(), input: 'x'.repeat(10_000), endsInput: false };
    const { code, printedErrors } = await runPiped(world, ['setup', '--yes', '--key-stdin'], options);
    expect(printedErrors).toMatch(/--key-stdin: expected 8 to 512 printable characters/);
    expect(code).toBe(1);
  });
});

describe('a command in a process of its own, in a terminal', () => {
  const setup = () => runInTerminal(world, ['setup', '--no-color'], { folder: emptyFolder() });

  it('shows no key that is typed, and no colours where --no-color says so', async () => {
    world.secrets.parameters.clear();
    const session = setup();
    await session.shows('Runpod API key');
    session.type(`${apiKey}${keys.enter}`);
    await session.shows('Go on?');
    session.type(keys.enter);
    expect(await session.ended).toBe(0);
    expect(world.secrets.parameters.get('/runpod-ecr-refresh/production/api-key')).toBe(apiKey);
    expect(session.written()).not.toContain(apiKey);
    expect(session.written()).not.toMatch(new RegExp(`${'\x1b'}\\[[\\d;]*m`));
  });

  it('ends when Ctrl-C answers a question', async () => {
    world.secrets.parameters.clear();
    const session = setup();
    await session.shows('Runpod API key');
    session.type(keys.interrupt);
    expect(await session.ended).toBe(130);
    expect(session.screen().join('\n')).toContain('Stopped. Nothing was changed.');
  });

  it.each([
    ['AWS', /DescribeStacks/],
    ['Runpod', /GET \/v2\/serverless/],
  ])(
    'ends at Ctrl-C while %s does not answer',
    async (_upstream, on) => {
      const { asked } = whenAsked(world.faults, on, { hang: true });
      const session = runInTerminal(world, ['doctor'], { environment: { UPSTREAM_TIMEOUT_SECONDS: '60' } });
      await asked;
      session.type(keys.interrupt);
      expect(await session.ended).toBe(130);
      expect(session.screen().join('\n')).not.toMatch(/^ {2}✗/m);
    },
    30_000,
  );

  it('goes on with --watch until Ctrl-C, and gives the cursor back', async () => {
    const session = runInTerminal(world, ['status', '--watch']);
    await session.shows('Ctrl-C ends.');
    session.type(keys.interrupt);
    expect(await session.ended).toBe(0);
    expect(session.written().lastIndexOf('\x1b[?25h')).toBeGreaterThan(session.written().lastIndexOf('\x1b[?25l'));
  });

  it('finishes at Ctrl-C what it has begun to store, and gives the cursor back', async () => {
    const { asked } = whenAsked(world.faults, /^PATCH \/v2\/registries/, { delayMs: 500 });
    const session = runInTerminal(world, ['refresh']);
    await asked;
    session.type(keys.interrupt);
    await session.shows('Stopping: what is being stored is stored to its end.');
    await world.clock.advance(500);
    expect(await session.ended).toBe(130);
    expect(world.runpod.stored).toHaveLength(1);
    expect(session.written().lastIndexOf('\x1b[?25h')).toBeGreaterThan(session.written().lastIndexOf('\x1b[?25l'));
  });

  it('ends at once at a second Ctrl-C, whatever it has begun', async () => {
    const { asked } = whenAsked(world.faults, /^PATCH \/v2\/registries/, { hang: true });
    const session = runInTerminal(world, ['refresh'], { environment: { UPSTREAM_TIMEOUT_SECONDS: '60' } });
    await asked;
    session.type(keys.interrupt);
    // Two signals that wait together arrive as one.
    await session.shows('Stopping: ');
    session.type(keys.interrupt);
    expect(await session.ended).toBe(130);
    expect(world.runpod.stored).toEqual([]);
  }, 30_000);
});
