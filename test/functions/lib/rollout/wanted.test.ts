import { describe, expect, it } from 'vitest';
import type { RepositoryImage } from '../../../../functions/lib/ecr/repository-images.ts';
import { findWanted, runningVersion } from '../../../../functions/lib/rollout/wanted.ts';

const hour = 3_600_000;
const image = (digest: string, pushedHoursAgo: number, ...tags: string[]): RepositoryImage => ({
  digest,
  tags,
  pushedAt: 1_000 * hour - pushedHoursAgo * hour,
});
const follow = (rollout: object) => ({ proveWithinMinutes: 20, ...rollout });
const digestOf = (rollout: object, images: readonly RepositoryImage[], running?: string) => {
  const found = findWanted(follow(rollout), images, runningVersion(images, undefined, running));
  return 'problem' in found ? found.problem : `${found.digest} as ${found.tag}`;
};

const releases = [
  image('d1', 9, '1.3.9'),
  image('d2', 8, 'v1.4.0', 'stable'),
  image('d3', 2, 'v1.4.10', 'v1.4'),
  image('d4', 3, '1.4.9'),
  image('d5', 1, '1.5.0-rc.1'),
  image('d6', 4, '2.0.0'),
  image('d7', 0),
  image('d8', 5, '1.4.2-cuda12', 'vX', 'latest'),
];

describe('the image that an endpoint wants', () => {
  it.each([
    ['a tag', { tag: 'stable' }, 'd2 as v1.4.0'.replace('v1.4.0', 'stable')],
    ['a tag that is not there', { tag: 'production' }, 'there is no tag production'],
    ['a range: the highest, not the newest', { semver: '^1.4' }, 'd3 as v1.4.10'],
    ['a range: no pre-release unless the range names one', { semver: '>=1.4' }, 'd6 as 2.0.0'],
    ['a range that names a pre-release', { semver: '>=1.5.0-rc.0 <2' }, 'd5 as 1.5.0-rc.1'],
    ['a range that nothing is in', { semver: '^3' }, 'no tag is a version in ^3'],
    ['what was pushed last', { newest: 'v*' }, 'd3 as v1.4'],
    ['what was pushed last, of anything', { newest: '*' }, 'd5 as 1.5.0-rc.1'],
    ['dots and dashes as they are', { newest: '1.4.?' }, 'd4 as 1.4.9'],
    ['what was pushed last, of nothing', { newest: 'w*' }, 'no tag is like w*'],
  ])('is found by %s', (_, rollout, expected) => {
    expect(digestOf(rollout, releases)).toBe(expected);
  });

  it('is never of a lower version than what runs, and may be of the same', () => {
    expect(digestOf({ semver: '~1.4' }, releases, 'v1.5.0')).toBe(
      'the highest version in ~1.4 is v1.4.10, lower than v1.5.0, which runs',
    );
    expect(digestOf({ semver: '~1.4' }, releases, '1.4.10')).toBe('d3 as v1.4.10');
    expect(digestOf({ semver: '~1.4' }, releases, 'production')).toBe('d3 as v1.4.10');
  });

  it('is the later push where two tags are one version', () => {
    const twice = [image('old', 5, '1.4.2'), image('new', 1, 'v1.4.2')];
    expect(digestOf({ semver: '^1' }, twice)).toBe('new as v1.4.2');
  });

  it('runs as the highest version among its tags', () => {
    const images = [image('d1', 1, 'production', '1.4.0', '1.4.1')];
    expect(runningVersion(images, 'd1', 'production')?.version).toBe('1.4.1');
    expect(runningVersion(images, 'd1', '1.5.0')?.version).toBe('1.5.0');
    expect(runningVersion(images, 'gone', undefined)).toBeUndefined();
  });
});
