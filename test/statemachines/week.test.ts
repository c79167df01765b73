import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { region, World } from '../../simulator/world.ts';

const hourMs = 3_600_000;

let world: World;

beforeEach(async () => {
  world = await World.begin({
    startAt: Date.parse('2026-11-16T00:00:00Z'),
    environment: { SCHEDULE_HOURS: '6', UPSTREAM_TIMEOUT_SECONDS: '0.5', LOG_LISTEN_SECONDS: '0.05' },
    targets: ['one', 'two']
      .map(
        (name) =>
          `\n  - name: ${name}\n    ecr: { region: ${region} }\n    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: ${name} }`,
      )
      .reduce((yaml, target) => `${yaml}${target}`, 'targets:'),
  });
  for (const name of ['one', 'two']) {
    world.runpod.addCredential(name, name, { username: 'AWS', password: 'never-filled' });
  }
});

afterEach(() => world.end());

/** What people were told, and when in the week: `Tue 06:00 critical failed one`. */
const told = (): string[] =>
  world.sns.inbox.map(({ at, subject }) => {
    const [, severity = '', target, kind] = /^\[(\w+)\] runpod-ecr-refresh: (.+) (\w+)$/.exec(subject) ?? [];
    const day = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'][new Date(at).getUTCDay()];
    return `${day} ${new Date(at).toISOString().slice(11, 13)}h ${severity.toLowerCase()} ${kind} ${target}`;
  });

/** Of two targets that wait for the same, one message speaks of either. */
const ofEither = (what: string): unknown => expect.stringMatching(new RegExp(`^${what} (?:one|two)$`));

/** Lets the week go on until an hour of it, starting a run every six hours, as set above: they divide a day. */
const goOn = async (fromHour: number, toHour: number): Promise<void> => {
  for (let hour = fromHour; hour < toHour; hour += 6) {
    world.start();
    await world.clock.advance(6 * hourMs);
  }
};

describe('a week of twenty-eight runs', () => {
  it('tells each trouble once, and its end once', async () => {
    await goOn(0, 24);
    // Tuesday: one's credential is deleted, and made again a day later.
    world.runpod.credentials.delete('one');
    await goOn(24, 48);
    world.runpod.addCredential('one', 'one', { username: 'AWS', password: 'never-filled' });
    await goOn(48, 72);
    // Thursday: Runpod is down for two hours, and for nine on Friday.
    let repair = world.faults.add({ on: /PATCH \/v2/, does: { answer: { status: 503, body: 'down' } } });
    world.start();
    await world.clock.advance(2 * hourMs);
    repair();
    await world.clock.advance(4 * hourMs);
    await goOn(78, 96);
    repair = world.faults.add({ on: /PATCH \/v2/, does: { answer: { status: 503, body: 'down' } } });
    world.start();
    await world.clock.advance(6 * hourMs);
    world.start();
    await world.clock.advance(3 * hourMs);
    repair();
    await world.clock.advance(3 * hourMs);
    await goOn(108, 168);

    expect(told()).toEqual([
      'Tue 00h critical failed one',
      'Wed 00h info recovered one',
      ofEither('Thu 00h warning delayed'),
      ofEither('Thu 02h info recovered'),
      ofEither('Fri 00h warning delayed'),
      'Fri 04h critical failed one and 1 more',
      // The next run is delayed as well, which nobody needs to hear who knows that it fails.
      'Fri 09h info recovered one and 1 more',
    ]);
  });
});

describe('the daily digest', () => {
  const digest = () => world.sendDigest() as Promise<unknown>;

  it('sums up the last 24 hours of every target', async () => {
    await goOn(0, 24);
    await digest();
    expect(world.sns.inbox).toHaveLength(1);
    expect(world.sns.inbox[0]?.subject).toBe('[INFO] runpod-ecr-refresh: daily digest of one and 1 more');
    expect(world.sns.inbox[0]?.text).toMatch(
      /one: Pulls keep working until 06:00 UTC, 6 h 0 min from now\. 4 runs in 24 hours, none failed\./,
    );
    expect(world.sns.inbox[0]?.text).toContain('two: Pulls keep working');
    expect(world.sns.inbox[0]?.text).toContain(`/statemachines/view/${world.stepFunctions.machineArn}`);
  });

  it('is critical where nothing has run', async () => {
    await digest();
    expect(world.sns.inbox[0]?.subject).toBe('[CRITICAL] runpod-ecr-refresh: daily digest of every target');
  });
});
