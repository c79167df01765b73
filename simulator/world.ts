import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AwsConnection } from '../functions/lib/aws/client.ts';
import { readSettings } from '../functions/lib/env.ts';
import { ConfigurationError } from '../functions/lib/errors.ts';
import { send } from '../functions/lib/http.ts';
import type { BasePlatform } from '../functions/lib/platform.ts';
import { parseTargets, readTargets, type Target } from '../functions/lib/targets.ts';
import { unusedFunctions } from '../infra/without-unused.ts';
import { childrenOf, readDefinition, rolloutDefinitionUrl } from '../runner/definition.ts';
import { createEngine, StateError } from '../runner/engine.ts';
import {
  createInvokeFunction,
  type FunctionName,
  functionNames,
  type InvokeFunction,
  pascalCase,
} from '../runner/functions.ts';
import { type AwsResources, checksOf, repositoryArnOf } from './aws/checks.ts';
import { Deployment } from './aws/deployment.ts';
import { Dynamodb } from './aws/dynamodb.ts';
import { Ecr, pushEvent } from './aws/ecr.ts';
import { Identities } from './aws/identities.ts';
import { Kms } from './aws/kms.ts';
import { SecretStores } from './aws/secrets.ts';
import { startAws } from './aws/server.ts';
import { Sns } from './aws/sns.ts';
import { deployStack, stackName } from './aws/stack.ts';
import { type Execution, StepFunctions, serviceOf } from './aws/step-functions.ts';
import { keyArnOf, matchesPattern, resourceOf, Triggers } from './aws/triggers.ts';
import { WorldClock } from './clock.ts';
import { operations } from './iam/authorization.ts';
import type { Identity, ResourcePolicy } from './iam/evaluate.ts';
import { type AccessRefusal, type Iam, type IamQuestion, iamOf } from './iam/iam.ts';
import { isRecord, type Place } from './iam/names.ts';
import { readPolicy } from './iam/policy.ts';
import type { DeployedStack } from './iam/template.ts';
import { buildImage, type ImageRecipe } from './images.ts';
import { Faults } from './loopback.ts';
import { type LogEntry, logTo, type Measurement, meterTo } from './records.ts';
import { Registry } from './registry.ts';
import { Runpod } from './runpod/server.ts';

/** The account and region that the embedded stack is deployed in. */
export const account = '123456789012';
export const region = 'us-east-1';
export const registryHost = `${account}.dkr.ecr.${region}.amazonaws.com`;

const place: Place = { account, region, partition: 'aws' };

/** The access key of the person who deploys and runs the commands. */
const personKey = 'AKIAEMBEDDEDPERSON00';
const secretAccessKey = 'embedded';

/** That person may do whatever keys and roles let the account do: "AdministratorAccess". */
const person: Identity = {
  kind: 'identity',
  arn: `arn:aws:iam::${account}:user/engineer`,
  callerArn: `arn:aws:iam::${account}:user/engineer`,
  account,
  policies: [readPolicy({ Version: '2012-10-17', Statement: { Effect: 'Allow', Action: '*', Resource: '*' } }, 'all')],
};

/** The access key of a function's role. */
const keyOfFunction = (name: FunctionName): string =>
  `ASIA${createHash('sha256').update(name).digest('hex').slice(0, 16).toUpperCase()}`;

/** The policy that KMS gives to a key that is made without one, which hands it to the account's own policies. */
const defaultKeyPolicy = {
  Version: '2012-10-17',
  Statement: { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: 'kms:*', Resource: '*' },
};
/** A customer's own key for parameters and secrets. */
export const customerKeyArn = `arn:aws:kms:${region}:${account}:key/99999999-8888-7777-6666-555555555555`;

/** What each use of a registry is authorized by. */
const registryOperations = {
  'get-manifest': operations.getManifest,
  'get-layer': operations.getLayer,
  'check-layer': operations.checkLayer,
  'begin-layer': operations.beginLayer,
  'end-layer': operations.endLayer,
  'put-manifest': operations.putManifest,
} as const;

