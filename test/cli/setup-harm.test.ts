import { lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { customerKeyArn, World } from '../../simulator/world.ts';
import { emptyFolder, keys, run, runInTerminal, runOnScreen } from '../support/command.ts';
import { whenAsked } from '../support/failures.ts';

const apiKey = 'rpa_SENTINELKEYSENTINELKEYSENTINEL';
const secondKey = 'rpa_SECONDKEYSECONDKEYSECONDKEY01';
const thirdKey = 'rpa_THIRDKEYTHIRDKEYTHIRDKEYTHIRD1';
const parameter = '/runpod-ecr-refresh/dev/production/api-key';

let world: World;
let folder: string;
let image: string;

beforeEach(async () => {
  world = await World.begin({ apiKey });
  world.secrets.parameters.clear();
  world.deployment.status = undefined;
  image = world.push('team/worker', 'v1');
  world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: null });
  folder = emptyFolder();
});
afterEach(() => world.end());

const options = (input = '') => ({ folder, environment: { TARGETS_FILE: 'targets.yml' }, input });
const setup = (words: readonly string[], input = '') => run(world, ['setup', ...words], options(input));
const inOneLine = (text: string): string => text.replaceAll(/\s+/g, ' ');
const journalPath = () => join(folder, '.setup.json');
const acceptKey = (key: string): void => void world.runpod.keys.set(key, new Set(['*']));

describe('a credential that an endpoint of another registry uses', () => {
  beforeEach(() => {
    world.runpod.addEndpoint({ id: 'hub00000', name: 'hub', image: 'acme/private:1', registry: '6n2k8v4d' });
    world.runpod.addEndpoint({ id: 'mine0000', name: 'mine', image, registry: '6n2k8v4d' });
  });

  it('is not what --yes takes by itself: a new one is', async () => {
    const { code } = await setup(['--yes', '--key-stdin'], apiKey);
    expect(code).toBe(0);
    expect(readFileSync(join(folder, 'targets.yml'), 'utf8')).not.toContain('6n2k8v4d');
    expect(world.runpod.endpoints.get('hub00000')?.registry).toBe('6n2k8v4d');
  });

  it('is refused under --yes, with the endpoint that would be hurt', async () => {
    const { code, printedErrors } = await setup(['--yes', '--key-stdin', '--credential', '6n2k8v4d'], apiKey);
    expect(printedErrors).toContain('6n2k8v4d holds the login of hub (hub00000), which pulls acme/private:1');
    expect(printedErrors).toContain('Nothing was changed. Take --credential new');
    expect([code, world.secrets.parameters.size]).toEqual([2, 0]);
  });

  it('is not what is marked on the screen, and the plan that takes it names who is hurt, and asks with No', async () => {
    const session = runOnScreen(world, ['setup'], options());
    await session.answers('Runpod API key', `${apiKey}${keys.enter}`);
    await session.shows('Which Runpod credential');
    expect(session.screen().filter((line) => line.includes('◉'))).toEqual([expect.stringContaining('a new one')]);
    session.type(`${keys.space}${keys.down}${keys.space}${keys.enter}`);
    await session.answers('Which endpoints', keys.enter);
    await session.shows('Go on?');
    const screen = inOneLine(session.screen().join('\n'));
    expect(screen).toContain('also holds the login of hub (hub00000), which pulls acme/private:1');
    expect(screen).toContain('select credential 6n2k8v4d for endpoint images (4m7x2k9q)');
    expect(screen).toContain('gives a new token to mine (mine0000)');
    session.type(keys.enter);
    expect(await session.ended).toBe(0);
    expect(session.screen().join('\n')).toContain('Nothing was changed.');
    expect([world.secrets.parameters.size, world.runpod.endpoints.get('4m7x2k9q')?.registry]).toEqual([0, null]);
  });

  it('is not taken where it is a pod or a template that uses it', async () => {
    world.runpod.endpoints.delete('hub00000');
    world.runpod.pods.push({ id: 'pod00000', name: 'lab', registry: '6n2k8v4d', image: 'acme/private:2' });
    expect((await setup(['--yes', '--key-stdin', '--credential', '6n2k8v4d'], apiKey)).printedErrors).toContain(
      'pod lab (pod00000), which pulls acme/private:2',
    );
    expect((await setup(['--yes', '--key-stdin'], apiKey)).code).toBe(0);
    expect(readFileSync(join(folder, 'targets.yml'), 'utf8')).not.toContain('6n2k8v4d');
  });

  it('is told by doctor and by refresh', async () => {
    world.secrets.parameters.set('/runpod-ecr-refresh/production/api-key', apiKey);
    const told = await run(world, ['doctor']);
    expect(inOneLine(told.printed)).toMatch(/✗ Endpoint hub \(hub00000\) uses the credential for acme\/private:1/);
    const refreshed = await run(world, ['refresh', '--dry-run']);
    expect(inOneLine(refreshed.printed)).toContain('hub00000 uses the credential for acme/private:1');
  });
});

