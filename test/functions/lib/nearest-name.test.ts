import { expect, it } from 'vitest';
import { nearestName } from '../../../functions/lib/nearest-name.ts';

const names = ['scheduleHours', 'retryMinutes', 'email', 'pager'];

it.each([
  ['scheduelHours', 'scheduleHours'],
  ['schedule_hours', 'scheduleHours'],
  ['RETRYMINUTES', 'retryMinutes'],
  ['retryMinute', 'retryMinutes'],
  ['emails', 'email'],
  ['pagr', 'pager'],
])('takes %s for %s', (misspelt, name) => {
  expect(nearestName(misspelt, names)).toBe(name);
});

it.each(['', 'colour', 'sms', 'scheduleHours'.repeat(9)])('takes %j for nothing that there is', (name) => {
  expect(nearestName(name, names)).toBeUndefined();
});
