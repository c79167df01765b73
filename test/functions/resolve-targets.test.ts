import { describe, expect, it } from 'vitest';
import { createResolveTargets } from '../../functions/resolve-targets.ts';
import { inputs } from '../../simulator/inputs.ts';

const now = Date.parse('2026-11-23T12:00:00Z');

const target = (name: string, more: { apiKey?: string; ecr?: object } = {}) => ({
  name,
  ecr: { region: 'us-east-1', ...more.ecr },
  runpod: { apiKey: more.apiKey ?? 'ssm:/key', registry: name },
});

const resolveTargets = createResolveTargets({
  loadTargets: () => [
    target('one'),
    target('two'),
    target('three', { apiKey: 'ssm:/other' }),
    target('abroad', { apiKey: 'ssm:/third', ecr: { region: 'eu-west-1' } }),
    target('theirs', { apiKey: 'ssm:/fourth', ecr: { registryId: '999999999999' } }),
  ],
  now: () => now,
  requestsPerMinute: 60,
  scheduleHours: 6,
});

const namesFor = async (input: object) => (await resolveTargets(inputs.resolveTargets(input))).names;

describe('resolve-targets', () => {
  it.each([
    [{}, ['one', 'two', 'three', 'abroad', 'theirs']],
    [{ trigger: 'schedule', Comment: 'from the console' }, ['one', 'two', 'three', 'abroad', 'theirs']],
    [{ targets: ['two'] }, ['two']],
    [{ registry: { account: '123456789012', region: 'us-east-1' } }, ['one', 'two', 'three']],
    [{ registry: { account: '123456789012', region: 'eu-west-1' } }, ['abroad']],
    [{ registry: { account: '999999999999', region: 'us-east-1' } }, ['theirs']],
  ])('with %j refreshes %j', async (input, names) => {
    expect(await namesFor(input)).toEqual(names);
  });

  it('lets targets of one key take turns, and others begin at once', async () => {
    const { outcomes: turns } = await resolveTargets(inputs.resolveTargets());
    expect(turns.map(({ startAt }) => startAt)).toEqual([
      '2026-11-23T12:00:00Z',
      '2026-11-23T12:00:13Z',
      '2026-11-23T12:00:00Z',
      '2026-11-23T12:00:00Z',
      '2026-11-23T12:00:00Z',
    ]);
  });

  it('gives up half an hour before the next scheduled run, and never after the machine’s own end', async () => {
    expect(await resolveTargets(inputs.resolveTargets())).toMatchObject({ giveUpAt: '2026-11-23T16:30:00Z' });
    const rarely = createResolveTargets({
      loadTargets: () => [],
      now: () => now,
      requestsPerMinute: 60,
      scheduleHours: 11,
    });
    expect(await rarely(inputs.resolveTargets())).toMatchObject({ names: [], giveUpAt: '2026-11-23T16:30:00Z' });
  });

  it('says why it runs, and what window of pushes it is for', async () => {
    const registry = { account: '123456789012', region: 'us-east-1' };
    const waitUntil = '2026-11-23T12:00:05Z';
    const outputOf = (input: object) => resolveTargets(inputs.resolveTargets(input));
    expect(await outputOf({})).toMatchObject({ trigger: 'manual' });
    expect(await outputOf({ trigger: 'deploy' })).toMatchObject({ trigger: 'deploy' });
    expect(await outputOf({ trigger: 'push', registry, waitUntil })).toMatchObject({
      trigger: 'push',
      pushed: { ...registry, waitUntil: Date.parse(waitUntil) },
    });
    for (const input of [{ registry }, { waitUntil }, {}]) expect(await outputOf(input)).not.toHaveProperty('pushed');
  });

  it('shares the room for outcomes among the targets', async () => {
    expect((await resolveTargets(inputs.resolveTargets())).outcomeBytes).toBe(16 * 1024);
  });

  it.each([
    [
      inputs.resolveTargets({ targets: ['four'] }),
      /targets: expected names from targets.yml \(one, two, three, abroad, theirs\), found four/,
    ],
    [inputs.resolveTargets({ target: 'one' }), /does not know "target"/],
    [inputs.resolveTargets({ registry: { account: '1', region: 'x', names: ['one'] } }), /does not know "names"/],
    [
      inputs.resolveTargets({ trigger: 'schedule', targets: ['one'] }),
      /trigger: a scheduled run concerns every target/,
    ],
    [
      inputs.resolveTargets({ trigger: 'schedule', registry: { account: '123456789012', region: 'us-east-1' } }),
      /trigger: a scheduled run concerns every target/,
    ],
    [inputs.resolveTargets({ trigger: 'whim' }), /trigger: expected one of schedule, push, deploy, manual/],
    [inputs.resolveTargets({ waitUntil: 'soon' }), /waitUntil: expected a time/],
    [{ ...inputs.resolveTargets(), startedAt: 'x' }, /startedAt: expected a time/],
    [{ ...inputs.resolveTargets(), execution: 'x' }, /execution: expected the ARN/],
  ])('refuses %j, naming the field', async (event, message) => {
    await expect(resolveTargets(event)).rejects.toMatchObject({
      name: 'InvalidInputError',
      message: expect.stringMatching(message),
    });
  });

  it.each([
    [
      'names that it does not know',
      Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`${index}${'k'.repeat(200)}`, 1])),
    ],
    ['names of targets', { targets: Array.from({ length: 1000 }, () => 'x'.repeat(200_000)) }],
  ])('keeps %s short that people have written, so that the report can hold them', async (_what, input) => {
    const refused = await resolveTargets(inputs.resolveTargets(input)).catch((error: unknown) => String(error));
    expect(String(refused).length).toBeLessThan(2500);
    expect(refused).toMatch(/^InvalidInputError/);
  });
});
