import { describe, expect, it } from 'vitest';
import type { Memory } from '../../functions/lib/memory/memory.ts';
import type { Messages } from '../../functions/lib/report/messages.ts';
import type { Outcome } from '../../functions/lib/report/outcome.ts';
import type { Report } from '../../functions/lib/report/report.ts';
import { createNotify } from '../../functions/notify.ts';
import { executionArn } from '../../simulator/inputs.ts';
import { World } from '../../simulator/world.ts';
import { createMemoryOf, rememberAll } from '../support/memories.ts';

const failed = (target: string): Outcome => ({
  target,
  refreshed: false,
  error: { name: 'E', message: 'It broke.' },
  proofs: {},
  endpoints: [],
});
const degraded = (target: string): Outcome => ({
  target,
  refreshed: true,
  proofs: { degraded: 1 },
  endpoints: [{ endpoint: 'ep', proof: 'degraded', reason: 'parked' }],
});

type Published = { sent: Messages[]; measured: Array<[string, number, object | undefined]>; logged: string[] };

/** Notifies at 12:00 of one thing after the other. */
const notifierOf = (memory: Memory, hasTargetAlarms = false) => {
  const seen: Published = { sent: [], measured: [], logged: [] };
  const handle = createNotify({
    publish: async (messages) => void seen.sent.push(messages),
    memory,
    now: () => Date.parse('2026-11-23T12:00:00Z'),
    scheduleMs: 5 * 3_600_000,
    runbook: 'https://example.com/runbook.md',
    firstSteps: {},
    hasTargetAlarms,
    log: { info: () => {}, error: (message) => void seen.logged.push(message) },
    meter: { add: (...measurement) => void seen.measured.push([measurement[0], measurement[1], measurement[2]]) },
  });
  return { handle, seen };
};

/** Notifies with what is on record. */
const notifyOf = async (
  notice: object,
  earlier: readonly Report[] = [],
  hasTargetAlarms = false,
  memory: Memory = createMemoryOf(
    Object.fromEntries([...rememberAll(earlier, 5 * 3_600_000)].map(([name, record]) => [`target ${name}`, record])),
  ),
) => {
  const { handle, seen } = notifierOf(memory, hasTargetAlarms);
  return { ...(await handle(notice)), ...seen };
};

const reportOf = (targets: Report['targets']): Report => ({
  version: 1,
  execution: executionArn,
  trigger: 'schedule',
  startedAt: '2026-11-23T11:59:00Z',
  endedAt: '2026-11-23T12:00:00Z',
  outcome: 'failed',
  targets,
});

const tell = (...targets: Report['targets']) => notifyOf({ kind: 'report', report: reportOf(targets) });

describe('notify', () => {
  it('makes one message of many troubles, the worst first', async () => {
    const { published, sent } = await tell(degraded('a'), failed('b'), failed('c'));
    expect(published).toBe(1);
    expect(sent[0]?.subject).toBe('[CRITICAL] runpod-ecr-refresh: b and 2 more failed');
    expect(JSON.parse(sent[0]?.machine ?? '')).toMatchObject({
      alerts: [{ target: 'b' }, { target: 'c' }, { target: 'a' }],
    });
  });

  it('says nothing where nothing has changed, and still measures', async () => {
    expect(await tell()).toEqual({ published: 0, sent: [], measured: [], logged: [] });
    const good = { target: 'a', refreshed: true, expiresAt: '2026-11-24T00:00:00Z', proofs: {}, endpoints: [] };
    const report = { kind: 'report', report: reportOf([good, failed('b')]) };
    expect(await notifyOf(report)).toMatchObject({ measured: [['TokenSecondsLeft', 0, undefined]] });
    expect(await notifyOf(report, undefined, true)).toMatchObject({
      measured: [
        ['TargetTokenSecondsLeft', 43_200, { Target: 'a' }],
        ['TargetTokenSecondsLeft', 0, { Target: 'b' }],
        ['TokenSecondsLeft', 0, undefined],
      ],
    });
  });

  it('measures the token that ends first, of targets too that this run did not concern', async () => {
    const token = (target: string, expiresAt: string) => ({
      target,
      refreshed: true,
      expiresAt,
      proofs: {},
      endpoints: [],
    });
    const report = { kind: 'report', report: { ...reportOf([token('a', '2026-11-24T00:00:00Z')]), trigger: 'push' } };
    const earlier = [reportOf([token('b', '2026-11-23T13:00:00Z'), token('a', '2026-11-23T12:30:00Z')])];
    expect(await notifyOf(report, earlier)).toMatchObject({ measured: [['TokenSecondsLeft', 3600, undefined]] });
  });
});

const stored = (expiresAt: string): Outcome => ({ target: 'a', refreshed: true, expiresAt, proofs: {}, endpoints: [] });

