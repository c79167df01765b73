import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseTargets } from '../../functions/lib/targets.ts';
import { deployTemplate } from '../../simulator/iam/template.ts';
import { buildImage } from '../../simulator/images.ts';
import { account, registryHost, World } from '../../simulator/world.ts';
import { emptyFolder, keys, run, runOnScreen } from '../support/command.ts';
import { readExample } from '../support/example-template.ts';

const apiKey = 'rpa_SENTINELKEYSENTINELKEYSENTINEL';
const farHost = `${account}.dkr.ecr.eu-west-1.amazonaws.com`;
const otherAccount = '210987654321';
const otherHost = `${otherAccount}.dkr.ecr.us-east-1.amazonaws.com`;
const role = `arn:aws:iam::${otherAccount}:role/runpod-pull`;

let world: World;
let folder: string;

const pushTo = (host: string, repository: string): string => {
  world.registry.push(`${host}/${repository}`, 'v1', buildImage());
  return `${host}/${repository}:v1`;
};

beforeEach(async () => {
  world = await World.begin({ apiKey });
  world.secrets.parameters.clear();
  world.deployment.status = undefined;
  const near = world.push('team/worker', 'v1');
  world.runpod.addCredential('second00', 'theirs', { username: 'AWS', password: 'x' });
  world.runpod.addEndpoint({ id: 'near0001', name: 'chat', image: near, registry: '6n2k8v4d' });
  world.runpod.addEndpoint({ id: 'near0002', name: 'voice', image: near, registry: '6n2k8v4d' });
  world.runpod.addEndpoint({ id: 'near0003', name: 'video', image: near, registry: 'second00' });
  world.runpod.addEndpoint({ id: 'near0004', name: 'fresh', image: near, registry: null });
  world.runpod.addEndpoint({ id: 'far00001', name: 'paris', image: pushTo(farHost, 'team/worker'), registry: null });
  folder = emptyFolder();
});
afterEach(() => world.end());

const options = (input = '') => ({ folder, environment: { TARGETS_FILE: 'targets.yml' }, input });
const setup = (words: readonly string[], input = '') => run(world, ['setup', ...words], options(input));
const onScreen = (words: readonly string[] = [], environment: Record<string, string> = {}) =>
  runOnScreen(world, ['setup', ...words], {
    folder,
    environment: { ...options().environment, ...environment },
  });
const inOneLine = (text: string): string => text.replaceAll(/\s+/g, ' ');
const file = (name: string): string => readFileSync(join(folder, name), 'utf8');
const targets = () => parseTargets(file('targets.yml'));
const credentialNamed = (name: string) => [...world.runpod.credentials].find(([, each]) => each.name === name);
const everything = () => ({
  parameters: Object.fromEntries(world.secrets.parameters),
  credentials: [...world.runpod.credentials.keys()],
  endpoints: [...world.runpod.endpoints.values()].map(({ id, registry }) => [id, registry]),
  files: Object.fromEntries(readdirSync(folder).map((name) => [name, file(name)])),
});
const addOther = () => {
  const image = pushTo(otherHost, 'team/model');
  world.runpod.addEndpoint({ id: 'other001', name: 'model', image, registry: null });
};
/** Deploys the role of the other account, as the command that setup prints does. */
const deployRole = (): void =>
  world.addRolesOf(
    deployTemplate(readExample('cross-account-role.yml'), {
      account: otherAccount,
      region: 'us-east-1',
      partition: 'aws',
      stackName: 'runpod-pull',
      parameters: {
        TrustedAccount: account,
        ExternalId: `runpod-ecr-refresh-${otherAccount}`,
        AlsoTrusts: `arn:aws:iam::${account}:user/engineer`,
      },
    }),
  );

