import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseTargets } from '../../functions/lib/targets.ts';
import { registryHost, World } from '../../simulator/world.ts';
import { emptyFolder, keys, run, runOnScreen } from '../support/command.ts';
import { whenAsked } from '../support/failures.ts';

const mark = 'SENTINELPASSWORD';
const apiKey = 'rpa_SENTINELKEYSENTINELKEYSENTINEL';
const parameter = '/runpod-ecr-refresh/dev/production/api-key';

let world: World;
let folder: string;
let image: string;

beforeEach(async () => {
  world = await World.begin({ passwordMark: mark, apiKey });
  world.secrets.parameters.clear();
  world.deployment.status = undefined;
  image = world.push('team/worker', 'v1');
  world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: null });
  world.runpod.addEndpoint({ id: 'other000', name: 'other', image, registry: '6n2k8v4d' });
  world.runpod.addEndpoint({ id: 'public00', name: 'public', image: 'runpod/base:latest', registry: null });
  folder = emptyFolder();
});

afterEach(() => world.end());

const here = (environment: Record<string, string | undefined> = {}) => ({
  folder,
  environment: { TARGETS_FILE: 'targets.yml', ...environment },
});
const piped = (words: readonly string[], input = '', environment: Record<string, string | undefined> = {}) =>
  run(world, ['setup', ...words], { ...here(environment), input });
const inTerminal = (
  words: readonly string[] = [],
  columns = 100,
  environment: Record<string, string | undefined> = {},
) => runOnScreen(world, ['setup', ...words], { ...here(environment), columns });
const file = (name: string): string => readFileSync(join(folder, name), 'utf8');
/** The credential that targets.yml names for the target production. */
const registered = (): string | undefined =>
  parseTargets(file('targets.yml')).find(({ name }) => name === 'production')?.runpod.registry;

/** Everything that a person could lose by setup: what is at AWS, at Runpod, and in the folder. */
const everything = () => ({
  parameters: Object.fromEntries(world.secrets.parameters),
  credentials: [...world.runpod.credentials.keys()],
  endpoints: [...world.runpod.endpoints.values()].map(({ id, registry }) => [id, registry]),
  repositories: [...world.ecr.createdRepositories.keys()],
  files: Object.fromEntries(readdirSync(folder).map((name) => [name, file(name)])),
});

