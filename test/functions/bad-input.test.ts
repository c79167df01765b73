import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FetchTokenOutput } from '../../functions/fetch-token.ts';
import { errorNames } from '../../functions/lib/errors.ts';
import { type FunctionName, functionNames } from '../../runner/functions.ts';
import { executionArn, fetchToken, inputs, targetsWithRollout } from '../../simulator/inputs.ts';
import { World } from '../../simulator/world.ts';

const marks = ['rpa_KeySentinelThatMustNeverBeSeen', 'PasswordSentinelThatMustNeverBeSeen'] as const;
const [keyMark, passwordMark] = marks;
const hostMark = '123456789012.dkr.ecr.us-east-1.amazonaws.com';

let world: World;
let token: FetchTokenOutput;
let image: string;
let events: Record<FunctionName, object>;

beforeAll(async () => {
  world = await World.begin({
    passwordMark,
    apiKey: keyMark,
    targets: `${targetsWithRollout}    canaryPod: { image: runpod-canary:v1, everyHours: 24 }\n`,
    environment: { UPSTREAM_TIMEOUT_SECONDS: '0.5', LOG_LISTEN_SECONDS: '0.02' },
  });
  image = world.push('team/worker', 'v1');
  const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
  world.runpod.startWorker(endpoint);
  token = await fetchToken(world);
  const { output } = await world.refresh();
  const report = JSON.parse(output ?? '') as object;
  events = {
    'start-refresh': {
      version: '0',
      'detail-type': 'ECR Image Action',
      source: 'aws.ecr',
      account: '123456789012',
      region: 'us-east-1',
      time: '2026-11-23T12:00:00Z',
      detail: { result: 'SUCCESS', 'repository-name': 'team/worker', 'action-type': 'PUSH', 'image-tag': 'v1' },
    },
    'resolve-targets': inputs.resolveTargets({
      trigger: 'push',
      registry: { account: '123456789012', region: 'us-east-1' },
      targets: ['production'],
      waitUntil: '2026-11-23T12:00:00Z',
    }),
    'find-concerned': inputs.findConcerned(),
    'discover-endpoints': inputs.discoverEndpoints(),
    'fetch-token': inputs.fetchToken(),
    'verify-image-pull': inputs.verifyImagePull(token, [image]),
    'update-runpod': inputs.updateRunpod(token),
    'submit-canary': inputs.submitCanary(),
    'verify-endpoint-pull': inputs.verifyEndpointPull(),
    'start-rollouts': inputs.startRollouts(token, [{ id: '4m7x2k9q', image }]),
    'plan-rollout': inputs.rollout(),
    'apply-rollout': inputs.rollout(),
    'watch-rollout': inputs.rollout({ step: { watched: { failed: [], jobId: 'job', jobUntil: 0, jobs: 1 } } }),
    'roll-back': inputs.rollout(),
    'canary-pod': inputs.canaryPod(),
    'plan-retry': {
      giveUpAt: '2100-01-01T00:00:00Z',
      delay: { rounds: 1, failingSince: '2026-11-23T12:00:00Z' },
      notified: {},
    },
    'conclude-target': {
      name: 'production',
      outcomeBytes: 10_000,
      startAt: '2026-01-01T00:00:00Z',
      failure: { Error: 'X' },
    },
    report: {
      execution: executionArn,
      startedAt: '2026-01-01T00:00:00Z',
      run: { resolved: { trigger: 'manual', names: ['production'], outcomes: [] } },
    },
    notify: { kind: 'report', report },
  };
});

afterAll(() => world.end());

/** How a call ended: fine, or with an error that is ours, says something, and holds no secret. */
const endOf = async (call: Promise<unknown>): Promise<{ name: string; message: string }> => {
  const end = await call.then(
    (output) => ({ name: 'fine', message: JSON.stringify(output) ?? '' }),
    (error: Error) => ({ name: error.name, message: error.message }),
  );
  if (end.name !== 'fine') expect([...errorNames], `${end.name}: ${end.message}`).toContain(end.name);
  for (const mark of marks) expect(end.message.slice(0, 100_000)).not.toContain(mark);
  return end;
};

type Path = ReadonlyArray<string | number>;

const pathsOf = (value: unknown, path: Path = []): Path[] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, each]) => {
        const below = [...path, Array.isArray(value) ? Number(key) : key];
        return [below, ...pathsOf(each, below)];
      })
    : [];

/** The same value with another one at a path. */
const replaceAt = (value: unknown, [key, ...rest]: Path, by: unknown): unknown => {
  if (key === undefined) return by;
  if (Array.isArray(value)) return value.map((each, index) => (index === key ? replaceAt(each, rest, by) : each));
  const { [key]: old, ...others } = value as Record<string | number, unknown>;
  if (rest.length === 0 && by === undefined) return others;
  return { ...others, [key]: replaceAt(old, rest, by) };
};