/** The state machines, as the template names them. */
type MachineId = 'StateMachine' | 'RolloutMachine';

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

/** What serverless.yml sets for functions, and nobody for a command. */
const setByTemplate = [
  'SEAL_KEY_ID',
  'MEMORY_TABLE',
  'NOTIFIED_PARAMETER',
  'ALERT_TOPIC_ARN',
  'STATE_MACHINE_ARN',
  'ROLLOUT_MACHINE_ARN',
];

const defaultTargets = `
targets:
  - name: production
    ecr: { region: ${region} }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d }
`;

/** An AWS account, its ECR registry, Runpod, and the deployed product, on 127.0.0.1 and on a clock of their own. */
export class World {
  readonly clock: WorldClock;
  readonly faults = new Faults();
  readonly identities = new Identities();
  readonly ecr: Ecr;
  readonly kms: Kms;
  readonly dynamodb = new Dynamodb();
  readonly secrets = new SecretStores();
  readonly sns: Sns;
  readonly registry: Registry;
  readonly runpod: Runpod;
  readonly stepFunctions: StepFunctions;
  /** The rollouts, which are there where targets.yml has one. */
  readonly rollouts: StepFunctions;
  readonly deployment: Deployment;
  readonly logs: LogEntry[] = [];
  readonly measurements: Measurement[] = [];
  readonly apiKey: string;
  /** How far the functions' clock is ahead of everybody else's, in milliseconds. */
  skewMs = 0;
  /** The targets that are deployed. */
  targets: readonly Target[] = parseTargets(defaultTargets);
  /** The deployed stack's roles and policies. */
  iam: Iam;
  /** Called with every question to IAM. */
  onQuestion: (question: IamQuestion, isAllowed: boolean) => void = () => {};
  readonly triggers = new Triggers(() => this.iam);
  /** Policies of what is outside the stack, by ARN. */
  readonly policiesOutside = new Map<string, { readonly kind: ResourcePolicy['kind']; readonly document: unknown }>();
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
    this.iam = this.#deploy(this.targets);
    this.writeTargets(options.targets ?? defaultTargets);
    const { iam } = this;
    this.clock = new WorldClock(options.startAt);
    this.ecr = new Ecr(this.clock, this.identities, options.passwordMark);
    this.sns = new Sns(this.clock);
    const stackKeys = [...iam.stack.resources.values()].filter(({ type }) => type === 'AWS::KMS::Key');
    this.kms = new Kms([...stackKeys.flatMap(({ arn }) => arn ?? []), customerKeyArn]);
    this.registry = new Registry(this.clock, this.ecr);
    this.runpod = new Runpod(this.clock);
    const alarms = [...iam.stack.resources.values()].filter(({ type }) => type === 'AWS::CloudWatch::Alarm');
    this.deployment = new Deployment(
      this.clock,
      stackName,
      region,
      Object.fromEntries(Object.entries(iam.stack.outputs).map(([name, value]) => [name, String(value)])),
      alarms.map(({ logicalId }) => logicalId),
    );
    this.apiKey = options.apiKey ?? 'rpa_EmbeddedKeyEmbeddedKeyEmbeddedKey1';
    const callees = {
      functionArn: (name: string) => this.#functionArn(name),
      alertTopicArn: resourceOf(iam, 'AlertTopic').arn,
    };
    const machineOf = (id: MachineId, arn: string, url?: URL): StepFunctions => {
      const definition = readDefinition(callees, url);
      return new StepFunctions(
        this.clock,
        arn,
        id === 'StateMachine' ? childrenOf(definition) : { map: '', states: new Set() },
        {
          run: (execution) => this.#refusalToRun(id, execution),
          runChildren: (each) => this.#refusalToRunChildren(each),
        },
        createEngine(this.clock, definition, (resource, payload) => this.#call(id, resource, payload)),
      );
    };
    const { arn } = resourceOf(iam, 'StateMachine');
    this.stepFunctions = machineOf('StateMachine', arn);
    this.rollouts = machineOf('RolloutMachine', `${arn}-rollout`, rolloutDefinitionUrl);
  }

