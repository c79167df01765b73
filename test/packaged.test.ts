import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Context } from 'aws-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { functionNames } from '../runner/functions.ts';
import { stackName } from '../simulator/aws/stack.ts';
import { inputs, targetsWithRollout } from '../simulator/inputs.ts';
import { maxPackagingMs, type Packaged, packageStack } from '../simulator/packaged.ts';
import { World } from '../simulator/world.ts';

type Handler = (event: unknown, context: Context) => Promise<unknown>;

/** Packaged functions read the environment of the process, which other tests have, too. */
const environmentBefore = { ...process.env };

/** With all that a stack may have, so that each function is there. */
const withEverything = targetsWithRollout.replace(
  '    endpoints:',
  '    canaryPod: { image: "team/worker:v1", everyHours: 24 }\n    endpoints:',
);

let packaged: Packaged;
let world: World;
const handlers = new Map<string, { handler: Handler; variables: Record<string, string> }>();

beforeAll(async () => {
  packaged = packageStack();
  world = await World.begin({ targets: withEverything });
  for (const name of functionNames) {
    const folder = packaged.unpack(name);
    const { handler } = (await import(pathToFileURL(join(folder, 'functions', `${name}.mjs`)).href)) as {
      handler: Handler;
    };
    const resource = [...world.iam.stack.resources.values()].find(({ ref }) => ref === `${stackName}-${name}`);
    const { Variables: variables } = resource?.properties.Environment as { Variables: Record<string, string> };
    const { TARGETS_FILE } = variables;
    handlers.set(name, {
      handler,
      // The bundle's own targets file, which Lambda finds in its working directory.
      variables: { ...variables, ...(TARGETS_FILE === undefined ? {} : { TARGETS_FILE: join(folder, TARGETS_FILE) }) },
    });
  }
  // Pods are followed by the world's clock, and bundles go by the real one.
  world.writeTargets(targetsWithRollout);
  // Addresses of the embedded world stand in for the real ones; everything else is as deployed.
  const { RUNPOD_API_URL, RUNPOD_GRAPHQL_URL, RUNPOD_REST_URL, RUNPOD_JOBS_URL, REGISTRY_ENDPOINT_URL } =
    world.environment;
  const addresses = { RUNPOD_API_URL, RUNPOD_GRAPHQL_URL, RUNPOD_REST_URL, RUNPOD_JOBS_URL, REGISTRY_ENDPOINT_URL };
  world.invoke = (name, event) => {
    const found = handlers.get(name);
    if (found === undefined) throw new Error(`${name} is not packaged.`);
    Object.assign(
      process.env,
      world.awsVariables(name),
      { LOG_LISTEN_SECONDS: '0.1', POWERTOOLS_LOG_LEVEL: 'SILENT', POWERTOOLS_METRICS_DISABLED: 'true' },
      addresses,
      found.variables,
    );
    return found.handler(event, { functionName: name, awsRequestId: 'r' } as Context);
  };
}, maxPackagingMs);
afterAll(async () => {
  await world?.end();
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, environmentBefore);
});

describe('what serverless package made', () => {
  it('has the runbook with notify, which repeats it where it has no address', () => {
    expect(readFileSync(join(packaged.unpack('notify'), 'docs/runbook.md'), 'utf8')).toContain('### StepTimedOut');
  });

  it('refreshes, proves, and reports, as bundles and with the environment that deploy', async () => {
    const image = world.push('team/worker', 'v1');
    world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
    const execution = await world.refresh({ trigger: 'schedule' });
    expect(execution).toMatchObject({ status: 'SUCCEEDED' });
    expect(JSON.parse(execution.output ?? '')).toMatchObject({
      targets: [{ refreshed: true, way: 'v2', proofs: { tested: 1 } }],
    });
    expect(world.runpod.stored).toHaveLength(1);
  });

  it('has the targets as JSON, and begins with the YAML reader where a file is YAML, and only there', () => {
    const folder = packaged.unpack('resolve-targets');
    expect(JSON.parse(readFileSync(join(folder, 'dist/targets.yml'), 'utf8'))).toMatchObject({
      targets: [{ name: 'production' }],
    });
    const bundle = pathToFileURL(join(folder, 'functions', 'resolve-targets.mjs')).href;
    // The bundles ask for the YAML reader where they begin with it, and not before.
    const script = `import module, { syncBuiltinESMExports } from 'node:module';
      const asked = [];
      const { createRequire } = module;
      module.createRequire = (from) => new Proxy(createRequire(from), {
        apply: (require, self, [name]) => { asked.push(name); return require(name); },
      });
      syncBuiltinESMExports();
      const { handler } = await import(${JSON.stringify(bundle)});
      const context = { functionName: 'resolve-targets', awsRequestId: 'r' };
      const { names } = await handler(${JSON.stringify(inputs.resolveTargets())}, context);
      console.log(JSON.stringify({ names, isYaml: asked.includes('yaml') }));`;
    const words = ['--input-type=module', '--eval', script];
    const read = (TARGETS_FILE: string | undefined): unknown => {
      const env = { ...handlers.get('resolve-targets')?.variables, POWERTOOLS_LOG_LEVEL: 'SILENT', TARGETS_FILE };
      return JSON.parse(execFileSync(process.execPath, words, { encoding: 'utf8', env }));
    };
    expect(read(join(folder, 'dist/targets.yml'))).toEqual({ names: ['production'], isYaml: false });
    expect(read(world.environment.TARGETS_FILE)).toEqual({ names: ['production'], isYaml: true });
  });

  it('loads no second HTTP client, which each cold start would wait for', () => {
    const bundles = functionNames.map((name) => pathToFileURL(join(packaged.unpack(name), 'functions', `${name}.mjs`)));
    const script = `for (const url of ${JSON.stringify(bundles)}) await import(url);
      console.log(process.moduleLoadList.filter((each) => each.includes('undici')).join());`;
    const words = ['--input-type=module', '--eval', script];
    expect(execFileSync(process.execPath, words, { encoding: 'utf8' }).trim()).toBe('');
  });

  it('logs errors with the places in the sources that they come from', () => {
    const bundle = pathToFileURL(join(packaged.unpack('plan-retry'), 'functions', 'plan-retry.mjs')).href;
    const script = `const { handler } = await import(${JSON.stringify(bundle)});
      await handler({ giveUpAt: 'never' }, { functionName: 'plan-retry', awsRequestId: 'r' }).catch(() => {});`;
    const words = ['--input-type=module', '--eval', script];
    const { stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', env: { STACK_NAME: stackName } });
    const { error } = JSON.parse(stderr) as { readonly error: { readonly name: string; readonly stack: string } };
    expect(error.name).toBe('InvalidInputError');
    const [, ...calls] = error.stack.split('\n');
    expect(calls.filter((call) => call.includes('plan-retry'))).toEqual([
      expect.stringMatching(/^ {4}at functions\/plan-retry\.ts:\d+:\d+$/),
    ]);
  });

  it('keeps the names of its errors through the minifier', async () => {
    world.runpod.credentials.clear();
    const execution = await world.refresh({ trigger: 'schedule' });
    expect(execution).toMatchObject({ status: 'FAILED', error: 'CredentialNotFoundError' });
    expect(world.sns.inbox[0]?.subject).toContain('production failed');
  });

  it('starts a refresh on a push', async () => {
    expect(await world.deliverPush('team/worker', 'v1')).toMatchObject({ answer: 'started' });
  });
});
