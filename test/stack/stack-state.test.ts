import { describe, expect, it } from 'vitest';
import { readCaller } from '../../stack/caller.ts';
import { judgeStack } from '../../stack/stack-state.ts';

const machine = 'arn:aws:states:us-east-1:123456789012:stateMachine:x';
const judge = (status: string, stateMachine: string | undefined) =>
  judgeStack(
    {
      name: 'runpod-ecr-refresh-dev',
      status,
      isBusy: status.endsWith('_IN_PROGRESS'),
      version: '1',
      stateMachine,
      memoryTable: 'memory',
      rolloutMachine: undefined,
      alertTopic: undefined,
      alarmTopic: undefined,
    },
    readCaller({}, { environment: {} }),
  );

describe('a stack', () => {
  it.each<readonly [string, string | undefined, 'ok' | 'warning' | 'wrong', RegExp]>([
    ['CREATE_IN_PROGRESS', undefined, 'warning', /is being deployed for the first time.*Look again/],
    ['CREATE_COMPLETE', machine, 'ok', /is deployed/],
    ['CREATE_COMPLETE', undefined, 'wrong', /cut off.*See its error.*deploy again: npx serverless deploy/],
    ['CREATE_FAILED', undefined, 'wrong', /first deploy failed.*remove what is left/],
    ['ROLLBACK_IN_PROGRESS', undefined, 'warning', /is being deployed for the first time/],
    ['ROLLBACK_COMPLETE', undefined, 'wrong', /first deploy failed.*remove what is left/],
    ['ROLLBACK_FAILED', undefined, 'wrong', /first deploy failed.*remove what is left/],
    ['UPDATE_IN_PROGRESS', machine, 'warning', /is being deployed /],
    ['UPDATE_COMPLETE_CLEANUP_IN_PROGRESS', machine, 'warning', /is being deployed /],
    ['UPDATE_COMPLETE', machine, 'ok', /is deployed/],
    ['UPDATE_COMPLETE', undefined, 'wrong', /cut off/],
    ['UPDATE_FAILED', machine, 'warning', /runs as before.*deploy again/],
    ['UPDATE_ROLLBACK_IN_PROGRESS', machine, 'warning', /is being deployed /],
    ['UPDATE_ROLLBACK_COMPLETE', machine, 'warning', /runs as before.*deploy again/],
    ['UPDATE_ROLLBACK_COMPLETE', undefined, 'wrong', /cut off.*deploy again/],
    ['UPDATE_ROLLBACK_FAILED', machine, 'wrong', /continue-update-rollback.*Do not remove/],
    ['UPDATE_ROLLBACK_FAILED', undefined, 'wrong', /continue-update-rollback.*Do not remove/],
    ['DELETE_IN_PROGRESS', machine, 'wrong', /is being removed/],
    ['DELETE_FAILED', machine, 'wrong', /half removed.*npx serverless remove/],
    ['IMPORT_ROLLBACK_FAILED', machine, 'warning', /import that failed.*See its error/],
    ['IMPORT_COMPLETE', machine, 'ok', /is deployed/],
  ])('in %s with state machine %s is %s', (status, stateMachine, mark, expected) => {
    const found = judge(status, stateMachine);
    expect(found.mark).toBe(mark);
    expect(`${found.text} ${found.remedy}`).toMatch(expected);
    if (status.startsWith('UPDATE')) expect(found.remedy).not.toContain('serverless remove');
  });
});