describe('what is typed before a question is shown', () => {
  it('answers nothing, and Enter agrees to no change of endpoints', async () => {
    world.secrets.parameters.set(parameter, apiKey);
    const session = runInTerminal(world, ['setup', '--credential', 'new', '--endpoint', '4m7x2k9q'], {
      folder,
      environment: { TARGETS_FILE: 'targets.yml' },
    });
    // As somebody types who sees nothing happen; the terminal holds it until it is read.
    session.type(`y${keys.enter}y${keys.enter}${keys.enter}y`);
    await session.shows('Go on?');
    expect(world.runpod.credentials.size).toBe(1);
    session.type(keys.enter);
    expect(await session.ended).toBe(0);
    expect(session.screen().join('\n')).toContain('Nothing was changed.');
    expect(world.runpod.credentials.size).toBe(1);
  });

  it('ends it where it is Ctrl-C', async () => {
    const { asked } = whenAsked(world.faults, /GetCallerIdentity/, { hang: true });
    const session = runInTerminal(world, ['setup'], { folder, environment: { UPSTREAM_TIMEOUT_SECONDS: '60' } });
    await asked;
    session.type(keys.interrupt);
    expect(await session.ended).toBe(130);
    expect(session.screen().join('\n')).toContain('Stopped. Nothing was changed.');
  });

  it('meets a line that says what is being asked of whom', async () => {
    world.secrets.parameters.set(parameter, apiKey);
    const session = runOnScreen(world, ['setup', '--credential', 'new'], options());
    await session.shows('Which endpoints');
    for (const what of [
      'asking AWS who this is …',
      'asking Runpod for its endpoints and registry credentials …',
      'asking ECR in us-east-1 for a token that may only pull …',
    ]) {
      expect(session.written()).toContain(what);
    }
    session.type(keys.interrupt);
    expect(await session.ended).toBe(130);
  });
});

