import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildCanaryImage } from '../../cli/setup/canary-image.ts';
import { describePrice } from '../../cli/setup/pod-price.ts';
import { parseTargets } from '../../functions/lib/targets.ts';
import { readPolicy } from '../../simulator/iam/policy.ts';
import type { FaultEffect } from '../../simulator/loopback.ts';
import { account, region, registryHost, World } from '../../simulator/world.ts';
import { emptyFolder, keys, run, runOnScreen } from '../support/command.ts';
import { failures, whenAsked } from '../support/failures.ts';

const targets = `# ours
targets:
  - name: production
    ecr: { region: ${region} }   # near
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d }
`;
const line = '    canaryPod: { image: runpod-canary:v1, everyHours: 24 }\n';
const mark = 'SENTINELPASSWORD';

let world: World;
let folder: string;

beforeEach(async () => {
  world = await World.begin({ passwordMark: mark });
  world.deployment.status = undefined;
  folder = emptyFolder();
  writeFileSync(join(folder, 'targets.yml'), targets);
});
afterEach(() => world.end());

const environment = { TARGETS_FILE: 'targets.yml' };
const setup = (...words: string[]) => run(world, ['setup', ...words], { folder, environment });
const offer = (...words: string[]) => setup('--canary-pod', '--yes', ...words);
const file = (name: string): string => readFileSync(join(folder, name), 'utf8');
const repositories = () => [...world.ecr.createdRepositories.keys()];
const images = () => world.ecr.describeImages(account, region, 'runpod-canary');
/** Everything that is there: at AWS and in the folder. */
const everything = () => ({
  repositories: repositories(),
  images: images() ?? [],
  files: Object.fromEntries(
    readdirSync(folder).map((name) => [name, name === '.setup.json' ? JSON.parse(file(name)) : file(name)]),
  ),
});

/** Lets the person do all but this. */
const forbid = (...Action: string[]): void => {
  const document = {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: '*', Resource: '*' },
      { Effect: 'Deny', Action, Resource: '*' },
    ],
  };
  const arn = `arn:aws:iam::${account}:user/engineer`;
  const who = { kind: 'identity', arn, callerArn: arn, account, policies: [readPolicy(document, 'some')] } as const;
  world.identities.addKey(world.awsVariables().AWS_ACCESS_KEY_ID ?? '', () => who);
};

