import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildImage } from '../../simulator/images.ts';
import { account, World } from '../../simulator/world.ts';
import { emptyFolder, keys, runInTerminal, runOnScreen } from '../support/command.ts';
import { awsRefuses, whenAsked } from '../support/failures.ts';
import { subscribeAll } from '../support/subscriptions.ts';

/** What a person has before them at 80 columns, each in a file to be read: screens/*.txt. */
const columns = 80;
const apiKey = 'rpa_SENTINELKEYSENTINELKEYSENTINEL';
const parameter = '/runpod-ecr-refresh/dev/production/api-key';
const startAt = Date.parse('2026-11-23T12:00:00Z');

let world: World;
let folder: string;
let image: string;

beforeEach(async () => {
  world = await World.begin({ apiKey, startAt });
  image = world.push('team/worker', 'v1');
  folder = emptyFolder();
});
afterEach(() => world.end());

type Session = ReturnType<typeof runOnScreen>;

const onScreen = (words: readonly string[], environment: Record<string, string> = {}): Session =>
  runOnScreen(world, words, { folder, environment, columns, clock: world.clock });
const setup = (...words: readonly string[]): Session => onScreen(['setup', ...words], { TARGETS_FILE: 'targets.yml' });

/** A screen without what differs from run to run: the wheel that turns, and ids that Runpod makes up. */
const steady = (session: Session): string[] =>
  session
    .screen()
    .map((line) => line.replaceAll(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/g, '⠋').replaceAll(/\b[0-9a-f]{14}\b/g, 'w0rker00000000'));

/** Compares with the stored screen. To store what is shown: WRITE_SCREENS=1 npx vitest run test/cli/screens.test.ts, then read it. */
const expectScreen = (session: Session, name: string): void => {
  const lines = steady(session);
  const file = new URL(`screens/${name}.txt`, import.meta.url);
  const shown = `${lines.join('\n')}\n`;
  if (process.env.WRITE_SCREENS === '1') writeFileSync(file, shown);
  expect(shown).toBe(existsSync(file) ? readFileSync(file, 'utf8') : `no file screens/${name}.txt`);
  expect(shown).not.toContain(apiKey);
};

/** What Runpod has that nobody has set up. */
const addEndpoints = (): void => {
  world.secrets.parameters.clear();
  world.secrets.parameters.set(parameter, apiKey);
  world.deployment.status = undefined;
  world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: null });
  world.runpod.addEndpoint({ id: '7b3c9d1e', name: 'voices', image, registry: '6n2k8v4d' });
};

const pushTo = (host: string, repository: string): string => {
  world.registry.push(`${host}/${repository}`, 'v1', buildImage());
  return `${host}/${repository}:v1`;
};

describe('setup reads at 80 columns', () => {
  beforeEach(addEndpoints);

  it('as a plan, before anything is changed', async () => {
    const session = setup();
    await session.answers('Which Runpod credentials', keys.enter);
    await session.answers('Which endpoints', keys.enter);
    await session.asks('Go on?');
    expectScreen(session, 'setup-plan');
    session.type(keys.enter);
    expect(await session.ended).toBe(0);
  });

  it('as several registries, of which one stays unprotected', async () => {
    const near = `${account}.dkr.ecr.eu-west-1.amazonaws.com`;
    const other = '210987654321.dkr.ecr.us-east-1.amazonaws.com';
    world.runpod.addEndpoint({ id: '2c5f8h1j', name: 'paris', image: pushTo(near, 'team/worker'), registry: null });
    world.runpod.addEndpoint({ id: '9p8q7r6s', name: 'model', image: pushTo(other, 'model'), registry: null });
    const session = setup('--yes');
    expect(await session.ended).toBe(0);
    expectScreen(session, 'setup-several-registries');
  });

  it('as another account, whose role is not there yet', async () => {
    const other = '210987654321.dkr.ecr.us-east-1.amazonaws.com';
    world.runpod.addEndpoint({ id: '9p8q7r6s', name: 'model', image: pushTo(other, 'model'), registry: null });
    const session = setup('--image-registry', other);
    await session.answers('Which role', keys.enter);
    await session.answers('External id', keys.enter);
    await session.asks('What now?');
    expectScreen(session, 'setup-another-account');
    session.type(keys.interrupt);
    expect(await session.ended).toBe(130);
  });

  it('as a refusal of what would overwrite a login', async () => {
    world.runpod.addEndpoint({ id: '5h2j6k8m', name: 'hub', image: 'acme/private:1', registry: '6n2k8v4d' });
    const session = setup('--yes', '--credential', '6n2k8v4d');
    expect(await session.ended).toBe(2);
    expectScreen(session, 'setup-harm-refused');
  });

  it('as an undo, where the stack is deployed', async () => {
    expect(await setup('--yes').ended).toBe(0);
    world.deployment.status = 'UPDATE_COMPLETE';
    const session = setup('--undo');
    await session.answers('Undo it although', `y${keys.enter}`);
    await session.asks('Go on?');
    expectScreen(session, 'setup-undo-deployed');
    session.type(keys.enter);
    expect(await session.ended).toBe(0);
  });
});

