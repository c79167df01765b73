import { describe, expect, it } from 'vitest';
import { createConcerns } from '../../../../functions/lib/runpod/concerned.ts';
import type { Target } from '../../../../functions/lib/targets.ts';

const pushed = { account: '123456789012', region: 'us-east-1' };
const host = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
const target: Target = { name: 'one', ecr: { region: 'us-east-1' }, runpod: { apiKey: 'ssm:/k', registry: 'cred' } };

const concerns = (image: string, repositories: string[] = ['team/worker'], asked = target, registry = 'cred') =>
  createConcerns(pushed, new Set(repositories))(asked, [
    { id: 'ep', name: 'ep', image, registry, workers: { max: 3 } },
  ]);

describe('a push', () => {
  it.each([
    ['an image of its repository', `${host}/team/worker:v1`, true],
    ['it under another of the registry’s host names', '123456789012.dkr-ecr.us-east-1.on.aws/team/worker', true],
    ['an image of another repository', `${host}/team/other:v1`, false],
    ['an image of another account', '210987654321.dkr.ecr.us-east-1.amazonaws.com/team/worker:v1', false],
    ['an image of another region', '123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/worker:v1', false],
    ['an image of another registry', 'docker.io/team/worker:v1', false],
    ['no image that can be read', '::', false],
    ['no image', '', false],
  ])('concerns a target whose endpoint has %s: %s (%s)', (_what, image, is) => {
    expect(concerns(image)).toBe(is);
  });

  it('concerns whatever is of the registry where nobody knows which repositories it was of', () => {
    expect(concerns(`${host}/team/other:v1`, [])).toBe(true);
    expect(concerns('docker.io/team/worker:v1', [])).toBe(false);
  });

  it('does not concern a target whose credential the endpoint does not use, nor one whose endpoint has gone', () => {
    expect(concerns(`${host}/team/worker:v1`, ['team/worker'], target, 'another')).toBe(false);
    expect(concerns(`${host}/team/worker:v1`, ['team/worker'], { ...target, endpoints: [{ id: 'gone' }] })).toBe(false);
  });
});