  /** Who mints tokens. */
  get principal(): Identity {
    return this.iam.roleOf(`${stackName}-fetch-token`);
  }

  /** Brings a world up: empty of endpoints and images, but with the credential 6n2k8v4d, which holds no token yet. */
  static async begin(options: WorldOptions = {}): Promise<World> {
    const world = new World(options);
    await world.#begin();
    return world;
  }

  async #begin(): Promise<void> {
    this.identities.addKey(personKey, () => person);
    for (const name of functionNames) {
      this.identities.addKey(keyOfFunction(name), () => this.iam.roleOf(`${stackName}-${name}`));
    }
    this.setResourcePolicy(customerKeyArn, 'key', defaultKeyPolicy);
    this.registry.refusalOf = (token, use, owner, name) => {
      const where = { ...place, region: token.region };
      const checks = registryOperations[use].checks({ repositoryArn: repositoryArnOf(owner, name, where) }, where);
      return this.iam.authorizeAll(token.principal, checks)?.message;
    };
    this.secrets.parameters.set('/runpod-ecr-refresh/production/api-key', this.apiKey);
    for (const { type, ref } of this.iam.stack.resources.values()) {
      if (type === 'AWS::SNS::Topic') this.sns.topics.add(ref);
    }
    this.runpod.keys.set(this.apiKey, new Set(['*']));
    this.runpod.addCredential('6n2k8v4d', 'ecr', { username: 'AWS', password: 'never-filled' });

