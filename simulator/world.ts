import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AwsConnection } from '../functions/lib/aws/client.ts';
import { readSettings } from '../functions/lib/env.ts';
import { send } from '../functions/lib/http.ts';
import type { BasePlatform } from '../functions/lib/platform.ts';
import { childrenOf, readDefinition } from '../runner/definition.ts';
import { createEngine } from '../runner/engine.ts';
import { createInvokeFunction, functionNames, type InvokeFunction } from '../runner/functions.ts';
import { Deployment } from './aws/deployment.ts';
import { Ecr, pushEvent } from './aws/ecr.ts';
import { Identities, type Principal } from './aws/identities.ts';
import { Kms } from './aws/kms.ts';
import { SecretStores } from './aws/secrets.ts';
import { startAws } from './aws/server.ts';
import { Sns } from './aws/sns.ts';
import { type Execution, StepFunctions } from './aws/step-functions.ts';
import { WorldClock } from './clock.ts';
import { buildImage, type ImageRecipe } from './images.ts';
import { Faults } from './loopback.ts';
import { type LogEntry, logTo, type Measurement, meterTo } from './records.ts';
import { Registry } from './registry.ts';
import { Runpod } from './runpod/server.ts';

/** The account and region that the embedded stack is deployed in. */
export const account = '123456789012';
export const region = 'us-east-1';
export const registryHost = `${account}.dkr.ecr.${region}.amazonaws.com`;

/** The embedded stack's name, which is that of the default stage. */
const stackName = 'runpod-ecr-refresh-dev';

/** Where things are in the embedded world. */
const arn = {
  key: `arn:aws:kms:${region}:${account}:key/11111111-2222-3333-4444-555555555555`,
  topic: `arn:aws:sns:${region}:${account}:runpod-ecr-refresh-alerts`,
  alarms: `arn:aws:sns:${region}:${account}:runpod-ecr-refresh-alarms`,
  chat: `arn:aws:sns:${region}:${account}:runpod-ecr-refresh-chat`,
  machine: `arn:aws:states:${region}:${account}:stateMachine:runpod-ecr-refresh`,
  function: (name: string) => `arn:aws:lambda:${region}:${account}:function:runpod-ecr-refresh-${name}`,
};

/** The access key of the embedded stack, and what hangs on it. */
const stackKey = 'AKIAEMBEDDEDSTACK000';
const secretAccessKey = 'embedded';

/** Where a world's AWS is, and who its stack is there. */
interface WorldAws extends AwsConnection {
  readonly endpoint: string;
  readonly region: string;
}

/** What can be chosen of a world. */
interface WorldOptions {
  /** Settings of the functions that are not the defaults. */
  readonly environment?: Record<string, string>;
  /** The content of targets.yml. */
  readonly targets?: string;
  /** Every password that ECR mints begins with this. */
  readonly passwordMark?: string;
  readonly apiKey?: string;
  /** Epoch milliseconds. */
  readonly startAt?: number;
}

const defaultTargets = `
targets:
  - name: production
    ecr: { region: ${region} }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d }
`;

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const alarmNames = [
  ...readFileSync(new URL('../infra/alerts.yml', import.meta.url), 'utf8').matchAll(
    /^ {2}(\w+):\n {4}Type: AWS::CloudWatch::Alarm$/gm,
  ),
].map(([, name = '']) => name);

/** An AWS account, its ECR registry, Runpod, and the deployed product, on 127.0.0.1 and on a clock of their own. */
export class World {
  readonly clock: WorldClock;
  readonly faults = new Faults();
  readonly identities = new Identities();
  readonly ecr: Ecr;
  readonly kms = new Kms(arn.key);
  readonly secrets = new SecretStores();
  readonly sns: Sns;
  readonly registry: Registry;
  readonly runpod: Runpod;
  readonly stepFunctions: StepFunctions;
  readonly deployment: Deployment;
  readonly logs: LogEntry[] = [];
  readonly measurements: Measurement[] = [];
  readonly apiKey: string;
  /** How far the functions' clock is ahead of everybody else's, in milliseconds. */
  skewMs = 0;
  invoke: InvokeFunction = () => Promise.reject(new Error('The world has not begun.'));
  /** The functions' environment. */
  environment: Readonly<Record<string, string>> = {};
  /** What the stack's AWS clients are made with. */
  aws: WorldAws = { endpoint: '', region };
  readonly #options: WorldOptions;
  readonly #folder: string;
  readonly #closers: Array<() => Promise<void>> = [];
  #starts = 0;

