import fc from 'fast-check';
import { type FunctionName, functionNames } from '../../runner/functions.ts';
import type { FaultEffect } from '../../simulator/loopback.ts';
import type { World } from '../../simulator/world.ts';

const minuteMs = 60_000;

/** What is wrong with the world on purpose, as far as a command must know it. */
export interface Model {
  hasCredential: boolean;
  keyNumber: number;
}

/** The world, and what was done to it that the invariants must know. */
export interface Real {
  readonly world: World;
  /** Crashes that wait for their function, each once. */
  readonly crashes: Array<{ readonly name: FunctionName; readonly when: 'before' | 'after' }>;
  /** Calls of notify that crashed after their work: SNS has their message, and may get it again. */
  saidAndCrashed: number;
  /** When the memory was lost whole. */
  readonly losses: number[];
  /** Starts the functions anew: they forget what they had in memory. */
  readonly restart: () => void;
}

export const credential = '6n2k8v4d';
export const endpointId = '4m7x2k9q';
const keyParameter = '/runpod-ecr-refresh/production/api-key';
export const passwordMark = 'PasswordSentinelThatMustNeverBeSeen';
export const keyMark = 'rpa_ApiKeySentinelThatMustNeverBeSeen';

type Command = fc.AsyncCommand<Model, Real>;

/** A command that can always be given. */
const command = (name: string, run: (model: Model, real: Real) => Promise<void> | void): Command => ({
  check: () => true,
  run: async (model, real) => run(model, real),
  toString: () => name,
});

/** What a command of a failed history shrinks to. */
export const nothing = command('', () => {});

const upstreams: Readonly<Record<string, RegExp>> = {
  'Runpod’s lists': /GET \/v2\/(?:serverless|registries)/,
  'Runpod’s pods': / ?\/v2\/pods/,
  // They are created, and stay.
  'Runpod’s deletion of pods': /DELETE \/v2\/pods/,
  'Runpod’s update': /PATCH \/v2/,
  'all of Runpod': / ?(?:\/v2\/(?:serverless|registries|templates|pods)|\/v1\/|\/graphql)/,
  'ECR’s minting': /GetAuthorizationToken/,
  'ECR’s registry': /\/(?:manifests|blobs)\//,
  'the layer store': /\/bucket\//,
  KMS: /TrentService/,
  'Parameter Store': /(?:Get|Put)Parameter/,
  'the memory': /DynamoDB/,
  SNS: /Publish/,
};

const answer = (status: number, body: string, headers: Record<string, string> = {}): FaultEffect => ({
  answer: { status, headers: { 'content-type': 'application/json', ...headers }, body },
});