    const services = [
      this.ecr.service,
      this.identities.service,
      this.kms.service,
      this.dynamodb.service,
      this.secrets.service,
      this.sns.service,
      serviceOf([this.stepFunctions, this.rollouts]),
      this.deployment.service,
    ];
    const aws = await startAws(this.clock, this.faults, services, (action, input, caller) => {
      const by = this.identities.of(caller);
      const where = { ...place, account: by.account, region: caller.region };
      this.iam.require(by, checksOf(action, input, where, this.#resources));
    });
    for (const { type, properties } of this.iam.stack.resources.values()) {
      if (type === 'AWS::SSM::Parameter') this.secrets.addPlain(String(properties.Name), String(properties.Value));
    }
    const tables = [...this.iam.stack.resources.values()].filter(({ type }) => type === 'AWS::DynamoDB::Table');
    const dynamodb = await this.dynamodb.start(tables.map(({ properties }) => properties));
    const registry = await this.registry.start(this.faults);
    const runpod = await this.runpod.start(this.faults, registry.origin);
    this.#closers.push(aws.close, dynamodb.close, registry.close, runpod.close);
    this.environment = {
      TARGETS_FILE: join(this.#folder, 'targets.yml'),
      SEAL_KEY_ID: resourceOf(this.iam, 'SealKey').arn,
      MEMORY_TABLE: resourceOf(this.iam, 'MemoryTable').ref,
      NOTIFIED_PARAMETER: resourceOf(this.iam, 'NotifiedParameter').ref,
      ALERT_TOPIC_ARN: resourceOf(this.iam, 'AlertTopic').arn,
      RUNBOOK_URL: 'https://example.com/docs/runbook.md',
      STATE_MACHINE_ARN: resourceOf(this.iam, 'LiveAlias').arn,
      ROLLOUT_MACHINE_ARN: `${this.rollouts.machineArn}:live`,
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
      credentials: { accessKeyId: personKey, secretAccessKey },
      // A caller's AWS_USE_FIPS_ENDPOINT or AWS_USE_DUALSTACK_ENDPOINT would have the SDK refuse the endpoint.
      useFipsEndpoint: false,
      useDualstackEndpoint: false,
    };
    this.restart();
  }

  /** What has the SDK, left to itself, find this world's AWS: as the person who deploys, or in a function's role. */
  awsVariables(name?: FunctionName): Record<string, string> {
    return {
      AWS_ENDPOINT_URL: this.aws.endpoint,
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      AWS_ACCESS_KEY_ID: name === undefined ? personKey : keyOfFunction(name),
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_EC2_METADATA_DISABLED: 'true',
    };
  }

  /**
   * The environment in which a person's process meets this world: nothing of the caller's but where programs are, and nothing
   * that the template sets for functions alone.
   */
  processEnvironment(): Record<string, string> {
    const { PATH = '' } = process.env;
    const settings = Object.entries(this.environment).filter(([name]) => !setByTemplate.includes(name));
    // No configuration of anybody's is in that home.
    return { PATH, HOME: '/nonexistent', ...this.awsVariables(), ...Object.fromEntries(settings) };
  }

  /** Starts the functions anew, as a deploy or a quiet hour would: they forget what they had in memory. */
  restart(): void {
    const running = new Map<FunctionName, InvokeFunction>();
    this.invoke = async (name, event) => {
      this.#requireLambdaRole(name);
      const invoke = running.get(name) ?? createInvokeFunction(this.platform(name));
      running.set(name, invoke);
      return invoke(name, event);
    };
  }

  /** What a function gets from outside in this world; without a name, what the person's own programs get. */
  platform(name?: FunctionName): BasePlatform {
    const credentials = { accessKeyId: name === undefined ? personKey : keyOfFunction(name), secretAccessKey };
    const mayLog = (): boolean => name === undefined || this.#mayLog(name);
    const log = logTo(this.logs);
    const meter = meterTo(this.measurements, this.clock.now);
    return {
      settings: { ...readSettings(this.environment), aws: { ...this.aws, credentials } },
      now: () => this.clock.now() + this.skewMs,
      sleep: this.clock.pause,
      send,
      // What a role may not write is lost, the measurements among it, which are lines of the log.
      log: {
        info: (message) => mayLog() && log.info(message),
        error: (message, error) => mayLog() && log.error(message, error),
      },
      meter: { add: (...measured) => mayLog() && meter.add(...measured) },
    };
  }

  #requireLambdaRole(name: FunctionName): void {
    const service = 'lambda.amazonaws.com';
    const { arn: roleArn } = this.iam.roleOf(`${stackName}-${name}`);
    this.iam.require(this.iam.service(service), operations.serviceAssumesRole.checks({ service, roleArn }, place));
  }

  #mayLog(name: FunctionName): boolean {
    const functionName = `${stackName}-${name}`;
    const checks = operations.writeLog.checks(
      { logGroup: `/aws/lambda/${functionName}`, logStream: 'embedded' },
      place,
    );
    return this.iam.authorizeAll(this.iam.roleOf(functionName), checks) === undefined;
  }

  /** Deploys another targets.yml. One that no deploy takes reaches the functions alone. */
  writeTargets(yaml: string): void {
    const path = join(this.#folder, 'targets.yml');
    writeFileSync(path, yaml);
    const targets = targetsOf(path);
    if (targets !== undefined) {
      this.targets = targets;
      this.iam = this.#deploy(targets);
    }
    this.restart();
  }

  #deploy(targets: readonly Target[]): Iam {
    const iam = iamOf(deployStack(targets, place), (question, isAllowed) => this.onQuestion(question, isAllowed));
    for (const [arn, { kind, document }] of this.policiesOutside) iam.setResourcePolicy(arn, kind, document);
    return iam;
  }

  /** Gives a policy to something outside the stack, which stays whatever is deployed. */
  setResourcePolicy(arn: string, kind: ResourcePolicy['kind'], document: unknown): void {
    this.policiesOutside.set(arn, { kind, document });
    this.iam.setResourcePolicy(arn, kind, document);
  }

  /** Brings the roles of another account's stack into this world. */
  addRolesOf(stack: DeployedStack): void {
    this.identities.addRoles(stack);
    for (const { arn, trust } of stack.roles) this.setResourcePolicy(arn, 'trust', trust);
  }

