import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { World } from '../../simulator/world.ts';
import { emptyFolder, run } from '../support/command.ts';

let world: World;
let folder: string;

beforeEach(async () => {
  world = await World.begin();
  folder = emptyFolder();
  const image = world.push('team/worker', 'v1');
  world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
  world.runpod.addEndpoint({ id: 'public00', name: 'public', image: 'runpod/base:latest', registry: null });
});
afterEach(() => world.end());

const delegate = (...words: string[]) => run(world, ['setup', '--delegate', '--yes', ...words], { folder });

describe('setup --delegate', () => {
  it('prints the policy that Runpod needs, and registers the repositories that the endpoints pull from', async () => {
    const { code, printed } = await delegate();
    expect(code).toBe(0);
    expect(printed).toMatch(
      /aws ecr set-repository-policy --region us-east-1 --repository-name team\/worker --policy-text '\{.*"Sid":"AllowRunpodPull".*'/,
    );
    expect(printed).toContain('registered team/worker');
    expect(world.runpod.delegations).toEqual([
      { account: '123456789012', region: 'us-east-1', repository: 'team/worker' },
    ]);
    // The endpoint keeps its credential.
    expect(world.runpod.endpoints.get('4m7x2k9q')?.registry).toBe('6n2k8v4d');
  });

  it('registers none twice', async () => {
    await delegate();
    const { code, printed } = await delegate();
    expect([code, printed]).toEqual([0, expect.stringContaining('is delegated already')]);
    expect(world.runpod.delegations).toHaveLength(1);
  });

  it('says what it registered to machines', async () => {
    const { printed } = await delegate('--json');
    expect(JSON.parse(printed)).toEqual({
      version: 1,
      delegated: ['arn:aws:ecr:us-east-1:123456789012:repository/team/worker'],
    });
  });

  it('says what Runpod refused', async () => {
    world.runpod.keys.set(world.apiKey, new Set(['secrets:read', 'serverless:read']));
    const { code, printedErrors } = await delegate();
    expect([code, printedErrors]).toEqual([1, expect.stringMatching(/403 .*needs the scope secrets:write/)]);
  });

  it('refuses a target that there is not', async () => {
    const { code, printedErrors } = await delegate('--name', 'research');
    expect([code, printedErrors]).toEqual([2, expect.stringContaining('no target research')]);
  });
});