describe('setup --canary-pod', () => {
  it('says what a pod costs, and on a yes makes the repository, the image and the line', async () => {
    const session = runOnScreen(world, ['setup', '--canary-pod'], { folder, environment });
    await session.shows('Go on?');
    const shown = session.screen().join('\n').replaceAll(/\s+/g, ' ');
    expect(shown).toContain(
      'A pod a day costs about $0.08 a month if each lives for 2 min (0.3 cents): 2 vCPUs of cpu3c are $0.08 an hour by Runpod’s catalogue. After 8 min it is deleted whatever it has shown: $0.32 a month at the most, unless Runpod cannot be asked by then.',
    );
    expect(shown).toContain('must be allowed to list, create and delete pods');
    expect(repositories()).toEqual([]);
    session.type(`y${keys.enter}`);
    expect(await session.ended).toBe(0);
    expect(file('targets.yml')).toBe(targets + line);
    expect(world.ecr.createdRepositories.get(`${account}/${region}/runpod-canary`)).toMatchObject({
      isImmutable: true,
    });
    expect(images()).toMatchObject([{ imageTags: ['v1'], imageDigest: buildCanaryImage().manifest.digest }]);
    for (const text of [session.written(), file('.setup.json')]) expect(text).not.toContain(mark);
    expect(file('.setup.json')).not.toContain(world.apiKey);
  });

  it('makes what a pod then pulls', async () => {
    expect((await offer()).printedErrors).toBe('');
    world.writeTargets(file('targets.yml'));
    world.environment = { ...world.environment, LOG_LISTEN_SECONDS: '0.05' };
    world.restart();
    const { output } = await world.refresh();
    expect(JSON.parse(output ?? '')).toMatchObject({ targets: [{ canaryPod: { proof: 'observed' } }] });
  });

  it('changes nothing on an Enter', async () => {
    const before = everything();
    const session = runOnScreen(world, ['setup', '--canary-pod'], { folder, environment });
    await session.answers('Go on?', keys.enter);
    expect(await session.ended).toBe(0);
    expect(session.screen().join('\n')).toContain('Nothing was changed.');
    expect(everything()).toEqual(before);
  });

  it('tells machines what it changed, and for what price', async () => {
    const { printed } = await offer('--json');
    expect(JSON.parse(printed)).toMatchObject({
      version: 1,
      changes: [
        expect.stringContaining('create ECR repository runpod-canary in us-east-1'),
        expect.stringMatching(/^push an image of \d{3} bytes, runpod-canary:v1$/),
        'add canaryPod: { image: runpod-canary:v1, everyHours: 24 } to target production in targets.yml',
      ],
      price: expect.stringContaining('$0.08 a month'),
    });
  });

  it('changes nothing when run again', async () => {
    await offer();
    const after = everything();
    const { code, printed } = await offer();
    expect([code, printed]).toEqual([0, expect.stringContaining('Everything is right already')]);
    expect(JSON.parse((await offer('--json')).printed)).toMatchObject({ changes: [], next: [] });
    expect(everything()).toEqual(after);
  });

  it('keeps an image that is there, whose repository was made by hand', async () => {
    world.push('runpod-canary', 'v1');
    const pushed = images();
    const { printed } = await offer();
    expect(printed).not.toContain('push an image');
    expect([repositories(), images(), file('targets.yml')]).toEqual([[], pushed, targets + line]);
  });

  it('says of a repository that is there that it is not of its making, and of its own nothing', async () => {
    world.push('runpod-canary', 'v0');
    const warning = 'ECR repository runpod-canary is there, and setup has not made it';
    expect((await offer()).printed).toContain(warning);
    expect(images()).toMatchObject([{ imageTags: ['v0'] }, { imageTags: ['v1'] }]);
    await setup('--undo', '--yes');
    expect(images()).toMatchObject([{ imageTags: ['v0'] }]);
    world.registry.deleteImage(`${registryHost}/runpod-canary`, images()?.[0]?.imageDigest ?? '');
    world.ecr.deleteRepository(account, region, 'runpod-canary');
    await offer();
    world.registry.deleteTag(`${registryHost}/runpod-canary`, 'v1');
    const { code, printed } = await offer();
    expect([code, printed.includes(warning), printed.includes('push an image')]).toEqual([0, false, true]);
  });

  it('gives the target that is named its pod, and the repository to those that its token may pull', async () => {
    const two = `${targets}  - name: research
    ecr: { region: ${region}, repositories: [team/worker] }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", podKey: "ssm:/pods", registry: 9q4m7x2k }
`;
    writeFileSync(join(folder, 'targets.yml'), two);
    world.secrets.parameters.set('/pods', 'rpa_KeyOfPodsKeyOfPodsKeyOfPods');
    world.runpod.keys.set('rpa_KeyOfPodsKeyOfPodsKeyOfPods', new Set(['pods:read', 'pods:write']));
    const { code, printed } = await offer('--target', 'research', '--repository', 'tools/canary');
    expect([code, printed]).toEqual([0, expect.stringContaining('and tools/canary to its ecr.repositories')]);
    expect(parseTargets(file('targets.yml'))).toMatchObject([
      { name: 'production' },
      {
        name: 'research',
        ecr: { repositories: ['team/worker', 'tools/canary'] },
        canaryPod: { image: 'tools/canary:v1' },
      },
    ]);
    expect(parseTargets(file('targets.yml'))[0]?.canaryPod).toBeUndefined();
  });

  it.each([
    [['--target', 'research'], 'no target research'],
    [['--repository', 'Not/OK'], '--repository: expected a name such as runpod-canary'],
  ])('refuses %j', async (words, why) => {
    const { code, printedErrors } = await offer(...words);
    expect([code, printedErrors]).toEqual([2, expect.stringContaining(why)]);
  });
});

