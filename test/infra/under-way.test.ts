import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { beforeDeployToAws } from '../../infra/before-deploy.ts';

const stackName = 'runpod-ecr-refresh-prod';
const machineArn = `arn:aws:states:us-east-1:123456789012:stateMachine:${stackName}-rollout`;
const templateOf = (more: object = {}) => ({
  Resources: {
    StateMachine: { Properties: { StateMachineName: stackName } },
    NoSuccess: { Properties: { MetricName: 'ScheduledRunsReported' } },
    ...more,
  },
});
const withRollouts = templateOf({ RolloutMachine: {} });
const withoutRollouts = templateOf();

/** What AWS has, and what it refuses. */
interface Aws {
  readonly deployed: ReturnType<typeof templateOf> | undefined;
  readonly running: number;
  readonly refuses?: 'DescribeStackResource' | 'ListExecutions';
}

const close: Array<() => void> = [];
afterEach(() => {
  for (const each of close.splice(0)) each();
});

const xmlError = (code: string, message: string): string =>
  `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`;

/** CloudFormation and Step Functions, as far as they are asked. */
const startAws = async ({ deployed, running, refuses }: Aws) => {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const target = String(request.headers['x-amz-target'] ?? '');
    if (target === 'AWSStepFunctions.ListExecutions') {
      asked.push('ListExecutions');
      expect(JSON.parse(body)).toMatchObject({ stateMachineArn: machineArn, statusFilter: 'RUNNING' });
      const executions = Array.from({ length: running }, (_, index) => ({
        executionArn: `${machineArn}:${index}`,
        stateMachineArn: machineArn,
        name: String(index),
        status: 'RUNNING',
        startDate: 0,
      }));
      response.writeHead(refuses === 'ListExecutions' ? 400 : 200, { 'content-type': 'application/x-amz-json-1.0' });
      response.end(
        JSON.stringify(
          refuses === 'ListExecutions' ? { __type: 'AccessDeniedException', message: 'no' } : { executions },
        ),
      );
      return;
    }
    const action = /Action=(\w+)/.exec(body)?.[1] ?? '';
    asked.push(action);
    const answer = (status: number, text: string) =>
      response.writeHead(status, { 'content-type': 'text/xml' }).end(text);
    if (action === refuses) return answer(403, xmlError('AccessDenied', 'User is not authorized'));
    if (deployed === undefined) return answer(400, xmlError('ValidationError', `Stack ${stackName} does not exist`));
    if (action === 'GetTemplate') {
      return answer(
        200,
        `<GetTemplateResponse><GetTemplateResult><TemplateBody>${JSON.stringify(deployed)}</TemplateBody></GetTemplateResult></GetTemplateResponse>`,
      );
    }
    if (!('RolloutMachine' in deployed.Resources)) {
      return answer(400, xmlError('ValidationError', `Resource RolloutMachine does not exist for stack ${stackName}`));
    }
    return answer(
      200,
      `<DescribeStackResourceResponse><DescribeStackResourceResult><StackResourceDetail><PhysicalResourceId>${machineArn}</PhysicalResourceId></StackResourceDetail></DescribeStackResourceResult></DescribeStackResourceResponse>`,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  return {
    asked,
    configuration: {
      endpoint: `http://127.0.0.1:${port}`,
      region: 'us-east-1',
      credentials: { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'example' },
      maxAttempts: 1,
    },
  };
};

/** Does what `serverless deploy` does first. @returns what was asked of AWS, and what was said */
const deploy = async (aws: Aws, template: object, stopRunning = false) => {
  const { asked, configuration } = await startAws(aws);
  const said: string[] = [];
  const stack = { stackName, template, isExample: false, dropListeners: false, stopRunning };
  await beforeDeployToAws({ ...stack, print: (text) => void said.push(text) }, configuration);
  return { asked, said: said.join('') };
};

class ServerlessError extends Error {}
const Plugin = createRequire(import.meta.url)('../../infra/before-remove.cjs') as new (
  serverless: object,
) => { readonly hooks: Readonly<Record<string, () => Promise<void>>> };

/** Does what `serverless remove` does first. */
const remove = async (aws: Aws, stopRunning = 'no') => {
  const { asked, configuration } = await startAws(aws);
  const spy = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const { hooks } = new Plugin({
    classes: { Error: ServerlessError },
    service: { provider: {}, custom: { stopRunning } },
    getProvider: () => ({
      naming: { getStackName: () => stackName },
      getRegion: () => 'us-east-1',
      getAwsSdkV3Config: async () => configuration,
    }),
  });
  try {
    await hooks['before:remove:remove']?.();
  } finally {
    spy.mockRestore();
  }
  return asked;
};

describe('a deploy that takes the last rollout away', () => {
  it('stops while one is under way, and says what to do', async () => {
    await expect(deploy({ deployed: withRollouts, running: 1 }, withoutRollouts)).rejects.toThrow(
      /^A rollout is under way in runpod-ecr-refresh-prod, and this deploy, which takes rollouts away, would stop it halfway: .*npm run rollout shows which\. Wait until it has ended, end it with npm run rollout -- --hold ID, or stop it with serverless deploy --param="stopRunning=yes"\.$/,
    );
    await expect(deploy({ deployed: withRollouts, running: 3 }, withoutRollouts)).rejects.toThrow(
      /^3 rollouts are under/,
    );
    await expect(deploy({ deployed: withRollouts, running: 100 }, withoutRollouts)).rejects.toThrow(
      /^100 or more rollo/,
    );
  });

  it('goes on where none is, or that is asked for, and says what it ends', async () => {
    const said = /takes rollouts away from runpod-ecr-refresh-prod: each endpoint stays on the image that it has/;
    const idle = await deploy({ deployed: withRollouts, running: 0 }, withoutRollouts);
    expect(idle.said).toMatch(said);
    const told = await deploy({ deployed: withRollouts, running: 1 }, withoutRollouts, true);
    expect(told.said).toMatch(said);
    expect(told.asked).toEqual(['GetTemplate']);
  });

  it.each([
    'DescribeStackResource',
    'ListExecutions',
  ] as const)('says what to allow where %s is refused', async (refuses) => {
    await expect(deploy({ deployed: withRollouts, running: 0, refuses }, withoutRollouts)).rejects.toThrow(
      /could not be asked: allow cloudformation:DescribeStackResource on the stack and states:ListExecutions on the state machine runpod-ecr-refresh-prod-rollout, or go on without with serverless deploy --param="stopRunning=yes"/,
    );
  });
});

describe('any other deploy', () => {
  it.each([
    ['keeps rollouts', withRollouts, withRollouts],
    ['brings them', withoutRollouts, withRollouts],
    ['never had any', withoutRollouts, withoutRollouts],
  ])('that %s asks nothing of them', async (_what, deployed, template) => {
    expect(await deploy({ deployed, running: 1 }, template)).toEqual({ asked: ['GetTemplate'], said: '' });
  });
});

describe('serverless remove', () => {
  it('stops while a rollout is under way', async () => {
    const stopped = remove({ deployed: withRollouts, running: 2 });
    await expect(stopped).rejects.toThrow(ServerlessError);
    await expect(stopped).rejects.toThrow(
      /^2 rollouts are under way in runpod-ecr-refresh-prod, and removing it would stop them halfway: .* serverless remove --param="stopRunning=yes"\.$/,
    );
  });

  it('goes on where none is, the stack has none, or has gone, or that is asked for', async () => {
    expect(await remove({ deployed: withRollouts, running: 0 })).toEqual(['DescribeStackResource', 'ListExecutions']);
    expect(await remove({ deployed: withoutRollouts, running: 0 })).toEqual(['DescribeStackResource']);
    expect(await remove({ deployed: undefined, running: 0 })).toEqual(['DescribeStackResource']);
    expect(await remove({ deployed: withRollouts, running: 1 }, 'yes')).toEqual([]);
  });
});
