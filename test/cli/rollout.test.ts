import { afterEach, describe, expect, it } from 'vitest';
import type { SimulatedEndpoint } from '../../simulator/runpod/server.ts';
import { registryHost, type World } from '../../simulator/world.ts';
import { keys, run, runOnScreen } from '../support/command.ts';
import { awsRefuses, whenAsked } from '../support/failures.ts';
import {
  beginFollowing,
  digestOfTag,
  followerId,
  followingTag,
  pinned,
  pushBroken,
  rollOut,
  rolloutRecord,
  settle,
  targetsFollowing,
} from '../support/rollouts.ts';
import { subscribeAll } from '../support/subscriptions.ts';

const refused = { answer: { status: 401, body: '{}' } };

let world: World;
let endpoint: SimulatedEndpoint;

const begin = async (...options: Parameters<typeof beginFollowing>): Promise<void> => {
  ({ world, endpoint } = await beginFollowing(...options));
};
afterEach(() => world.end());

const rollout = (...words: string[]) =>
  world.clock.until(run(world, ['rollout', ...words], { clock: world.clock, now: world.clock.now }));
const onScreen = (...words: string[]) => runOnScreen(world, ['rollout', ...words], { clock: world.clock });

describe('a rollout from the command line, without a stack', () => {
  const beginAlone = async (options: { readonly isWarm?: boolean } = {}): Promise<string> => {
    await begin(undefined, options);
    world.deployment.status = undefined;
    world.push('team/worker', 'v2');
    return digestOfTag(world, 'v2');
  };

  it('gives an endpoint the image, proves it, says what it cannot know, and ends with 0', async () => {
    const digest = await beginAlone();
    const { code, printed, printedErrors } = await rollout('--endpoint', followerId, '--to', 'v2', '--wait');
    expect(printedErrors).toMatch(
      /whether the endpoint is held, and whether it has refused this image before, is not known/,
    );
    expect(printed).toMatch(/✓ 4m7x2k9q runs team\/worker:v2@\S+: worker \w+ pulled/);
    expect(endpoint.image).toBe(pinned('v2', digest));
    expect(code).toBe(0);
  });

  it('leaves the endpoint as it is where it is asked again for what the endpoint has', async () => {
    const digest = await beginAlone();
    for (let times = 0; times < 2; times += 1) {
      expect((await rollout('--endpoint', followerId, '--to', 'v2', '--wait')).code).toBe(0);
      expect(endpoint.image).toBe(pinned('v2', digest));
    }
    expect(endpoint.releases).toHaveLength(1);
  });

  it('says that there is no way back from an image that the endpoint had already', async () => {
    const digest = await beginAlone({ isWarm: false });
    await rollout('--endpoint', followerId, '--to', 'v2', '--wait');
    world.runpod.programFaults.set(digest, 'cannot start');
    world.runpod.startWorker(endpoint);
    const { code, printed } = await rollout('--endpoint', followerId, '--to', 'v2', '--wait');
    expect(printed).toMatch(
      /^✗ 4m7x2k9q refused .*\. It had that image before, and has it still: name another with --to\.\n$/,
    );
    expect([code, endpoint.image]).toEqual([1, pinned('v2', digest)]);
  });

  it('says before it begins that a tag which has moved leaves no way back', async () => {
    await beginAlone();
    expect((await rollout('--endpoint', followerId, '--to', 'v2', '--wait')).printedErrors).not.toMatch(/come back to/);
    world.runpod.release(endpoint, `${registryHost}/team/worker:production`);
    world.push('team/worker', 'production');
    const { printedErrors } = await rollout('--endpoint', followerId, '--to', 'production', '--wait');
    expect(printedErrors).toMatch(
      /4m7x2k9q has that image already, by its tag or its digest: there is no earlier one to come back to\.\nGiving 4m7x2k9q/,
    );
  });

  it('says how it ended as JSON, for machines', async () => {
    const digest = await beginAlone();
    const { code, printed } = await rollout('--endpoint', followerId, '--to', 'v2', '--wait', '--json');
    expect(JSON.parse(printed)).toEqual({
      version: 1,
      endpoint: followerId,
      image: pinned('v2', digest),
      verdict: 'proven',
      sentence: expect.stringMatching(/^4m7x2k9q runs team\/worker:v2@\S+: worker \w+ pulled/),
    });
    expect(code).toBe(0);
  });

  it('ends with 3 where no worker has shown it in time', async () => {
    const digest = await beginAlone({ isWarm: false });
    const { code, printed } = await rollout('--endpoint', followerId, '--to', 'v2', '--wait');
    expect(printed).toMatch(/! 4m7x2k9q has team\/worker:v2@\S+, and no worker has shown yet that it works\./);
    expect(endpoint.image).toBe(pinned('v2', digest));
    expect(code).toBe(3);
  });

  it('shows what runs, and says nothing of what nobody remembers', async () => {
    await beginAlone();
    const { code, printed, printedErrors } = await rollout();
    expect(printedErrors).toMatch(/There is no stack that remembers/);
    expect(printed).toBe('4m7x2k9q follows tag production\n  runs    team/worker:production\n');
    expect(code).toBe(0);
  });

  it('breaks what it says of that between words, on a narrow terminal', async () => {
    await beginAlone();
    const session = runOnScreen(world, ['rollout'], { clock: world.clock, columns: 60 });
    expect(await world.clock.until(session.ended)).toBe(0);
    expect(session.screen().slice(0, 2)).toEqual([
      'There is no stack that remembers: what was refused is not',
      '  known.',
    ]);
  });

  it('ends with 130 at Ctrl-C, and says where to look', async () => {
    await beginAlone({ isWarm: false });
    const session = onScreen('--endpoint', followerId, '--to', 'v2', '--wait');
    await world.clock.until(session.shows('Waiting for a worker'));
    session.type(keys.interrupt);
    expect(await world.clock.until(session.ended)).toBe(130);
    expect(session.screen().at(-1)).toContain(
      '! Stopped: 4m7x2k9q has one of the two images, and nobody watches it. See which: npm run rollout.',
    );
  });

  it('takes back what does not work, and ends with 1', async () => {
    const digest = await beginAlone();
    const earlier = await digestOfTag(world, 'production');
    world.runpod.programFaults.set(digest, 'cannot start');
    const { code, printed } = await rollout('--endpoint', followerId, '--to', 'v2', '--wait');
    expect(printed).toMatch(/✗ 4m7x2k9q refused team\/worker:v2@\S+: .*no such file or directory.* is back\./);
    expect(endpoint.image).toBe(pinned('production', earlier));
    expect(code).toBe(1);
  });

  it.each<readonly [string, () => void, RegExp]>([
    [
      'while it is watched',
      () => {
        world.runpod.onImageChange = () => void world.faults.add({ on: /GET .*workers/, does: refused });
      },
      /^✗ 4m7x2k9q: the rollout was stopped by an error; it has team\/worker:v2@\w+:\w+, and nothing has shown that it works\. Runpod refused the API key/,
    ],
    [
      'while the earlier image is given back',
      () => {
        world.runpod.programFaults.set(world.registry.digestOf(`${registryHost}/team/worker:v2`) ?? '', 'cannot start');
        world.runpod.onImageChange = () => void world.faults.add({ on: /PATCH/, does: refused });
      },
      /^✗ 4m7x2k9q: the rollout was stopped by an error; it refused team\/worker:v2@\w+:\w+, and may have it still\. Runpod refused the API key/,
    ],
  ])('ends with 1 where Runpod refuses the key %s, and says what the endpoint has', async (_what, happen, message) => {
    await beginAlone();
    happen();
    const { code, printed } = await rollout('--endpoint', followerId, '--to', 'v2', '--wait');
    expect(printed).toMatch(message);
    expect(code).toBe(1);
  });

  it.each([
    [['--to', 'v3'], /ECR has no image v3 in team\/worker/],
    [['--to', 'arm'], /is not rolled out: .*amd64/],
  ])('changes nothing where it is asked for %j', async (words, message) => {
    await beginAlone();
    world.push('team/worker', 'arm', { architecture: 'arm64' });
    const { code, printedErrors } = await rollout('--endpoint', followerId, ...words, '--wait');
    expect(printedErrors).toMatch(message);
    expect(code).toBe(1);
    expect(endpoint.image).toBe(`${registryHost}/team/worker:production`);
  });

  it.each<readonly [readonly string[], RegExp]>([
    [['--to', 'v2'], /--to: expected the endpoint/],
    [['--endpoint', followerId], /--endpoint: expected what it gets/],
    [['--hold', 'a', '--back', 'b'], /--back: expected one thing to do, found --hold, too/],
    ...['--hold', '--resume', '--back', '--retry'].map(
      (option) =>
        [[option, ''], new RegExp(`^${option}: expected an endpoint's id, such as 4m7x2k9q, found ""`)] as const,
    ),
    [
      ['--endpoint', '../keys', '--to', 'v2'],
      /^--endpoint: expected an endpoint's id, such as \w+, found "\.\.\/keys"/,
    ],
    [['--endpoint', followerId, '--to', ''], /^--to: expected a tag, such as v1\.4\.2, or a digest, found ""/],
    [['--endpoint', followerId, '--to', 'v1 '], /^--to: expected a tag/],
    [['--wait'], /^--wait: expected a rollout to wait for, by --to, --back or --retry, found none/],
    [['--hold', followerId, '--wait'], /^--wait: expected a rollout to wait for/],
  ])('refuses %j', async (words, message) => {
    await begin();
    const { code, printedErrors } = await rollout(...words);
    expect(printedErrors).toMatch(message);
    expect(code).toBe(2);
  });
});