  /** Pushes a fresh image to the account's registry, and answers with its full reference. */
  push(repository: string, tag: string, recipe: ImageRecipe = {}): string {
    this.registry.push(`${registryHost}/${repository}`, tag, buildImage(recipe));
    return `${registryHost}/${repository}:${tag}`;
  }

  /**
   * Delivers an ECR push event, as EventBridge does: to start-refresh, by way of an asynchronous invocation. That of another
   * account's registry was forwarded.
   */
  async deliverPush(repository: string, tag: string, registryAccount = account): Promise<unknown> {
    const event = pushEvent({ account: registryAccount, region, repository, tag, at: this.clock.now() });
    if (!matchesPattern(resourceOf(this.iam, 'PushRule').properties.EventPattern, event)) return undefined;
    const functionName = `${stackName}-start-refresh`;
    this.triggers.requireInvocation('PushRule', this.#functionArn('start-refresh'), event);
    try {
      return await this.clock.work(() => this.invoke('start-refresh', event));
    } catch (error) {
      this.triggers.keepInvocation(functionName, event);
      throw error;
    }
  }

  /** Sends the daily digest, as its rule does. */
  async sendDigest(): Promise<unknown> {
    const [target] = resourceOf(this.iam, 'DigestRule').properties.Targets as [{ readonly Input: string }];
    this.triggers.requireInvocation('DigestRule', this.#deployedArn('notify'), target.Input);
    return this.invoke('notify', JSON.parse(target.Input));
  }

  /** Opens an alarm, whose topics are told as far as policies let CloudWatch tell them. @param id as the template names it */
  ring(id: string): void {
    const name = `${stackName}-${id}`;
    const alarm = this.deployment.alarms.find((each) => each.name === name);
    if (alarm === undefined) throw new Error(`The stack has no alarm ${id}.`);
    alarm.state = 'ALARM';
    for (const topicArn of this.triggers.topicsOf(name))
      this.sns.publish(topicArn, `ALARM: "${name}"`, alarm.description);
  }

  /** Starts a refresh without waiting for it: as the schedule, as the deploy's rule, or as a person does. */
  start(input: { readonly trigger?: unknown } = { trigger: 'schedule' }): Execution {
    if (input.trigger === 'schedule') this.triggers.requireStart('Schedule');
    if (input.trigger === 'deploy') this.triggers.requireStart('DeployRule');
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
    for (const { executions } of [this.stepFunctions, this.rollouts]) {
      for (const [arn, { endedAt }] of executions) {
        if (endedAt !== undefined && this.clock.now() - endedAt > olderThanMs) executions.delete(arn);
      }
    }
    this.logs.length = 0;
    this.measurements.length = 0;
  }

  async end(): Promise<void> {
    for (const { executions } of [this.stepFunctions, this.rollouts]) {
      for (const execution of executions.values()) if (execution.status === 'RUNNING') execution.abort();
    }
    this.runpod.close();
    await Promise.all(this.#closers.map((close) => close()));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #deployedArn(name: string): string {
    const functionName = `${stackName}-${name}`;
    const found = [...this.iam.stack.resources.values()].find(
      ({ type, ref }) => type === 'AWS::Lambda::Function' && ref === functionName,
    );
    if (found?.arn === undefined) throw new Error(`The packaged template has no function ${name}.`);
    return found.arn;
  }

  /** The ARN by which a function is called: the machine calls published versions. */
  #functionArn(name: string): string {
    const substitutions = resourceOf(this.iam, 'StateMachine').properties.DefinitionSubstitutions;
    const version = isRecord(substitutions) ? substitutions[`${pascalCase(name)}FunctionArn`] : undefined;
    if (typeof version === 'string') return version;
    // What is not asked for is deployed later, if ever; then its functions' first versions are called.
    return unusedFunctions({ hasRollouts: false, hasCanaryPods: false }).includes(name)
      ? `arn:aws:lambda:${region}:${account}:function:${stackName}-${name}:1`
      : this.#deployedArn(name);
  }

  readonly #resources: AwsResources = {
    machineKeyArn: () => this.#machineKeyArn,
    keyOfTopic: (arn) => keyArnOf(this.iam, arn),
    keyOfTable: (arn) => keyArnOf(this.iam, arn),
    keyOfSecret: (name) => this.secrets.keys.get(name),
    keyOfCiphertext: (ciphertext) => this.kms.keyOfCiphertext(ciphertext),
  };

  get #machineKeyArn(): string | undefined {
    const encryption = resourceOf(this.iam, 'StateMachine').properties.EncryptionConfiguration;
    return isRecord(encryption) && typeof encryption.KmsKeyId === 'string' ? encryption.KmsKeyId : undefined;
  }

