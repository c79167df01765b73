import { existsSync, readFileSync } from 'node:fs';
import aslValidator from 'asl-validator';
import { describe, expect, it } from 'vitest';
import { errorNames, ourErrors, passingErrors, refusedErrors } from '../../functions/lib/errors.ts';
import {
  type CatchRule,
  definitionUrl,
  parseDefinition,
  type RetryRule,
  rolloutDefinitionUrl,
  statesOf,
} from '../../runner/definition.ts';
import { functionNames, pascalCase } from '../../runner/functions.ts';

const text = readFileSync(definitionUrl, 'utf8');
const definition = parseDefinition(text);
const states = [...statesOf(definition)];
const tasks = states.filter(({ state }) => state.Type === 'Task');
const retries = states.flatMap(({ state }) => state.Retry ?? []);
const catches = states.flatMap(({ state }) => state.Catch ?? []);

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
    const { isValid, errorsText } = aslValidator(parseDefinition(filled), { checkArn: true, checkPaths: true });
    expect(errorsText('\n')).toBe('');
    expect(isValid).toBe(true);
  });

  it('has unique state names, so that a run can be followed by them', () => {
    const names = states.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
  });

  it('uses, together with the rollout’s, each function but start-refresh, by the name of its file', () => {
    const both = `${text}${readFileSync(rolloutDefinitionUrl, 'utf8')}`;
    const used = new Set([...both.matchAll(/\$\{(\w+)FunctionArn\}/g)].map(([, name]) => name));
    const expected = functionNames.filter((name) => name !== 'start-refresh');
    expect([...used].sort()).toEqual(expected.map(pascalCase).sort());
    for (const name of functionNames) {
      expect(existsSync(new URL(`../../functions/${name}.ts`, import.meta.url))).toBe(true);
    }
  });

  it('names states as the functions they call, where they call one', () => {
    for (const { name, state } of tasks) {
      const called = /\$\{(\w+)FunctionArn\}/.exec(state.Resource ?? '')?.[1];
      if (called !== undefined && name !== 'NotifyDelayed') expect(name).toBe(called);
    }
  });

  it('knows every error it matches', () => {
    const matched = new Set([...retries, ...catches].flatMap(({ ErrorEquals }) => ErrorEquals));
    expect([...matched].filter((name) => !errorNames.has(name) && !platformNames.includes(name))).toEqual([]);
  });

  it('retries every passing error', () => {
    const retried = new Set(retries.flatMap(({ ErrorEquals }) => ErrorEquals));
    expect(passingErrors.map((ErrorClass) => new ErrorClass('').name).filter((name) => !retried.has(name))).toEqual([]);
  });

  it('never retries a refusal or a mistake of ours', () => {
    const fatal = [...refusedErrors, ...ourErrors].map((ErrorClass) => new ErrorClass('').name as string);
    const retried = retries.flatMap(({ ErrorEquals }) => ErrorEquals);
    expect(retried.filter((name) => fatal.includes(name))).toEqual([]);
  });

  it('waits for every passing error that a target’s upstreams can throw', () => {
    const patient = new Set(
      catches.filter(({ Next }) => Next === 'PlanRetry').flatMap(({ ErrorEquals }) => ErrorEquals),
    );
    expect(passingErrors.map((ErrorClass) => new ErrorClass('').name).filter((name) => !patient.has(name))).toEqual([]);
  });

  it('keeps States.ALL alone and last', () => {
    for (const { state } of states) {
      for (const list of [state.Retry ?? [], state.Catch ?? []]) {
        list.forEach(({ ErrorEquals }, index) => {
          if (!ErrorEquals.includes('States.ALL')) return;
          expect(ErrorEquals).toEqual(['States.ALL']);
          expect(index).toBe(list.length - 1);
        });
      }
    }
  });

  it('runs targets as standard children of a distributed map', () => {
    expect(definition.States.RefreshTargets?.ItemProcessor?.ProcessorConfig).toEqual({
      Mode: 'DISTRIBUTED',
      ExecutionType: 'STANDARD',
    });
  });

  it('fills placeholders only inside strings, not in keys', () => {
    const keys: string[] = [];
    JSON.stringify(definition, (key, value: unknown) => {
      keys.push(key);
      return value;
    });
    expect(keys.filter((key) => key.includes('${'))).toEqual([]);
  });
});

/** What is done about errors that pass, in rules of few forms. */
const retry = (
  ErrorEquals: readonly string[],
  [IntervalSeconds, MaxAttempts, BackoffRate, MaxDelaySeconds]: readonly [number, number, number, number],
): RetryRule => ({
  ErrorEquals,
  IntervalSeconds,
  MaxAttempts,
  BackoffRate,
  MaxDelaySeconds,
  JitterStrategy: 'FULL',
});
const caught = (ErrorEquals: readonly string[], Next: string, ResultPath = '$.failure'): CatchRule => ({
  ErrorEquals,
  ResultPath,
  Next,
});

const lambdaErrors = [
  'Lambda.ServiceException',
  'Lambda.AWSLambdaException',
  'Lambda.SdkClientException',
  'Lambda.ClientExecutionTimeoutException',
  'Lambda.TooManyRequestsException',
];
const crashes = ['Lambda.Unknown', 'Sandbox.Timedout', 'States.Timeout'];
const onPlatform = [retry(lambdaErrors, [2, 6, 2, 30]), retry(crashes, [5, 2, 2, 30])];
const passing = [5, 5, 2, 60] as const;
const limited = [30, 4, 2, 120] as const;
const onRunpod = [
  ...onPlatform,
  retry(['RunpodUnavailableError', 'SecretStoreUnavailableError'], passing),
  retry(['RunpodRateLimitedError'], limited),
];
const onEcr = [
  ...onPlatform,
  retry(['EcrUnavailableError', 'KmsUnavailableError'], passing),
  retry(['EcrThrottledError'], limited),
];
const onPublish = [...onPlatform, retry(['NotificationError'], passing)];