/** What may be found where something else is expected. */
const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constant(undefined),
  fc.constantFrom('', '..', '../../x', 'a\r\nx: y', '\u0000', '🙂', -1, 1e300, '2026-13-45', '__proto__'),
  fc.string({ unit: 'binary' }),
);

const field = (path: Path): string => String(path.findLast((key) => typeof key === 'string'));

/** Whether a message names a field, or one around it. */
const namesField = (message: string, path: Path): boolean =>
  path.some((_, index) => message.includes(field(path.slice(0, index + 1)))) ||
  (path[0] === 'input' && message.startsWith('The execution was called with'));

describe.each(functionNames)('%s', (name) => {
  it('takes any JSON for what it is, and says what is wrong with it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.jsonValue(), fc.constant(undefined)), async (event) => {
        const end = await endOf(world.clock.work(() => world.invoke(name, event)));
        expect(end.name).toBe('InvalidInputError');
        expect(end.message).toContain(name);
      }),
      { numRuns: 40 },
    );
  });

  it('takes what it is called with, with one field changed, or names the field', { timeout: 120_000 }, async () => {
    const event = events[name];
    const paths = pathsOf(event);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), anything, async (path, value) => {
        const changed = replaceAt(event, path, value);
        const end = await endOf(world.clock.until(world.clock.work(() => world.invoke(name, changed))));
        if (end.name === 'InvalidInputError') {
          expect(namesField(end.message, path), `${path.join('.')}: ${end.message}`).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** Plays one upstream's answer, whatever it may be, to whoever asks it. */
const answering = async (on: RegExp, status: number, body: string, call: () => Promise<unknown>) => {
  const headers = { 'content-type': 'application/json' };
  const repair = world.faults.add({ on, does: { answer: { status, headers, body } } });
  try {
    world.restart();
    return await endOf(world.clock.until(world.clock.work(call)));
  } finally {
    repair();
  }
};

let pods = 0;
/** For a target of its own each time: a target has one pod in a day. */
const anotherPod = (): object => {
  pods += 1;
  return inputs.canaryPod({ name: `production-${pods}` });
};
const podUnderWay = () => ({
  name: 'dev_production_until_2026-11-25T16-38-00Z',
  id: 'p',
  startedAt: new Date(world.clock.now()).toISOString(),
});

const borders: ReadonlyArray<{
  readonly who: string;
  readonly on: RegExp;
  readonly name: FunctionName;
  /** What it answers when all is well. */
  readonly like: object;
  /** What the function already knows when it asks, and may be told back. */
  readonly secret?: string;
  /** What the function is called with, where that is something else at each call. */
  readonly event?: () => object;
}> = [
  {
    who: 'the key’s store',
    on: /GetParameter /,
    name: 'discover-endpoints',
    like: { Parameter: { Name: '/x', Type: 'SecureString', Value: keyMark, Version: 1 } },
  },
  {
    who: 'ECR’s minting',
    on: /GetAuthorizationToken /,
    name: 'fetch-token',
    like: {
      authorizationData: [
        {
          authorizationToken: Buffer.from(`AWS:${passwordMark}`).toString('base64'),
          expiresAt: 1_800_000_000,
          proxyEndpoint: `https://${hostMark}`,
        },
      ],
    },
  },
  {
    who: 'KMS, asked for a data key,',
    on: /GenerateDataKey /,
    name: 'fetch-token',
    like: { CiphertextBlob: 'AAAA', Plaintext: Buffer.alloc(32, 1).toString('base64'), KeyId: 'x' },
  },
  {
    who: 'KMS, asked to open one,',
    on: /TrentService.Decrypt /,
    name: 'update-runpod',
    like: { Plaintext: Buffer.alloc(32, 1).toString('base64'), KeyId: 'x' },
  },
  {
    who: 'Runpod’s credential',
    on: /GET \/v2\/registries/,
    name: 'discover-endpoints',
    like: { id: '6n2k8v4d', name: 'ecr' },
    secret: keyMark,
  },
  {
    who: 'Runpod’s list of endpoints',
    on: /GET \/v2\/serverless$/,
    name: 'discover-endpoints',
    like: { endpoints: [{ id: '4m7x2k9q', name: 'images', image: 'x', registry: '6n2k8v4d', workers: { max: 3 } }] },
    secret: keyMark,
  },
  {
    who: 'Runpod’s update',
    on: /PATCH \/v2\//,
    name: 'update-runpod',
    like: { id: '6n2k8v4d', name: 'ecr', title: 'x', detail: passwordMark },
    secret: passwordMark,
  },
  {
    who: 'Runpod’s list of endpoints, at a look',
    on: /GET \/v2\/serverless$/,
    name: 'verify-endpoint-pull',
    like: { endpoints: [{ id: '4m7x2k9q', name: 'images', image: 'x', registry: '6n2k8v4d', workers: { max: 3 } }] },
    secret: keyMark,
  },
  {
    who: 'Runpod’s list of workers',
    on: /\/workers$/,
    name: 'verify-endpoint-pull',
    like: { workers: [{ id: 'w', status: 'RUNNING', startedAt: '2026-11-23T12:00:00Z' }] },
    secret: keyMark,
  },
  {
    who: 'Runpod’s log',
    on: /\/logs\?/,
    name: 'verify-endpoint-pull',
    like: { source: 'system', line: 'pulling', ts: '2026-11-23T12:00:00Z' },
    secret: keyMark,
  },
  {
    who: 'Runpod’s job',
    on: /\/run$/,
    name: 'submit-canary',
    like: { id: 'job', status: 'IN_QUEUE' },
    secret: keyMark,
  },
  {
    who: 'Runpod’s list of pods',
    on: /GET \/v2\/pods(\?|$)/,
    name: 'canary-pod',
    like: { pods: [{ id: 'p', name: 'dev_production_until_2026-11-25T16-38-00Z', status: 'RUNNING' }] },
    secret: keyMark,
    event: anotherPod,
  },
  {
    who: 'Runpod’s catalogue of CPUs',
    on: /GET \/v2\/catalog\/cpus/,
    name: 'canary-pod',
    like: { cpus: [{ id: 'cpu3c', vcpu: { min: 2 }, price: { securePerVcpu: 0.04 } }] },
    secret: keyMark,
    event: anotherPod,
  },
  {
    who: 'Runpod’s new pod',
    on: /POST \/v2\/pods$/,
    name: 'canary-pod',
    like: { id: 'p', name: 'x', status: 'PROVISIONING' },
    secret: keyMark,
    event: anotherPod,
  },
  {
    who: 'Runpod’s log of a pod',
    on: /\/pods\/.*\/logs\?/,
    name: 'canary-pod',
    like: { source: 'system', line: 'pulling', ts: '2026-11-23T12:00:00Z' },
    secret: keyMark,
    event: () => ({ ...anotherPod(), canaryPod: { pod: podUnderWay() } }),
  },
  {
    who: 'Runpod’s deletion of a pod',
    on: /DELETE \/v2\/pods/,
    name: 'canary-pod',
    like: { title: 'x', detail: keyMark },
    secret: keyMark,
    event: () => ({
      ...anotherPod(),
      canaryPod: { pod: { ...podUnderWay(), found: { proof: 'observed', reason: 'canary-pod', evidence: 'seen' } } },
    }),
  },
  {
    who: 'Step Functions’ list',
    on: /ListExecutions /,
    name: 'notify',
    like: {
      executions: [{ executionArn, stateMachineArn: 'x', name: 'x', status: 'FAILED', startDate: 1, stopDate: 2 }],
    },
  },
  {
    who: 'Step Functions’ start',
    on: /StartExecution /,
    name: 'start-refresh',
    like: { executionArn, startDate: 1 },
  },
];

describe.each(borders)('an answer of $who', ({ on, name, like, secret = 'nothing', event = () => events[name] }) => {
  it('may be anything: it is read, or is an error of ours', { timeout: 120_000 }, async () => {
    world.logs.length = 0;
    const paths = pathsOf(like);
    const body = fc.oneof(
      fc
        .tuple(fc.constantFrom(...paths), anything)
        .map(([path, value]) => JSON.stringify(replaceAt(like, path, value))),
      fc.jsonValue().map((value) => JSON.stringify(value)),
      fc.string(),
      fc.constantFrom(secret, JSON.stringify({ message: secret, error: secret, detail: secret })),
      fc.nat({ max: 300 }).map((cut) => JSON.stringify(like).slice(0, cut)),
    );
    // A 429 makes AWS' client, and ours, wait.
    const status = fc.constantFrom(200, 200, 200, 201, 204, 302, 400, 403, 404, 422, 500);
    await fc.assert(
      fc.asyncProperty(status, body, async (code, text) => {
        await answering(on, code, code === 204 ? '' : text, () => world.invoke(name, event()));
      }),
      { numRuns: 40 },
    );
    for (const mark of marks) {
      expect(world.logs.map((entry) => JSON.stringify(entry)).filter((entry) => entry.includes(mark))).toEqual([]);
    }
    world.restart();
    await endOf(world.clock.until(world.clock.work(() => world.invoke(name, event()))));
  });
});
