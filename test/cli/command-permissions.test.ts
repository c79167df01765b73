import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { LiveSource } from '../../console/live.ts';
import type { Identity } from '../../simulator/iam/evaluate.ts';
import { readPolicy } from '../../simulator/iam/policy.ts';
import { account, customerKeyArn, registryHost, World } from '../../simulator/world.ts';
import { readCaller } from '../../stack/caller.ts';
import { connectionOf, type Ended, emptyFolder, run } from '../support/command.ts';
import { crossAccountTargets, deployPullRole } from '../support/pull-role.ts';
import { beginFollowing, followerId } from '../support/rollouts.ts';
import { subscribeAll } from '../support/subscriptions.ts';

interface Statement {
  readonly Sid: string;
  readonly Effect: string;
  readonly Action: readonly string[];
  readonly Resource: string | readonly string[];
}
interface Policy {
  readonly Version: string;
  readonly Statement: readonly Statement[];
}

/** The policies of the page, by their headings. */
const policies = new Map<string, Policy>(
  [
    ...readFileSync(new URL('../../docs/command-permissions.md', import.meta.url), 'utf8').matchAll(
      /^## (.+)\n[^`]*(?:`[^`\n]+`[^`]*)*```json\n([\s\S]*?)```/gm,
    ),
  ].map(([, command = '', json = '']) => [command, JSON.parse(json) as Policy]),
);

const apiKey = 'rpa_EmbeddedKeyEmbeddedKeyEmbeddedKey1';
const accessKey = 'AKIALIMITEDPERSON000';
const arn = `arn:aws:iam::${account}:user/limited`;

let world: World;

/** Lets somebody have one policy, and nothing else. @returns their environment, and what they are asked for and refused */
const become = (policy: Policy) => {
  const limited: Identity = {
    kind: 'identity',
    arn,
    callerArn: arn,
    account,
    policies: [readPolicy(policy, 'the page')],
  };
  world.identities.addKey(accessKey, () => limited);
  const asked = new Set<string>();
  const refused = new Set<string>();
  world.onQuestion = ({ principal, action }, isAllowed) => {
    if (principal.kind !== 'identity' || principal.arn !== arn) return;
    asked.add(action.toLowerCase());
    if (!isAllowed) refused.add(action.toLowerCase());
  };
  return { environment: { AWS_ACCESS_KEY_ID: accessKey }, asked, refused };
};

type Environment = Record<string, string>;
/** Runs commands one after another, and ends as the first that fails does. */
const runAll = async (
  commands: ReadonlyArray<readonly string[]>,
  environment: Environment,
  folder = emptyFolder(),
  input = apiKey,
): Promise<Ended> => {
  let ended: Ended = { code: 0, printed: '', printedErrors: '' };
  for (const words of commands) {
    const options = { folder, environment, input, clock: world.clock };
    ended = await world.clock.until(run(world, words, options));
    if (ended.code !== 0) break;
  }
  return ended;
};

const begin = async (targets?: string): Promise<void> => {
  world = await World.begin(targets === undefined ? { apiKey } : { apiKey, targets });
  const image = world.push('team/worker', 'v1');
  world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
};
const deploy = async (): Promise<void> => {
  subscribeAll(world);
  await world.refresh({ trigger: 'schedule' });
};

const parameterOf = (target: string): string => `/runpod-ecr-refresh/dev/${target}/api-key`;
const own = { TARGETS_FILE: 'targets.yml' };

interface Row {
  readonly prepare: () => Promise<void>;
  readonly perform: (environment: Environment) => Promise<Ended>;
}