describe('setup, in a terminal', () => {
  it('leads from nothing to a targets.yml, by keys that are typed', async () => {
    const session = inTerminal();
    await session.answers('Runpod API key', `${apiKey}${keys.enter}`);
    await session.shows('Which Runpod credential');
    expect(session.screen().join('\n')).toContain('other (other000) pulls');
    // The one that endpoints use is marked; the new one is below it.
    session.type(`${keys.space}${keys.down}${keys.space}${keys.enter}`);
    await session.answers('Which endpoints', keys.enter);
    await session.shows('Go on?');
    expect(world.secrets.parameters.size).toBe(0);
    expect(existsSync(join(folder, 'targets.yml'))).toBe(false);
    session.type(`y${keys.enter}`);
    expect(await session.ended).toBe(0);

    const created = [...world.runpod.credentials.values()].find(({ name }) => name === 'runpod-ecr-refresh-production');
    expect(world.runpod.endpoints.get('4m7x2k9q')?.registry).toBe(created?.id);
    expect(world.runpod.endpoints.get('other000')?.registry).toBe('6n2k8v4d');
    expect(world.registry.letIn.has(created?.token.password ?? '')).toBe(true);
    expect(world.secrets.parameters.get(parameter)).toBe(apiKey);
    expect(registered()).toBe(created?.id);
    expect(session.screen().join('\n')).toContain('npx serverless deploy --stage dev --region us-east-1');
    const { entries } = JSON.parse(file('.setup.json')) as { entries: Array<{ change: object; isDone: boolean }> };
    expect(entries.map(({ isDone }) => isDone)).toEqual([true, true, true, true]);
    expect(entries[1]?.change).toEqual({
      kind: 'credential',
      name: 'runpod-ecr-refresh-production',
      others: [],
      id: created?.id,
    });
    // The key was neither shown while it was typed nor written anywhere.
    for (const text of [session.written(), file('targets.yml'), file('.setup.json')]) {
      expect(text).not.toContain(apiKey);
      expect(text).not.toContain(mark);
    }
  });

  it.each([80, 200])('fits a terminal of %i columns', async (columns) => {
    const session = inTerminal([], columns, { NO_COLOR: '1' });
    await session.answers('Runpod API key', `${apiKey}${keys.enter}`);
    await session.shows('Which Runpod credential');
    expect(session.screen().every((line) => line.length <= columns)).toBe(true);
    expect(session.written()).not.toContain('\x1b[3');
    session.type(keys.interrupt);
    expect(await session.ended).toBe(130);
  });

  it.each([
    'Runpod API key',
    'Which Runpod credential',
    'Which endpoints',
    'Go on?',
  ])('changes nothing when Ctrl-C answers "%s"', async (question) => {
    const before = everything();
    const session = inTerminal();
    for (const [asked, answer] of [
      ['Runpod API key', apiKey + keys.enter],
      ['Which Runpod credential', keys.down + keys.enter],
      ['Which endpoints', keys.enter],
      ['Go on?', ''],
    ] as const) {
      await session.shows(asked);
      session.type(asked === question ? keys.interrupt : answer);
      if (asked === question) break;
    }
    expect(await session.ended).toBe(130);
    expect(session.screen().join('\n')).toContain('Stopped. Nothing was changed.');
    expect(everything()).toEqual(before);
    expect(session.written()).not.toContain(apiKey);
  });

  it('changes nothing when Ctrl-C ends a request', async () => {
    const before = everything();
    const { asked } = whenAsked(world.faults, /GET \/v2\/registries/, { hang: true });
    const session = inTerminal([], 100, { UPSTREAM_TIMEOUT_SECONDS: '60' });
    await session.answers('Runpod API key', `${apiKey}${keys.enter}`);
    await asked;
    session.type(keys.interrupt);
    expect(await session.ended).toBe(130);
    expect(session.screen().join('\n')).toContain('Stopped. Nothing was changed.');
    expect(everything()).toEqual(before);
  });

  it('stops between two changes at Ctrl-C while AWS makes one, and goes on when run again', async () => {
    const { asked, repair } = whenAsked(world.faults, /PutParameter/, { delayMs: 1000 });
    const session = inTerminal(['--credential', 'new']);
    await session.answers('Runpod API key', `${apiKey}${keys.enter}`);
    await session.answers('Which endpoints', keys.enter);
    await session.answers('Go on?', `y${keys.enter}`);
    await asked;
    session.type(keys.interrupt);
    // The change that is under way is finished, and noted.
    await session.shows('Stopping once this is finished: store the Runpod API key');
    await world.clock.advance(1000);
    expect(await session.ended).toBe(130);
    expect(session.screen().join('\n')).toContain('Stopped after 1 of 4 changes. Run it again to go on');
    expect([
      world.secrets.parameters.size,
      world.runpod.credentials.size,
      existsSync(join(folder, 'targets.yml')),
    ]).toEqual([1, 1, false]);
    repair();

    const { code, printed } = await piped(['--yes', '--credential', 'new']);
    expect([code, printed.includes('store the Runpod API key')]).toEqual([0, false]);
    await piped(['--undo', '--yes']);
    expect([world.secrets.parameters.size, world.runpod.credentials.size]).toEqual([0, 1]);
  });

  it('finishes and notes what Runpod is changing at Ctrl-C', async () => {
    const session = inTerminal(['--credential', 'new']);
    await session.answers('Runpod API key', `${apiKey}${keys.enter}`);
    await session.answers('Which endpoints', keys.enter);
    await session.shows('Go on?');
    // Before, it was asked whether a credential could be created.
    const { asked } = whenAsked(world.faults, /^POST \/v2\/registries/, { delayMs: 1000 });
    session.type(`y${keys.enter}`);
    await asked;
    session.type(keys.interrupt);
    await session.echoes('^C');
    await world.clock.advance(1000);
    expect(await session.ended).toBe(130);
    expect(session.screen().join('\n')).toContain('Stopped after 2 of 4 changes. Run it again to go on');
    const { entries } = JSON.parse(file('.setup.json')) as { entries: Array<{ change: { id?: string } }> };
    expect([...world.runpod.credentials.keys()]).toContain(entries[1]?.change.id);
  });

  it('stops undoing between two changes at Ctrl-C, and goes on when run again', async () => {
    const before = everything();
    await piped(['--yes', '--key-stdin', '--credential', 'new'], apiKey);
    const { asked, repair } = whenAsked(world.faults, /^DELETE \/v2\/registries/, { delayMs: 1000 });
    const session = inTerminal(['--undo']);
    await session.answers('Go on?', `y${keys.enter}`);
    await asked;
    session.type(keys.interrupt);
    await session.shows('Stopping once this is finished: delete credential');
    await world.clock.advance(1000);
    expect(await session.ended).toBe(130);
    expect(session.screen().join('\n')).toContain('Stopped after 3 of 4. Run it again to go on.');
    expect([world.runpod.credentials.size, world.secrets.parameters.size]).toEqual([1, 1]);
    repair();
    expect((await piped(['--undo', '--yes'])).code).toBe(0);
    expect(everything()).toEqual(before);
  });

  it('asks again for a key that Runpod refuses', async () => {
    const session = inTerminal();
    await session.answers('Runpod API key', `short${keys.enter}`);
    await session.shows('That is no API key');
    session.type(`\x15rpa_not_a_key_of_this_account${keys.enter}`);
    await session.shows('Runpod refused the API key');
    await session.answers('Runpod API key', `${apiKey}${keys.enter}`);
    await session.answers('Which Runpod credential', keys.interrupt);
    expect(await session.ended).toBe(130);
  });

  it('offers to create a repository where there is none', async () => {
    world.runpod.endpoints.clear();
    await world.end();
    world = await World.begin({ apiKey });
    world.secrets.parameters.set(parameter, apiKey);
    const session = inTerminal();
    await session.answers('Which Runpod credential', keys.enter);
    await session.answers('There is no ECR repository in us-east-1. Create one?', keys.enter);
    await session.answers('Its name:', `team/new${keys.enter}`);
    await session.answers('Go on?', keys.enter);
    expect(await session.ended).toBe(0);
    expect([...world.ecr.createdRepositories.keys()]).toEqual(['123456789012/us-east-1/team/new']);
    expect(session.screen().join('\n').replaceAll(/\n\s+/g, ' ')).toContain(`docker push ${registryHost}/team/new:v1`);
    expect(session.screen().join('\n')).toContain('Create a Runpod endpoint with your ECR image');
  });
});