describe('undoing', () => {
  const ready = () => setup(['--yes', '--key-stdin', '--credential', 'new'], apiKey);
  const deploy = (): void => {
    world.deployment.status = 'UPDATE_COMPLETE';
  };

  it('stops where the stack is deployed, and names the endpoints that would lose their token', async () => {
    await ready();
    deploy();
    const { code, printedErrors } = await setup(['--undo', '--yes']);
    expect(printedErrors).toContain(
      'runpod-ecr-refresh-dev is deployed; endpoints that would lose their token: images (4m7x2k9q). Nothing was changed.',
    );
    expect(printedErrors).toContain('npx serverless remove --stage dev --region us-east-1');
    expect([code, world.runpod.credentials.size, world.secrets.parameters.size]).toEqual([2, 2, 1]);
    expect((await setup(['--undo', '--yes', '--even-deployed'])).code).toBe(0);
    expect([world.runpod.credentials.size, world.secrets.parameters.size]).toEqual([1, 0]);
  });

  it('names the command that removes the stack that is deployed, whatever stage it is told', async () => {
    await setup(['--yes', '--key-stdin'], apiKey);
    world.deployment.status = 'CREATE_COMPLETE';
    const { printedErrors } = await setup(['--undo', '--yes', '--stage', 'prod']);
    expect(printedErrors).toContain(
      'Remove the stack first (npx serverless remove --stage dev --region us-east-1), or',
    );
  });

  it('asks twice, each time with No, where the stack is deployed', async () => {
    await ready();
    deploy();
    const session = runOnScreen(world, ['setup', '--undo'], options());
    await session.answers('Undo it although runpod-ecr-refresh-dev is deployed?', `y${keys.enter}`);
    await session.answers('Go on?', keys.enter);
    expect(await session.ended).toBe(0);
    expect(session.screen().join('\n')).toContain('Nothing was changed.');
    expect(world.runpod.credentials.size).toBe(2);
  });

  it('takes a stack of which AWS does not tell for deployed', async () => {
    await ready();
    world.faults.add({
      on: /DescribeStacks/,
      does: {
        answer: {
          status: 403,
          body: '<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>',
        },
      },
    });
    const { code, printed, printedErrors } = await setup(['--undo', '--yes']);
    expect(printed).toContain('Whether runpod-ecr-refresh-dev is deployed is not known');
    expect(printedErrors).toContain('--even-deployed');
    expect(code).toBe(2);
  });

  it('goes back to the key before the first of several rotations, by the one that works', async () => {
    world.secrets.parameters.set(parameter, 'rpa_an_old_key_that_is_dead');
    await ready();
    for (const key of [secondKey, thirdKey]) {
      acceptKey(key);
      expect((await setup(['--yes', '--rotate-key', '--key-stdin'], key)).code).toBe(0);
      expect(world.secrets.parameters.get(parameter)).toBe(key);
    }
    const { code, printed } = await setup(['--undo', '--yes']);
    expect(printed).toMatch(
      /✓ put the earlier key back into ssm:\/runpod-ecr-refresh\/dev\/production\/api-key; it does not work: Runpod refused the API key/,
    );
    expect(printed.trimEnd().split('\n').at(-1)).toContain('put the earlier key back');
    expect(world.secrets.parameters.get(parameter)).toBe('rpa_an_old_key_that_is_dead');
    expect([code, world.runpod.credentials.size]).toEqual([0, 1]);
  });

  it('works with the earlier key where the new one has been revoked, and asks where none works', async () => {
    world.secrets.parameters.set(parameter, apiKey);
    await setup(['--yes', '--credential', 'new']);
    acceptKey(secondKey);
    await setup(['--yes', '--rotate-key', '--key-stdin'], secondKey);
    world.runpod.keys.delete(secondKey);
    const { code, printedErrors } = await setup(['--undo', '--yes']);
    expect(printedErrors).toContain(`The key in ssm:${parameter} does not work`);
    expect([code, world.runpod.credentials.size, world.secrets.parameters.get(parameter)]).toEqual([0, 1, apiKey]);
  });

  it('changes nothing where no key works, and says how to hand one over', async () => {
    await ready();
    world.runpod.keys.delete(apiKey);
    const refused = await setup(['--undo', '--yes']);
    expect(refused.printedErrors).toContain('npm run setup -- --undo --key-stdin --yes < key-file');
    expect([refused.code, world.secrets.parameters.size]).toEqual([1, 1]);
    acceptKey(secondKey);
    expect((await setup(['--undo', '--yes', '--key-stdin'], secondKey)).code).toBe(0);
    expect([world.runpod.credentials.size, world.secrets.parameters.size]).toEqual([1, 0]);
  });

  it('stops at what cannot be undone, says where it is, and goes on when run again', async () => {
    await ready();
    const repair = world.faults.add({ on: /DELETE \/v2\/registries/, does: { answer: { status: 500, body: '{}' } } });
    const { code, printedErrors } = await setup(['--undo', '--yes']);
    expect(printedErrors).toMatch(/Could not delete credential .*\nStopped after 2 of 4; the rest is as it was\./);
    expect([code, world.secrets.parameters.size, world.runpod.credentials.size]).toEqual([1, 1, 2]);
    repair();
    expect((await setup(['--undo', '--yes'])).code).toBe(0);
    expect([world.secrets.parameters.size, world.runpod.credentials.size]).toEqual([0, 1]);
  });

  it('leaves an endpoint whose earlier credential is gone', async () => {
    world.runpod.addCredential('earlier0', 'earlier', { username: 'AWS', password: 'x' });
    world.runpod.addEndpoint({ id: 'moved000', name: '', image, registry: 'earlier0' });
    await setup(['--yes', '--key-stdin', '--credential', 'new', '--endpoint', 'moved000'], apiKey);
    world.runpod.credentials.delete('earlier0');
    const { printed } = await setup(['--undo', '--yes']);
    expect(printed).toContain('left endpoint moved000: credential earlier0, which it had before, is gone');
  });

  it('leaves a repository that was there, and a credential of the same name that was', async () => {
    world.runpod.addCredential('namesake', 'runpod-ecr-refresh-production', { username: 'AWS', password: 'x' });
    await setup(['--yes', '--key-stdin', '--credential', 'new'], apiKey);
    const journal = JSON.parse(readFileSync(journalPath(), 'utf8')) as {
      entries: Array<{ change: Record<string, unknown>; isDone: boolean }>;
    };
    world.ecr.createdRepositories.set('123456789012/us-east-1/team/theirs', { isImmutable: false, tags: [] });
    for (const { change } of journal.entries) delete change.id;
    journal.entries.push(
      { change: { kind: 'repository', region: 'us-east-1', name: 'team/theirs' }, isDone: false },
      { change: { kind: 'repository', region: 'us-east-1', name: 'team/theirs', wasThere: true }, isDone: true },
    );
    writeFileSync(journalPath(), JSON.stringify(journal));
    const { printed } = await setup(['--undo', '--yes']);
    expect(printed).toContain('left repository team/theirs: it was there before');
    expect(printed).toContain('left repository team/theirs: setup was cut off while it created it');
    expect(world.ecr.createdRepositories.size).toBe(1);
    expect(world.runpod.credentials.has('namesake')).toBe(true);
  });
});

