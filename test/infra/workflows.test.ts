import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod/mini';

const stepSchema = z.looseObject({
  uses: z.optional(z.string()),
  run: z.optional(z.string()),
  with: z.optional(z.record(z.string(), z.unknown())),
});
const permissionsSchema = z.optional(z.union([z.string(), z.record(z.string(), z.string())]));
const workflowSchema = z.looseObject({
  permissions: permissionsSchema,
  jobs: z.record(
    z.string(),
    z.looseObject({
      permissions: permissionsSchema,
      needs: z.optional(z.string()),
      environment: z.optional(z.string()),
      steps: z.array(stepSchema),
    }),
  ),
});
type Step = z.output<typeof stepSchema>;

const folder = new URL('../../.github/workflows/', import.meta.url);
const workflows = readdirSync(folder).map((file) => ({
  ...workflowSchema.parse(parse(readFileSync(new URL(file, folder), 'utf8'))),
  file,
}));
const jobs = workflows.flatMap((workflow) =>
  Object.entries(workflow.jobs).map(([id, job]) => ({
    ...job,
    name: `${workflow.file}: ${id}`,
    permissions: job.permissions ?? workflow.permissions ?? 'write-all',
  })),
);
/** What these jobs may do besides reading, or instead. */
const permissionsOf: Readonly<Record<string, object>> = {
  'deploy.yml: deploy': { contents: 'read', 'id-token': 'write' },
  // Files what was found with the repository.
  'codeql.yml: analyze': { contents: 'read', 'security-events': 'write' },
  // Signs by GitHub's identity, and makes the release.
  'release.yml: release': { contents: 'write', 'id-token': 'write', attestations: 'write' },
};
const mayAskForRole = ({ permissions, steps }: (typeof jobs)[number]): boolean =>
  (typeof permissions === 'string' ? permissions === 'write-all' : permissions['id-token'] === 'write') &&
  !steps.some(({ uses }) => uses?.startsWith('actions/attest-'));
const commandsOf = (steps: readonly Step[]): string[] => steps.flatMap(({ run }) => (run === undefined ? [] : [run]));

describe('the workflows', () => {
  it('pin each action to a commit, with its version beside it', () => {
    for (const { file } of workflows) {
      const text = readFileSync(new URL(file, folder), 'utf8');
      const used = [...text.matchAll(/uses: (.+)/g)].map(([, action]) => action ?? '');
      expect(used.filter((action) => !/^[\w-]+(?:\/[\w-]+){1,2}@[0-9a-f]{40} # v[\d.]+$/.test(action))).toEqual([]);
    }
  });

  it('say of each job what it may do, which is to read, but for those that are named', () => {
    for (const job of jobs) {
      expect(job.permissions, job.name).toEqual(permissionsOf[job.name] ?? { contents: 'read' });
    }
  });

  it('run nothing of npm’s in the job that signs a release, which somebody approves', () => {
    const release = jobs.find(({ name }) => name === 'release.yml: release');
    expect(release).toMatchObject({ needs: 'pack', environment: 'release' });
    expect(commandsOf(release?.steps ?? []).join('\n')).not.toMatch(/\b(?:npm|npx|node)\b/);
    expect(release?.steps.some(({ uses }) => uses?.startsWith('actions/checkout@'))).toBe(false);
  });

  it('leave no credentials of GitHub in a checkout', () => {
    for (const { steps } of jobs) {
      const checkouts = steps.filter(({ uses }) => uses?.startsWith('actions/checkout@'));
      expect(checkouts.map((step) => step.with?.['persist-credentials'])).toEqual(checkouts.map(() => false));
    }
  });

  it('put no expression into a script, where its value would be read as commands', () => {
    expect(jobs.flatMap(({ steps }) => commandsOf(steps)).filter((run) => run.includes('${{'))).toEqual([]);
  });
});

describe('a job that may ask for the role', () => {
  const asking = jobs.filter(mayAskForRole);

  it('is the deploy alone', () => {
    expect(asking.map(({ name }) => name)).toEqual(['deploy.yml: deploy']);
  });

  it('waits for the environment’s approval, and for the tests', () => {
    for (const { environment, needs } of asking) {
      expect(environment).toContain('inputs.stage');
      expect(needs).toBe('package');
    }
  });

  it('runs nothing but an install without scripts, and the deploy of what was packaged', () => {
    expect(asking.flatMap(({ steps }) => commandsOf(steps))).toEqual([
      'npm ci --ignore-scripts',
      'node node_modules/serverless/bin/serverless.js deploy --stage "$STAGE" --package package',
    ]);
  });

  it('has the role only once everything is installed, and takes no cache that other jobs may fill', () => {
    for (const { steps } of asking) {
      const role = steps.findIndex(({ uses }) => uses?.startsWith('aws-actions/configure-aws-credentials@'));
      expect(commandsOf(steps.slice(role))).toHaveLength(1);
      expect(steps.map((step) => step.with?.cache)).toEqual(steps.map(() => undefined));
      // setup-node 5 and later cache by themselves what package.json says is of npm.
      const nodes = steps.filter(({ uses }) => uses?.startsWith('actions/setup-node@'));
      expect(nodes.map((step) => step.with?.['package-manager-cache'])).toEqual([false]);
    }
  });

  it('deploys the artifact of the job that checked it', () => {
    const packaging = jobs.find(({ name }) => name === 'deploy.yml: package');
    const commands = commandsOf(packaging?.steps ?? []).join('\n');
    expect(commands).toContain('npm run check');
    expect(commands).toContain('serverless package --stage "$STAGE" --package package');
    const uploaded = packaging?.steps.find(({ uses }) => uses?.startsWith('actions/upload-artifact@'))?.with;
    expect(uploaded).toMatchObject({ name: 'package', path: 'package/\ntargets.yml\n' });
    const downloaded = asking[0]?.steps.find(({ uses }) => uses?.startsWith('actions/download-artifact@'))?.with;
    expect(downloaded).toEqual({ name: 'package' });
  });
});