describe('setup, through pipes', () => {
  it('takes what is usual, and changes nothing when run again', async () => {
    const first = await piped(['--yes', '--key-stdin', '--json'], `${apiKey}\n`);
    expect(first.printedErrors).toBe('');
    expect(JSON.parse(first.printed)).toMatchObject({
      changes: [
        `store the Runpod API key in ssm:${parameter}, as a SecureString`,
        'select credential 6n2k8v4d for endpoint images (4m7x2k9q), which uses none',
        'write target production to targets.yml',
      ],
    });
    const after = everything();
    const second = await piped(['--yes']);
    expect(second.printed).toContain('Everything is right already');
    expect(everything()).toEqual(after);
    expect([first.code, second.code]).toEqual([0, 0]);
  });

  it('undoes all that it did', async () => {
    const before = everything();
    await piped(['--yes', '--key-stdin', '--credential', 'new', '--repository', 'team/new'], apiKey);
    expect(everything()).not.toEqual(before);
    const { code, printed } = await piped(['--undo', '--yes']);
    expect(printed).toContain('✓ deleted credential runpod-ecr-refresh-production');
    expect(everything()).toEqual(before);
    expect(code).toBe(0);
    expect((await piped(['--undo', '--yes'])).printed).toBe('There is nothing to undo.\n');
  });

  it('puts an earlier key and an earlier targets.yml back', async () => {
    world.secrets.parameters.set(parameter, 'rpa_an_old_key_that_is_dead');
    const old =
      '# mine\ntargets:\n  - name: elsewhere # keep\n    ecr: { region: eu-west-1 }\n    runpod: { apiKey: "ssm:/x/y", registry: abc }\n';
    writeFileSync(join(folder, 'targets.yml'), old);
    const { code } = await piped(['--yes', '--key-stdin', '--name', 'production'], apiKey);
    expect(code).toBe(0);
    expect(file('targets.yml')).toContain('# mine');
    expect(file('targets.yml')).toContain('name: elsewhere # keep');
    expect(registered()).toBe('6n2k8v4d');
    expect(world.secrets.parameters.get(parameter)).toBe(apiKey);
    await piped(['--undo', '--yes']);
    expect(file('targets.yml')).toBe(old);
    expect(world.secrets.parameters.get(parameter)).toBe('rpa_an_old_key_that_is_dead');
  });

  it('leaves what somebody has changed since', async () => {
    await piped(['--yes', '--key-stdin', '--credential', 'new', '--repository', 'team/new'], apiKey);
    const created = [...world.runpod.credentials.keys()][1] ?? '';
    Object.assign(world.runpod.endpoints.get('other000') ?? {}, { registry: created });
    writeFileSync(join(folder, 'targets.yml'), `${file('targets.yml')}# more\n`);
    world.push('team/new', 'v1');
    const { printed } = await piped(['--undo', '--yes']);
    expect(printed).toContain('left targets.yml: it has been changed since');
    expect(printed).toContain(`left credential runpod-ecr-refresh-production (${created}): endpoint other000 use it`);
    expect(printed).toContain('left repository team/new: it holds images');
    expect(world.runpod.credentials.has(created)).toBe(true);
  });

  it('finishes a setup that was cut off in the middle of creating the credential', async () => {
    await piped(['--yes', '--key-stdin', '--credential', 'new'], apiKey);
    const journal = JSON.parse(file('.setup.json')) as { entries: Array<{ change: object; isDone: boolean }> };
    const [first, second] = journal.entries;
    // As if the process had died before it could note what Runpod answered.
    const cut = {
      ...journal,
      entries: [first, { change: { kind: 'credential', name: 'runpod-ecr-refresh-production' }, isDone: false }],
    };
    expect(second?.change).toMatchObject({ kind: 'credential' });
    writeFileSync(join(folder, '.setup.json'), JSON.stringify(cut));
    writeFileSync(
      join(folder, 'targets.yml'),
      'targets:\n  - { name: elsewhere, ecr: { region: eu-west-1 }, runpod: { apiKey: "ssm:/x", registry: abc } }\n',
    );
    const { code, printed } = await piped(['--yes', '--name', 'production']);
    expect([code, printed.includes('create credential')]).toEqual([0, false]);
    expect(world.runpod.credentials.size).toBe(2);
    expect(registered()).toBe([...world.runpod.credentials.keys()][1]);
  });

  it.each<readonly [string, () => void, readonly string[], string, Record<string, string | undefined>, RegExp, number]>(
    [
      ['nobody to ask', () => {}, [], '', {}, /--yes: nobody can be asked here/, 2],
      [
        'no key',
        () => {},
        ['--yes'],
        '',
        {},
        /There is no Runpod API key that works\. Pipe one in: npm run setup -- --key-stdin --yes/,
        1,
      ],
      [
        'something piped that is no key',
        () => {},
        ['--yes', '--key-stdin'],
        'a b',
        {},
        /--key-stdin: expected 8 to 512 printable characters/,
        1,
      ],
      [
        'a key that Runpod refuses',
        () => {},
        ['--yes', '--key-stdin'],
        'rpa_not_a_key_of_this_account',
        {},
        /Runpod refused the API key when asked to list/,
        1,
      ],
      [
        'a key without a scope',
        () => void world.runpod.keys.set(apiKey, new Set(['secrets:read', 'serverless:read'])),
        ['--yes', '--key-stdin'],
        apiKey,
        {},
        /403 .*The API key needs the scope secrets:write/,
        1,
      ],
      [
        'a key that may not create',
        () => void world.runpod.keys.set(apiKey, new Set(['secrets:read', 'serverless:read'])),
        ['--yes', '--key-stdin', '--credential', 'new'],
        apiKey,
        {},
        /Runpod refused to say whether credentials can be created \(403/,
        1,
      ],
      [
        'a key that may not change endpoints',
        () => void world.runpod.keys.set(apiKey, new Set(['secrets:read', 'secrets:write', 'serverless:read'])),
        ['--yes', '--key-stdin'],
        apiKey,
        {},
        /Runpod refused to say whether endpoint 4m7x2k9q can be changed \(403 .*needs the scope for changing serverless endpoints/,
        1,
      ],
      [
        'no AWS credentials',
        () => {},
        ['--yes', '--key-stdin'],
        apiKey,
        { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined },
        /AWS has no credentials here/,
        1,
      ],
      [
        'the network down',
        () => {},
        ['--yes', '--key-stdin'],
        apiKey,
        { AWS_ENDPOINT_URL: 'http://127.0.0.1:9' },
        /AWS, asked to say who this is, answered .*Check the network/,
        1,
      ],
      [
        'Runpod down',
        () => {},
        ['--yes', '--key-stdin'],
        apiKey,
        { RUNPOD_API_URL: 'http://127.0.0.1:9/v2' },
        /Runpod, asked to list .*could not be reached/,
        1,
      ],
      [
        'Runpod answering with a web page',
        () =>
          void world.faults.add({
            on: /GET \/v2\/registries/,
            does: { answer: { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>hi' } },
          }),
        ['--yes', '--key-stdin'],
        apiKey,
        {},
        /answered 200 with something that is not JSON: a web page/,
        1,
      ],
      [
        'a token that pulls nothing',
        () => world.registry.deleteTag(`${registryHost}/team/worker`, 'v1'),
        ['--yes', '--key-stdin'],
        apiKey,
        {},
        /A fresh token pulls none of the images: .*Nothing was changed/,
        1,
      ],
      [
        'a credential that there is not',
        () => {},
        ['--yes', '--key-stdin', '--credential', 'nope'],
        apiKey,
        {},
        /--credential: expected new or one of 6n2k8v4d, found "nope"/,
        2,
      ],
      [
        'an endpoint that there is not',
        () => {},
        ['--yes', '--key-stdin', '--endpoint', 'nope'],
        apiKey,
        {},
        /--endpoint: expected ids of endpoints .*4m7x2k9q.*found "nope"/,
        2,
      ],
      [
        'a name that is none',
        () => {},
        ['--yes', '--key-stdin', '--name', 'A B'],
        apiKey,
        {},
        /--name: expected a–z, 0–9 and -/,
        2,
      ],
      [
        'a registry that is none',
        () => {},
        ['--yes', '--key-stdin', '--image-registry', 'docker.io'],
        apiKey,
        {},
        /--image-registry: expected the host name of an ECR registry/,
        2,
      ],
      [
        'a role that is none',
        () => {},
        ['--yes', '--key-stdin', '--role-arn', 'admin'],
        apiKey,
        {},
        /--role-arn: expected the ARN of a role, such as arn:aws:iam::123456789012:role\/runpod-pull, found "admin"/,
        2,
      ],
      [
        'a registry of another account, and no role',
        () => {},
        ['--yes', '--key-stdin', '--image-registry', '210987654321.dkr.ecr.us-east-1.amazonaws.com'],
        apiKey,
        {},
        /--role-arn: expected the role of account 210987654321 that mints/,
        2,
      ],
    ],
  )('with %s changes nothing, and says what to do', async (_what, happen, words, input, environment, expected, code) => {
    happen();
    const before = everything();
    const ended = await piped(words, input, environment);
    expect(ended.printedErrors).toMatch(expected);
    expect(ended.code).toBe(code);
    expect(everything()).toEqual(before);
    for (const text of [ended.printed, ended.printedErrors]) {
      expect(text).not.toContain(apiKey);
      expect(text).not.toContain(mark);
    }
  });

  it('reads no more of its input than a key can be, however long it goes on', async () => {
    const input = 'x'.repeat(10_000);
    const options = { ...here(), input, endsInput: false };
    const { code, printedErrors } = await run(world, ['setup', '--yes', '--key-stdin'], options);
    expect(printedErrors).toMatch(/--key-stdin: expected 8 to 512 printable characters/);
    expect(code).toBe(1);
  });

  it('undoes nothing in another account’s name', async () => {
    await piped(['--yes', '--key-stdin'], apiKey);
    const { code, printedErrors } = await piped(['--undo', '--yes', '--region', 'eu-west-1']);
    expect(printedErrors).toMatch(
      /\.setup\.json records changes in account 123456789012, us-east-1; this is 123456789012, eu-west-1/,
    );
    expect(code).toBe(1);
  });

  it('leaves a credential that an endpoint uses which is on no first page of Runpod’s list', async () => {
    await piped(['--yes', '--key-stdin', '--credential', 'new'], apiKey);
    const created = [...world.runpod.credentials.keys()].at(-1) ?? '';
    Object.assign(world.runpod.endpoints.get('public00') ?? {}, { registry: created });
    for (let index = 0; index < 1000; index += 1) {
      world.runpod.addEndpoint({ id: `later${index}`, name: '', image: 'runpod/base:latest', registry: null });
    }
    const { printed } = await piped(['--undo', '--yes']);
    expect(printed).toMatch(new RegExp(`left credential .*${created}.*public00`));
    expect(world.runpod.credentials.has(created)).toBe(true);
  });
});