describe('the first token of a new credential', () => {
  const newToken = () =>
    [...world.runpod.credentials.values()].find(({ name }) => name === 'runpod-ecr-refresh-production')?.token
      .password ?? '';

  it('may pull and nothing else', async () => {
    const { printed } = await setup(['--yes', '--key-stdin', '--credential', 'new'], apiKey);
    expect(inOneLine(printed)).toContain('with the token that was just tried, which may pull and nothing else');
    expect(world.ecr.find(newToken())?.principal.callerArn).toBe(
      'arn:aws:sts::123456789012:federated-user/runpod-ecr-refresh-setup',
    );
  });

  it('is said to carry the rights of whoever runs it, where AWS gives no session', async () => {
    world.faults.add({
      on: /GetFederationToken/,
      does: {
        answer: {
          status: 403,
          body: '<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>',
        },
      },
    });
    const { printed } = await setup(['--yes', '--key-stdin', '--credential', 'new'], apiKey);
    expect(inOneLine(printed)).toContain(
      'which may do in ECR whatever arn:aws:iam::123456789012:user/engineer may, until the first run replaces it or for 12 hours',
    );
    expect(world.ecr.find(newToken())?.principal.callerArn).toBe('arn:aws:iam::123456789012:user/engineer');
  });

  it('is left to the first run where the role of another account trusts the stack alone', async () => {
    const elsewhere = '210987654321.dkr.ecr.us-east-1.amazonaws.com';
    const words = ['--yes', '--key-stdin', '--credential', 'new', '--image-registry', elsewhere];
    const role = 'arn:aws:iam::210987654321:role/runpod-pull';
    const { code, printed } = await setup([...words, '--role-arn', role], apiKey);
    expect(inOneLine(printed)).toContain(`${role} cannot be assumed from here.`);
    expect(inOneLine(printed)).toContain('with a placeholder, which the first run of the deployed stack replaces');
    expect(code).toBe(0);
    const told = await setup(['--name', 'second', ...words], apiKey);
    expect(inOneLine(told.printed)).toContain(
      'aws cloudformation deploy --stack-name runpod-pull --region us-east-1 \\ --capabilities CAPABILITY_NAMED_IAM \\ --template-file infra/examples/cross-account-role.yml \\ --parameter-overrides TrustedAccount=123456789012 Stage=dev',
    );
  });
});

