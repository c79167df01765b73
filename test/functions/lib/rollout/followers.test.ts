import { expect, it } from 'vitest';
import { followersOf } from '../../../../functions/lib/rollout/followers.ts';
import type { Target } from '../../../../functions/lib/targets.ts';

const target: Target = { name: 'one', ecr: { region: 'us-east-1' }, runpod: { apiKey: 'ssm:/k', registry: 'cred' } };

it('an endpoint follows something where targets.yml has a rollout for it', () => {
  const settings = { tag: 'production', proveWithinMinutes: 20 };
  const following: Target = { ...target, name: 'two', endpoints: [{ id: 'a', rollout: settings }, { id: 'b' }] };
  expect(followersOf([target, following])).toEqual([{ id: 'a', settings, target: following }]);
});
