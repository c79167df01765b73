import { describe, expect, it } from 'vitest';
import { isStackRegion, maxStageLength, stagePattern } from '../../../functions/lib/stack-place.ts';

describe('the name of a stage', () => {
  it('is as long as the longest name of a function allows, which Lambda takes up to 64 characters', () => {
    expect(`runpod-ecr-refresh-${'s'.repeat(maxStageLength)}-verify-endpoint-pull`).toHaveLength(64);
    expect(stagePattern.test('s'.repeat(maxStageLength))).toBe(true);
    expect(stagePattern.test('s'.repeat(maxStageLength + 1))).toBe(false);
  });

  it.each<readonly [string, boolean]>([
    ['dev', true],
    ['Prod-2', true],
    ['a', true],
    ['', false],
    ['1st', false],
    ['-dev', false],
    ['my stage', false],
    ['de_v', false],
  ])('may be "%s": %s', (stage, expected) => {
    expect(stagePattern.test(stage)).toBe(expected);
  });
});

describe('a region', () => {
  it.each<readonly [string, boolean]>([
    ['af-south-1', true],
    ['us-east-1', true],
    ['cn-north-1', true],
    ['eusc-de-east-1', true],
    ['us-west-2', true],
    ['', false],
    ['us-east', false],
    ['us-iso-east-1', false],
  ])('"%s" can have the stack: %s', (region, expected) => {
    expect(isStackRegion(region)).toBe(expected);
  });
});
