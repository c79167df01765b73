import { describe, expect, it } from 'vitest';
import { executionNameOf, orderOf } from '../../../../functions/lib/rollout/order.ts';

const target = {
  name: 'production',
  ecr: { region: 'us-east-1' },
  runpod: { apiKey: 'ssm:/key', rolloutKey: 'ssm:/rollout', registry: 'cred' },
};
const settings = { tag: 'production', proveWithinMinutes: 20 };
const digest = `sha256:${'a'.repeat(64)}`;

describe('what an execution of a rollout is started with', () => {
  it('is all that it needs of targets.yml, and nothing else', () => {
    expect(orderOf({ id: 'ep', target, settings }, digest, 3)).toEqual({
      endpoint: 'ep',
      attempt: 3,
      digest,
      target: { name: 'production', runpod: target.runpod },
      proveWithinMinutes: 20,
      waiting: [],
    });
    const canary = { input: { prompt: 'ping' } };
    expect(orderOf({ id: 'ep', target, settings: { ...settings, canary } }, digest, 3, ['b', 'a', 'b'])).toMatchObject({
      canary,
      waiting: ['b', 'a'],
    });
  });

  it('has a name of its own by endpoint, digest and attempt', () => {
    const names = [
      { endpoint: 'ep', digest, attempt: 1 },
      { endpoint: 'ep', digest, attempt: 2 },
      { endpoint: 'other', digest, attempt: 1 },
      { endpoint: 'ep', digest: `sha256:${'b'.repeat(64)}`, attempt: 1 },
    ].map(executionNameOf);
    expect(new Set(names).size).toBe(4);
    expect(names[0]).toMatch(/^[0-9a-f]{32}-1$/);
    expect(names[1]).toBe(names[0]?.replace(/1$/, '2'));
  });
});
