import { readFileSync } from 'node:fs';
import aslValidator from 'asl-validator';
import { describe, expect, it } from 'vitest';
import { parseDefinition, rolloutDefinitionUrl, statesOf } from '../../runner/definition.ts';

const text = readFileSync(rolloutDefinitionUrl, 'utf8');
const states = [...statesOf(parseDefinition(text))];
const tasks = states.filter(({ state }) => state.Type === 'Task');

/** What each Task waits for, the errors that it repeats, by how often, and where all others lead. */
const platform = { 'Lambda.ServiceException': 6, 'Lambda.Unknown': 2 };
const upstream = { ...platform, RunpodUnavailableError: 8, RunpodRateLimitedError: 6 };
const told = { ...platform, NotificationError: 5 };
const handling = [
  ['PlanRollout', 170, upstream, 'NotifyFailure'],
  ['ApplyRollout', 340, upstream, 'NotifyFailure'],
  ['WatchRollout', 380, upstream, 'NotifyFailure'],
  ['RollBack', 340, upstream, 'NotifyFailure'],
  ['WatchRollBack', 380, upstream, 'NotifyFailure'],
  ['NotifyRollout', 160, told, 'RolloutStopped'],
  ['NotifyFailure', 160, told, 'RolloutStopped'],
] as const;

describe('the state machine of a rollout', () => {
  it('passes asl-validator', () => {
    const filled = text.replaceAll(/\$\{\w+FunctionArn\}/g, 'arn:aws:lambda:us-east-1:123456789012:function:f');
    const { isValid, errorsText } = aslValidator(parseDefinition(filled), { checkArn: true, checkPaths: true });
    expect(errorsText('\n')).toBe('');
    expect(isValid).toBe(true);
  });

  it('has a time-out and a way out for each Task', () => {
    expect(tasks.map(({ name }) => name)).toEqual(handling.map(([name]) => name));
  });

  it.each(handling)('waits in %s, repeats and ends in just this way', (name, timeout, retried, next) => {
    const state = tasks.find((each) => each.name === name)?.state;
    expect(state?.TimeoutSeconds).toBe(timeout);
    expect(
      Object.fromEntries(state?.Retry?.map(({ ErrorEquals: [first = ''], MaxAttempts }) => [first, MaxAttempts]) ?? []),
    ).toEqual(retried);
    expect(state?.Catch?.map(({ ErrorEquals, Next }) => [ErrorEquals, Next])).toEqual([[['States.ALL'], next]]);
  });

  it('never retries a refusal: the next refresh goes on', () => {
    const retries = states.flatMap(({ state }) => state.Retry ?? []).flatMap(({ ErrorEquals }) => ErrorEquals);
    expect(retries.filter((name) => /Unauthorized|Rejected|Configuration|InvalidInput/.test(name))).toEqual([]);
  });
});
