import { afterEach, describe, expect, it } from 'vitest';
import { requestsOf } from '../../functions/lib/turns.ts';
import { examplePolicy, RequestQuota } from '../../simulator/runpod/quota.ts';
import { region, World } from '../../simulator/world.ts';

const names = Array.from({ length: 10 }, (_, index) => `target-${index}`);
const hourMs = 3_600_000;

let world: World;
let statuses: number[];

const begin = async (requestsPerMinute = 60): Promise<void> => {
  world = await World.begin({
    environment: { RUNPOD_REQUESTS_PER_MINUTE: String(requestsPerMinute), UPSTREAM_TIMEOUT_SECONDS: '30' },
    targets: `targets:\n${names
      .map(
        (name) =>
          `  - { name: ${name}, ecr: { region: ${region} }, runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: ${name} } }\n`,
      )
      .join('')}`,
  });
  const image = world.push('team/worker', 'v1', { layers: 1 });
  for (const name of names) {
    world.runpod.addCredential(name, name, { username: 'AWS', password: 'none' });
    for (const letter of ['a', 'b', 'c']) {
      world.runpod.addEndpoint({ id: `${name}-${letter}`, name: letter, image, registry: name });
    }
  }
  statuses = [];
};
afterEach(() => world.end());

/** Lets Runpod enforce a quota, and notes what it answers. */
const enforce = (quota: RequestQuota): void => {
  world.runpod.quota = quota;
  const answer = quota.answer.bind(quota);
  quota.answer = (key, now, handle) => {
    const reply = answer(key, now, handle);
    statuses.push(reply.status);
    return reply;
  };
};
/** The tokens that ECR minted in this run and that Runpod holds now. */
const stored = (): string[] =>
  names.filter((name) => world.registry.letIn.has(world.runpod.credentials.get(name)?.token.password ?? ''));
const refusals = (): number => statuses.filter((each) => each === 429).length;
/** Asks with the key as its owner does. */
const ask = (quota: RequestQuota): number =>
  quota.answer(world.apiKey, world.clock.now(), () => ({ status: 200 })).status;
/** Runs a refresh to its end. @returns how it ended, and the hours it took */
const refresh = async () => {
  const beganAt = world.clock.now();
  const { status } = await world.refresh();
  return { status, hours: (world.clock.now() - beganAt) / hourMs };
};

describe('ten targets of one key, by a scheduled run', () => {
  it.each([
    ['planned, and leave its owner a tenth', 60, 54],
    // They begin together, each in Lambdas of its own, which know only what the last answer said.
    ['taken for ten times as many', 600, 58],
  ])('store their tokens within its quota, where that is %s', async (_how, perMinute, most) => {
    await begin(perMinute);
    const quota = new RequestQuota(examplePolicy);
    enforce(quota);
    const { status, hours } = await refresh();
    expect([status, stored(), refusals()]).toEqual(['SUCCEEDED', names, 0]);
    expect(quota.peaks.get('minute')).toBeLessThanOrEqual(most);
    // What each is planned with is no less than it takes.
    expect(statuses.length).toBeLessThanOrEqual(10 * requestsOf({}));
    expect(hours).toBeLessThan(0.1);
  });

  it('store them beside an owner who takes his tenth', async () => {
    await begin();
    const quota = new RequestQuota(examplePolicy);
    enforce(quota);
    const ofOwner: number[] = [];
    const askAsOwner = async (): Promise<void> => {
      for (let count = 0; count < 18; count += 1) {
        await world.clock.sleep(10_000);
        ofOwner.push(ask(quota));
      }
    };
    const asking = askAsOwner();
    expect([(await refresh()).status, stored()]).toEqual(['SUCCEEDED', names]);
    await world.clock.until(asking);
    expect(refusals()).toBe(0);
    expect(ofOwner).toEqual(Array.from({ length: 18 }, () => 200));
  });

  it.each([
    // The hour ends before any token does.
    ['an hour', 'hour', 2990, 1.5],
    // What is left of a day is used: it may last longer than the tokens.
    ['a day', 'day', 49_900, 0.1],
  ] as const)('store them where the owner has used up all but little of %s', async (_what, name, used, mostHours) => {
    await begin();
    const quota = new RequestQuota({ [name]: examplePolicy[name] ?? { requests: 0, seconds: 0 } });
    for (let count = 0; count < used; count += 1) ask(quota);
    enforce(quota);
    const { hours } = await refresh();
    expect([stored(), refusals()]).toEqual([names, 0]);
    expect(hours).toBeLessThan(mostHours);
  });

  it('ask hardly any more where nothing is left of a day, and say so', async () => {
    await begin();
    const quota = new RequestQuota({ day: { requests: 50_000, seconds: 86_400 } });
    for (let count = 0; count < 50_000; count += 1) ask(quota);
    enforce(quota);
    const { status } = await refresh();
    expect([status, stored()]).toEqual(['FAILED', []]);
    expect(world.sns.inbox.map(({ subject }) => subject)).toContainEqual(expect.stringMatching(/and 9 more failed$/));
    expect(refusals()).toBeLessThanOrEqual(names.length);
  });
});