describe('a rollout from the command line, with a stack', () => {
  it('shows what runs, what is wanted, and what was refused and why', async () => {
    await begin();
    world.push('team/worker', 'production');
    world.runpod.programFaults.set(await digestOfTag(world, 'production'), 'cannot start');
    await rollOut(world);
    const { code, printed } = await rollout();
    expect(printed).toMatch(/^4m7x2k9q follows tag production\n {2}runs {4}team\/worker:production@/);
    expect(printed).toMatch(/ {2}refused team\/worker:production@\S+ at \S+ \S+: worker \w+ logged/);
    expect(code).toBe(0);
  });

  it('shows that what was put back does not start either', async () => {
    await begin();
    world.runpod.programFaults.set(await digestOfTag(world, 'production'), 'cannot start');
    await pushBroken(world, 'cannot start');
    await rollOut(world);
    expect((await rollout()).printed).toMatch(
      /\n {2}last .* broken at .*: worker \w+ logged .*; the earlier image was put back, and did not start either\n/,
    );
  });

  it('shows why an image is being taken back', async () => {
    await begin();
    await pushBroken(world, 'cannot start');
    world.runpod.onImageChange = () =>
      void world.faults.add({ on: /PATCH/, does: { answer: { status: 503, body: '{}' } } });
    await world.refresh();
    await world.clock.advance(90_000);
    expect((await rollout()).printed).toMatch(/\n {2}under way: .*, returning since .*: worker \w+ logged/);
  });

  it('shows what one key may see, and what is remembered, where another key is refused', async () => {
    await begin(`${followingTag}
  - name: other
    ecr: { region: us-east-1 }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/other/api-key", registry: other-cred }
    endpoints: [{ id: ep-other, rollout: { tag: production } }]
`);
    world.secrets.parameters.set('/runpod-ecr-refresh/other/api-key', 'rpa_REFUSED');
    const { code, printed } = await rollout();
    expect(printed).toMatch(/^4m7x2k9q follows tag production\n {2}runs {4}team\/worker:production\n/);
    expect(printed).toMatch(
      /\nep-other follows tag production\n {2}runs {4}cannot be said: Runpod refused the API key .*\n {2}nothing is remembered/,
    );
    expect(code).toBe(1);
    expect(JSON.parse((await rollout('--json')).printed)).toMatchObject([
      { runs: endpoint.image },
      { endpoint: 'ep-other', problem: expect.stringMatching(/^Runpod refused the API key/) },
    ]);
  });

  it('breaks no word of it at the end of a terminal’s line', async () => {
    await begin();
    await pushBroken(world, 'cannot start');
    await rollOut(world);
    const session = onScreen();
    expect(await world.clock.until(session.ended)).toBe(0);
    const lines = session.screen();
    expect(lines.filter((line) => line.length > 90)).not.toEqual([]);
    const whole = (await rollout()).printed.replaceAll(/\s+/g, ' ').trim();
    expect(
      lines
        .map((line) => line.trim())
        .join(' ')
        .replaceAll(/\s+/g, ' '),
    ).toBe(whole);
  });

  it('says as JSON that an endpoint is held or let go, for machines', async () => {
    await begin();
    expect(JSON.parse((await rollout('--hold', followerId, '--json')).printed)).toEqual({
      version: 1,
      endpoint: followerId,
      isHeld: true,
      sentence: '4m7x2k9q is held: it is given nothing any more, until npm run rollout -- --resume 4m7x2k9q.',
    });
    expect(JSON.parse((await rollout('--resume', followerId, '--json')).printed)).toMatchObject({ isHeld: false });
  });

  it('says still since when an endpoint is held that is held once more', async () => {
    await begin();
    await rollout('--hold', followerId);
    const { heldSince } = await rolloutRecord(world);
    await world.clock.advance(60_000);
    await rollout('--hold', followerId);
    expect((await rolloutRecord(world)).heldSince).toBe(heldSince);
  });

  it('cannot hold an endpoint that no run has seen, and says where those are', async () => {
    await begin();
    const { code, printedErrors } = await rollout('--hold', 'unknown');
    expect([code, printedErrors]).toEqual([
      1,
      'Nothing is remembered of endpoint unknown: no run has seen it yet. npm run rollout shows which follow something.\n',
    ]);
  });

  it('holds an endpoint, and lets it go', async () => {
    await begin();
    expect((await rollout('--hold', followerId)).code).toBe(0);
    world.push('team/worker', 'production');
    await rollOut(world);
    expect(endpoint.image).toBe(`${registryHost}/team/worker:production`);
    await rollout('--resume', followerId);
    await rollOut(world);
    expect(endpoint.image).toBe(pinned('production', await digestOfTag(world, 'production')));
  });

  it('ends with 130 at Ctrl-C, while the stack goes on', async () => {
    await begin(undefined, { isWarm: false });
    world.push('team/worker', 'v2');
    const session = onScreen('--endpoint', followerId, '--to', 'v2', '--wait');
    await world.clock.until(expect.poll(async () => world.rollouts.executions.size).toBe(1));
    await world.clock.advance(30_000);
    session.type(keys.interrupt);
    expect(await world.clock.until(session.ended)).toBe(130);
    expect(session.screen().join('')).toMatch(
      /! Stopped waiting: 4m7x2k9q is given team\/worker:v2@\S+ all the same\./,
    );
    expect((await rolloutRecord(world)).current).toMatchObject({ phase: 'watching' });
  });

  it('ends with 130 at Ctrl-C while it asks', async () => {
    await begin();
    const { asked } = whenAsked(world.faults, /GET \/v2\/serverless/, { hang: true });
    const session = onScreen();
    await asked;
    session.type(keys.interrupt);
    expect(await world.clock.until(session.ended)).toBe(130);
    expect(session.screen().at(-1)).toContain('Stopped. npm run rollout shows what was done.');
  });

  it('waits no longer than until an error stops it', async () => {
    await begin();
    world.push('team/worker', 'v2');
    world.faults.add({ on: /PATCH/, does: refused });
    const begunAt = world.clock.now();
    const { code, printed } = await rollout('--endpoint', followerId, '--to', 'v2', '--wait');
    expect(printed).toMatch(
      /^✗ 4m7x2k9q: the rollout was stopped by an error; it may have been given team\/worker:v2@\S+\. RunpodUnauthorizedError\. npm run rollout shows/,
    );
    expect(world.clock.now() - begunAt).toBeLessThan(60_000);
    expect(code).toBe(1);
  });

  it('goes on waiting while the memory fails for a while', async () => {
    await begin();
    world.push('team/worker', 'v2');
    const begunAt = world.clock.now();
    const isForAWhile = () => world.clock.now() > begunAt && world.clock.now() < begunAt + 20_000;
    const on = { test: (request: string) => /GetItem/.test(request) && isForAWhile() };
    world.faults.add({ on, does: awsRefuses });
    expect((await rollout('--endpoint', followerId, '--to', 'v2', '--wait')).code).toBe(0);
  });

  it('gives back what the endpoint had before, and it stays so', async () => {
    await begin();
    const before = await digestOfTag(world, 'production');
    world.push('team/worker', 'production');
    await rollOut(world);
    const { code, printed } = await rollout('--back', followerId, '--wait');
    expect(printed).toMatch(/✓ 4m7x2k9q runs/);
    expect(code).toBe(0);
    await rollOut(world);
    expect(endpoint.image).toContain(`@${before}`);
  });

  it('gives back what the endpoint had before a rollout that was held', async () => {
    await begin();
    world.push('team/worker', 'production');
    await rollOut(world);
    const before = await digestOfTag(world, 'production');
    world.runpod.stopWorkers(endpoint);
    world.push('team/worker', 'production');
    await world.refresh();
    await rollout('--hold', followerId);
    await settle(world);
    expect(await rolloutRecord(world)).toMatchObject({ refused: [], ended: { verdict: 'held' } });
    await rollout('--back', followerId);
    await world.clock.advance(60_000);
    expect(endpoint.image).toContain(`@${before}`);
  });

  it('gives what is asked for where somebody has changed by hand what was rolled out', async () => {
    await begin(undefined, { isWarm: false });
    world.push('team/worker', 'production');
    await rollOut(world);
    world.push('team/worker', 'debug');
    world.runpod.release(endpoint, `${registryHost}/team/worker:debug`);
    world.push('team/worker', 'v2');
    const wanted = await digestOfTag(world, 'v2');
    await world.clock.advance(60_000);
    await rollout('--endpoint', followerId, '--to', 'v2');
    await settle(world);
    expect(endpoint.image).toBe(pinned('v2', wanted));
    expect(await rolloutRecord(world)).toMatchObject({
      current: { digest: wanted, earlier: { digest: await digestOfTag(world, 'debug') } },
      refused: [{ digest: await digestOfTag(world, 'production'), by: 'person' }, { by: 'person' }],
    });
  });

  it('ends with 1 where somebody changes the image by hand, and says so', async () => {
    await begin(undefined, { isWarm: false });
    world.push('team/worker', 'debug');
    world.push('team/worker', 'v2');
    world.runpod.onImageChange = () => {
      world.runpod.onImageChange = () => {};
      void world.clock.sleep(20_000).then(() => world.runpod.release(endpoint, `${registryHost}/team/worker:debug`));
    };
    const { code, printed } = await rollout('--endpoint', followerId, '--to', 'v2', '--wait');
    expect(printed).toMatch(
      /^✗ 4m7x2k9q: the rollout of team\/worker:v2@\S+ was superseded: it was replaced by hand at/,
    );
    expect(code).toBe(1);
  });

  it('does itself what the stack may not do: for a target that has no rollout', async () => {
    const key = { name: '/runpod-ecr-refresh/other/api-key', value: 'rpa_OTHER0KEY' };
    await begin(`${followingTag}
  - name: other
    ecr: { region: us-east-1 }
    runpod: { apiKey: "ssm:${key.name}", registry: other-cred }
`);
    world.secrets.parameters.set(key.name, key.value);
    world.runpod.keys.set(key.value, new Set(['*']));
    world.runpod.addCredential('other-cred', 'other', { username: 'AWS', password: 'expired' });
    await world.refresh();
    const other = world.runpod.addEndpoint({
      id: 'ep-other',
      name: 'other',
      image: endpoint.image,
      registry: 'other-cred',
    });
    world.push('team/worker', 'v2');
    await world.refresh();
    world.runpod.startWorker(other);
    await world.clock.advance(60_000);
    const { code, printedErrors } = await rollout('--endpoint', 'ep-other', '--to', 'v2');
    expect(printedErrors).toMatch(
      /rolls out nothing of other, which has no rollout in targets\.yml: this command does it/,
    );
    expect(other.image).toBe(pinned('v2', await digestOfTag(world, 'v2')));
    expect([code, world.rollouts.executions.size]).toEqual([0, 0]);
  });

  it('shows of an endpoint that follows nothing what is under way', async () => {
    await begin(targetsFollowing(`{ id: ${followerId}, rollout: { tag: production } }`, 'ep-other'), { isWarm: false });
    world.runpod.addEndpoint({ id: 'ep-other', name: 'other', image: endpoint.image, registry: '6n2k8v4d' });
    world.push('team/worker', 'v2');
    await rollout('--endpoint', 'ep-other', '--to', 'v2');
    await world.clock.advance(60_000);
    const { printed } = await rollout();
    expect(printed).toMatch(/\nep-other follows nothing\n {2}under way: team\/worker:v2@\S+, watching since/);
    expect(JSON.parse((await rollout('--json')).printed)).toMatchObject([
      { endpoint: followerId },
      { endpoint: 'ep-other', current: { phase: 'watching' } },
    ]);
  });

  it('tries again what was refused', async () => {
    await begin();
    world.push('team/worker', 'production');
    const digest = await digestOfTag(world, 'production');
    world.runpod.programFaults.set(digest, 'cannot start');
    await rollOut(world);
    world.runpod.programFaults.clear();
    expect((await rollout('--retry', followerId, '--wait')).code).toBe(0);
    expect(endpoint.image).toBe(pinned('production', digest));
    expect((await rolloutRecord(world)).refused).toEqual([]);
  });
});

