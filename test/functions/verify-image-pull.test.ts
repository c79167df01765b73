import { describe, expect, it } from 'vitest';
import { packImages } from '../../functions/lib/ecr/packed-images.ts';
import { PullError } from '../../functions/lib/ecr/registry.ts';
import type { PullProblem } from '../../functions/lib/ecr/registry-answer.ts';
import { createVerifyImagePull } from '../../functions/verify-image-pull.ts';
import { createMemoryOf } from '../support/memories.ts';

const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
const good = `${registry}/good:v1`;

const noon = Date.parse('2026-11-23T12:00:00Z');

/** A token that the tests' own Unseal opens. */
const sealed = { execution: 'e', target: 't', credential: 'c', expiresAt: 'then', sealed: 's' };

/** What it needs besides a registry: five hours between runs, and a memory. */
const around = (held?: string, now: () => number = () => noon) => ({
  memory: createMemoryOf(held === undefined ? {} : { 'target t': { expiresAt: held } }),
  now,
  scheduleMs: 5 * 3_600_000,
});

/** Images named after what happens to them. */
const verify = (
  images: readonly string[],
  onToken?: PullProblem,
  registries: readonly string[] = [],
  needs = around(),
  before: object = {},
) =>
  createVerifyImagePull({
    ...needs,
    unseal: async () => ({ username: 'AWS', password: 'p' }),
    listPushes: async () => undefined,
    registryClient: {
      tryImage: async ({ repository }) => {
        if (repository === 'bug') throw new RangeError('ours');
        if (repository !== 'good') throw new PullError(repository as PullProblem, `it is ${repository}`);
        return { digest: 'sha256:1', sizeInBytes: 1, layers: 1 };
      },
      tryToken: async () => {
        if (onToken !== undefined) throw new PullError(onToken, `it is ${onToken}`);
      },
    },
  })({
    ...sealed,
    registry,
    images: packImages(images).packed,
    registries,
    before,
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
      {
        image: `${registry}/image-missing:v1`,
        problem: "it is image-missing. Push the image, or correct the endpoint's image",
      },
    ]);
  });

  it.each([
    ['image-missing'],
    ['image-missing', 'archived'],
    ['no-linux-amd64', 'unreachable'],
    ['no-image', 'repository-forbidden'],
    ['malformed', 'token-refused'],
    ['key-lost', 'throttled'],
    ['upstream', 'repository-forbidden'],
  ])('goes on where %s %s alone is found: ECR took the token', async (...repositories) => {
    const { images } = await verify(of(...repositories));
    expect(images.map(({ problem }) => problem)).toEqual(
      repositories.map((repository) => expect.stringContaining(`it is ${repository}`)),
    );
  });

  it('marks what may pass by itself', async () => {
    const { images } = await verify([good, ...of('throttled', 'unreachable', 'archived')]);
    expect(images.map(({ isPassing }) => isPassing)).toEqual([undefined, true, true, undefined]);
  });

  it('asks the registry as a whole before it believes that a token is refused', async () => {
    await expect(verify([good, ...of('token-refused')], 'token-refused')).rejects.toMatchObject({
      name: 'TokenRejectedError',
    });
    const { images } = await verify([good, ...of('token-refused', 'token-expired')]);
    expect(images.map(({ problem }) => problem === undefined)).toEqual([true, false, false]);
  });

  it.each<readonly [string[], string]>([
    [of('token-refused', 'token-expired'), 'TokenRejectedError'],
    [of('token-refused', 'repository-forbidden'), 'ImageNotPullableError'],
    [of('repository-forbidden'), 'ImageNotPullableError'],
    [of('repository-forbidden', 'throttled'), 'EcrThrottledError'],
    [of('unreachable', 'unreachable'), 'EcrUnavailableError'],
    [of('bug'), 'RangeError'],
  ])('with %j throws %s', async (images, name) => {
    await expect(verify(images)).rejects.toMatchObject({ name });
  });

  it('withholds a token of another registry than all that uses the credential pulls from', async () => {
    const elsewhere = ['docker.io', '123456789012.dkr.ecr.eu-west-1.amazonaws.com'];
    await expect(verify([], undefined, elsewhere)).rejects.toMatchObject({
      name: 'WrongRegistryError',
      message: expect.stringContaining('pulls from docker.io, 123456789012.dkr.ecr.eu-west-1.amazonaws.com'),
    });
    expect(await verify([good], undefined, [...elsewhere, registry])).toMatchObject({
      images: [{ digest: 'sha256:1' }],
    });
  });

  it.each([
    ['2026-11-23T11:00:00Z', false],
    ['2026-11-23T17:00:00Z', false],
    ['2026-11-23T17:00:01Z', true],
    [undefined, true],
  ])('withholds one that may pull nothing, or that is refused, only while one that ends %s is known to do better: %s', async (held, isWithheld) => {
    for (const images of [of('repository-forbidden'), of('token-refused'), []]) {
      const answer = verify(images, 'token-refused', [], around(held));
      if (isWithheld) await expect(answer).rejects.toThrow(/refused|may pull none/);
      else expect((await answer).images).toHaveLength(images.length);
    }
    await expect(verify([], undefined, ['docker.io'], around(held))).rejects.toMatchObject({
      name: 'WrongRegistryError',
    });
    await expect(verify(of('throttled'), undefined, [], around(held))).rejects.toMatchObject({
      name: 'EcrThrottledError',
    });
  });

  /** A minute passes with each look at the clock, so that a call tries a few images. */
  const slow = () => {
    let time = noon;
    return around(undefined, () => {
      time += 60_000;
      return time;
    });
  };
  const many = [good, ...of('image-missing', 'archived', 'key-lost', 'no-image')];

  it('hands back what it has no time for, and goes on with it', async () => {
    const first = await verify(many, undefined, [], slow());
    expect(first).toMatchObject({ images: [{ image: good }, {}, {}], looks: 1 });
    const second = await verify(many, undefined, [], slow(), first);
    expect(second.images.map(({ image }) => image)).toEqual(many);
    expect(second.untried).toBeUndefined();
    // What was tried to the end is tried again with another token.
    expect((await verify([good], undefined, [], around(), second)).images).toHaveLength(1);
  });

  it('withholds no token for the images that are left, after others were pulled', async () => {
    const before = {
      images: [{ image: good, digest: 'sha256:1' }],
      untried: packImages(of('repository-forbidden')).packed,
    };
    expect((await verify([], undefined, [], around(), before)).images).toHaveLength(2);
  });

  it('leaves to the next run what eight calls have no time for', async () => {
    const left = { images: [], untried: packImages(many).packed };
    const { images, untried } = await verify(many, undefined, [], slow(), { ...left, looks: 7 });
    expect(untried).toBeUndefined();
    expect(images.filter(({ problem }) => problem?.startsWith('There was no time left'))).toHaveLength(2);
    expect((await verify(many, undefined, [], slow(), { ...left, looks: 6 })).untried).toBeDefined();
  });

  it.each<readonly [PullProblem, string]>([
    ['token-refused', 'TokenRejectedError'],
    ['repository-forbidden', 'TokenRejectedError'],
    ['throttled', 'EcrThrottledError'],
    ['malformed', 'EcrUnavailableError'],
  ])('without images, and with a token that is %s, throws %s', async (problem, name) => {
    await expect(verify([], problem)).rejects.toMatchObject({ name });
  });

  it('passes on what is no fault of the registry', async () => {
    const broken = createVerifyImagePull({
      ...around(),
      unseal: async () => ({ username: 'AWS', password: 'p' }),
      listPushes: async () => undefined,
      registryClient: {
        tryImage: () => Promise.reject(new RangeError('ours')),
        tryToken: () => Promise.reject(new RangeError('ours')),
      },
    });
    await expect(
      broken({
        ...sealed,
        registry,
        images: packImages([]).packed,
        registries: [],
      }),
    ).rejects.toBeInstanceOf(RangeError);
  });
});
