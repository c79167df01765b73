import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { World } from '../../simulator/world.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const apiKey = 'rpa_SENTINELKEYSENTINELKEYSENTINEL';
const targets = `
targets:
  - name: production
    ecr: { region: us-east-1 }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d }
`;

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly env?: Readonly<Record<string, string>>;
}
const action = parse(readFileSync(join(root, 'action.yml'), 'utf8')) as {
  readonly inputs: Readonly<Record<string, { readonly default?: string }>>;
  readonly runs: { readonly steps: readonly Step[] };
};

let world: World;
let workspace: string;
beforeEach(async () => {
  world = await World.begin({ apiKey, startAt: Date.now() - 60_000 });
  const image = world.push('team/worker', 'v1');
  world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
  workspace = mkdtempSync(join(tmpdir(), 'workspace-'));
  writeFileSync(join(workspace, 'targets.yml'), targets);
});
afterEach(async () => {
  await world.end();
  rmSync(workspace, { recursive: true, force: true });
});

/** Evaluates the expressions that action.yml has, as the runner does. */
const evaluate = (text: string, inputs: Readonly<Record<string, string>>): string =>
  text.replaceAll(/\$\{\{ (\w+)\.([\w-]+) \}\}/g, (_, context: string, name: string) => {
    if (context === 'inputs') return inputs[name] ?? action.inputs[name]?.default ?? '';
    return name === 'action_path' ? root : name === 'action_ref' ? 'v1' : 'owner/runpod-ecr-refresh';
  });

/** Reads the file of outputs: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#multiline-strings */
const outputsOf = (file: string): Record<string, string> =>
  Object.fromEntries(
    [...file.matchAll(/^(\w+)<<(\S+)\n([\s\S]*?)\n\2$/gm)].map(([, name, , value]) => [name ?? '', value ?? '']),
  );

/** Runs the action's steps with a shell, as the runner does, up to the first that fails. */
const runSteps = async (inputs: Readonly<Record<string, string>>) => {
  const [output, summary] = [join(workspace, 'output'), join(workspace, 'summary')];
  for (const file of [output, summary]) writeFileSync(file, '');
  let [log, code]: [string, number | null] = ['', 0];
  for (const { run, env = {} } of action.runs.steps) {
    if (run === undefined || code !== 0) continue;
    const variables = Object.entries(env).map(([name, value]) => [name, evaluate(value, inputs)] as const);
    const child = spawn('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', evaluate(run, inputs)], {
      cwd: env.ACTION_PATH === undefined ? root : workspace,
      env: {
        ...world.processEnvironment(),
        PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
        GITHUB_SERVER_URL: 'https://github.com',
        GITHUB_REPOSITORY: 'team/workers',
        GITHUB_RUN_ID: '42',
        GITHUB_OUTPUT: output,
        GITHUB_STEP_SUMMARY: summary,
        ...Object.fromEntries(variables),
      },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        log += chunk.toString();
      });
    }
    [code] = (await once(child, 'close')) as [number | null];
  }
  const [said, outputs] = [readFileSync(summary, 'utf8'), outputsOf(readFileSync(output, 'utf8'))];
  return { code, log, outputs, summary: said };
};

