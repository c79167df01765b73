import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createStartExecution } from '../../../../functions/lib/aws/start-execution.ts';
import { WorldClock } from '../../../../simulator/clock.ts';
import { Faults, json, type Loopback, type Reply, serve } from '../../../../simulator/loopback.ts';

const machine = 'arn:aws-us-gov:states:us-gov-west-1:123456789012:stateMachine:refresh';
const execution = 'arn:aws-us-gov:states:us-gov-west-1:123456789012:execution:refresh:once';
const alreadyThere = json(400, { __type: 'ExecutionAlreadyExists', message: 'There is one.' });

let server: Loopback;
let answers: Record<string, Reply>;
let asked: unknown[];

beforeAll(async () => {
  server = await serve(new WorldClock(), new Faults(), ({ headers, body }) => {
    const action = String(headers['x-amz-target']).replace('AWSStepFunctions.', '');
    asked.push([action, JSON.parse(body)]);
    return answers[action] ?? json(400, { __type: 'AccessDeniedException', message: 'No.' });
  });
});
afterAll(() => server.close());
beforeEach(() => {
  asked = [];
});

const start = () => {
  const credentials = { accessKeyId: 'AKIA', secretAccessKey: 'secret' };
  const aws = { endpoint: server.origin, region: 'us-gov-west-1', credentials };
  return createStartExecution({ UPSTREAM_TIMEOUT_SECONDS: 5, aws }, `${machine}:live`)('once', { trigger: 'push' });
};

describe('an execution that is started by its name', () => {
  it('is started of the alias, with its input', async () => {
    answers = { StartExecution: json(200, { executionArn: execution, startDate: 1 }) };
    expect(await start()).toBe('started');
    const input = '{"trigger":"push"}';
    expect(asked).toEqual([['StartExecution', { stateMachineArn: `${machine}:live`, name: 'once', input }]]);
  });

  it.each([
    ['RUNNING', 'waiting'],
    ['SUCCEEDED', 'ended'],
    ['FAILED', 'ended'],
  ])('is there already, and is %s: %s', async (status, expected) => {
    answers = { StartExecution: alreadyThere, DescribeExecution: json(200, { status }) };
    expect(await start()).toBe(expected);
    // Its data would need the machine's key.
    expect(asked.at(-1)).toEqual(['DescribeExecution', { executionArn: execution, includedData: 'METADATA_ONLY' }]);
  });

  it.each<readonly [string, Record<string, Reply>, string]>([
    ['is refused', {}, '400 AccessDeniedException "No."'],
    ['has no name of its own', { StartExecution: json(200, {}) }, '"it answered without an execution"'],
    ['is there, and cannot be looked at', { StartExecution: alreadyThere }, '400 AccessDeniedException "No."'],
  ])('is not started where it %s', async (_what, given, clause) => {
    answers = given;
    const error: unknown = await start().catch((failure: unknown) => failure);
    expect(error).toMatchObject({
      name: 'RefreshNotStartedError',
      message: `Step Functions did not start once (${clause}).`,
      cause: expect.any(Error),
    });
  });
});
