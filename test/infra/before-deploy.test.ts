import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { beforeDeployToAws } from '../../infra/before-deploy.ts';

const stackName = 'runpod-ecr-refresh-prod';
const email = (Endpoint: string) => ({ Protocol: 'email', Endpoint });
const templateOf = (subscriptions: object[], metric = 'ScheduledRunsReported') => ({
  Resources: {
    StateMachine: { Properties: { StateMachineName: stackName } },
    AlertTopic: { Properties: { Subscription: subscriptions } },
    NoSuccess: { Properties: { MetricName: metric } },
  },
});

const close: Array<() => void> = [];
afterEach(() => {
  for (const each of close.splice(0)) each();
});

/** CloudFormation and CloudWatch, as far as a deploy asks them. */
const startAws = async (deployed: object | undefined) => {
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    if (body.includes('Action=GetTemplate')) {
      expect(body).toContain(`StackName=${stackName}`);
      response.writeHead(deployed === undefined ? 400 : 200, { 'content-type': 'text/xml' });
      response.end(
        deployed === undefined
          ? `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id ${stackName} does not exist</Message></Error></ErrorResponse>`
          : `<GetTemplateResponse><GetTemplateResult><TemplateBody>${JSON.stringify(deployed).replaceAll('&', '&amp;')}</TemplateBody></GetTemplateResult></GetTemplateResponse>`,
      );
      return;
    }
    bodies.push(`${request.headers['x-amz-target'] ?? request.url ?? ''} ${body}`);
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  return {
    bodies,
    configuration: {
      endpoint: `http://127.0.0.1:${port}`,
      region: 'us-east-1',
      credentials: { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'example' },
      maxAttempts: 1,
    },
  };
};

const deploy = async (
  deployed: object | undefined,
  template: object,
  { dropListeners = false, isExample = false, stopRunning = false, print = (_text: string): void => {} } = {},
) => {
  const { bodies, configuration } = await startAws(deployed);
  await beforeDeployToAws({ stackName, template, isExample, dropListeners, stopRunning, print }, configuration);
  return bodies;
};

describe('before a deploy', () => {
  it('stops where it would end telling somebody, and says whom', async () => {
    await expect(
      deploy(templateOf([email('a@example.com'), email('b@example.com')]), templateOf([email('b@example.com')])),
    ).rejects.toThrow(
      /would stop telling: email a@example\.com at AlertTopic\. List them in targets\.yml under alerts, or deploy with --param="dropListeners=yes"/,
    );
  });

  it('shows of a pager no more than its host, or the secret that holds it', async () => {
    const https = (Endpoint: string) => ({ Protocol: 'https', Endpoint });
    const pagers = [
      https('https://events.example/integration/s3cret'),
      https('{{resolve:secretsmanager:pager:SecretString}}'),
    ];
    await expect(deploy(templateOf(pagers), templateOf([]))).rejects.toThrow(
      /would stop telling: https events\.example at AlertTopic, https secretsmanager:pager at AlertTopic\./,
    );
    await expect(
      deploy(templateOf(pagers), templateOf([https('https://events.example/integration/other'), ...pagers.slice(1)])),
    ).rejects.toThrow(/would stop telling: https events\.example at AlertTopic\./);
  });

  it('goes on where that is asked for, or nobody is dropped', async () => {
    const one = templateOf([email('a@example.com')]);
    expect(await deploy(one, templateOf([]), { dropListeners: true })).toEqual([]);
    expect(await deploy(one, templateOf([email('a@example.com'), email('b@example.com')]))).toEqual([]);
  });

  it('publishes the first point of the dead-man’s switch where nothing is deployed', async () => {
    const [published = '', ...more] = await deploy(undefined, templateOf([]));
    expect(more).toEqual([]);
    expect(published).toContain('PutMetricData');
    expect(published).toContain('ScheduledRunsReported');
    expect(published).toContain(stackName);
  });

  it('publishes it where the deployed switch listens to another metric', async () => {
    expect(await deploy(templateOf([], 'ExecutionsSucceeded'), templateOf([]))).toHaveLength(1);
  });

  it('stops where what was packaged is another stage’s', async () => {
    const other = { StateMachine: { Properties: { StateMachineName: 'runpod-ecr-refresh-dev' } } };
    await expect(deploy(undefined, { Resources: { ...templateOf([]).Resources, ...other } })).rejects.toThrow(
      /is "runpod-ecr-refresh-dev", not runpod-ecr-refresh-prod/,
    );
  });

  it('stops where what was packaged is the example', async () => {
    await expect(deploy(undefined, templateOf([]), { isExample: true })).rejects.toThrow(
      /is targets\.example\.yml\. Package again, with a targets\.yml/,
    );
  });
});

describe('the plugin', () => {
  it('hands the sentence to serverless as an error of its own, which it prints without a stack trace', async () => {
    const { configuration } = await startAws(templateOf([email('a@example.com')]));
    class ServerlessError extends Error {}
    const Plugin = createRequire(import.meta.url)('../../infra/before-deploy.cjs') as new (
      serverless: object,
    ) => { readonly hooks: Readonly<Record<string, () => Promise<void>>> };
    const { hooks } = new Plugin({
      classes: { Error: ServerlessError },
      service: {
        provider: { compiledCloudFormationTemplate: templateOf([]) },
        custom: { dropListeners: 'no', settings: { isExample: false } },
      },
      getProvider: () => ({
        naming: { getStackName: () => stackName },
        getRegion: () => 'us-east-1',
        getAwsSdkV3Config: async () => configuration,
      }),
    });
    const [hook] = Object.values(hooks);
    const stopped = hook?.();
    await expect(stopped).rejects.toThrow(ServerlessError);
    await expect(stopped).rejects.toThrow(/would stop telling: email a@example\.com/);
  });
});
