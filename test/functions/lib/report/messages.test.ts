import { describe, expect, it } from 'vitest';
import type { Alert } from '../../../../functions/lib/report/alerts.ts';
import { writeMessages } from '../../../../functions/lib/report/messages.ts';

const execution = 'arn:aws:states:us-east-1:123456789012:execution:runpod-ecr-refresh-prod:run-1';
const context = { execution, runbook: 'https://example.com/runbook.md' };

const alert = (more: Partial<Alert> = {}): Alert => ({
  kind: 'failed',
  severity: 'critical',
  target: 'production',
  section: 'RunpodUnauthorizedError',
  text: 'production: Runpod refused the new token (401). Pulls keep working until 18:02 UTC, 5 h 12 min from now.',
  ...more,
});

describe('an alert', () => {
  it('reads like a letter by email', () => {
    expect(writeMessages([alert()], context).email).toBe(
      `Something needs you now.

production: Runpod refused the new token (401). Pulls keep working until 18:02 UTC, 5 h 12 min from now.
What to do: https://example.com/runbook.md#runpodunauthorizederror

The execution: https://us-east-1.console.aws.amazon.com/states/home?region=us-east-1#/v2/executions/details/${execution}`,
    );
  });

  it.each([
    ['warning', 'Something needs a look today.'],
    ['info', 'Good news.'],
  ] as const)('begins with its %s', (severity, greeting) => {
    expect(writeMessages([alert({ severity })], context).email.split('\n')[0]).toBe(greeting);
  });

  it('is one line of fewer than 140 characters by SMS', () => {
    const { sms } = writeMessages([alert({ text: `line one\nline two ${'x'.repeat(500)}` })], context);
    expect(sms).toMatch(/^CRITICAL failed: line one line two x+\.\.\.$/);
    expect(sms).toHaveLength(139);
  });

  it('says by SMS first until when pulls keep working', () => {
    const deadline = 'Pulls keep working until 18:02 UTC, 5 h 12 min from now.';
    expect(writeMessages([alert({ deadline })], context).sms).toBe(
      'CRITICAL failed: production: Pulls keep working until 18:02 UTC, 5 h 12 min from now. Runpod refused the new token (401).',
    );
  });

  it('is JSON for machines, and Amazon Q’s own form for chat', () => {
    const { machine, chat } = writeMessages([alert()], context);
    expect(JSON.parse(machine)).toEqual({
      version: 1,
      severity: 'critical',
      kind: 'failed',
      execution,
      alerts: [
        {
          kind: 'failed',
          severity: 'critical',
          target: 'production',
          section: 'RunpodUnauthorizedError',
          text: alert().text,
        },
      ],
      more: 0,
    });
    expect(JSON.parse(chat)).toMatchObject({
      version: '1.0',
      source: 'custom',
      content: { title: '[CRITICAL] runpod-ecr-refresh: production failed' },
      metadata: { threadId: 'runpod-ecr-refresh-production' },
    });
  });

  it('names ten of forty, the worst first, and counts the rest', () => {
    const alerts = Array.from({ length: 40 }, (_, index) =>
      alert({ target: `t${index}`, text: `t${index}: it broke.`, severity: index === 39 ? 'critical' : 'warning' }),
    ) as [Alert, ...Alert[]];
    const { subject, email, machine } = writeMessages(alerts, context);
    expect(subject).toBe('[CRITICAL] runpod-ecr-refresh: t39 and 39 more failed');
    expect(email).toContain('t8: it broke.');
    expect(email).not.toContain('t9: it broke.');
    expect(email).toContain('And 30 more targets.');
    expect(JSON.parse(machine)).toMatchObject({ more: 30 });
  });

  it.each([
    '"quoted"',
    'new\nline',
    'back\\slash',
    '😀 émoji',
    '<b>&</b>',
    '[link](https://evil.example)',
    '*bold*',
    '`code`',
    '\u0000\u202e',
    'www.evil.example',
    'someone@evil.example',
  ])('cannot be broken by a name such as %j', (name) => {
    const { subject, email, machine, chat } = writeMessages(
      [alert({ target: name, text: `${name}: it broke.` })],
      context,
    );
    expect(email.split('\n')[2]).not.toMatch(/[^\P{Cc}\n]|\u202e|:\/\/|\w\.\p{L}{2}/u);
    expect(subject).toMatch(/^[\x20-\x7e]{1,99}$/);
    expect(() => JSON.parse(machine)).not.toThrow();
    expect(JSON.parse(chat).content.description).not.toMatch(/[*`<>\\\u202e]|\]\(|:\/\//);
  });

  const arn = (partition: string, region: string, name = 'execution:refresh:run-1') =>
    `arn:${partition}:states:${region}:123456789012:${name}`;

  it.each([
    ['aws', 'us-east-1', 'https://us-east-1.console.aws.amazon.com'],
    ['aws-cn', 'cn-north-1', 'https://cn-north-1.console.amazonaws.cn'],
    ['aws-us-gov', 'us-gov-west-1', 'https://us-gov-west-1.console.amazonaws-us-gov.com'],
    ['aws-eusc', 'eusc-de-east-1', 'https://eusc-de-east-1.console.amazonaws-eusc.eu'],
  ])('leads to the console of the partition %s', (partition, region, host) => {
    const link = (each: string) =>
      writeMessages([alert()], { ...context, execution: each })
        .email.split('\n')
        .at(-1);
    const [run, machine] = [arn(partition, region), arn(partition, region, 'stateMachine:refresh')];
    expect(link(run)).toBe(`The execution: ${host}/states/home?region=${region}#/v2/executions/details/${run}`);
    expect(link(machine)).toBe(`The executions: ${host}/states/home?region=${region}#/statemachines/view/${machine}`);
  });

  it('names the execution where the console of its partition is not known', () => {
    const execution = arn('aws-iso', 'us-iso-east-1');
    expect(writeMessages([alert()], { ...context, execution }).email).toContain(`The execution: ${execution}`);
  });

  it('says itself what to do where the runbook has no address', () => {
    const steps = { RunpodUnauthorizedError: 'create a key, and see runbook.md.' };
    const { email, chat } = writeMessages([alert()], { execution, runbook: '', firstSteps: steps });
    const words = 'What to do: create a key, and see runbook.md. (docs/runbook.md, RunpodUnauthorizedError)';
    expect(email).toContain(words);
    const [toDo = ''] = JSON.parse(chat).content.nextSteps;
    expect(toDo.replaceAll('\u2060', '')).toBe(words);
    expect(toDo).not.toContain('runbook.md');
  });

  it('has bare addresses in chat, and at most 8,000 characters of which every alert has its share', () => {
    const alerts = Array.from({ length: 12 }, (_, index) =>
      alert({ target: `t${index}`, text: `t${index}: ${'"'.repeat(5000)}` }),
    ) as [Alert, ...Alert[]];
    const { chat } = writeMessages(alerts, context);
    expect(chat.length).toBeLessThanOrEqual(8000);
    expect(chat.length).toBeGreaterThan(7000);
    const { description, nextSteps } = JSON.parse(chat).content;
    expect(description.split('\n\n').map((text: string) => text.slice(0, 3))).toEqual([
      ...Array.from({ length: 10 }, (_, index) => `t${index}:`),
      'And',
    ]);
    expect(nextSteps).toEqual([
      'What to do: https://example.com/runbook.md#runpodunauthorizederror',
      expect.stringMatching(/^The execution: https:\/\/us-east-1\.console\.aws\.amazon\.com\/[^<>|\]\\]+$/),
    ]);
  });

  it('keeps the subject under 100 characters', () => {
    const { subject } = writeMessages([alert({ target: 'n'.repeat(200) })], context);
    expect(subject).toHaveLength(99);
    expect(subject.endsWith('...')).toBe(true);
  });

  it('fits SNS with every form of it, however much there is to say', () => {
    const alerts = Array.from({ length: 40 }, () => alert({ text: '"'.repeat(256 * 1024) })) as [Alert, ...Alert[]];
    const { email, sms, machine, chat } = writeMessages(alerts, context);
    const message = JSON.stringify({ default: email, email, sms, https: machine, sqs: machine });
    expect(Buffer.byteLength(message)).toBeLessThan(256 * 1024);
    expect(Buffer.byteLength(chat)).toBeLessThan(256 * 1024);
  });
});
