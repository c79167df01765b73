import { describe, expect, it } from 'vitest';
import { createWithhold, requireOwnRegistry } from '../../../../functions/lib/ecr/withhold.ts';
import {
  EcrUnavailableError,
  ImageNotPullableError,
  TokenRejectedError,
  WrongRegistryError,
} from '../../../../functions/lib/errors.ts';
import { createMemoryOf } from '../../../support/memories.ts';

const nextRunAt = Date.parse('2026-11-23T15:00:00Z');
const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';

/** Withholds for a reason while Runpod holds a token that ends then. */
const withhold = (reason: Error | undefined, heldUntil?: string): Promise<void> => {
  const records = heldUntil === undefined ? {} : { 'target production': { runs: [], expiresAt: heldUntil } };
  return createWithhold(createMemoryOf(records), 'production', nextRunAt)(reason);
};

describe('a reason to withhold a token', () => {
  it('is none where there is none', async () => {
    await expect(withhold(undefined)).resolves.toBeUndefined();
  });

  it.each([
    new TokenRejectedError('no'),
    new ImageNotPullableError('no'),
  ])('does not count for %s where what Runpod holds ends before the next run', async (reason) => {
    await expect(withhold(reason, '2026-11-23T15:00:00Z')).resolves.toBeUndefined();
    await expect(withhold(reason, '2026-11-23T15:00:01Z')).rejects.toBe(reason);
    await expect(withhold(reason)).rejects.toBe(reason);
  });

  it('counts where nobody knows what Runpod holds', async () => {
    const reason = new TokenRejectedError('no');
    const memory = { read: () => Promise.reject(new Error('gone')) };
    await expect(createWithhold(memory, 'production', nextRunAt)(reason)).rejects.toBe(reason);
  });

  it('counts always where it says nothing of the token', async () => {
    const reason = new EcrUnavailableError('no');
    await expect(withhold(reason, '2026-11-23T12:00:00Z')).rejects.toBe(reason);
  });
});

describe('a token for a registry', () => {
  it('is for what pulls from it, from nothing, or from it among others', () => {
    for (const registries of [[], [registry], ['docker.io', registry]]) {
      expect(() => requireOwnRegistry(registry, registries)).not.toThrow();
    }
  });

  it('is not for what pulls from others alone', () => {
    expect(() => requireOwnRegistry(registry, ['docker.io', 'ghcr.io'])).toThrow(WrongRegistryError);
    expect(() => requireOwnRegistry(registry, ['docker.io', 'ghcr.io'])).toThrow(
      `What uses the credential pulls from docker.io, ghcr.io, and nothing from ${registry}: this token`,
    );
  });
});