describe('refresh reads at 80 columns', () => {
  it('as it counts down, and as Ctrl-C ends it', async () => {
    const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
    world.deployment.status = undefined;
    const { asked } = whenAsked(world.faults, /^PATCH \/v2\/registries/, { delayMs: 1000 });
    const session = onScreen(['refresh']);
    await asked;
    world.runpod.startWorker(endpoint);
    await world.clock.advance(1000);
    await session.shows('again in');
    expectScreen(session, 'refresh-counts-down');
    session.type(keys.interrupt);
    expect(await session.ended).toBe(130);
    expectScreen(session, 'refresh-interrupted');
  });
});

describe('a deployed stack reads at 80 columns', () => {
  beforeEach(async () => {
    writeFileSync(join(folder, 'targets.yml'), readFileSync(world.environment.TARGETS_FILE ?? '', 'utf8'));
    const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
    world.runpod.addEndpoint({ id: '7b3c9d1e', name: 'voices', image, registry: null });
    world.runpod.startWorker(endpoint);
    subscribeAll(world);
    await world.refresh({ trigger: 'schedule' });
  });

  it('by status, with troubles and what to do about each', async () => {
    Object.assign(world.deployment.alarms[0] ?? {}, { state: 'ALARM' });
    world.deployment.schedule.state = 'DISABLED';
    const session = onScreen(['status']);
    expect(await session.ended).toBe(1);
    expectScreen(session, 'status-trouble');
  });

  it('by status --watch, where a check fails and the last picture is kept', async () => {
    const session = onScreen(['status', '--watch']);
    await session.shows('Ctrl-C ends.');
    world.faults.add({ on: /DescribeAlarms/, does: awsRefuses });
    await world.clock.advance(40_000);
    await session.shows('What was seen last');
    expectScreen(session, 'status-watch-old-picture');
    session.type(keys.interrupt);
    expect(await session.ended).toBe(0);
  });

  it('by doctor', async () => {
    world.runpod.addEndpoint({ id: '5h2j6k8m', name: 'hub', image: 'acme/private:1', registry: '6n2k8v4d' });
    const session = onScreen(['doctor'], { TARGETS_FILE: 'targets.yml' });
    expect(await session.ended).toBe(1);
    expectScreen(session, 'doctor');
  });
});

describe('a mistake reads at 80 columns', () => {
  it('in targets.yml', async () => {
    writeFileSync(
      join(folder, 'targets.yml'),
      `targets:
  - name: Production
    ecr: { region: us-east-1, registryId: 012345678901 }
    runpod: { apikey: "rpa_PASTEDKEYPASTEDKEYPASTEDKEYPASTED1", registry: 6n2k8v4d }
`,
    );
    const session = onScreen(['refresh'], { TARGETS_FILE: 'targets.yml' });
    expect(await session.ended).toBe(1);
    expectScreen(session, 'targets-mistakes');
  });

  it('in an option that npm keeps for itself, in a process of its own', async () => {
    const session = runInTerminal(world, ['refresh'], {
      folder,
      columns,
      environment: { npm_command: 'run', npm_config_dry_run: 'true' },
    });
    expect(await session.ended).toBe(2);
    expectScreen(session, 'npm-option');
  });
});