describe('notify of a run', () => {
  it('counts from now on how long a token is good, and never less than nothing', async () => {
    const left = async (expiresAt: string) => (await tell(stored(expiresAt))).measured.map(([, seconds]) => seconds);
    expect(await left('2026-11-23T12:00:01Z')).toEqual([1]);
    expect(await left('2026-11-23T11:59:59Z')).toEqual([0]);
  });

  it('knows the token of an earlier run, and how long the next run takes to come', async () => {
    const failure = { kind: 'report', report: reportOf([failed('a')]) };
    const severity = async (expiresAt: string) =>
      JSON.parse((await notifyOf(failure, [reportOf([stored(expiresAt)])])).sent[0]?.machine ?? '').severity;
    expect(await severity('2026-11-23T17:00:00.000Z')).toBe('critical');
    expect(await severity('2026-11-23T17:00:00.001Z')).toBe('warning');
  });

  it('forgets targets that a run of all of them did not meet', async () => {
    const memory = createMemoryOf({ 'target gone': { expiresAt: '2026-11-23T12:00:30Z' } });
    const { measured } = await notifyOf(
      { kind: 'report', report: reportOf([stored('2026-11-24T00:00:00Z')]) },
      [],
      false,
      memory,
    );
    expect(Object.keys(memory.records)).toEqual(['target a']);
    expect(measured).toEqual([['TokenSecondsLeft', 43_200, undefined]]);
  });

  it.each(['readAll', 'change'] as const)('is told, perhaps twice, where the memory fails (%s)', async (method) => {
    const memory = { ...createMemoryOf(), [method]: () => Promise.reject(new Error('no memory')) };
    const report = { kind: 'report', report: reportOf([failed('a')]) };
    const { published, logged, measured } = await notifyOf(report, [], false, memory);
    expect([published, logged.length]).toEqual([1, 1]);
    expect(measured).toEqual([['TokenSecondsLeft', 0, undefined]]);
  });

  it('tells the end of a trouble later where the memory could not be read when it ended', async () => {
    const memory = createMemoryOf();
    const deaf = { ...memory, readAll: () => Promise.reject(new Error('no memory')) };
    const tell = async (outcome: Outcome, from = memory) =>
      (await notifyOf({ kind: 'report', report: reportOf([outcome]) }, [], false, from)).sent.map(
        ({ subject }) => subject,
      );
    const good = stored('2026-11-24T00:00:00Z');
    expect(await tell(failed('a'))).toHaveLength(1);
    expect(await tell(good, deaf)).toEqual([]);
    expect(await tell(good)).toEqual([expect.stringContaining('recovered')]);
    expect(await tell(good)).toEqual([]);
  });

  it('tells the same trouble once, and its end, while the memory fails', async () => {
    const memory = createMemoryOf();
    const state = { fails: true };
    const failing = <Result>(answer: () => Promise<Result>) =>
      state.fails ? Promise.reject(new Error('no')) : answer();
    const notify = notifierOf({
      ...memory,
      readAll: (...of) => failing(() => memory.readAll(...of)),
      change: (...of) => failing(() => memory.change(...of)),
    });
    const good = stored('2026-11-24T00:00:00Z');
    const tell = async (endedAt: string, outcome: Outcome) =>
      (await notify.handle({ kind: 'report', report: { ...reportOf([outcome]), endedAt } })).published;
    expect([await tell('2026-11-23T06:00:00Z', failed('a')), await tell('2026-11-23T09:00:00Z', failed('a'))]).toEqual([
      1, 0,
    ]);
    expect([await tell('2026-11-23T12:00:00Z', good), await tell('2026-11-23T15:00:00Z', good)]).toEqual([1, 0]);
    // Another process has written meanwhile: what it wrote is newer.
    expect(await tell('2026-11-23T18:00:00Z', failed('a'))).toBe(1);
    state.fails = false;
    await notifyOf(
      { kind: 'report', report: { ...reportOf([good]), endedAt: '2026-11-23T21:00:00Z' } },
      [],
      false,
      memory,
    );
    expect(await tell('2026-11-24T00:00:00Z', failed('a'))).toBe(1);
  });

  it('tells the same trouble once, and its end', async () => {
    const memory = createMemoryOf();
    const tell = async (outcome: Outcome) =>
      (await notifyOf({ kind: 'report', report: reportOf([outcome]) }, [], false, memory)).published;
    expect([await tell(failed('a')), await tell(failed('a'))]).toEqual([1, 0]);
    expect([await tell(stored('2026-11-24T00:00:00Z')), await tell(stored('2026-11-24T00:00:00Z'))]).toEqual([1, 0]);
  });
});