describe('the action', () => {
  it('refreshes, and says what came of it', async () => {
    const { code, outputs, summary } = await runSteps({ command: 'refresh' });
    expect([code, outputs.outcome]).toEqual([0, 'succeeded']);
    expect(JSON.parse(outputs.report ?? '')).toMatchObject({ outcome: 'succeeded', targets: [{ refreshed: true }] });
    expect(summary).toMatch(/^production: stored a token that is good until \S+$/m);
    expect(summary).toMatch(/^\| production \| 4m7x2k9q \| tested \| .+ \|$/m);
    expect(summary).toContain('(https://github.com/team/workers/actions/runs/42)');
    expect(summary).toContain('(https://github.com/owner/runpod-ecr-refresh/blob/v1/docs/report.md)');
    expect(world.runpod.stored).toHaveLength(1);
  });

  it('masks every secret before anything else is said, and shows none', async () => {
    const { log, outputs, summary } = await runSteps({ command: 'refresh' });
    const lines = log.split('\n');
    const masks = lines.findIndex((line) => !line.startsWith('::add-mask::'));
    const { AWS_SECRET_ACCESS_KEY: secret = '' } = world.processEnvironment();
    expect(lines.slice(0, masks).toSorted()).toEqual([`::add-mask::${apiKey}`, `::add-mask::${secret}`].toSorted());
    const shown = [...lines.slice(masks), summary, ...Object.values(outputs)].join('\n');
    for (const each of [apiKey, secret, ...world.runpod.stored.map(({ token }) => token.password)]) {
      expect(each.length).toBeGreaterThan(7);
      expect(shown).not.toContain(each);
    }
  });

  it('masks the keys that are for rollouts and for pods alone, too', async () => {
    const keys = { rolloutKey: 'rpa_ROLLOUTSENTINELROLLOUT', podKey: 'rpa_PODSENTINELPODSENTINEL' };
    for (const [name, key] of Object.entries(keys)) world.secrets.parameters.set(`/runpod-ecr-refresh/${name}`, key);
    const more = Object.keys(keys).map((name) => `${name}: "ssm:/runpod-ecr-refresh/${name}"`);
    writeFileSync(
      join(workspace, 'targets.yml'),
      targets.replace('registry: 6n2k8v4d', ['registry: 6n2k8v4d', ...more].join(', ')),
    );
    const { log } = await runSteps({ command: 'refresh' });
    for (const key of Object.values(keys)) expect(log).toContain(`::add-mask::${key}`);
  });

  it('lets nothing that is quoted be a command to the runner', async () => {
    const { log } = await runSteps({ command: 'refresh' });
    const [, token = 'none'] = /^::stop-commands::(\S+)$/m.exec(log) ?? [];
    expect(log.trimEnd().split('\n').at(-1)).toBe(`::${token}::`);
  });

  it('fails where the command does, and says why', async () => {
    world.runpod.keys.clear();
    const { code, outputs, summary } = await runSteps({ command: 'refresh', patience: '0' });
    expect([code, outputs.outcome]).toEqual([1, 'failed']);
    expect(summary).toMatch(/^production: Runpod\w+Error: .+$/m);
    expect(summary).toMatch(/docs\/runbook\.md#runpod\w+error\)/);
  });

  it('checks', async () => {
    const { code, outputs, summary } = await runSteps({ command: 'doctor' });
    expect(JSON.parse(outputs.report ?? '')).toMatchObject({ version: 1 });
    expect([code, outputs.outcome]).toEqual([1, 'failed']);
    expect(summary).toMatch(/^\d+ wrong, \d+ to know, /m);
  });

  it.each([
    [{ command: 'setup' }, 2, /^command: expected refresh, rollout, doctor/m],
    [{ command: 'doctor', to: 'v1' }, 2, /unknown option '--to/],
    [{ command: 'refresh', 'targets-file': 'none.yml' }, 1, /none\.yml cannot be read/],
  ])('refuses %j', async (inputs, expected, message) => {
    const { code, log, outputs } = await runSteps(inputs);
    expect([code, outputs.outcome]).toEqual([expected, 'failed']);
    expect(log).toMatch(message);
  });

  it('rolls an image out, and waits for how it ends', async () => {
    world.deployment.status = undefined;
    await runSteps({ command: 'refresh' });
    const [endpoint] = world.runpod.endpoints.values();
    if (endpoint === undefined) throw new Error('There is no endpoint.');
    world.runpod.startWorker(endpoint);
    await world.clock.advance(60_000);
    world.push('team/worker', 'v2');
    const running = runSteps({ command: 'rollout', endpoint: '4m7x2k9q', to: 'v2', wait: 'true' });
    let isOver = false;
    void running.finally(() => {
      isOver = true;
    });
    // The endpoint's workers live in the world's time, and the command in ours: they go side by side.
    while (!isOver) {
      await world.clock.advance(Math.max(0, Date.now() - world.clock.now()));
      await new Promise((resolve) => {
        setTimeout(resolve, 100);
      });
    }
    const { code, outputs, summary } = await running;
    expect([code, outputs.outcome]).toEqual([0, 'proven']);
    expect(JSON.parse(outputs.report ?? '')).toMatchObject({ endpoint: '4m7x2k9q', verdict: 'proven' });
    expect(summary).toMatch(/^\| 4m7x2k9q \| .+team\/worker:v2@sha256:\w+ \| proven \|$/m);
  });
});