describe('setup of all that a key shows', () => {
  it('has a target for every credential that endpoints use, makes one where there is none, and undoes all of it', async () => {
    const before = everything();
    const { code, printed } = await setup(['--yes', '--key-stdin'], apiKey);
    const [created = ''] = credentialNamed('runpod-ecr-refresh-eu-west-1') ?? [];
    expect(targets().map(({ name, ecr, runpod }) => [name, ecr.region, runpod.registry])).toEqual([
      ['production', 'us-east-1', '6n2k8v4d'],
      ['us-east-1', 'us-east-1', 'second00'],
      ['eu-west-1', 'eu-west-1', created],
    ]);
    expect([...world.runpod.endpoints.values()].map(({ id, registry }) => [id, registry])).toEqual([
      ['near0001', '6n2k8v4d'],
      ['near0002', '6n2k8v4d'],
      ['near0003', 'second00'],
      ['near0004', '6n2k8v4d'],
      ['far00001', created],
    ]);
    const [, credential] = credentialNamed('runpod-ecr-refresh-eu-west-1') ?? [];
    expect(world.ecr.find(credential?.token.password ?? '')?.region).toBe('eu-west-1');
    expect(printed).not.toContain('These stay unprotected');
    expect(code).toBe(0);
    const after = everything();
    expect((await setup(['--yes'])).printed).toContain('Everything is right already');
    expect(everything()).toEqual(after);
    await setup(['--undo', '--yes']);
    expect(everything()).toEqual(before);
  });

  it('asks of each registry, and leaves out the one for which nothing is selected', async () => {
    const session = onScreen();
    await session.answers('Runpod API key', `${apiKey}${keys.enter}`);
    await session.asks(`fresh for ${account}, us-east-1?`);
    expect(session.screen().filter((line) => line.includes('◉'))).toEqual([
      expect.stringContaining('ecr (6n2k8v4d), used by voice (near0002), chat (near0001)'),
      expect.stringContaining('theirs (second00), used by video (near0003)'),
    ]);
    session.type(`${keys.down}${keys.space}${keys.enter}`);
    await session.asks(`fresh for ${account}, eu-west-1?`);
    session.type(`${keys.down}${keys.down}${keys.space}${keys.enter}`);
    await session.answers('Which endpoints get credential 6n2k8v4d?', keys.enter);
    await session.answers('Go on?', `y${keys.enter}`);
    expect(await session.ended).toBe(0);
    expect(targets().map(({ name, runpod }) => [name, runpod.registry])).toEqual([['production', '6n2k8v4d']]);
    const told = inOneLine(session.screen().join('\n'));
    expect(told).toContain(
      'video (near0003) uses credential second00; no target keeps that fresh; to have one: npm run setup -- --credential second00',
    );
    expect(told).toContain(
      `paris (far00001) uses no credential; no credential was selected for its registry, ${farHost}`,
    );
  });

  it('takes none of two credentials of one name, and no other than --credential names', async () => {
    const { code, printed } = await setup(['--yes', '--key-stdin', '--credential', 'second00'], apiKey);
    expect(code).toBe(0);
    expect(targets().map(({ runpod }) => runpod.registry)).toEqual(['second00']);
    expect(inOneLine(printed)).toContain('chat (near0001) uses credential 6n2k8v4d; no target keeps that fresh');
    const unused = await setup(['--yes', '--credential', 'nothing0']);
    expect(unused.printedErrors).toContain('--credential: expected new or one of');
    world.runpod.addCredential('nothing0', 'unused', { username: 'AWS', password: 'x' });
    const unclear = await setup(['--yes', '--credential', 'nothing0']);
    expect(unclear.printedErrors).toContain(
      `no endpoint of these registries uses nothing0. Say for which registry it is to be: --image-registry ${registryHost} or ${farHost}.`,
    );
    expect(unclear.code).toBe(2);
  });

  it('gives no credential to two registries: each has one of its own', async () => {
    Object.assign(world.runpod.endpoints.get('far00001') ?? {}, { registry: 'second00' });
    const { code, printed } = await setup(['--yes', '--key-stdin'], apiKey);
    expect(targets().map(({ runpod }) => runpod.registry)).not.toContain('second00');
    const text = inOneLine(printed);
    expect(text).toContain(
      `video (near0003) uses credential second00; that holds the login of paris (far00001), which pulls ${farHost}/team/worker:v1, too; to select another for it: npm run setup -- --endpoint near0003 --stage dev --region us-east-1`,
    );
    expect(text).toContain('to select another for it: npm run setup -- --endpoint far00001');
    expect((await setup(['--yes', '--endpoint', 'near0003', 'far00001'])).code).toBe(0);
    expect(world.runpod.endpoints.get('near0003')?.registry).toBe('6n2k8v4d');
    expect(world.runpod.endpoints.get('far00001')?.registry).toBe(credentialNamed('runpod-ecr-refresh-eu-west-1')?.[0]);
    expect(code).toBe(0);
  });

  it('leaves a registry out whose images cannot be pulled, says why, and sets the others up', async () => {
    world.registry.deleteTag(`${farHost}/team/worker`, 'v1');
    const { code, printed } = await setup(['--yes', '--key-stdin'], apiKey);
    expect(targets().map(({ ecr }) => ecr.region)).toEqual(['us-east-1', 'us-east-1']);
    expect(inOneLine(printed)).toMatch(/paris \(far00001\) uses no credential; A fresh token pulls none of the images/);
    expect([code, credentialNamed('runpod-ecr-refresh-eu-west-1')]).toEqual([0, undefined]);
  });

  it('tells machines what stays unprotected', async () => {
    addOther();
    const { printed } = await setup(['--yes', '--key-stdin', '--json'], apiKey);
    expect(JSON.parse(printed)).toMatchObject({
      version: 1,
      unprotected: [{ endpoint: 'other001', why: expect.stringContaining('model (other001) uses no credential') }],
    });
  });

  it('stops at a change that fails, says where it is, and goes on when run again', async () => {
    const before = everything();
    // The first of these asks whether the key may.
    let asked = 0;
    const isChange = (line: string): boolean => {
      if (/PATCH \/v2\/serverless\/far00001/.test(line)) asked += 1;
      return asked > 1 && /PATCH \/v2\/serverless\/far00001/.test(line);
    };
    const repair = world.faults.add({ on: { test: isChange }, does: { answer: { status: 500, body: '{}' } } });
    const { code, printedErrors } = await setup(['--yes', '--key-stdin'], apiKey);
    expect(inOneLine(printedErrors)).toMatch(
      /Could not select credential runpod-ecr-refresh-eu-west-1 for endpoint paris \(far00001\), which uses none: .* Stopped after 3 of 5 changes\. Run it again to go on, or undo them: npm run setup -- --undo --stage dev --region us-east-1/,
    );
    expect([code, existsSync(join(folder, 'targets.yml'))]).toEqual([1, false]);
    repair();
    const again = await setup(['--yes']);
    expect([again.code, again.printed.includes('create credential')]).toEqual([0, false]);
    expect(targets().map(({ name }) => name)).toEqual(['production', 'us-east-1', 'eu-west-1']);
    await setup(['--undo', '--yes']);
    expect(everything()).toEqual(before);
  });
});