const waitForRunpod = caught(
  ['RunpodUnavailableError', 'SecretStoreUnavailableError', 'RunpodRateLimitedError'],
  'PlanRetry',
);
const waitForEcr = caught(['EcrUnavailableError', 'EcrThrottledError'], 'PlanRetry');
const waitForKms = caught(['KmsUnavailableError'], 'PlanRetry');
const waitForPlatform = caught([...lambdaErrors, ...crashes], 'PlanRetry');
const all = (Next: string, ResultPath?: string): CatchRule => caught(['States.ALL'], Next, ResultPath);
const conclude = all('WantsCanaryPod');

interface Handling {
  /** Seconds. */
  readonly timeout?: number;
  readonly retried: readonly RetryRule[];
  readonly caught: readonly CatchRule[];
}

const handling: Readonly<Record<string, Handling>> = {
  ResolveTargets: {
    timeout: 40,
    retried: onPlatform,
    caught: [{ ErrorEquals: ['States.ALL'], Next: 'ResolvingFailed' }],
  },
  FindConcerned: { timeout: 440, retried: onRunpod, caught: [all('NothingConcerned')] },
  RefreshTargets: { retried: [], caught: [all('Report')] },
  DiscoverEndpoints: { timeout: 310, retried: onRunpod, caught: [waitForRunpod, waitForPlatform, conclude] },
  FetchToken: { timeout: 140, retried: onEcr, caught: [waitForEcr, waitForKms, waitForPlatform, conclude] },
  VerifyImagePull: { timeout: 310, retried: onEcr, caught: [waitForEcr, waitForKms, waitForPlatform, conclude] },
  UpdateRunpod: {
    timeout: 275,
    retried: [
      ...onPlatform,
      retry(['RunpodUnavailableError', 'KmsUnavailableError', 'SecretStoreUnavailableError'], passing),
      retry(['RunpodRateLimitedError'], limited),
    ],
    caught: [waitForRunpod, waitForKms, waitForPlatform, conclude],
  },
  // A canary costs GPU time: it is never submitted twice.
  SubmitCanary: { timeout: 260, retried: [], caught: [all('VerifyEndpointPull', '$.canaries')] },
  VerifyEndpointPull: { timeout: 610, retried: onRunpod, caught: [all('WantsRollouts', '$.watchFailure')] },
  StartRollouts: {
    timeout: 610,
    retried: [...onPlatform, retry(['EcrUnavailableError', 'KmsUnavailableError'], passing)],
    caught: [all('WantsCanaryPod', '$.rolloutFailure')],
  },
  CanaryPod: { timeout: 510, retried: onRunpod, caught: [all('ConcludeTarget', '$.canaryPodFailure')] },
  PlanRetry: { timeout: 40, retried: onPlatform, caught: [all('WantsCanaryPod', '$.planFailure')] },
  NotifyDelayed: { timeout: 160, retried: onPublish, caught: [all('WaitForUpstream', '$.notifyFailure')] },
  ConcludeTarget: { timeout: 40, retried: onPlatform, caught: [all('TargetNotConcluded', '$.concludeFailure')] },
  Report: { timeout: 40, retried: onPlatform, caught: [all('ReportMissing')] },
  Notify: { timeout: 160, retried: onPublish, caught: [all('NotifyPlainly', '$.notifyFailure')] },
  NotifyPlainly: {
    timeout: 60,
    retried: [retry(['States.TaskFailed', 'States.Timeout'], [5, 3, 2, 30])],
    caught: [all('RunVerdict', '$.notifiedPlainly')],
  },
};

describe('what becomes of an error', () => {
  it('is written down for every state that can meet one', () => {
    const exposed = states.filter(({ state }) => state.Type === 'Task' || state.Type === 'Map');
    expect(exposed.map(({ name }) => name)).toEqual(Object.keys(handling));
    const others = states.filter(({ name }) => handling[name] === undefined).map(({ state }) => state);
    expect(others.filter(({ Retry, Catch }) => Retry !== undefined || Catch !== undefined)).toEqual([]);
  });

  it.each(Object.entries(handling))('in %s is just this', (name, expected) => {
    const state = states.find((each) => each.name === name)?.state;
    expect(state?.Retry ?? []).toEqual(expected.retried);
    expect(state?.Catch ?? []).toEqual(expected.caught);
    expect(state?.TimeoutSeconds).toBe(expected.timeout);
  });
});

describe('a run', () => {
  it('ends after 4 h 50 min, whatever hangs', () => {
    expect(definition.TimeoutSeconds).toBe(4 * 3600 + 50 * 60);
  });

  it('takes as many targets at once as are written here, and tolerates just their failures', () => {
    const maps = states
      .filter(({ state }) => state.Type === 'Map')
      .map(({ path, state: { MaxConcurrency, ...state } }) => ({
        path,
        MaxConcurrency,
        tolerated: Object.entries(state).filter(([key]) => key.startsWith('Tolerated')),
      }));
    expect(maps).toEqual([
      { path: 'RefreshTargets', MaxConcurrency: 1000, tolerated: [['ToleratedFailurePercentage', 100]] },
    ]);
  });
});
