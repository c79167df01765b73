import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { errorFamilies, explainError, sectionOfError } from '../../../../functions/lib/report/platform-errors.ts';

/** https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html, "Error names", but for the wildcard. */
const stepFunctionsNames = [
  'States.BranchFailed',
  'States.DataLimitExceeded',
  'States.ExceedToleratedFailureThreshold',
  'States.HeartbeatTimeout',
  'States.Http.Socket',
  'States.IntrinsicFailure',
  'States.ItemReaderFailed',
  'States.NoChoiceMatched',
  'States.ParameterPathFailure',
  'States.Permissions',
  'States.QueryEvaluationError',
  'States.ResultPathMatchFailure',
  'States.ResultWriterFailed',
  'States.Runtime',
  'States.TaskFailed',
  'States.Timeout',
];

/** What Lambda's Invoke may answer, as the model of its client says. */
const invokeNames = (): string[] => {
  const model = new URL(
    '../../../../node_modules/@aws-sdk/client-lambda/dist-types/commands/InvokeCommand.d.ts',
    import.meta.url,
  );
  const thrown = readFileSync(model, 'utf8').matchAll(/@throws \{@link (\w+)\} \((?:client|server) fault\)/g);
  return [...thrown].map(([, name]) => `Lambda.${name}`);
};

const names = errorFamilies.flatMap((family) => family.names);

describe('the platform’s errors', () => {
  it('are in one family each', () => {
    expect(names).toEqual([...new Set(names)]);
  });

  it('are all those of Step Functions', () => {
    expect(names.filter((name) => name.startsWith('States.')).toSorted()).toEqual(stepFunctionsNames);
  });

  it('are all those of Lambda’s Invoke', () => {
    expect(invokeNames()).toContain('Lambda.KMSAccessDeniedException');
    expect(invokeNames().filter((name) => !names.includes(name))).toEqual([]);
  });

  it.each([
    ['States.Timeout', 'StepTimedOut', 'A step did not end within its time (States.Timeout). Look at the execution.'],
    ['States.New', 'WorkflowBroken', 'A step ended without saying why (States.New). Look at the execution.'],
    ['Lambda.New', 'LambdaUnavailable', 'A step ended without saying why (Lambda.New). Look at the execution.'],
    ['TypeError', 'FunctionCrashed', 'A step ended without saying why (TypeError). Look at the execution.'],
    ['ConfigurationError', 'ConfigurationError', expect.any(String)],
    ['TargetLostError', 'TargetLostError', expect.any(String)],
  ])('%s has a section and a sentence', (name, section, sentence) => {
    expect(sectionOfError(name)).toBe(section);
    expect(explainError(name)).toEqual(sentence);
  });
});
