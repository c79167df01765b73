import { describe, expect, it } from 'vitest';
import { nearestName } from '../../../functions/lib/nearest-name.ts';

describe('the name that was meant', () => {
  const names = ['scheduleHours', 'retryMinutes', 'updateWay'];

  it.each([
    ['scheduelHours', 'scheduleHours'],
    ['SCHEDULEHOURS', 'scheduleHours'],
    ['updateways', 'updateWay'],
    ['colour', undefined],
    ['s'.repeat(65), undefined],
  ])('by %j is %j', (misspelt, meant) => {
    expect(nearestName(misspelt, names)).toBe(meant);
  });

  it('is the nearest of several', () => {
    expect(nearestName('retryMinute', ['retryMinuteses', 'retryMinutes'])).toBe('retryMinutes');
  });
});
