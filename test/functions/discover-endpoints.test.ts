import { describe, expect, it } from 'vitest';
import { createDiscoverEndpoints } from '../../functions/discover-endpoints.ts';
import type { Target } from '../../functions/lib/targets.ts';

const target: Target = { name: 'a', ecr: { region: 'us-east-1' }, runpod: { apiKey: 'ssm:/k', registry: 'cred' } };
const endpoint = (id: string, registry: string | null = 'cred') => ({
  id,
  name: id,
  image: `image-of-${id}`,
  registry,
  workers: { max: undefined },
});

const discover = (
  of: Target,
  all: ReturnType<typeof endpoint>[],
  otherUsers: () => Promise<Array<{ name: string; image: string }>> = async () => [],
) =>
  createDiscoverEndpoints({
    loadTargets: () => [of],
    runpodFor: () => ({
      requireCredential: async () => {},
      isKnownToV2: async () => true,
      listEndpoints: async () => all,
      getEndpoint: async () => undefined,
      listWorkers: async () => [],
      listOtherUsers: otherUsers,
    }),
  })({ name: 'a' });

describe('discover-endpoints', () => {
  it('finds every endpoint that uses the credential', async () => {
    const { endpoints } = await discover(target, [endpoint('one'), endpoint('other', 'else'), endpoint('none', null)]);
    expect(endpoints).toEqual([{ id: 'one', image: 'image-of-one', isNamed: false }]);
  });

  it('keeps to the endpoints that targets.yml names, there or not', async () => {
    const named = { ...target, endpoints: [{ id: 'other' }, { id: 'gone', canary: { input: { a: 1 } } }] };
    const { endpoints } = await discover(named, [endpoint('one'), endpoint('other', 'else')]);
    expect(endpoints).toEqual([
      { id: 'other', image: 'image-of-other', isNamed: true },
      { id: 'gone', image: '', isNamed: true, canary: { input: { a: 1 } } },
    ]);
  });

  it('says how many it leaves out where there are too many to watch', async () => {
    const { endpoints, warnings } = await discover(
      target,
      Array.from({ length: 250 }, (_, index) => endpoint(`ep${index}`)),
    );
    expect(endpoints).toHaveLength(100);
    expect(warnings).toEqual([expect.stringContaining('250 endpoints use the credential; the first 100 are watched')]);
  });

  it('goes on without the templates and pods it may not list', async () => {
    const { warnings, otherUsers } = await discover(target, [], () => Promise.reject(new Error('Runpod refused.')));
    expect(otherUsers).toEqual([]);
    expect(warnings).toEqual(['Templates and pods that use the credential are not known: Runpod refused.']);
  });

  it('reports at most twenty of them', async () => {
    const { otherUsers } = await discover(target, [], async () =>
      Array.from({ length: 30 }, (_, index) => ({ name: `pod p${index}`, image: '' })),
    );
    expect(otherUsers).toHaveLength(20);
  });

  it('says which registries what uses the credential pulls from, watched or not', async () => {
    const ecr = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
    const named = { ...target, endpoints: [{ id: 'other' }] };
    const all = [
      { ...endpoint('one'), image: 'team/worker:v1' },
      { ...endpoint('odd'), image: 'https://no.reference' },
      { ...endpoint('other', 'else'), image: 'quay.io/team/worker' },
    ];
    const users = async () => [{ name: 'pod p1', image: `${ecr}/team/worker:v1` }];
    expect((await discover(named, all, users)).registries).toEqual([ecr, 'docker.io']);
  });

  it('refuses a target that has left targets.yml', async () => {
    await expect(discover({ ...target, name: 'b' }, [])).rejects.toMatchObject({
      name: 'ConfigurationError',
      message: expect.stringContaining('no target a any more'),
    });
  });
});