const lastingFaults: Readonly<Record<string, FaultEffect>> = {
  'answers 500': answer(500, '{"message":"oh no"}'),
  'answers 503': answer(503, '{"message":"down"}'),
  'resets connections': { reset: true },
  'answers with a page': {
    answer: { status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html><title>Sign in</title>' },
  },
  'breaks off': { truncate: { status: 200, headers: { 'content-type': 'application/json' }, body: '{"id":"6n' } },
  'answers eight seconds late': { delayMs: 8000 },
  'does what it is asked, and does not say so': { lost: true },
};

/** Each time costs a time-out or an AWS client's back-off by the real clock, so these never last. */
const briefFaults: Readonly<Record<string, FaultEffect>> = {
  ...lastingFaults,
  'answers 429': answer(429, '{"message":"slow down"}', { 'retry-after': '0' }),
  hangs: { hang: true },
};

const upstream = fc.constantFrom(...Object.keys(upstreams));
const runpod = fc.constantFrom(...Object.keys(upstreams).filter((name) => name.includes('Runpod')));
const lastingFault = fc.constantFrom(...Object.keys(lastingFaults));
const briefFault = fc.constantFrom(...Object.keys(briefFaults));

const fault = (who: string, what: string, times?: number) => ({
  on: upstreams[who] ?? /never/,
  does: briefFaults[what] ?? { reset: true as const },
  ...(times === undefined ? {} : { times }),
});

/** Puts everything right that a person or an upstream would put right in the end. */
export const putRight = ({ world }: Real): void => {
  world.faults.clear();
  world.skewMs = 0;
  if (!world.runpod.credentials.has(credential)) {
    world.runpod.addCredential(credential, 'ecr', { username: 'AWS', password: 'never-filled' });
  }
  const [key = ''] = world.runpod.keys.keys();
  world.secrets.parameters.set(keyParameter, key);
};

/** What happens most. */
export const tick = fc.integer({ min: 0, max: 7 * 60 }).map((minutes) =>
  command(`the schedule ticks, and ${minutes} minutes pass`, async (_, { world }) => {
    world.start();
    await world.clock.advance(minutes * minuteMs);
  }),
);

/** Everything else that may happen to a stack, in any order. */
export const commands = [
  fc
    .integer({ min: 1, max: 7 * 60 })
    .map((minutes) => command(`${minutes} minutes pass`, (_, { world }) => world.clock.advance(minutes * minuteMs))),
  fc.integer({ min: 0, max: 3 }).map((times) =>
    command(`an image is pushed, and its event comes ${times} times`, async (_, { world }) => {
      world.push('team/worker', 'v1');
      for (let time = 0; time < times; time += 1) {
        // EventBridge tries an event again that start-refresh did not take.
        await world.deliverPush('team/worker', 'v1').catch(() => undefined);
      }
    }),
  ),
  fc
    .oneof(fc.tuple(upstream, lastingFault), fc.tuple(runpod, fc.constant('answers 429')))
    .map(([who, what]) => command(`${who}: ${what}`, (_, { world }) => void world.faults.add(fault(who, what)))),
  fc
    .tuple(upstream, briefFault, fc.integer({ min: 1, max: 4 }))
    .map(([who, what, times]) =>
      command(`${who}: ${what}, ${times} times`, (_, { world }) => void world.faults.add(fault(who, what, times))),
    ),
  fc.constant(
    command('Runpod deletes no pod', (_, { world }) => {
      world.faults.add(fault('Runpod’s deletion of pods', 'answers 503'));
    }),
  ),
  fc.constant(command('all upstreams recover', (_, { world }) => world.faults.clear())),
  fc
    .tuple(fc.constantFrom(...functionNames), fc.constantFrom('before' as const, 'after' as const))
    .map(([name, when]) =>
      command(`${name} crashes ${when} its work`, (_, { crashes }) => void crashes.push({ name, when })),
    ),
  fc.integer({ min: -5, max: 5 }).map((minutes) =>
    command(`the functions’ clock is ${minutes} minutes ahead`, (_, { world }) => {
      world.skewMs = minutes * minuteMs;
    }),
  ),
  fc.constant(
    command('Runpod’s key is rotated', (model, { world }) => {
      model.keyNumber += 1;
      world.runpod.keys.clear();
      world.runpod.keys.set(`${keyMark}${model.keyNumber}`, new Set(['*']));
    }),
  ),
  fc.constant(
    command('the new key is stored', (_, { world }) => {
      const [key = ''] = world.runpod.keys.keys();
      world.secrets.parameters.set(keyParameter, key);
    }),
  ),
  fc.constant(
    command('the credential is deleted', (model, { world }) => {
      model.hasCredential = false;
      world.runpod.credentials.delete(credential);
    }),
  ),
  fc.constant<Command>({
    check: ({ hasCredential }) => !hasCredential,
    run: async (model, real) => {
      model.hasCredential = true;
      real.world.runpod.addCredential(credential, 'ecr', { username: 'AWS', password: 'never-filled' });
    },
    toString: () => 'the credential is made again',
  }),
  fc.constantFrom('v2', 'graphql', 'v1').map((way) =>
    command(`Runpod’s ${way} no longer updates, or does again`, (_, { world }) => {
      const { offers } = world.runpod;
      offers[way as keyof typeof offers] = !offers[way as keyof typeof offers];
      // One way there always is.
      if (!offers.v2 && !offers.graphql) offers.v1 = true;
    }),
  ),
  fc.constant(
    command('a worker starts', (_, { world }) => {
      const endpoint = world.runpod.endpoints.get(endpointId);
      if (endpoint !== undefined) world.runpod.startWorker(endpoint);
    }),
  ),
  fc.constant(
    command('all workers stop', (_, { world }) => {
      const endpoint = world.runpod.endpoints.get(endpointId);
      if (endpoint !== undefined) world.runpod.stopWorkers(endpoint);
    }),
  ),
  fc.constant(
    command('the endpoint gets another image', (_, { world }) => {
      const endpoint = world.runpod.endpoints.get(endpointId);
      if (endpoint !== undefined) world.runpod.release(endpoint, world.push('team/worker', `v${endpoint.version + 1}`));
    }),
  ),
  fc.constant(
    command('the memory is lost', async (_, { world, losses }) => {
      losses.push(world.clock.now());
      await world.dynamodb.lose();
    }),
  ),
  fc.constant(command('the functions start anew', (_, { restart }) => restart())),
];
