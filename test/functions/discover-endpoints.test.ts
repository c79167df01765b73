import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { createDiscoverEndpoints } from '../../functions/discover-endpoints.ts';
import { packedImagesSchema } from '../../functions/lib/ecr/packed-images.ts';
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
  it('counts every endpoint that uses the credential, and packs their images', async () => {
    const found = await discover(target, [endpoint('one'), endpoint('other', 'else'), endpoint('none', null)]);
    expect(found).toMatchObject({ endpoints: 1, canaries: 0, warnings: [] });
    expect(z.parse(packedImagesSchema, found.images)).toEqual(['image-of-one']);
  });

  it('keeps to the endpoints that targets.yml names, there or not', async () => {
    const named = { ...target, endpoints: [{ id: 'other' }, { id: 'gone', canary: { input: { a: 1 } } }] };
    const found = await discover(named, [endpoint('one'), endpoint('other', 'else')]);
    expect(found).toMatchObject({ endpoints: 2, canaries: 1 });
    expect(z.parse(packedImagesSchema, found.images)).toEqual(['image-of-other']);
  });

  it('has room for a thousand endpoints of a thousand images pinned by their digests, and says what it leaves out', async () => {
    const host = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
    const pinned = (index: number, repository = 'team/worker') =>
      `${host}/${repository}-${index}:v1@sha256:${createHash('sha256').update(String(index)).digest('hex')}`;
    const thousand = Array.from({ length: 1000 }, (_, index) => ({ ...endpoint(`ep${index}`), image: pinned(index) }));
    const found = await discover(target, thousand);
    expect(found).toMatchObject({ endpoints: 1000, warnings: [] });
    expect(z.parse(packedImagesSchema, found.images)).toHaveLength(1000);
    expect(JSON.stringify(found).length).toBeLessThan(66 * 1024);
    const noise = (index: number) => createHash('sha512').update(String(index)).digest('hex').repeat(2);
    const many = Array.from({ length: 3000 }, (_, index) => ({
      ...endpoint(`ep${index}`),
      image: pinned(index, noise(index)),
    }));
    const cut = await discover(target, many);
    expect(cut.warnings).toEqual([expect.stringMatching(/^\d+ images of the target's endpoints do not fit a run/)]);
    expect(JSON.stringify(cut).length).toBeLessThan(66 * 1024);
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
