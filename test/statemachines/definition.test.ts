import { existsSync, readFileSync } from 'node:fs';
import aslValidator from 'asl-validator';
import { describe, expect, it } from 'vitest';
import * as errors from '../../functions/lib/errors.ts';
import { functionNames, pascalCase } from '../../runner/functions.ts';

interface Rule {
  readonly ErrorEquals: readonly string[];
  readonly JitterStrategy?: string;
  readonly MaxDelaySeconds?: number;
  readonly Next?: string;
}

interface State {
  readonly Type: string;
  readonly Resource?: string;
  readonly TimeoutSeconds?: number;
  readonly Next?: string;
  readonly Retry?: readonly Rule[];
  readonly Catch?: readonly Rule[];
  readonly ItemProcessor?: { readonly States: Record<string, State>; readonly ProcessorConfig: object };
}

interface Definition {
  readonly TimeoutSeconds: number;
  readonly States: Record<string, State>;
}

const text = readFileSync(new URL('../../statemachines/refresh-credentials.asl.json', import.meta.url), 'utf8');
const definition = JSON.parse(text) as Definition;

const allStates = (states: Record<string, State>): Array<readonly [string, State]> =>
  Object.entries(states).flatMap(([name, state]) => [
    [name, state] as const,
    ...(state.ItemProcessor === undefined ? [] : allStates(state.ItemProcessor.States)),
  ]);
const states = allStates(definition.States);
const tasks = states.filter(([, { Type }]) => Type === 'Task');
const rules = states.flatMap(([, { Retry = [], Catch = [] }]) => [...Retry, ...Catch]);

const ourNames: string[] = [
  ...errors.passingErrors,
  ...errors.refusedErrors,
  ...errors.ourErrors,
  ...errors.surroundingErrors,
].map((ErrorClass) => new ErrorClass('').name);

/** Names that AWS gives errors itself. */
const platformNames = [
  'Lambda.ServiceException',
  'Lambda.AWSLambdaException',
  'Lambda.SdkClientException',
  'Lambda.ClientExecutionTimeoutException',
  'Lambda.TooManyRequestsException',
  'Lambda.Unknown',
  'Sandbox.Timedout',
  'States.Timeout',
  'States.TaskFailed',
  'States.ALL',
];

describe('the state machine', () => {
  it('passes asl-validator', () => {
    const filled = text
      .replaceAll(/\$\{\w+FunctionArn\}/g, 'arn:aws:lambda:us-east-1:123456789012:function:f')
      .replaceAll('${SnsPublishArn}', 'arn:aws:states:::sns:publish');
    const { isValid, errorsText } = aslValidator(JSON.parse(filled), { checkArn: true, checkPaths: true });
    expect(errorsText('\n')).toBe('');
    expect(isValid).toBe(true);
  });

  it('ends before the next scheduled run begins', () => {
    expect(definition.TimeoutSeconds).toBeLessThan(6 * 3600);
  });

  it('has unique state names, so that a run can be followed by them', () => {
    const names = states.map(([name]) => name);
    expect(names).toEqual([...new Set(names)]);
  });

  it.each(tasks)('%s has a time-out', (_name, { TimeoutSeconds }) => {
    expect(TimeoutSeconds).toBeGreaterThan(0);
  });

  it('uses each function but start-refresh, by the name of its file', () => {
    const used = new Set([...text.matchAll(/\$\{(\w+)FunctionArn\}/g)].map(([, name]) => name));
    const expected = functionNames.filter((name) => name !== 'start-refresh');
    expect([...used].sort()).toEqual(expected.map(pascalCase).sort());
    for (const name of functionNames) {
      expect(existsSync(new URL(`../../functions/${name}.ts`, import.meta.url))).toBe(true);
    }
  });

  it('names states as the functions they call, where they call one', () => {
    for (const [name, { Resource = '' }] of tasks) {
      const called = /\$\{(\w+)FunctionArn\}/.exec(Resource)?.[1];
      if (called !== undefined && name !== 'TellDelayed') expect(name).toBe(called);
    }
  });

  it('knows every error it matches', () => {
    const matched = new Set(rules.flatMap(({ ErrorEquals }) => ErrorEquals));
    expect([...matched].filter((name) => !ourNames.includes(name) && !platformNames.includes(name))).toEqual([]);
  });

  it('retries every passing error with full jitter and a cap', () => {
    for (const ErrorClass of errors.passingErrors) {
      const { name } = new ErrorClass('');
      const retries = states
        .flatMap(([, { Retry = [] }]) => Retry)
        .filter(({ ErrorEquals }) => ErrorEquals.includes(name));
      expect(retries.length, name).toBeGreaterThan(0);
    }
    for (const [name, { Retry = [] }] of tasks) {
      // A canary costs GPU time: it is never submitted twice.
      expect(Retry.length > 0, name).toBe(name !== 'SubmitCanary');
      for (const { JitterStrategy, MaxDelaySeconds } of Retry) {
        expect(JitterStrategy).toBe('FULL');
        expect(MaxDelaySeconds).toBeGreaterThan(0);
      }
    }
  });

  it('never retries a refusal or a mistake of ours', () => {
    const fatal = [...errors.refusedErrors, ...errors.ourErrors].map((ErrorClass) => new ErrorClass('').name as string);
    const retried = states.flatMap(([, { Retry = [] }]) => Retry.flatMap(({ ErrorEquals }) => ErrorEquals));
    expect(retried.filter((name) => fatal.includes(name))).toEqual([]);
  });

  it('waits for every passing error that a target’s upstreams can throw', () => {
    const patient = new Set(
      states.flatMap(([, { Catch = [] }]) =>
        Catch.filter(({ Next }) => Next === 'PlanRetry').flatMap(({ ErrorEquals }) => ErrorEquals),
      ),
    );
    expect(
      errors.passingErrors.map((ErrorClass) => new ErrorClass('').name).filter((name) => !patient.has(name)),
    ).toEqual([]);
  });

  it('keeps States.ALL alone and last', () => {
    for (const [, { Retry = [], Catch = [] }] of states) {
      for (const list of [Retry, Catch]) {
        list.forEach(({ ErrorEquals }, index) => {
          if (!ErrorEquals.includes('States.ALL')) return;
          expect(ErrorEquals).toEqual(['States.ALL']);
          expect(index).toBe(list.length - 1);
        });
      }
    }
  });

  it('runs targets as standard children of a distributed map that no failed child stops', () => {
    expect(definition.States.RefreshTargets).toMatchObject({
      ToleratedFailurePercentage: 100,
      ItemProcessor: { ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' } },
    });
  });

  it('fills placeholders only inside strings', () => {
    expect(text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')).not.toContain('${');
  });
});