  #refusalToRun(id: MachineId, executionArn: string): AccessRefusal | undefined {
    const { iam } = this;
    const keyArn = this.#machineKeyArn;
    const { arn: sourceArn, properties } = resourceOf(iam, id);
    const service = 'states.amazonaws.com';
    const assuming = { service, sourceArn, roleArn: String(properties.RoleArn) };
    const role = iam.roleOf(id);
    iam.authorizeAll(role, operations.trace.checks({}, place)); // without it traces are missing, and nothing else
    return (
      iam.authorizeAll(iam.service(service), operations.serviceAssumesRole.checks(assuming, place)) ??
      iam.authorizeAll(role, operations.runExecution.checks({ executionArn, keyArn }, place)) ??
      iam.authorizeAll(role, operations.deliverExecutionLogs.checks({ keyArn }, place))
    );
  }

  #refusalToRunChildren(executionArn: string): AccessRefusal | undefined {
    const { iam } = this;
    const role = iam.roleOf('StateMachine');
    const machineArn = resourceOf(iam, 'StateMachine').arn;
    const keyArn = this.#machineKeyArn;
    return (
      iam.authorizeAll(role, operations.startChildExecution.checks({ machineArn }, place)) ??
      iam.authorizeAll(role, operations.followChildExecution.checks({ executionArn }, place)) ??
      iam.authorizeAll(role, operations.runExecution.checks({ executionArn, keyArn }, place))
    );
  }

  /** A Task's call in the machine's role. Refusals are named as Step Functions names the errors of either integration. */
  async #call(id: MachineId, resource: string, payload: unknown): Promise<unknown> {
    const { iam } = this;
    const role = iam.roleOf(id);
    const name = functionNames.find((each) => resource === this.#functionArn(each));
    if (name !== undefined) {
      const refusal = iam.authorizeAll(role, operations.invokeFunction.checks({ functionArn: resource }, place));
      if (refusal !== undefined) throw refusedTask('Lambda.AWSLambdaException', 'AWSLambda', refusal);
      return this.invoke(name, payload);
    }
    const { TopicArn: topicArn = '', Subject = '', Message = '' } = payload as Record<string, string>;
    const checks = operations.publish.checks({ topicArn, keyArn: keyArnOf(iam, topicArn) }, place);
    const refusal = iam.authorizeAll(role, checks);
    if (refusal !== undefined) throw refusedTask(`SNS.${refusal.code}Exception`, 'AmazonSNS', refusal);
    this.sns.publish(topicArn, Subject, Message);
    return { MessageId: 'embedded' };
  }
}

/** https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html; the wording is that of people's own logs. */
const refusedTask = (name: string, service: string, { code, message, status }: AccessRefusal): StateError =>
  new StateError(
    name,
    `${message} (Service: ${service}; Status Code: ${status}; Error Code: ${code}; Request ID: embedded; Proxy: null)`,
  );

/** The targets of a file that a deploy takes; none of one that it refuses. */
const targetsOf = (path: string): readonly Target[] | undefined => {
  try {
    return readTargets(path);
  } catch (error) {
    if (error instanceof ConfigurationError) return undefined;
    throw error;
  }
};

/** The states an execution entered, in order; those of its targets and endpoints among them. */
export const statesOf = (execution: Execution): string[] =>
  execution.events.filter((event) => event.type === 'StateEntered').map((event) => event.state.name);
