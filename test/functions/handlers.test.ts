import type { Context } from 'aws-lambda';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { handler as discoverEndpoints } from '../../functions/discover-endpoints.ts';
import { handler as fetchToken } from '../../functions/fetch-token.ts';
import { handler as notify } from '../../functions/notify.ts';
import { handler as resolveTargets } from '../../functions/resolve-targets.ts';
import { handler as updateRunpod } from '../../functions/update-runpod.ts';
import { handler as verifyImagePull } from '../../functions/verify-image-pull.ts';

afterEach(() => vi.unstubAllEnvs());

describe('a handler as Lambda loads it', () => {
  it.each([
    ['discover-endpoints', discoverEndpoints],
    ['fetch-token', fetchToken],
    ['notify', notify],
    ['resolve-targets', resolveTargets],
    ['update-runpod', updateRunpod],
    ['verify-image-pull', verifyImagePull],
  ])('of %s is put together from its environment, and names what it cannot read', async (functionName, handler) => {
    vi.stubEnv('POWERTOOLS_LOG_LEVEL', 'SILENT');
    vi.stubEnv('AWS_REGION', 'us-east-1');
    vi.stubEnv('SEAL_KEY_ID', 'alias/seal');
    vi.stubEnv('MEMORY_TABLE', 'memory');
    vi.stubEnv('NOTIFIED_PARAMETER', '/notified');
    vi.stubEnv('ALERT_TOPIC_ARN', 'arn:aws:sns:us-east-1:123456789012:alerts');
    await expect(handler({}, { functionName } as Context)).rejects.toMatchObject({
      name: 'InvalidInputError',
      message: expect.stringContaining(`${functionName} was called with something it does not take`),
    });
  });
});