describe('how rollouts fare, by doctor and status', () => {
  const ofEndpoint = (printed: string): string =>
    printed
      .split('\n')
      .filter((line) => /rollout \w+:|^ {2}[✓!✗] 4m7x2k9q: /.test(line))
      .join('\n');
  const say = async (command: 'doctor' | 'status') =>
    ofEndpoint((await world.clock.until(run(world, [command], { clock: world.clock }))).printed);

  it('is that an image came back, long before the next run says so', async () => {
    await begin();
    await pushBroken(world, 'cannot start');
    await rollOut(world);
    expect(await say('status')).toMatch(/rollout refused: team\/worker:production@\S+ was refused: worker/);
    expect(await say('doctor')).toMatch(/^ {2}! 4m7x2k9q: refused, team\/worker:production@\S+ was refused: worker/);
  });

  it('is a trouble where neither image starts, until workers are well again', async () => {
    await begin();
    subscribeAll(world);
    world.runpod.programFaults.set(await digestOfTag(world, 'production'), 'cannot start');
    await pushBroken(world, 'cannot start');
    await rollOut(world);
    await world.refresh();
    const status = () => world.clock.until(run(world, ['status'], { clock: world.clock }));
    const { code, printed } = await status();
    expect(printed).toMatch(
      /✗ production: endpoint 4m7x2k9q could start neither its new image nor the earlier one\.\n {2}→ docs\/runbook\.md, RolloutStuck\./,
    );
    expect(code).toBe(1);
    world.runpod.programFaults.clear();
    world.runpod.stopWorkers(endpoint);
    world.runpod.startWorker(endpoint);
    await world.clock.advance(60_000);
    await world.refresh();
    expect((await status()).printed).toContain('✓ All is well');
  });

  it('is known of a refresh from the command line, too, which says nothing of rollouts', async () => {
    await begin();
    world.push('team/worker', 'production');
    await rollOut(world);
    expect((await world.clock.until(run(world, ['refresh'], { clock: world.clock }))).code).toBe(0);
    expect(await say('status')).toMatch(/rollout current: it has team\/worker:production@/);
    expect(await say('doctor')).toMatch(/^ {2}✓ 4m7x2k9q: current, it has team\/worker:production@/);
  });

  it('is known where the last run stored nothing, and so rolled nothing out', async () => {
    await begin();
    world.faults.add({ on: /(?:PATCH|POST) \/(?:v2|graphql|v1)/, does: { answer: { status: 403, body: '{}' } } });
    await world.refresh();
    world.faults.clear();
    expect(await say('doctor')).toMatch(/^ {2}✓ 4m7x2k9q: current, it has team\/worker:production/);
  });

  it('is nothing where targets.yml has rollouts, and what is deployed has none', async () => {
    await begin();
    delete world.deployment.outputs.RolloutAliasArn;
    const { printed } = await world.clock.until(run(world, ['doctor'], { clock: world.clock }));
    expect(printed).toMatch(
      / {2}! targets\.yml has rollouts, and the stack rolls nothing out\.\n {4}→ Deploy it: npx serverless deploy/,
    );
  });
});