describe('several registries', () => {
  /** Delays requests, or never answers them, and counts them. */
  const hold = (on: RegExp, does: { readonly delayMs: number } | { readonly hang: true }) => {
    let count = 0;
    const test = (request: string): boolean => {
      const isMeant = on.test(request);
      if (isMeant) count += 1;
      return isMeant;
    };
    const repair = world.faults.add({ on: { test }, does });
    return { repair, asked: (least: number) => expect.poll(() => count).toBeGreaterThanOrEqual(least) };
  };
  const chosen = ['--endpoint', 'near0004', 'far00001'];
  const withKey = async () => {
    // No request is sent again meanwhile.
    const session = onScreen(chosen, { UPSTREAM_TIMEOUT_SECONDS: '60' });
    await session.answers('Runpod API key', `${apiKey}${keys.enter}`);
    return session;
  };
  const takeUsual = async (session: Awaited<ReturnType<typeof withKey>>): Promise<void> => {
    for (const region of ['us-east-1', 'eu-west-1']) {
      await session.asks(`fresh for ${account}, ${region}?`);
      session.type(keys.enter);
    }
  };

  it('are asked at once, by a line that names them, and answer in their own order', async () => {
    Object.assign(world.runpod.endpoints.get('far00001') ?? {}, { image: pushTo(farHost, 'team/far') });
    const minting = hold(/GetAuthorizationToken/, { delayMs: 1000 });
    const session = await withKey();
    await minting.asked(2);
    minting.repair();
    await session.shows('asking ECR in us-east-1, eu-west-1 for a token that may only pull …');
    await world.clock.advance(1000);
    // The first registry answers last.
    const pulling = hold(/team\/worker\/manifests/, { delayMs: 1000 });
    await takeUsual(session);
    await pulling.asked(1);
    await session.shows('pulling the images from ECR in us-east-1, eu-west-1 with those tokens, as a worker would …');
    pulling.repair();
    await world.clock.advance(1000);
    await session.asks('Go on?');
    expect(session.written()).toContain(
      'asking Runpod whether the key may create credentials and update credentials 6n2k8v4d, second00',
    );
    const lines = session.screen().filter((line) => line.startsWith('✓'));
    expect(lines).toEqual([
      expect.stringContaining('The key may update credential 6n2k8v4d'),
      expect.stringContaining('The key may update credential second00'),
      expect.stringContaining('pulls team/worker in us-east-1'),
      expect.stringContaining('pulls team/far in eu-west-1'),
    ]);
    session.type(keys.interrupt);
    expect(await session.ended).toBe(130);
  });

  it('are asked no more once Ctrl-C is pressed, and nothing is changed', async () => {
    const before = everything();
    const { asked } = hold(/GetAuthorizationToken/, { hang: true });
    const session = await withKey();
    await asked(2);
    session.type(keys.interrupt);
    expect(await session.ended).toBe(130);
    expect(session.screen().join('\n')).toContain('Stopped. Nothing was changed.');
    expect(everything()).toEqual(before);
  });

  it('are left at Ctrl-C in a state that is said, noted, and undone or gone on from', async () => {
    const before = everything();
    const session = await withKey();
    await takeUsual(session);
    await session.asks('Go on?');
    const { repair, asked } = hold(/^POST \/v2\/registries/, { delayMs: 1000 });
    session.type(`y${keys.enter}`);
    await asked(1);
    session.type(keys.interrupt);
    await session.shows('Stopping once this is finished: create credential runpod-ecr-refresh-eu-west-1');
    await world.clock.advance(1000);
    expect(await session.ended).toBe(130);
    repair();
    expect(session.screen().join('\n')).toMatch(/Stopped after (\d) of 5 changes\. Run it again to go on/);
    const count = Number(/Stopped after (\d)/.exec(session.screen().join('\n'))?.[1]);
    const { entries } = JSON.parse(file('.setup.json')) as { entries: Array<{ isDone: boolean }> };
    expect(entries.map(({ isDone }) => isDone)).toEqual(Array.from({ length: count }, () => true));
    expect(credentialNamed('runpod-ecr-refresh-eu-west-1')).toBeDefined();

    expect((await setup(['--yes', ...chosen])).code).toBe(0);
    expect(targets().map(({ name }) => name)).toEqual(['production', 'us-east-1', 'eu-west-1']);
    expect((await setup(['--undo', '--yes'])).code).toBe(0);
    expect(everything()).toEqual(before);
  });
});

