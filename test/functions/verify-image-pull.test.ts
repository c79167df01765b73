import { describe, expect, it } from 'vitest';
import { PullError, type PullProblem } from '../../functions/lib/ecr/registry.ts';
import { createVerifyImagePull } from '../../functions/verify-image-pull.ts';

const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
const good = `${registry}/good:v1`;

/** Images named after what happens to them. */
const verify = (images: readonly string[], onLogin?: PullProblem) =>
  createVerifyImagePull({
    unseal: async () => ({ username: 'AWS', password: 'p' }),
    listPushes: async () => undefined,
    registryClient: {
      tryImage: async ({ repository }) => {
        if (repository === 'bug') throw new RangeError('ours');
        if (repository !== 'good') throw new PullError(repository as PullProblem, `it is ${repository}`);
        return { digest: 'sha256:1', sizeInBytes: 1, layers: 1 };
      },
      tryToken: async () => {
        if (onLogin !== undefined) throw new PullError(onLogin, `it is ${onLogin}`);
      },
    },
  })({
    execution: 'e',
    target: 't',
    credential: 'c',
    expiresAt: 'then',
    sealed: 's',
    registry,
    endpoints: images.map((image) => ({ image })),
  });

const of = (...repositories: string[]) => repositories.map((repository) => `${registry}/${repository}:v1`);

describe('verify-image-pull', () => {
  it('tries each image once, and leaves out those of other registries', async () => {
    const { images } = await verify([good, good, 'runpod/base:1', 'not a reference', '']);
    expect(images.map(({ image }) => image)).toEqual([good]);
  });

  it('reports one bad image among good ones, and goes on', async () => {
    expect((await verify([good, ...of('image-missing')])).images).toEqual([
      { image: good, digest: 'sha256:1', sizeInBytes: 1, layers: 1 },
      { image: `${registry}/image-missing:v1`, problem: 'it is image-missing' },
    ]);
  });

  it.each<readonly [string[], string]>([
    [of('token-refused'), 'TokenRejectedError'],
    [of('token-expired'), 'TokenRejectedError'],
    [[good, ...of('token-refused')], 'TokenRejectedError'],
    [of('image-missing', 'archived'), 'ImageNotPullableError'],
    [of('repository-forbidden'), 'ImageNotPullableError'],
    [of('image-missing', 'throttled'), 'EcrThrottledError'],
    [of('no-linux-amd64', 'unreachable'), 'EcrUnavailableError'],
    [of('bug'), 'RangeError'],
  ])('with %j throws %s', async (images, name) => {
    await expect(verify(images)).rejects.toMatchObject({ name });
  });

  it.each<readonly [PullProblem, string]>([
    ['token-refused', 'TokenRejectedError'],
    ['repository-forbidden', 'TokenRejectedError'],
    ['throttled', 'EcrThrottledError'],
    ['malformed', 'EcrUnavailableError'],
  ])('without images, and with a login that is %s, throws %s', async (problem, name) => {
    await expect(verify([], problem)).rejects.toMatchObject({ name });
  });

  it('passes on what is no fault of the registry', async () => {
    const broken = createVerifyImagePull({
      unseal: async () => ({ username: 'AWS', password: 'p' }),
      listPushes: async () => undefined,
      registryClient: {
        tryImage: () => Promise.reject(new RangeError('ours')),
        tryToken: () => Promise.reject(new RangeError('ours')),
      },
    });
    await expect(
      broken({ execution: 'e', target: 't', credential: 'c', expiresAt: 'then', sealed: 's', registry, endpoints: [] }),
    ).rejects.toBeInstanceOf(RangeError);
  });
});
