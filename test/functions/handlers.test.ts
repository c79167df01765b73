import type { Context } from 'aws-lambda';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { handler as applyRollout } from '../../functions/apply-rollout.ts';
import { handler as canaryPod } from '../../functions/canary-pod.ts';
import { handler as concludeTarget } from '../../functions/conclude-target.ts';
import { handler as discoverEndpoints } from '../../functions/discover-endpoints.ts';
import { handler as fetchToken } from '../../functions/fetch-token.ts';
import { handler as findConcerned } from '../../functions/find-concerned.ts';
import { handler as notify } from '../../functions/notify.ts';
import { handler as planRetry } from '../../functions/plan-retry.ts';
import { handler as planRollout } from '../../functions/plan-rollout.ts';
import { handler as report } from '../../functions/report.ts';
import { handler as resolveTargets } from '../../functions/resolve-targets.ts';
import { handler as rollBack } from '../../functions/roll-back.ts';
import { handler as startRefresh } from '../../functions/start-refresh.ts';
import { handler as startRollouts } from '../../functions/start-rollouts.ts';
import { handler as submitCanary } from '../../functions/submit-canary.ts';
import { handler as updateRunpod } from '../../functions/update-runpod.ts';
import { handler as verifyEndpointPull } from '../../functions/verify-endpoint-pull.ts';
import { handler as verifyImagePull } from '../../functions/verify-image-pull.ts';
import { handler as watchRollout } from '../../functions/watch-rollout.ts';

afterEach(() => vi.unstubAllEnvs());

describe('a handler as Lambda loads it', () => {
  it.each([
    ['apply-rollout', applyRollout],
    ['canary-pod', canaryPod],
    ['conclude-target', concludeTarget],
    ['discover-endpoints', discoverEndpoints],
    ['fetch-token', fetchToken],
    ['find-concerned', findConcerned],
    ['notify', notify],
    ['plan-retry', planRetry],
    ['plan-rollout', planRollout],
    ['report', report],
    ['resolve-targets', resolveTargets],
    ['roll-back', rollBack],
    ['start-refresh', startRefresh],
    ['start-rollouts', startRollouts],
    ['submit-canary', submitCanary],
    ['update-runpod', updateRunpod],
    ['verify-endpoint-pull', verifyEndpointPull],
    ['verify-image-pull', verifyImagePull],
    ['watch-rollout', watchRollout],
  ])('of %s is put together from its environment, and names what it cannot read', async (functionName, handler) => {
    vi.stubEnv('POWERTOOLS_LOG_LEVEL', 'SILENT');
    vi.stubEnv('AWS_REGION', 'us-east-1');
    vi.stubEnv('SEAL_KEY_ID', 'alias/seal');
    vi.stubEnv('MEMORY_TABLE', 'memory');
    vi.stubEnv('STATE_MACHINE_ARN', 'arn:aws:states:us-east-1:123456789012:stateMachine:refresh');
    vi.stubEnv('ROLLOUT_MACHINE_ARN', 'arn:aws:states:us-east-1:123456789012:stateMachine:rollout');
    vi.stubEnv('NOTIFIED_PARAMETER', '/notified');
    vi.stubEnv('ALERT_TOPIC_ARN', 'arn:aws:sns:us-east-1:123456789012:alerts');
    await expect(handler({}, { functionName } as Context)).rejects.toMatchObject({
      name: 'InvalidInputError',
      message: expect.stringContaining(`${functionName} was called with something it does not take`),
    });
  });
});