describe('a registry of another account', () => {
  beforeEach(addOther);

  const begin = async () => {
    const session = onScreen(['--image-registry', otherHost]);
    await session.answers('Runpod API key', `${apiKey}${keys.enter}`);
    await session.asks(`Which role of account ${otherAccount} mints?`);
    return session;
  };

  it('is set up by a role there, which is tried as every run tries it', async () => {
    const session = await begin();
    const screen = session.screen().join('\n');
    expect(screen).toContain(`AlsoTrusts=arn:aws:iam::${account}:user/engineer`);
    expect(inOneLine(screen)).toContain('by the template infra/examples/cross-account-role.yml');
    deployRole();
    session.type(keys.enter);
    await session.answers('External id that it asks for', keys.enter);
    await session.asks('Which Runpod credentials');
    expect(session.screen().join('\n')).toContain(`✓ ${role} mints a token.`);
    session.type(keys.enter);
    await session.answers('Which endpoints get the new credential?', keys.enter);
    await session.answers('Go on?', `y${keys.enter}`);
    expect(await session.ended).toBe(0);
    expect(targets()[0]?.ecr).toEqual({
      region: 'us-east-1',
      registryId: otherAccount,
      roleArn: role,
      externalId: `runpod-ecr-refresh-${otherAccount}`,
    });
    const [, credential] = credentialNamed('runpod-ecr-refresh-production') ?? [];
    expect(world.ecr.find(credential?.token.password ?? '')?.principal.arn).toBe(role);
  });

  it('is tried again once its role is there', async () => {
    const session = await begin();
    session.type(keys.enter);
    await session.answers('External id that it asks for', keys.enter);
    await session.asks('What now?');
    expect(inOneLine(session.screen().join('\n'))).toContain(`${role} cannot be assumed from here.`);
    deployRole();
    session.type(keys.enter);
    await session.answers('Which Runpod credentials', keys.interrupt);
    expect(await session.ended).toBe(130);
  });

  it('is left out where its role cannot be assumed, and nothing is changed', async () => {
    const before = everything();
    const session = await begin();
    session.type(keys.enter);
    await session.answers('External id that it asks for', keys.enter);
    await session.answers('What now?', `${keys.up}${keys.enter}`);
    expect(await session.ended).toBe(1);
    const told = inOneLine(session.screen().join('\n'));
    expect(told).toContain('Nothing was changed. These stay unprotected');
    expect(told).toContain(`model (other001) uses no credential; its role, ${role}, could not be assumed`);
    expect(everything()).toEqual(before);
  });
});