describe('the journal', () => {
  it('is the user’s alone, and new', async () => {
    writeFileSync(`${journalPath()}.new`, 'left by a crash', { mode: 0o644 });
    await setup(['--yes', '--key-stdin'], apiKey);
    expect(statSync(journalPath()).mode & 0o777).toBe(0o600);
  });

  it('is written through no link', async () => {
    const victim = join(mkdtempSync(join(tmpdir(), 'victim-')), 'file');
    writeFileSync(victim, 'precious');
    symlinkSync(victim, `${journalPath()}.new`);
    await setup(['--yes', '--key-stdin'], apiKey);
    expect(readFileSync(victim, 'utf8')).toBe('precious');
    expect(lstatSync(journalPath()).isSymbolicLink()).toBe(false);
  });

  it('is read through no link', async () => {
    await setup(['--yes', '--key-stdin'], apiKey);
    const elsewhere = join(mkdtempSync(join(tmpdir(), 'elsewhere-')), 'journal');
    writeFileSync(elsewhere, readFileSync(journalPath(), 'utf8'));
    const other = emptyFolder();
    symlinkSync(elsewhere, join(other, '.setup.json'));
    const { code, printedErrors } = await run(world, ['setup', '--undo', '--yes'], { ...options(), folder: other });
    expect(printedErrors).toContain('it must be a file of your own, no link');
    expect([code, world.secrets.parameters.size]).toEqual([1, 1]);
  });

  it('undoes no file but the targets file', async () => {
    await setup(['--yes', '--key-stdin'], apiKey);
    const victim = join(mkdtempSync(join(tmpdir(), 'victim-')), 'file');
    writeFileSync(victim, 'precious');
    const content = readFileSync(journalPath(), 'utf8');
    const journal = JSON.parse(content) as { entries: Array<{ change: Record<string, unknown> }> };
    for (const { change } of journal.entries) {
      if (change.kind === 'targets') Object.assign(change, { path: victim, after: 'precious' });
    }
    writeFileSync(journalPath(), JSON.stringify(journal));
    const { code, printedErrors } = await setup(['--undo', '--yes']);
    expect(printedErrors).toContain(`records that setup wrote ${victim}; here it would write targets.yml`);
    expect([code, readFileSync(victim, 'utf8')]).toEqual([1, 'precious']);
  });
});

describe('the KMS key of the API key', () => {
  it('stays the one that the parameter has', async () => {
    world.secrets.parameters.set(parameter, 'rpa_an_old_key_that_is_dead');
    world.secrets.keys.set(parameter, customerKeyArn);
    await setup(['--yes', '--key-stdin'], apiKey);
    expect([world.secrets.parameters.get(parameter), world.secrets.keys.get(parameter)]).toEqual([
      apiKey,
      customerKeyArn,
    ]);
    await setup(['--undo', '--yes']);
    expect(world.secrets.keys.get(parameter)).toBe(customerKeyArn);
  });

  it('is the one that --kms-key names, for a new and for an old parameter', async () => {
    await setup(['--yes', '--key-stdin', '--kms-key', customerKeyArn], apiKey);
    expect(world.secrets.keys.get(parameter)).toBe(customerKeyArn);
    world.secrets.keys.delete(parameter);
    const { printed } = await setup(['--yes', '--kms-key', customerKeyArn]);
    expect(inOneLine(printed)).toContain(`as a SecureString encrypted by ${customerKeyArn}`);
    expect(world.secrets.keys.get(parameter)).toBe(customerKeyArn);
    expect((await setup(['--yes', '--kms-key', customerKeyArn])).printed).toContain('Everything is right already');
  });
});

