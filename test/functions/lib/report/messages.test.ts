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
    expect(sms).toMatch(/^CRITICAL failed: line one line two x+…$/);
    expect(sms.length).toBeLessThan(140);
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
  ])('cannot be broken by a name such as %j', (name) => {
    const { subject, machine, chat } = writeMessages([alert({ target: name, text: `${name}: it broke.` })], context);
    expect(subject).toMatch(/^[\x20-\x7e]{1,99}$/);
    expect(() => JSON.parse(machine)).not.toThrow();
    const { description } = (JSON.parse(chat) as { content: { description: string } }).content;
    expect(description).not.toMatch(/(?<!\\)[*[\]`<>]/);
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