  private constructor(options: WorldOptions) {
    this.#options = options;
    this.#folder = mkdtempSync(join(tmpdir(), 'runpod-ecr-refresh-'));
    this.clock = new WorldClock(options.startAt);
    this.ecr = new Ecr(this.clock, this.identities, options.passwordMark);
    this.sns = new Sns(this.clock);
    this.registry = new Registry(this.clock, this.ecr);
    this.runpod = new Runpod(this.clock);
    this.deployment = new Deployment(
      this.clock,
      stackName,
      region,
      {
        Version: version,
        StateMachineArn: arn.machine,
        LiveAliasArn: `${arn.machine}:live`,
        AlertTopicArn: arn.topic,
        AlarmTopicArn: arn.alarms,
        ChatTopicArn: arn.chat,
      },
      alarmNames,
    );
    this.deployment.measurements = () => this.measurements;
    this.apiKey = options.apiKey ?? 'rpa_EmbeddedKeyEmbeddedKeyEmbeddedKey1';
    const definition = readDefinition({ functionArn: arn.function, alertTopicArn: arn.topic });
    const run = createEngine(this.clock, definition, (resource, payload) => this.#call(resource, payload));
    this.stepFunctions = new StepFunctions(this.clock, arn.machine, childrenOf(definition), run);
  }

  /** Who the stack's functions are at AWS. */
  get principal(): Principal {
    return this.identities.of({ accessKeyId: stackKey, region });
  }

  /** Brings a world up: empty of endpoints and images, but with the credential 6n2k8v4d, which holds no token yet. */
  static async begin(options: WorldOptions = {}): Promise<World> {
    const world = new World(options);
    await world.#begin();
    return world;
  }

  async #begin(): Promise<void> {
    this.identities.addKey(stackKey, {
      arn: `arn:aws:sts::${account}:assumed-role/runpod-ecr-refresh-fetch-token/session`,
      account,
      mayMint: true,
      mayPull: [`${account}/*`],
    });
    this.secrets.parameters.set('/runpod-ecr-refresh/production/api-key', this.apiKey);
    this.sns.topics.add(arn.topic);
    this.runpod.keys.set(this.apiKey, new Set(['*']));
    this.runpod.addCredential('6n2k8v4d', 'ecr', { username: 'AWS', password: 'never-filled' });

    const aws = await startAws(this.clock, this.faults, [
      this.ecr.service,
      this.identities.service,
      this.kms.service,
      this.secrets.service,
      this.sns.service,
      this.stepFunctions.service,
      this.deployment.service,
    ]);
    const registry = await this.registry.start(this.faults);
    const runpod = await this.runpod.start(this.faults, registry.origin);
    this.#closers.push(aws.close, registry.close, runpod.close);
    this.environment = {
      TARGETS_FILE: join(this.#folder, 'targets.yml'),
      SEAL_KEY_ID: arn.key,
      ALERT_TOPIC_ARN: arn.topic,
      RUNBOOK_URL: 'https://example.com/docs/runbook.md',
      STATE_MACHINE_ARN: arn.machine,
      RUNPOD_API_URL: `${runpod.origin}/v2`,
      RUNPOD_GRAPHQL_URL: `${runpod.origin}/graphql`,
      RUNPOD_REST_URL: `${runpod.origin}/v1`,
      RUNPOD_JOBS_URL: `${runpod.origin}/jobs`,
      REGISTRY_ENDPOINT_URL: registry.origin,
      UPSTREAM_TIMEOUT_SECONDS: '2',
      LOG_LISTEN_SECONDS: '0.12',
      ...this.#options.environment,
    };
    this.aws = {
      endpoint: aws.origin,
      region,
      credentials: { accessKeyId: stackKey, secretAccessKey },
      // A caller's AWS_USE_FIPS_ENDPOINT or AWS_USE_DUALSTACK_ENDPOINT would have the SDK refuse the endpoint.
      useFipsEndpoint: false,
      useDualstackEndpoint: false,
    };
    this.writeTargets(this.#options.targets ?? defaultTargets);
  }

  /** What has the SDK, left to itself, find this world's AWS. */
  awsVariables(): Record<string, string> {
    return {
      AWS_ENDPOINT_URL: this.aws.endpoint,
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      AWS_ACCESS_KEY_ID: stackKey,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_EC2_METADATA_DISABLED: 'true',
    };
  }

  /** The environment in which another process meets this world, and nothing of the caller's but where programs are. */
  processEnvironment(): Record<string, string> {
    const { PATH = '' } = process.env;
    // No configuration of anybody's is in that home.
    return { PATH, HOME: '/nonexistent', ...this.awsVariables(), ...this.environment };
  }

  /** Starts the functions anew, as a deploy or a quiet hour would: they forget what they had in memory. */
  restart(): void {
    this.invoke = createInvokeFunction(this.platform());
  }

  /** What the functions get from outside in this world. */
  platform(): BasePlatform {
    return {
      settings: { ...readSettings(this.environment), aws: this.aws },
      now: () => this.clock.now() + this.skewMs,
      sleep: this.clock.pause,
      send,
      log: logTo(this.logs),
      meter: meterTo(this.measurements, this.clock.now),
    };
  }

  /** Deploys another targets.yml. */
  writeTargets(yaml: string): void {
    writeFileSync(join(this.#folder, 'targets.yml'), yaml);
    this.restart();
  }

  /** Pushes a fresh image to the account's registry, and answers with its full reference. */
  push(repository: string, tag: string, recipe: ImageRecipe = {}): string {
    this.registry.push(`${registryHost}/${repository}`, tag, buildImage(recipe));
    return `${registryHost}/${repository}:${tag}`;
  }

  /** Delivers an ECR push event, as EventBridge does: to start-refresh, by way of an asynchronous invocation. */
  async deliverPush(repository: string, tag: string): Promise<unknown> {
    const event = pushEvent({ account, region, repository, tag, at: this.clock.now() });
    return this.clock.work(() => this.invoke('start-refresh', event));
  }

  /** Starts a refresh without waiting for it. */
  start(input: object = { trigger: 'schedule' }): Execution {
    this.#starts += 1;
    return this.stepFunctions.start(`run-${this.#starts}`, JSON.stringify(input));
  }

  /** Runs a refresh to its end, letting as much time pass as it takes. */
  async refresh(input?: object): Promise<Execution> {
    const execution = this.start(input);
    await this.clock.until(execution.ended);
    return execution;
  }

  /** Forgets runs that ended longer ago than this, and all that was logged: a year of them fits no memory. */
  forget(olderThanMs: number): void {
    for (const [arn, { endedAt }] of this.stepFunctions.executions) {
      if (endedAt !== undefined && this.clock.now() - endedAt > olderThanMs) this.stepFunctions.executions.delete(arn);
    }
    this.logs.length = 0;
    this.measurements.length = 0;
  }

  async end(): Promise<void> {
    for (const execution of this.stepFunctions.executions.values()) {
      if (execution.status === 'RUNNING') execution.abort();
    }
    this.runpod.close();
    await Promise.all(this.#closers.map((close) => close()));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #call(resource: string, payload: unknown): Promise<unknown> {
    const name = functionNames.find((each) => resource === arn.function(each));
    if (name !== undefined) return this.invoke(name, payload);
    const { TopicArn, Subject, Message } = payload as Record<string, string>;
    this.sns.publish(TopicArn ?? '', Subject ?? '', Message ?? '');
    return { MessageId: 'embedded' };
  }
}

/** The states an execution entered, in order; those of its targets and endpoints among them. */
export const statesOf = (execution: Execution): string[] =>
  execution.events.filter((event) => event.type === 'StateEntered').map((event) => event.state.name);