describe('notify of a delay', () => {
  const delayed = {
    kind: 'delayed',
    name: 'a',
    region: 'us-east-1',
    execution: executionArn,
    giveUpAt: '2026-11-23T16:30:00Z',
    delay: { failingSince: '2026-11-23T11:30:00Z', retryAt: '2026-11-23T12:15:00Z' },
    failure: { Error: 'RunpodUnavailableError', Cause: '{"errorMessage":"Runpod is down."}' },
  };

  it('says since when, why, and until when we try', async () => {
    const { published, sent, measured } = await notifyOf(delayed);
    expect([published, measured]).toEqual([1, []]);
    expect(sent[0]?.email).toContain(
      'a: the refresh has not got through for 30 min: Runpod is down. We try again at 12:15 UTC and keep trying until 16:30 UTC.',
    );
  });

  it('is one message for all targets of a run that wait for the same, unless another is more urgent', async () => {
    const memory = createMemoryOf({
      'target b': { runs: [], expiresAt: '2026-11-24T00:00:00Z' },
      'target c': { runs: [], expiresAt: '2026-11-24T00:00:00Z' },
    });
    const tell = (name: string, more: object = {}) => notifyOf({ ...delayed, name, ...more }, [], false, memory);
    const first = await tell('b');
    expect(first.sent[0]?.email).toContain('Other targets that wait for the same are not told of one by one.');
    expect((await tell('c')).published).toBe(0);
    // Nothing is on record of it, so its token may have ended.
    expect([(await tell('a')).published, (await tell('b')).published]).toEqual([1, 0]);
    expect((await tell('c', { failure: { Error: 'EcrUnavailableError', Cause: '' } })).published).toBe(1);
    expect((await tell('c', { execution: `${executionArn}-next` })).published).toBe(1);
  });

  it('is a message for each region of ECR that fails, and one for Runpod, wherever the targets’ images are', async () => {
    const expiresAt = '2026-11-24T00:00:00Z';
    const memory = createMemoryOf({ 'target b': { runs: [], expiresAt }, 'target c': { runs: [], expiresAt } });
    const tell = async (name: string, region: string, error: string) => {
      const notice = { ...delayed, name, region, failure: { Error: error, Cause: '' } };
      return (await notifyOf(notice, [], false, memory)).published;
    };
    expect(await tell('b', 'us-east-1', 'EcrUnavailableError')).toBe(1);
    expect(await tell('c', 'eu-west-1', 'EcrUnavailableError')).toBe(1);
    expect(await tell('c', 'us-east-1', 'EcrUnavailableError')).toBe(0);
    expect(await tell('b', 'us-east-1', 'RunpodUnavailableError')).toBe(1);
    expect(await tell('c', 'eu-west-1', 'RunpodUnavailableError')).toBe(0);
  });

  it('has nothing to add where people know that the target fails', async () => {
    expect(await notifyOf(delayed, [reportOf([failed('a')])])).toMatchObject({ published: 0, sent: [] });
  });
});

describe('notify of the last day', () => {
  it('tells also that there was no run', async () => {
    const stateMachine = 'arn:aws:states:us-east-1:123456789012:stateMachine:runpod-ecr-refresh-dev';
    const { published, sent } = await notifyOf({ kind: 'digest', stateMachine });
    expect(published).toBe(1);
    expect(sent[0]?.email).toContain('no run of the last 24 hours is on record');
    expect(sent[0]?.email).toContain(stateMachine);
  });
});

describe('the runbook', () => {
  it('is repeated by alerts where it has no address', async () => {
    const world = await World.begin({ environment: { RUNBOOK_URL: '' } });
    world.runpod.credentials.clear();
    await world.refresh();
    expect(world.sns.inbox[0]?.text).toMatch(
      /What to do: create a credential, put its id into targets\.yml, .*\(docs\/runbook\.md, CredentialNotFoundError\)/,
    );
    await world.end();
  });
});

describe('notify of a delay that a time-out caused', () => {
  it('says so although its Cause is empty', async () => {
    const { sent } = await notifyOf({
      kind: 'delayed',
      name: 'a',
      region: 'us-east-1',
      execution: executionArn,
      giveUpAt: '2026-11-23T16:30:00Z',
      delay: { failingSince: '2026-11-23T11:30:00Z', retryAt: '2026-11-23T12:15:00Z' },
      failure: { Error: 'States.Timeout', Cause: '' },
    });
    expect(sent[0]?.email.replaceAll('\u2060', '')).toContain(
      'for 30 min: A step did not end within its time (States.Timeout).',
    );
  });
});

describe('publishing', () => {
  it.each([
    ['takes it', true],
    ['does not take it', false],
  ])('goes to the chat topic as Amazon Q wants it, and the alert is told where that topic %s', async (_what, isThere) => {
    const chatTopic = 'arn:aws:sns:us-east-1:123456789012:runpod-ecr-refresh-dev-chat';
    const world = await World.begin({ environment: { CHAT_TOPIC_ARN: chatTopic } });
    if (!isThere) world.sns.topics.delete(chatTopic);
    world.runpod.credentials.clear();
    const execution = await world.refresh();
    expect(
      execution.events.some((event) => event.type === 'StateEntered' && event.state.name === 'NotifyPlainly'),
    ).toBe(false);
    expect(world.sns.inbox.map(({ topicArn }) => topicArn.split('-').at(-1))).toEqual(
      isThere ? ['alerts', 'chat'] : ['alerts'],
    );
    expect(Object.keys(world.sns.inbox[0]?.forms ?? {})).toEqual(['default', 'email', 'sms', 'https', 'sqs']);
    await world.end();
  });
});