describe('what targets.yml says of endpoints', () => {
  const write = (more: string): void => {
    world.secrets.parameters.set('/key', apiKey);
    writeFileSync(
      join(folder, 'targets.yml'),
      `targets:\n  - name: mine\n    ecr: { region: us-east-1 }\n    runpod: { apiKey: "ssm:/key", registry: 6n2k8v4d }\n${more}`,
    );
  };

  it('holds: those that a target names are the only ones it selects for it', async () => {
    const near = world.runpod.endpoints.get('near0004')?.image ?? '';
    world.runpod.addEndpoint({ id: 'near0005', name: 'later', image: near, registry: null });
    write('    endpoints: [near0001, near0004]\n');
    const { printed } = await setup(['--yes']);
    expect(world.runpod.endpoints.get('near0004')?.registry).toBe('6n2k8v4d');
    expect(world.runpod.endpoints.get('near0005')?.registry).toBe('second00');
    expect(inOneLine(printed)).toContain('select credential second00 for endpoint later (near0005)');
    const none = await setup(['--yes', '--name', 'mine', '--endpoint', 'near0005']);
    expect(none.printedErrors).toContain('--endpoint: expected ids of endpoints');
  });

  it('names the endpoint that no target takes, and the one that is somebody else’s', async () => {
    const near = world.runpod.endpoints.get('near0004')?.image ?? '';
    world.runpod.addEndpoint({ id: 'near0005', name: 'later', image: near, registry: null });
    write('    endpoints: [near0001]\n    ignore: [near0005]\n');
    const { printed } = await setup(['--yes', '--credential', '6n2k8v4d', '--name', 'mine']);
    const text = inOneLine(printed);
    expect(text).toContain(
      'fresh (near0004) uses no credential; target mine names its endpoints, and not this one: add it in targets.yml, and run this again',
    );
    expect(text).toContain('later (near0005) uses no credential; target mine ignores it');
    expect(world.runpod.endpoints.get('near0005')?.registry).toBe(null);
  });

  it('leaves alone what a target ignores', async () => {
    write('    ignore: [near0004]\n');
    expect((await setup(['--yes'])).code).toBe(0);
    expect(world.runpod.endpoints.get('near0004')?.registry).toBe(null);
    expect(world.runpod.endpoints.get('far00001')?.registry).not.toBe(null);
  });
});

describe('two keys, of two accounts at Runpod', () => {
  const secondKey = 'rpa_SECONDKEYSECONDKEYSECONDKEY01';

  it('are each undone by its own', async () => {
    world.runpod.keys.set(secondKey, new Set(['*']));
    const before = everything();
    const make = ['--yes', '--key-stdin', '--credential', 'new', '--image-registry', registryHost];
    expect((await setup([...make, '--name', 'first'], apiKey)).code).toBe(0);
    expect((await setup([...make, '--name', 'second'], secondKey)).code).toBe(0);
    const { entries } = JSON.parse(file('.setup.json')) as { entries: Array<{ change: Record<string, unknown> }> };
    expect(entries.map(({ change }) => [change.kind, change.apiKey])).toContainEqual([
      'credential',
      'ssm:/runpod-ecr-refresh/dev/second/api-key',
    ]);
    const piped = await setup(['--undo', '--yes', '--key-stdin'], apiKey);
    expect(piped.printedErrors).toContain('--key-stdin: setup changed things by several keys');
    // What the first key no longer may, the second does not need.
    world.runpod.keys.set(apiKey, new Set(['secrets:read', 'serverless:read']));
    const { code, printed, printedErrors } = await setup(['--undo', '--yes']);
    expect(printed).toContain('✓ deleted credential runpod-ecr-refresh-second');
    expect(printedErrors).toContain('Could not');
    expect(code).toBe(1);
    world.runpod.keys.set(apiKey, new Set(['*']));
    expect((await setup(['--undo', '--yes'])).code).toBe(0);
    expect(everything()).toEqual(before);
  });
});