describe('setup --canary-pod --undo', () => {
  it('puts targets.yml back, and deletes the image and the repository', async () => {
    const before = everything();
    await offer();
    const { code, printed } = await setup('--undo', '--yes');
    expect([code, printed]).toEqual([0, expect.stringContaining('deleted image runpod-canary:v1')]);
    expect(everything()).toEqual(before);
  });

  it('leaves what else setup has made', async () => {
    const first = ['setup', '--yes', '--key-stdin', '--name', 'research', '--credential', 'new'];
    expect((await run(world, first, { folder, environment, input: world.apiKey })).code).toBe(0);
    const before = everything();
    await offer('--target', 'research');
    world.deployment.status = 'UPDATE_COMPLETE';
    const { code, printed } = await setup('--undo', '--canary-pod', '--yes');
    expect([code, printed]).toEqual([0, expect.stringContaining('creates pods until the next: npx serverless deploy')]);
    expect(everything()).toEqual(before);
    expect((await setup('--undo', '--canary-pod', '--yes')).printed).toContain('There is nothing to undo.');
    expect(everything()).toEqual(before);
  });

  it('knows a repository for its own although it was cut off while it created it', async () => {
    const before = everything();
    await offer();
    writeFileSync(join(folder, '.setup.json'), file('.setup.json').replace('"isDone": true', '"isDone": false'));
    expect((await setup('--undo', '--yes')).printed).toContain('deleted repository runpod-canary');
    expect(everything()).toEqual(before);
  });

  it('leaves a repository with another image, and an image that another target’s pod pulls', async () => {
    await offer();
    world.push('runpod-canary', 'v2');
    expect((await setup('--undo', '--yes')).printed).toContain('left repository runpod-canary: it holds images');
    expect(images()).toMatchObject([{ imageTags: ['v2'] }]);
  });

  it('leaves all of it while targets.yml, changed since, names the image', async () => {
    await offer();
    writeFileSync(join(folder, 'targets.yml'), `${file('targets.yml')}# more\n`);
    const { printed } = await setup('--undo', '--yes');
    expect(printed).toContain('left targets.yml: it has been changed since');
    expect(printed).toContain('left image runpod-canary:v1: the canary pod of target production pulls it');
    expect(images()).toHaveLength(1);
  });

  it.each([
    ['is another one now', () => world.push('runpod-canary', 'v1')],
    [
      'is gone already',
      () => world.registry.deleteImage(`${registryHost}/runpod-canary`, images()?.[0]?.imageDigest ?? ''),
    ],
  ])('leaves an image that %s', async (why, change) => {
    await offer();
    change();
    expect((await setup('--undo', '--yes')).printed).toMatch(new RegExp(`image runpod-canary:v1:? (?:it )?${why}`));
  });
});