const rows: Readonly<Record<string, Row>> = {
  setup: {
    prepare: async () => {
      await begin();
      world.deployment.status = undefined;
      // An earlier key, which no longer works, under a key of the customer's own.
      world.secrets.parameters.set(parameterOf('production'), 'rpa_an_old_key_that_is_dead');
      world.secrets.keys.set(parameterOf('production'), customerKeyArn);
    },
    perform: (environment) =>
      runAll(
        [
          ['setup', '--yes', '--key-stdin', '--credential', 'new', '--repository', 'team/new'],
          ['setup', '--yes'],
        ],
        { ...environment, ...own },
      ),
  },
  'setup -- --canary-pod': {
    prepare: begin,
    perform: async (environment) => {
      const folder = emptyFolder();
      copyFileSync(world.environment.TARGETS_FILE ?? '', join(folder, 'targets.yml'));
      const make = () => runAll([['setup', '--canary-pod', '--yes']], { ...environment, ...own }, folder);
      const made = await make();
      if (made.code !== 0) return made;
      // Its image is deleted, and made again in the repository that is there.
      world.registry.deleteTag(`${registryHost}/runpod-canary`, 'v1');
      return make();
    },
  },
  'setup -- --undo': {
    prepare: async () => {
      await begin();
      world.deployment.status = undefined;
      world.secrets.parameters.set(parameterOf('second'), 'rpa_an_old_key_that_is_dead');
    },
    perform: async (environment) => {
      const folder = emptyFolder();
      const make = ['setup', '--yes', '--key-stdin', '--credential', 'new'];
      const made = await runAll(
        [
          [...make, '--repository', 'team/new', '--name', 'production'],
          [...make, '--name', 'second'],
          ['setup', '--yes', '--canary-pod', '--name', 'production'],
        ],
        own,
        folder,
      );
      expect(made.code).toBe(0);
      return runAll([['setup', '--undo', '--yes']], { ...environment, ...own }, folder);
    },
  },
  refresh: {
    prepare: async () => {
      const inSecret = `  - name: third
    ecr: { region: us-east-1 }
    runpod: { apiKey: "secretsmanager:research", registry: third000 }
`;
      await begin(`${crossAccountTargets}${inSecret}`);
      world.secrets.secrets.set('research', apiKey);
      for (const id of ['7p3m9w5e', 'third000']) {
        world.runpod.addCredential(id, id, { username: 'AWS', password: 'never-filled' });
      }
      deployPullRole(world, { AlsoTrusts: arn });
      await deploy();
    },
    perform: (environment) => runAll([['refresh']], environment),
  },
  doctor: {
    prepare: async () => {
      await begin();
      await deploy();
    },
    perform: (environment) => runAll([['doctor']], environment),
  },
  status: {
    prepare: async () => {
      await begin();
      await deploy();
    },
    perform: (environment) => runAll([['status']], environment),
  },
  'console -- --live': {
    prepare: async () => {
      await begin();
      await deploy();
    },
    perform: async (environment) => {
      const variables = { ...world.processEnvironment(), ...environment };
      const caller = readCaller({}, { environment: variables, aws: connectionOf(variables) });
      try {
        const source = await LiveSource.begin(caller, 60_000);
        const { trouble } = source.eventLog.scalars;
        await source.run('run-1').finally(() => source.end());
        return { code: trouble === '' ? 0 : 1, printed: '', printedErrors: trouble };
      } catch (error) {
        return { code: 1, printed: '', printedErrors: String(error) };
      }
    },
  },
  rollout: {
    prepare: async () => {
      ({ world } = await beginFollowing());
      world.push('team/worker', 'v2');
    },
    perform: (environment) =>
      runAll(
        [['rollout', '--hold', followerId], ['rollout'], ['rollout', '--endpoint', followerId, '--to', 'v2', '--wait']],
        environment,
      ),
  },
  'rollout, without a stack': {
    prepare: async () => {
      ({ world } = await beginFollowing());
      world.deployment.status = undefined;
      world.push('team/worker', 'v2');
    },
    perform: (environment) =>
      runAll([['rollout'], ['rollout', '--endpoint', followerId, '--to', 'v2', '--wait']], environment),
  },
  'alert -- --to arn:aws:sns:…': {
    prepare: begin,
    perform: (environment) =>
      runAll(
        [['alert', '--kind', 'failed', '--to', `arn:aws:sns:us-east-1:${account}:runpod-ecr-refresh-dev-alerts`]],
        environment,
      ),
  },
};

it('is told of every command that asks anything of AWS', () => {
  expect([...policies.keys()]).toEqual(Object.keys(rows));
});

describe.each([...policies])('%s', (command, policy) => {
  afterEach(() => world.end());
  const row = rows[command];
  if (row === undefined) throw new Error(`There is no row for ${command}.`);

  it('works with its policy and nothing else', async () => {
    await row.prepare();
    const { environment, refused, asked } = become(policy);
    const ended = await row.perform(environment);
    expect({ code: ended.code, errors: ended.code === 0 ? '' : ended.printedErrors + ended.printed }).toEqual({
      code: 0,
      errors: '',
    });
    expect([...refused]).toEqual([]);
    expect([...asked].toSorted()).toEqual(
      [...new Set(policy.Statement.flatMap(({ Action }) => Action.map((each) => each.toLowerCase())))].toSorted(),
    );
  });

  const lacking = policy.Statement.flatMap(({ Sid, Action }) => Action.map((action) => ({ Sid, action })));
  it.each(lacking)('is refused $action of $Sid where that is left out', async ({ Sid, action }) => {
    await row.prepare();
    const statements = policy.Statement.map((each) =>
      each.Sid === Sid ? { ...each, Action: each.Action.filter((other) => other !== action) } : each,
    );
    const less = { ...policy, Statement: statements.filter(({ Action }) => Action.length > 0) };
    const { environment, refused } = become(less);
    const { code, printed, printedErrors } = await row.perform(environment);
    expect([...refused]).toEqual([action.toLowerCase()]);
    if (Sid.startsWith('Optional')) expect(code, printed + printedErrors).toBe(0);
    else expect(code, printed + printedErrors).toBeGreaterThan(0);
  });
});
