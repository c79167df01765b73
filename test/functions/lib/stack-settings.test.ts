import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { listenerParamsSchema, pagerEndpoint, reasonFor } from '../../../functions/lib/stack-settings.ts';

const takes = (params: Record<string, string>): boolean => z.safeParse(listenerParamsSchema, params).success;

describe('who is told', () => {
  it.each<readonly [string, boolean]>([
    ['you@example.com', true],
    ['you.and+me@mail.example.com', true],
    ['you', false],
    ['@example.com', false],
    ['you@', false],
    ['you and me@example.com', false],
    ['you@example.com and me', false],
    ['you@example.com@example.com', false],
    ['${you}@example.com', false],
  ])('by the address %s: %s', (alertEmail, expected) => expect(takes({ alertEmail })).toBe(expected));

  it.each<readonly [string, boolean]>([
    ['https://events.pagerduty.com/integration/0123/enqueue', true],
    ['secretsmanager:pager', true],
    ['secretsmanager:arn:aws:secretsmanager:us-east-1:123456789012:secret:pager-AbCdEf', true],
    ['http://events.pagerduty.com/', false],
    ['see https://events.pagerduty.com/', false],
    ['https://events.pagerduty.com/ or so', false],
    ['https://events.pagerduty.com/${key}', false],
    ['https://[', false],
    ['secretsmanager:', false],
    ['my secretsmanager:pager', false],
    ['secretsmanager:pager of mine', false],
  ])('by the pager %s: %s', (pagerUrl, expected) => expect(takes({ pagerUrl })).toBe(expected));

  it('is subscribed by CloudFormation, which resolves a secret when it deploys', () => {
    expect(pagerEndpoint('secretsmanager:pager')).toBe('{{resolve:secretsmanager:pager:SecretString}}');
    expect(pagerEndpoint('https://pager.example/1')).toBe('https://pager.example/1');
  });
});

it('has a reason for the bounds of the schedule, and of nothing else', () => {
  expect(reasonFor('scheduleHours')).toMatch(/^\. A token lives 12 hours/);
  for (const setting of ['retryMinutes', undefined]) expect(reasonFor(setting)).toBe('');
});
