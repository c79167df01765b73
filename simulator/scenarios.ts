import type { Execution } from './aws/step-functions.ts';
import { targetsWithRollout } from './inputs.ts';
import type { Reporter } from './reporter.ts';
import type { SimulatedEndpoint } from './runpod/server.ts';
import { account, region, type World } from './world.ts';

/** What a scenario promises to show; each line says whether it happened. */
interface Promised {
  readonly what: string;
  readonly happened: boolean;
}

/** Something that happens to the product, from its beginning to its end. */
interface Scenario {
  readonly title: string;
  play(world: World, endpoint: SimulatedEndpoint, reporter: Reporter): Promise<Promised[]>;
}

const hourMs = 3_600_000;

const proofOf = ({ output }: Execution): string => {
  const report = JSON.parse(output ?? '{}') as { targets?: Array<{ endpoints: Array<{ proof: string }> }> };
  return report.targets?.[0]?.endpoints[0]?.proof ?? 'none';
};

const linesOf = (endpoint: SimulatedEndpoint): string =>
  endpoint.workers.flatMap(({ lines }) => lines.map(({ line }) => line)).join('\n');

/** Fills the credential with a token that ended an hour ago, as a refresher that died yesterday leaves it. */
const expireToken = (world: World): void => {
  const { password } = world.ecr.mint(world.principal, region, world.clock.now() - hourMs);
  const credential = world.runpod.credentials.get('6n2k8v4d');
  if (credential !== undefined) credential.token = { username: 'AWS', password };
};

const expired: Scenario = {
  title: 'The token has expired, and a worker cannot pull its image',
  async play(world, endpoint, reporter) {
    expireToken(world);
    world.runpod.startWorker(endpoint);
    await world.clock.advance(20_000);
    const wasRefused = linesOf(endpoint).includes('Your authorization token has expired');
    reporter.print('The schedule starts a refresh.');
    const execution = await world.refresh({ trigger: 'schedule' });
    return [
      { what: 'the worker was refused while the token was expired', happened: wasRefused },
      { what: 'the refresh succeeded', happened: execution.status === 'SUCCEEDED' },
      { what: 'the worker pulled its image', happened: linesOf(endpoint).includes('Status: Downloaded newer image') },
      { what: 'the run proved it by the worker’s own log', happened: proofOf(execution) === 'observed' },
    ];
  },
};

const push: Scenario = {
  title: 'A new image is pushed, in several events as ECR sends them',
  async play(world, endpoint, reporter) {
    await world.refresh({ trigger: 'schedule' });
    const before = world.stepFunctions.executions.size;
    const image = world.push('team/worker', 'v2');
    world.runpod.release(endpoint, image);
    await world.clock.advance(60_000 - (world.clock.now() % 60_000));
    reporter.print('Three push events arrive within ten seconds.');
    for (let event = 0; event < 3; event += 1) {
      await world.deliverPush('team/worker', 'v2');
      await world.clock.advance(5_000);
    }
    const execution = [...world.stepFunctions.executions.values()].at(-1);
    if (execution !== undefined) await world.clock.until(execution.ended);
    return [
      { what: 'three events started one refresh', happened: world.stepFunctions.executions.size === before + 1 },
      {
        what: 'it was the pushed registry’s',
        happened: execution?.name.startsWith(`push-${account}-${region}-`) ?? false,
      },
      { what: 'it succeeded', happened: execution?.status === 'SUCCEEDED' },
      { what: 'the new image was tried and is proven', happened: execution?.output?.includes(image) ?? false },
    ];
  },
};

const outage: Scenario = {
  title: 'Runpod is down for two hours',
  async play(world, endpoint, reporter) {
    await world.refresh({ trigger: 'schedule' });
    await world.clock.advance(6 * hourMs);
    const stored = world.runpod.stored.length;
    const notified = world.sns.inbox.length;
    const repair = world.faults.add({
      on: / \/(?:v1|v2|graphql|jobs)\b/,
      does: {
        answer: {
          status: 503,
          headers: { 'content-type': 'application/problem+json' },
          body: JSON.stringify({ title: 'Service Unavailable', status: 503, detail: 'upstream connect error' }),
        },
      },
    });
    reporter.print('Runpod answers 503 to everything, and the schedule starts a refresh.');
    const execution = world.start({ trigger: 'schedule' });
    await world.clock.advance(2 * hourMs);
    reporter.print('Runpod is back.');
    repair();
    await world.clock.until(execution.ended);
    const subjects = world.sns.inbox.slice(notified).map(({ subject }) => subject);
    const retries = execution.events.filter(({ type }) => type === 'StateRetried').length;
    world.runpod.stopWorkers(endpoint);
    return [
      { what: `it was tried again quickly, and then patiently (${retries} retries)`, happened: retries > 10 },
      {
        what: 'people were told once that it is late',
        happened: subjects.filter((each) => each.endsWith('delayed')).length === 1,
      },
      { what: 'a new token was stored once Runpod was back', happened: world.runpod.stored.length === stored + 1 },
      { what: 'people were told that it is over', happened: subjects.at(-1)?.endsWith('recovered') ?? false },
      { what: 'the refresh succeeded', happened: execution.status === 'SUCCEEDED' },
    ];
  },
};

/** Runs a refresh, and the rollouts that it starts, to their ends. */
const rollOut = async (world: World): Promise<void> => {
  await world.refresh({ trigger: 'schedule' });
  for (const execution of world.rollouts.executions.values()) await world.clock.until(execution.ended);
};

const rollout: Scenario = {
  title: 'An endpoint follows a tag: one image works, the next one does not and comes back by itself',
  async play(world, endpoint, reporter) {
    world.writeTargets(targetsWithRollout);
    const image = world.push('team/worker', 'production');
    world.runpod.release(endpoint, image);
    world.runpod.startWorker(endpoint);
    reporter.print('The first run records what the endpoint has, and changes nothing.');
    await rollOut(world);
    const isUnchanged = endpoint.image === image;
    reporter.print('An image is pushed.');
    const good = world.registry.digestOf(world.push('team/worker', 'production')) ?? '';
    await rollOut(world);
    const proven = endpoint.image;
    const givenBefore = endpoint.releases.length;
    reporter.print('Another one is pushed, whose program cannot be started.');
    const broken = world.push('team/worker', 'production');
    world.runpod.programFaults.set(world.registry.digestOf(broken) ?? '', 'cannot start');
    const told = world.sns.inbox.length;
    await rollOut(world);
    const alert = world.sns.inbox.at(-1)?.text ?? '';
    const given = endpoint.releases.length;
    await rollOut(world);
    return [
      { what: 'the first run changed nothing', happened: isUnchanged },
      { what: 'the image that works was given by its digest', happened: proven.endsWith(`:production@${good}`) },
      {
        what: 'the one that does not was given, and taken back',
        happened: given === givenBefore + 2 && endpoint.image === proven,
      },
      { what: 'people heard of it in one sentence', happened: world.sns.inbox.length === told + 1 },
      { what: 'with the host’s own words', happened: /no such file or directory/.test(alert) },
      { what: 'it was not given a second time', happened: endpoint.releases.length === given },
    ];
  },
};

/** The scenarios, by name. */
export const scenarios = { expired, push, outage, rollout } as const satisfies Record<string, Scenario>;
export type ScenarioName = keyof typeof scenarios;
