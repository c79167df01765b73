import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createReadEarlierReports } from '../../functions/lib/aws/history.ts';
import type { Messages } from '../../functions/lib/report/messages.ts';
import { createNotify } from '../../functions/notify.ts';
import { executionArn } from '../../simulator/inputs.ts';
import { World } from '../../simulator/world.ts';

const failed = (target: string) => ({
  target,
  refreshed: false,
  error: { name: 'E', message: 'It broke.' },
  proofs: {},
  endpoints: [],
});
const degraded = (target: string) => ({
  target,
  refreshed: true,
  proofs: { degraded: 1 },
  endpoints: [{ endpoint: 'ep', proof: 'degraded', reason: 'parked' }],
});

const tell = async (...targets: object[]) => {
  const sent: Messages[] = [];
  const measured: Array<[string, number, object | undefined]> = [];
  const notify = createNotify({
    publish: async (messages) => void sent.push(messages),
    readEarlierReports: async () => [],
    now: () => Date.parse('2026-11-23T12:00:00Z'),
    scheduleMs: 1,
    runbook: 'https://example.com/runbook.md',
    log: { info: () => {}, error: () => {} },
    meter: { add: (...measurement) => void measured.push([measurement[0], measurement[1], measurement[2]]) },
  });
  const report = {
    version: 1,
    execution: executionArn,
    trigger: 'schedule',
    startedAt: 's',
    endedAt: 'e',
    outcome: 'failed',
    targets,
  };
  const { published } = await notify({ kind: 'report', report });
  return { published, sent, measured };
};

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
    expect(await tell()).toEqual({ published: 0, sent: [], measured: [] });
    const good = { target: 'a', refreshed: true, expiresAt: '2026-11-24T00:00:00Z', proofs: {}, endpoints: [] };
    expect(await tell(good, failed('b'))).toMatchObject({
      measured: [
        ['TargetTokenSecondsLeft', 43_200, { Target: 'a' }],
        ['TargetTokenSecondsLeft', 0, { Target: 'b' }],
        ['TokenSecondsLeft', 0, undefined],
      ],
    });
  });
});

describe('publishing', () => {
  it.each([
    ['takes it', true],
    ['does not take it', false],
  ])('goes to the chat topic as Amazon Q wants it, and the alert is told where that topic %s', async (_what, isThere) => {
    const chatTopic = 'arn:aws:sns:us-east-1:123456789012:runpod-ecr-refresh-chat';
    const world = await World.begin({ environment: { CHAT_TOPIC_ARN: chatTopic } });
    if (isThere) world.sns.topics.add(chatTopic);
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

describe('the reports of earlier runs', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.begin();
  });
  afterAll(() => world.end());

  it('are read from runs that succeeded and from runs that failed, newest first', async () => {
    await world.refresh();
    await world.clock.advance(60_000);
    world.runpod.offers.v2 = false;
    world.runpod.offers.graphql = false;
    await world.refresh();
    await world.clock.advance(60_000);
    const stopped = world.start();
    stopped.abort();
    await world.clock.until(stopped.ended);
    // One whose output is none of ours.
    const strange = world.start();
    await world.clock.until(strange.ended);
    strange.status = 'SUCCEEDED';
    strange.output = 'not JSON';
    const reports = await createReadEarlierReports(world.platform().settings)(`${strange.arn}-next`);
    expect(reports.map(({ outcome }) => outcome)).toEqual(['failed', 'succeeded']);
  });

  it('may be none at all', async () => {
    const readEarlierReports = createReadEarlierReports(world.platform().settings);
    const answers = (body: object) => ({
      answer: { status: 200, headers: { 'content-type': 'application/x-amz-json-1.0' }, body: JSON.stringify(body) },
    });
    world.faults.add({ on: /ListExecutions/, does: answers({}), times: 1 });
    expect(await readEarlierReports(executionArn)).toEqual([]);
    world.faults.add({
      on: /ListExecutions/,
      does: answers({ executions: [{ status: 'FAILED' }, { executionArn: 'arn:x', status: 'FAILED' }] }),
      times: 1,
    });
    world.faults.add({ on: /GetExecutionHistory/, does: answers({}), times: 1 });
    expect(await readEarlierReports(executionArn)).toEqual([]);
  });
});
