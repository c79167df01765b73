import { describe, expect, it } from 'vitest';
import { createListPushes, newerPushes } from '../../../../functions/lib/ecr/pushes.ts';
import { readSettings } from '../../../../functions/lib/env.ts';
import { World } from '../../../../simulator/world.ts';

const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';

describe('the pushes to a repository', () => {
  it('are not told of a list that goes on: what is newer may be on its next page', async () => {
    const world = await World.begin();
    const body = JSON.stringify({ imageDetails: [{ imageDigest: 'sha256:1', imagePushedAt: 5 }], nextToken: 'more' });
    world.faults.add({
      on: /DescribeImages/,
      does: { answer: { status: 200, headers: { 'content-type': 'application/x-amz-json-1.1' }, body } },
    });
    const listPushes = createListPushes(world.platform().settings);
    expect(await listPushes({ registry, repository: 'a' })).toBeUndefined();
    await world.end();
  });

  it('cannot be told of a registry that is not ECR’s, which is not asked', async () => {
    const listPushes = createListPushes(readSettings({}));
    expect(await listPushes({ registry: 'docker.io', repository: 'library/ubuntu' })).toBeUndefined();
  });

  it('may lack a digest or a time', async () => {
    const world = await World.begin();
    const body = JSON.stringify({
      imageDetails: [{ imageDigest: 'sha256:1', imagePushedAt: 5 }, { imageDigest: 'sha256:2' }, {}],
    });
    world.faults.add({
      on: /DescribeImages/,
      does: { answer: { status: 200, headers: { 'content-type': 'application/x-amz-json-1.1' }, body } },
    });
    const listPushes = createListPushes(world.platform().settings);
    const pushes = await listPushes({ registry, repository: 'a' });
    expect(pushes).toEqual(
      new Map([
        ['sha256:1', 5000],
        ['sha256:2', 0],
        ['', 0],
      ]),
    );
    await world.end();
  });

  it.each([
    [undefined, 'a', undefined],
    [new Map([['a', 1]]), 'b', undefined],
    [
      new Map([
        ['a', 1],
        ['b', 2],
        ['c', 3],
      ]),
      'a',
      2,
    ],
    [
      new Map([
        ['a', 1],
        ['b', 2],
        ['c', 3],
      ]),
      'c',
      0,
    ],
  ])('of which %j are known count those after %s: %j', (pushes, digest, expected) => {
    expect(newerPushes(pushes, digest)).toBe(expected);
  });
});