describe('where setup --canary-pod fails', () => {
  const status = (code: number): FaultEffect => ({ answer: { status: code, body: '{"title":"no"}' } });

  it.each<readonly [string, RegExp, FaultEffect, string]>([
    ['Runpod’s catalogue cannot be read', /GET \/v2\/catalog\/cpus/, status(403), 'for reading the catalogue'],
    [
      'Runpod’s catalogue is empty',
      /GET \/v2\/catalog\/cpus/,
      { answer: { status: 200, body: '{"cpus":[]}' } },
      'lists no CPU',
    ],
    [
      'every CPU costs much',
      /GET \/v2\/catalog\/cpus/,
      { answer: { status: 200, body: '{"cpus":[{"id":"big","vcpu":{"min":2},"price":{"securePerVcpu":0.2}}]}' } },
      'big, costs $0.40 an hour, and no canary pod',
    ],
    ['the key may not list pods', /GET \/v2\/pods/, status(403), 'for reading pods'],
    [
      'ECR does not let the token in',
      /GET .*\/v2\/runpod-canary\/manifests/,
      failures['403'],
      'runpod-canary:v1 cannot be used',
    ],
    [
      'AWS does not say whether the repository is there',
      /DescribeRepositories/,
      failures['500'],
      'look repository runpod-canary up',
    ],
  ])('because %s, nothing is changed', async (_why, on, does, said) => {
    const before = everything();
    world.faults.add({ on, does });
    const { code, printedErrors } = await offer();
    expect([code, printedErrors]).toEqual([1, expect.stringContaining(said)]);
    expect(everything()).toEqual(before);
  });

  it.each([
    ['ecr:CreateRepository', 0],
    ['ecr:TagResource', 0],
    ['ecr:InitiateLayerUpload', 1],
    ['ecr:UploadLayerPart', 1],
    ['ecr:CompleteLayerUpload', 1],
    ['ecr:PutImage', 1],
  ])('for want of %s, it says so and how far it came, and goes on when allowed', async (action, made) => {
    const before = everything();
    forbid(action);
    const { code, printedErrors } = await offer();
    expect([code, printedErrors]).toEqual([1, expect.stringContaining(action)]);
    expect(printedErrors).toContain(
      `Stopped after ${made} of 3 changes. Run it again to go on, or undo them: npm run setup`,
    );
    expect(file('targets.yml')).toBe(targets);
    forbid('ecr:Nothing');
    expect((await offer()).code).toBe(0);
    expect(file('targets.yml')).toBe(targets + line);
    await setup('--undo', '--yes');
    expect(everything()).toEqual(before);
  });

  it.each<readonly [string, RegExp, FaultEffect, RegExp]>([
    [
      'takes no upload',
      /POST .*\/uploads\//,
      failures['503'],
      /asked to take blob sha256:\w+ of runpod-canary, answered 503/,
    ],
    [
      'sends the token elsewhere',
      /POST .*\/uploads\//,
      { answer: { status: 202, headers: { location: 'https://evil.example/v2/x' } } },
      /named no place of its own/,
    ],
    ['names no place', /POST .*\/uploads\//, { answer: { status: 202 } }, /named no place of its own/],
    ['breaks off', /PUT .*\/uploads\//, failures.reset, /gave no answer: .* Check the network, and run this again/],
    [
      'takes other bytes',
      /PUT .*\/uploads\//,
      { answer: { status: 400, body: '{"errors":[{"code":"DIGEST_INVALID","message":"differs"}]}' } },
      /400 "DIGEST_INVALID differs"/,
    ],
    ['does not give it back', /GET .*\/blobs\//, failures['403'], /was pushed, and a fresh token does not pull it: /],
    [
      'has the tag meanwhile',
      /PUT .*\/manifests\//,
      { answer: { status: 400, body: '{"errors":[{"code":"TAG_INVALID","message":"exists"}]}' } },
      /Take another repository, with --repository/,
    ],
    ['throttles', /PUT .*\/manifests\//, failures['429 with Retry-After'], /Run this again in a minute/],
  ])('because the registry %s, targets.yml stays as it was, and it goes on when run again', async (_why, on, does, said) => {
    const before = everything();
    const repair = world.faults.add({ on, does });
    const { code, printedErrors } = await offer();
    expect([code, printedErrors]).toEqual([1, expect.stringMatching(said)]);
    expect(printedErrors).not.toContain(mark);
    expect(file('targets.yml')).toBe(targets);
    repair();
    expect((await offer()).code).toBe(0);
    await setup('--undo', '--yes');
    expect(everything()).toEqual(before);
  });

  it('ends between two changes at Ctrl-C while the image is pushed, and goes on when run again', async () => {
    const { asked, repair } = whenAsked(world.faults, /PUT .*\/uploads\//, { delayMs: 1000 });
    const session = runOnScreen(world, ['setup', '--canary-pod'], { folder, environment });
    await session.answers('Go on?', `y${keys.enter}`);
    await asked;
    session.type(keys.interrupt);
    await session.echoes('^C');
    repair();
    await world.clock.advance(1000);
    expect(await session.ended).toBe(130);
    expect(session.screen().join('\n')).toContain('Stopped after 2 of 3 changes.');
    expect([images()?.length, file('targets.yml')]).toEqual([1, targets]);
    expect((await offer()).printed).not.toContain('push an image');
    expect(file('targets.yml')).toBe(targets + line);
  });

  it('says of a registry of another account what to do there', async () => {
    const foreign = targets.replace(`region: ${region}`, `region: ${region}, registryId: "210987654321"`);
    writeFileSync(join(folder, 'targets.yml'), foreign);
    const { code, printedErrors } = await offer();
    expect([code, printedErrors]).toEqual([1, expect.stringContaining('210987654321')]);
    expect(file('targets.yml')).toBe(foreign);
  });
});

it('works a month’s price out from what Runpod asks', () => {
  expect(describePrice({ id: 'cpu5c', vcpuCount: 4, dollarsPerHour: 0.24 })).toMatch(
    /about \$0\.24 a month if each lives for 2 min \(0\.8 cents\): 4 vCPUs of cpu5c are \$0\.24 an hour .*: \$0\.96 a month at the most/,
  );
});