describe('what setup ends with', () => {
  it('names the endpoints that stay unprotected and why, and commands to copy with their place', async () => {
    const elsewhere = '210987654321.dkr.ecr.eu-west-1.amazonaws.com';
    world.runpod.addEndpoint({ id: 'far00000', name: 'far', image: `${elsewhere}/a:1`, registry: null });
    world.runpod.addEndpoint({ id: 'near0000', name: 'near', image, registry: '6n2k8v4d' });
    const words = ['--yes', '--key-stdin', '--credential', 'new', '--stage', 'prod'];
    const { printed } = await setup(words, apiKey);
    const text = inOneLine(printed);
    expect(text).toContain('These stay unprotected 1. ');
    expect(text).toContain(
      'far (far00000) uses no credential; it is of account 210987654321, and no role there is known that mints',
    );
    expect(text).toContain(
      `npm run setup -- --image-registry ${elsewhere} --role-arn arn:aws:iam::210987654321:role/runpod-pull --external-id runpod-ecr-refresh-210987654321 --stage prod --region us-east-1`,
    );
    expect(text).toContain(
      'near (near0000) uses credential 6n2k8v4d; no target keeps that fresh; to have one: npm run setup -- --credential 6n2k8v4d',
    );
    expect(printed).toContain('npx serverless deploy --stage prod --region us-east-1');
    expect(printed).toContain('Undo it all: npm run setup -- --undo --stage prod --region us-east-1');
  });
});

describe('what setup cannot do as it is told', () => {
  it.each([
    [['--name', 'one', '--target', 'two'], '--target: expected the same as --name'],
    [['--external-id', 'id'], '--external-id: expected --role-arn'],
    [['--undo', '--delegate'], '--undo: it takes no delegation back'],
    [['--undo', '--rotate-key'], '--undo: expected without --rotate-key'],
    [['--even-deployed'], '--even-deployed: expected --undo'],
  ])('is refused before anything is asked: %s', async (words, message) => {
    const { code, printed, printedErrors } = await setup(['--yes', '--key-stdin', ...words], apiKey);
    expect(printedErrors).toContain(message);
    expect([code, printed]).toEqual([2, '']);
  });

  it('is said before anything is changed where targets.yml can be neither read nor written', async () => {
    mkdirSync(join(folder, 'targets.yml'));
    const unreadable = await setup(['--yes', '--key-stdin', '--credential', 'new'], apiKey);
    expect(unreadable.printedErrors).toMatch(/^targets\.yml is there and cannot be read \(EISDIR/);
    const nowhere = await run(world, ['setup', '--yes', '--key-stdin', '--credential', 'new'], {
      ...options(apiKey),
      environment: { TARGETS_FILE: 'nowhere/targets.yml' },
    });
    expect(nowhere.printedErrors).toContain(
      'nowhere/targets.yml, which TARGETS_FILE names, is in a folder that is not there',
    );
    expect([unreadable.code, nowhere.code, world.secrets.parameters.size, world.runpod.credentials.size]).toEqual([
      1, 1, 0, 1,
    ]);
  });

  it('ends in a state that is said where the journal cannot be written', async () => {
    mkdirSync(`${journalPath()}.new`);
    const { code, printedErrors } = await setup(['--yes', '--key-stdin'], apiKey);
    expect(printedErrors).toMatch(/Could not store the Runpod API key.*EISDIR.*\nStopped after 0 of \d changes/);
    expect([code, world.secrets.parameters.size]).toEqual([1, 0]);
  });

  it('is undone although targets.yml is gone, or says nothing that can be read', async () => {
    await setup(['--yes', '--key-stdin'], apiKey);
    rmSync(join(folder, 'targets.yml'));
    expect((await setup(['--undo', '--yes'])).printed).toContain('✓ targets.yml is as it was before');
    await setup(['--yes', '--key-stdin'], apiKey);
    writeFileSync(join(folder, 'targets.yml'), 'targets: [');
    const { code, printed } = await setup(['--undo', '--yes']);
    expect(printed).toContain('! Which targets there are is not known: targets.yml');
    expect(printed).toContain('✓ left targets.yml: it has been changed since');
    expect([code, world.secrets.parameters.size]).toEqual([0, 0]);
  });
});
