import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { podNameOf } from '../../functions/lib/runpod/canary-pod.ts';
import { stackName } from '../../simulator/aws/stack.ts';
import { targetsWithPod } from '../../simulator/inputs.ts';
import { registryHost, World } from '../../simulator/world.ts';
import { keys, run, runOnScreen } from '../support/command.ts';
import { awsRefuses } from '../support/failures.ts';

let world: World;
const mark = 'SENTINELPASSWORD';
const alarmTopic = 'arn:aws:sns:us-east-1:123456789012:runpod-ecr-refresh-dev-alarms';
const alertTopic = 'arn:aws:sns:us-east-1:123456789012:runpod-ecr-refresh-dev-alerts';

const listen = (topicArn: string, isConfirmed: boolean) =>
  world.deployment.subscriptions.push({ topicArn, protocol: 'email', endpoint: 'you@example.com', isConfirmed });

/** A world in which nothing is wrong. */
const begin = async (): Promise<void> => {
  world = await World.begin({ passwordMark: mark });
  const image = world.push('team/worker', 'v1');
  const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
  world.runpod.startWorker(endpoint);
  listen(alertTopic, true);
  listen(alarmTopic, true);
  await world.refresh({ trigger: 'schedule' });
};

const targetsFile = (yaml: string): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'targets-')), 'targets.yml');
  writeFileSync(path, yaml);
  return path;
};

beforeEach(begin);
afterEach(() => world.end());

interface Case {
  readonly what: string;
  readonly happen?: () => void;
  readonly words?: readonly string[];
  readonly environment?: () => Record<string, string | undefined>;
  readonly line: RegExp;
  readonly remedy?: RegExp;
  readonly code: number;
}

const endpoint = () => {
  const found = world.runpod.endpoints.get('4m7x2k9q');
  if (found === undefined) throw new Error('no endpoint');
  return found;
};

/** Starts a worker that has logged just this, a minute ago by the clock on the wall, which the commands go by. */
const logOfNewWorker = (line: string): void => {
  const worker = world.runpod.startWorker(endpoint());
  worker.terminate();
  const ts = new Date(Date.now() - 60_000).toISOString();
  worker.lines.push({ id: `${ts}/1`, ts, line });
};

const logOfNewPod = (line: string): void => {
  const cpu = { id: 'cpu3c', vcpuCount: 2 };
  const { host } = world.runpod.createPod({ name: 'lab', image: endpoint().image, registry: '6n2k8v4d', cpu });
  host.terminate();
  const ts = new Date(Date.now() - 60_000).toISOString();
  host.lines.push({ id: `${ts}/1`, ts, line });
};

