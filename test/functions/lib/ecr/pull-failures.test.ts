import { describe, expect, it } from 'vitest';
import { isTokenProblem, reasonOfRegistry, reasonToWithhold } from '../../../../functions/lib/ecr/pull-failures.ts';
import { PullError } from '../../../../functions/lib/ecr/registry.ts';
import type { PullProblem } from '../../../../functions/lib/ecr/registry-answer.ts';

const of = (problem: PullProblem, message = `it is ${problem}`): PullError => new PullError(problem, message);

describe('a failed pull', () => {
  it.each<readonly [PullProblem, boolean]>([
    ['token-refused', true],
    ['token-expired', true],
    ['repository-forbidden', false],
    ['image-missing', false],
  ])('of %s speaks of the token itself: %s', (problem, expected) => {
    expect(isTokenProblem(of(problem))).toBe(expected);
  });
});

describe('the reason to withhold a token whose images were tried', () => {
  it('is none where one image was pulled, or none is there to try', () => {
    expect(reasonToWithhold([of('token-refused')], 2)).toBeUndefined();
    expect(reasonToWithhold([], 0)).toBeUndefined();
  });

  it('is none where ECR gave an answer that it gives to a good token', () => {
    expect(reasonToWithhold([of('repository-forbidden'), of('image-missing')], 2)).toBeUndefined();
    expect(reasonToWithhold([of('bad-reference')], 1)).toBeUndefined();
  });

  it('is what passes, where something passes', () => {
    const busy = of('throttled');
    const reason = reasonToWithhold([of('repository-forbidden'), busy], 2);
    expect(reason).toMatchObject({ name: 'EcrThrottledError', message: 'it is throttled.', cause: busy });
    const gone = of('unreachable');
    expect(reasonToWithhold([gone], 1)).toMatchObject({
      name: 'EcrUnavailableError',
      message: 'it is unreachable.',
      cause: gone,
    });
  });

  it('is the token, where each image says so, names that are none apart', () => {
    const refused = of('token-refused');
    expect(reasonToWithhold([of('bad-reference'), refused, of('token-expired')], 3)).toMatchObject({
      name: 'TokenRejectedError',
      message: expect.stringContaining('ECR refused the token it had just minted: it is token-refused.'),
      cause: refused,
    });
  });

  it('is the role, where it may pull none of them', () => {
    expect(reasonToWithhold([of('bad-reference'), of('repository-forbidden'), of('token-refused')], 3)).toMatchObject({
      name: 'ImageNotPullableError',
      message: expect.stringContaining(
        "none of the target's 3 images, so its token was not stored: it is repository-forbidden.",
      ),
    });
  });
});

describe('the reason of a registry that would not take a token', () => {
  it.each<readonly [PullProblem, string]>([
    ['token-refused', 'TokenRejectedError'],
    ['repository-forbidden', 'TokenRejectedError'],
    ['throttled', 'EcrThrottledError'],
    ['unreachable', 'EcrUnavailableError'],
  ])('that answered %s is %s', (problem, name) => {
    expect(reasonOfRegistry(of(problem))).toMatchObject({ name });
  });

  it('is no mistake of ours', () => {
    expect(() => reasonOfRegistry(new RangeError('ours'))).toThrow(RangeError);
  });
});
