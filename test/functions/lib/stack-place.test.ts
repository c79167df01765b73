import { expect, it } from 'vitest';
import { isStackRegion, maxStageLength, stagePattern } from '../../../functions/lib/stack-place.ts';

it('lets a stage be as long as the longest name of a function allows, which Lambda takes up to 64 characters', () => {
  expect(`runpod-ecr-refresh-${'s'.repeat(maxStageLength)}-verify-endpoint-pull`).toHaveLength(64);
  expect(stagePattern.test('s'.repeat(maxStageLength))).toBe(true);
  expect(stagePattern.test('s'.repeat(maxStageLength + 1))).toBe(false);
});

it.each(['dev', 'Prod-2', 'a'])('takes %s for a stage', (stage) => expect(stagePattern.test(stage)).toBe(true));
it.each(['', '1st', '-dev', 'my stage', 'de_v'])('takes %j for none', (stage) => {
  expect(stagePattern.test(stage)).toBe(false);
});

it.each([
  'af-south-1',
  'us-east-1',
  'cn-north-1',
  'eusc-de-east-1',
  'us-gov-west-1',
  'us-west-2',
])('knows that a stack can stand in %s', (region) => expect(isStackRegion(region)).toBe(true));
it.each(['', 'us-east', 'us-iso-east-1', 'mars-north-1'])('knows that none can in %j', (region) => {
  expect(isStackRegion(region)).toBe(false);
});