const cases: readonly Case[] = [
  {
    what: 'a pod that ECR refuses',
    happen: () => logOfNewPod('error pulling image: Error response from daemon: no basic auth credentials'),
    line: /✗ Pod lab \(\w+\) is refused by ECR: "error pulling image: .*no basic auth credentials"/,
    remedy: /→ Run npm run refresh/,
    code: 1,
  },
  {
    what: 'a pod whose pull fails for a reason of its host’s own',
    happen: () => logOfNewPod('failed to register layer: write /a: no space left on device'),
    line: /! Pod lab \(\w+\) could not pull its image: "failed to register layer: write \S+ no space left on device"/,
    code: 0,
  },
  {
    what: 'a pod whose log tells of no failure',
    happen: () => logOfNewPod('r7 Pulling from team/worker'),
    line: /✓ 1 pod uses the credential, and no log tells of a pull that fails\./,
    code: 0,
  },
  {
    what: 'no targets.yml',
    environment: () => ({ TARGETS_FILE: 'nowhere.yml' }),
    line: /✗ nowhere\.yml cannot be read\. Run npm run setup/,
    code: 1,
  },
  {
    what: 'a targets.yml with a mistake',
    environment: () => ({ TARGETS_FILE: targetsFile('targets: [{ name: A }]') }),
    line: /✗ .*targets\.yml has 3 mistakes: *line 1: targets\[0\]\.name: expected a name/,
    code: 1,
  },
  {
    what: 'no AWS credentials',
    environment: () => ({ AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined }),
    line: /✗ AWS has no credentials here\. Sign in/,
    code: 1,
  },
  {
    what: 'AWS credentials that are not good',
    environment: () => ({ AWS_ACCESS_KEY_ID: 'AKIAUNKNOWN000000000' }),
    line: /✗ AWS, asked to say who this is, .*Sign in again/,
    code: 1,
  },
  {
    what: 'the wrong region',
    words: ['--region', 'eu-west-1'],
    line: /✗ There is no stack runpod-ecr-refresh-dev in eu-west-1/,
    remedy: /→ npx serverless deploy --stage dev --region eu-west-1/,
    code: 1,
  },
  {
    what: 'the network down',
    environment: () => ({ AWS_ENDPOINT_URL: 'http://127.0.0.1:9', RUNPOD_API_URL: 'http://127.0.0.1:9/v2' }),
    line: /✗ AWS, asked to say who this is, answered .*ECONNREFUSED.*Check the network/,
    code: 1,
  },
  {
    what: 'Runpod down',
    environment: () => ({ RUNPOD_API_URL: 'http://127.0.0.1:9/v2' }),
    line: /✗ Runpod, asked to list the serverless endpoints, gave no answer: .*could not be reached \(ECONNREFUSED\)/,
    code: 1,
  },
  {
    what: 'Runpod hanging',
    happen: () => void world.faults.add({ on: /GET \/v2\/serverless/, does: { hang: true } }),
    environment: () => ({ UPSTREAM_TIMEOUT_SECONDS: '0.5' }),
    line: /✗ Runpod, asked to list the serverless endpoints, gave no answer: .*did not answer within 0\.5 s/,
    code: 1,
  },
  {
    what: 'no API key',
    happen: () => void world.secrets.parameters.clear(),
    line: /✗ ssm:\/runpod-ecr-refresh\/production\/api-key, .*does not exist/,
    code: 1,
  },
  {
    what: 'an API key in the clear',
    happen: () => void world.secrets.plain.add('/runpod-ecr-refresh/production/api-key'),
    line: /! The API key is in ssm:.*, unencrypted/,
    remedy: /→ Store it as a SecureString/,
    code: 0,
  },
  {
    what: 'a key that Runpod refuses',
    happen: () => void world.runpod.keys.clear(),
    line: /✗ Runpod refused the API key when asked to list the serverless endpoints \(401/,
    code: 1,
  },
  {
    what: 'a key that may not list endpoints',
    happen: () => void world.runpod.keys.set(world.apiKey, new Set(['secrets:read', 'secrets:write'])),
    line: /✗ Runpod refused to list the serverless endpoints \(403 .*needs the scope for reading serverless endpoints/,
    code: 1,
  },
  {
    what: 'a key that may not update credentials',
    happen: () => void world.runpod.keys.set(world.apiKey, new Set(['secrets:read', 'serverless:read'])),
    line: /✗ Runpod refused to say whether credential 6n2k8v4d can be updated \(403 .*needs the scope secrets:write/,
    code: 1,
  },
  {
    what: 'no credential',
    happen: () => void world.runpod.credentials.clear(),
    line: /✗ Runpod has no registry credential 6n2k8v4d\. Correct runpod\.registry/,
    code: 1,
  },
  {
    what: 'a Runpod whose v2 lacks the update',
    happen: () => void Object.assign(world.runpod.offers, { v2: false }),
    line: /! Runpod takes updates by graphql; v2 said to have no such operation/,
    code: 0,
  },
  {
    what: 'a Runpod whose v2 does not implement the update',
    happen: () => void world.faults.add({ on: /PATCH \/v2\/registries/, does: { answer: { status: 501, body: '' } } }),
    line: /! Runpod takes updates by graphql; v2 said to have no such operation/,
    code: 0,
  },
  {
    what: 'a Runpod that takes no updates',
    happen: () => void Object.assign(world.runpod.offers, { v2: false, graphql: false }),
    line: /✗ Runpod has no API that updates credential 6n2k8v4d/,
    code: 1,
  },
  {
    what: 'no endpoint with the credential',
    happen: () => void Object.assign(endpoint(), { registry: null }),
    line: /! Endpoint images \(4m7x2k9q\) pulls .*team\/worker:v1 with no credential: it fails at its next cold start/,
    remedy: /→ Select credential 6n2k8v4d in its settings/,
    code: 0,
  },
  {
    what: 'a named endpoint with another credential',
    happen: () => void Object.assign(endpoint(), { registry: null }),
    environment: () => ({
      TARGETS_FILE: targetsFile(
        'targets: [{ name: production, ecr: { region: us-east-1 }, runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d }, endpoints: [4m7x2k9q] }]',
      ),
    }),
    line: /✗ Endpoint 4m7x2k9q uses no credential/,
    code: 1,
  },
  {
    what: 'ECR that mints nothing',
    happen: () =>
      void world.faults.add({
        on: /GetAuthorizationToken/,
        does: awsRefuses,
      }),
    line: /✗ ECR in us-east-1, asked for a token, refused .*Allow ecr:GetAuthorizationToken/,
    code: 1,
  },
  {
    what: 'an image that is gone',
    happen: () => world.registry.deleteTag(`${registryHost}/team/worker`, 'v1'),
    line: /✗ .*team\/worker:v1 cannot be pulled: .*404 "MANIFEST_UNKNOWN/,
    remedy: /→ Push the image/,
    code: 1,
  },
  {
    what: 'an image for another architecture',
    happen: () => void world.push('team/worker', 'v1', { architecture: 'arm64' }),
    line: /✗ .*cannot be pulled: .*linux\/arm64/,
    remedy: /→ Build and push it with --platform linux\/amd64/,
    code: 1,
  },
  {
    what: 'an image of another registry',
    happen: () => void Object.assign(endpoint(), { image: 'docker.io/library/busybox:1' }),
    line: /✗ .*busybox:1 cannot be pulled: it is not in 123456789012/,
    code: 1,
  },
  {
    what: 'an image without a tag of its own',
    happen: () => void Object.assign(endpoint(), { image: world.push('team/worker', 'latest') }),
    line: /! .*team\/worker:latest: a new push behind the same tag changes nothing/,
    code: 0,
  },
  {
    what: 'a parked endpoint',
    happen: () => void Object.assign(endpoint(), { workersMax: 0 }),
    line: /! Runpod has parked 4m7x2k9q: workers\.max is 0/,
    remedy: /→ Raise max workers/,
    code: 0,
  },
  {
    what: 'a worker that ECR refuses',
    happen: () => logOfNewWorker('error pulling image: Error response from daemon: no basic auth credentials'),
    line: /✗ Endpoint 4m7x2k9q: worker \w+ is refused by ECR: "error pulling image: .*no basic auth credentials"/,
    remedy: /→ Run npm run refresh/,
    code: 1,
  },
  {
    what: 'a worker whose pull fails for a reason of its host’s own',
    happen: () => logOfNewWorker('failed to register layer: max depth exceeded'),
    line: /! Endpoint 4m7x2k9q: Worker \w+ could not pull the image: "failed to register layer: max depth exceeded"/,
    code: 0,
  },
  {
    what: 'a delegation that would serve',
    happen: () =>
      void world.runpod.delegations.push({ account: '123456789012', region: 'us-east-1', repository: 'team/worker' }),
    line: /! .*team\/worker:v1: the repository is delegated to Runpod, which says that it pulls it without a credential/,
    code: 0,
  },
  {
    what: 'no stack',
    happen: () => void Object.assign(world.deployment, { status: undefined }),
    line: /✗ There is no stack runpod-ecr-refresh-dev/,
    code: 1,
  },
  {
    what: 'a deploy under way',
    happen: () => void Object.assign(world.deployment, { status: 'UPDATE_IN_PROGRESS' }),
    line: /! Stack runpod-ecr-refresh-dev is being deployed/,
    code: 0,
  },
  {
    what: 'a stack that is stuck between two versions, and how long tokens last',
    happen: () => void Object.assign(world.deployment, { status: 'UPDATE_ROLLBACK_FAILED' }),
    line: /✗ Stack runpod-ecr-refresh-dev is stuck between two versions \(UPDATE_ROLLBACK_FAILED\)[\s\S]*✓ production: its token is good for/,
    remedy: /continue-update-rollback --stack-name runpod-ecr-refresh-dev --region us-east-1. Do not remove the stack/,
    code: 1,
  },
  {
    what: 'a first deploy that was cut off',
    happen: () => {
      for (const name of Object.keys(world.deployment.outputs)) delete world.deployment.outputs[name];
    },
    line: /✗ Stack runpod-ecr-refresh-dev was not deployed whole: its first deploy was cut off/,
    remedy:
      /→ See its error \(aws cloudformation describe-stack-events .*\), and deploy again: npx serverless deploy --stage dev/,
    code: 1,
  },
  {
    what: 'another version',
    happen: () => void Object.assign(world.deployment.outputs, { Version: '0.0.9' }),
    line: /! Stack runpod-ecr-refresh-dev is version 0\.0\.9, this is 0\.1\.0/,
    code: 0,
  },
  {
    what: 'a schedule that is off',
    happen: () => void Object.assign(world.deployment.schedule, { state: 'DISABLED' }),
    line: /✗ The schedule is switched off/,
    code: 1,
  },
  {
    what: 'a schedule that is too slow',
    happen: () => void Object.assign(world.deployment.schedule, { expression: 'rate(12 hours)' }),
    line: /✗ The schedule is rate\(12 hours\); a token lives 12 hours/,
    code: 1,
  },
  {
    what: 'a push rule that is off',
    happen: () => void Object.assign(world.deployment.rule, { state: 'DISABLED' }),
    line: /✗ The rule for image pushes is switched off/,
    code: 1,
  },
  {
    what: 'nobody to tell',
    happen: () => void world.deployment.subscriptions.splice(0),
    line: /✗ Alarms reach nobody\./,
    remedy: /→ Add alerts: \{ email: \[you@example\.com\] \} to targets\.yml/,
    code: 1,
  },
  {
    what: 'somebody who has not confirmed',
    happen: () => {
      world.deployment.subscriptions.splice(0);
      listen(alertTopic, true);
      listen(alarmTopic, false);
    },
    line: /✗ Alarms reach nobody: you@example\.com has not confirmed/,
    code: 1,
  },
  {
    what: 'somebody whose subscription a mail scanner ended',
    happen: () => void Object.assign(world.deployment.subscriptions[1] ?? {}, { isEnded: true }),
    line: /✗ Alarms no longer reach you@example\.com: the subscription was ended by the link in a mail/,
    remedy:
      /→ aws sns subscribe .*-alarms --protocol email --notification-endpoint you@example\.com; .*confirm-subscription .*--authenticate-on-unsubscribe true/,
    code: 1,
  },
  {
    what: 'somebody whose subscription ended, beside others',
    happen: () => {
      Object.assign(world.deployment.subscriptions[1] ?? {}, { isEnded: true });
      world.deployment.subscriptions.push({
        topicArn: alarmTopic,
        protocol: 'https',
        endpoint: 'https://pager.example.com',
        isConfirmed: true,
      });
    },
    line: /! Alarms no longer reach you@example\.com:/,
    code: 0,
  },
  {
    what: 'an open alarm',
    happen: () => void Object.assign(world.deployment.alarms[0] ?? {}, { state: 'ALARM' }),
    line: /✗ Alarm runpod-ecr-refresh-dev-RunFailed is open/,
    remedy: /→ docs\/runbook\.md, RunFailed/,
    code: 1,
  },
  {
    what: 'alarms that are silenced',
    happen: () => void Object.assign(world.deployment.alarms[0] ?? {}, { actionsEnabled: false }),
    line: /! Alarms tell nobody: the actions of runpod-ecr-refresh-dev-RunFailed are switched off/,
    code: 0,
  },
  {
    what: 'targets in another region',
    environment: () => ({
      TARGETS_FILE: targetsFile(
        'targets: [{ name: production, ecr: { region: eu-west-1 }, runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d } }]',
      ),
    }),
    line: /! Image pushes start runs in us-east-1; targets are also in eu-west-1/,
    code: 1,
  },
];

describe('doctor', () => {
  it('looks at what a canary pod needs, and names pods that were left', async () => {
    world.writeTargets(targetsWithPod);
    const read = async () => (await run(world, ['doctor'])).printed.replaceAll(/\n {4,}(?!→)/g, ' ');
    expect(await read()).toMatch(/✗ The canary pod's image .*runpod-canary:v1 cannot be pulled/);
    const image = world.push('runpod-canary', 'v1');
    const text = await read();
    expect(text).toMatch(/✓ The canary pod's image .*runpod-canary:v1 can be pulled\./);
    expect(text).toContain(
      'refused for its form, not for the key; whether a whole one is taken shows when a run makes it. One on cpu3c costs $0.08 an hour',
    );
    expect(world.runpod.createdPods).toEqual([]);
    const scopes = world.runpod.keys.get(world.apiKey);
    world.runpod.keys.set(world.apiKey, new Set(['secrets:read', 'secrets:write', 'serverless:read']));
    expect(await read()).toContain('✗ The key may list pods, and not create them (403).');
    world.runpod.keys.set(world.apiKey, scopes ?? new Set());
    const name = podNameOf(stackName, 'production', Date.parse('2026-01-01T00:00:00Z'));
    const { id } = world.runpod.createPod({ name, image, registry: null, cpu: { id: 'cpu3c', vcpuCount: 2 } });
    expect(await read()).toContain(`have outlived their time, and cost: ${id}.`);
  });

  it('finds nothing wrong where nothing is', async () => {
    const { code, printed, printedErrors } = await run(world, ['doctor']);
    expect(printed).toContain('✓ Nothing is wrong.');
    expect(printed).not.toMatch(/^ {2}[!✗–]/m);
    expect([code, printedErrors]).toEqual([0, '']);
  });

  it.each(cases)('with $what says so, and what to do', async ({
    happen,
    words = [],
    environment,
    line,
    remedy,
    code,
  }) => {
    happen?.();
    const ended = await run(world, ['doctor', ...words], { environment: { COLUMNS: '1000', ...environment?.() } });
    const text = ended.printed.replaceAll(/\n {3,}(?!→)/g, ' ');
    expect(text).toMatch(line);
    if (remedy !== undefined) expect(text).toMatch(remedy);
    expect([ended.code, ended.printedErrors]).toEqual([code, '']);
    expect(ended.printed).not.toContain(mark);
    expect(ended.printed).not.toContain(world.apiKey);
  });

  it('tells of a run that failed, and of a token that was never stored', async () => {
    await world.end();
    world = await World.begin();
    world.runpod.keys.clear();
    await world.refresh({ trigger: 'schedule' });
    const { code, printed } = await run(world, ['doctor']);
    const text = printed.replaceAll(/\n {4,}(?!→)/g, ' ');
    expect(text).toMatch(/✗ The last run ended FAILED, 0 min ago: RunpodUnauthorizedError: production: Runpod refused/);
    expect(text).toMatch(/→ docs\/runbook\.md, RunpodUnauthorizedError\. Refresh at once from here: npm run refresh/);
    expect(text).toMatch(/✗ production: no run on record has stored a token/);
    expect(code).toBe(1);
  });

  it('says what it could not look at, and for want of what', async () => {
    world.secrets.parameters.clear();
    const { printed } = await run(world, ['doctor']);
    expect(printed).toContain('– scopes: not looked at, for want of an API key.');
  });

  it('asks what 10 targets share only once, and no key faster than its quota', async () => {
    const targets = Array.from({ length: 10 }, (_, index) => {
      const registry = `credential${index}`;
      world.runpod.addCredential(registry, registry, { username: 'AWS', password: 'never-filled' });
      const image = world.push(`team/worker-${index}`, 'v1');
      world.runpod.addEndpoint({ id: `endpoint${index}`, name: '', image, registry });
      return `  - { name: target-${index}, ecr: { region: us-east-1 }, runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: ${registry} } }`;
    });
    const asked: string[] = [];
    world.faults.add({
      on: {
        test: (text) => {
          if (/^\w+ \/(?:v2\/(?:registries|serverless|templates|pods)|graphql|v1\/)/.test(text)) asked.push(text);
          return false;
        },
      },
      does: { hang: true },
    });
    const { printed } = await run(world, ['doctor'], {
      environment: { TARGETS_FILE: targetsFile(`targets:\n${targets.join('\n')}`) },
    });
    expect(printed.match(/can be pulled/g)).toHaveLength(10);
    expect(asked.length).toBeGreaterThan(20);
    expect(asked.filter((text) => /^GET \/v2\/serverless(?:\?|$)/.test(text))).toHaveLength(1);
    expect(asked.length).toBeLessThanOrEqual(60);
  });

  it('prints one JSON document for machines', async () => {
    world.runpod.credentials.clear();
    const { code, printed } = await run(world, ['doctor', '--json']);
    const { isGood, findings } = JSON.parse(printed) as { isGood: boolean; findings: object[] };
    expect(isGood).toBe(false);
    expect(findings).toContainEqual(
      expect.objectContaining({ group: 'production', title: 'credential', mark: 'wrong' }),
    );
    expect(code).toBe(1);
  });

  it.each([80, 200])('fits a terminal of %i columns, and shows what is under way', async (columns) => {
    world.faults.add({ on: /GET \/v2\/serverless/, does: { hang: true } });
    const session = runOnScreen(world, ['doctor'], { columns });
    await session.shows(' of 23 ');
    expect(await session.ended).toBe(1);
    const screen = session.screen();
    expect(screen.join('\n')).toMatch(/\d wrong, .* well\./);
    // What was drawn while it looked is gone.
    expect(screen.join('\n')).not.toContain(' of 23 ');
    expect(screen.every((line) => line.length <= columns)).toBe(true);
  });

  it('stops at Ctrl-C, at once', async () => {
    world.faults.add({ on: /GET \/v2\/serverless/, does: { hang: true } });
    const session = runOnScreen(world, ['doctor']);
    await session.shows(' of 23 ');
    session.type(keys.interrupt);
    expect(await session.ended).toBe(130);
  });
});
