import type { FetchTokenOutput } from '../functions/fetch-token.ts';
import { packImages } from '../functions/lib/ecr/packed-images.ts';
import type { World } from './world.ts';

/** The ARN of an execution for functions that are called on their own. */
export const executionArn = 'arn:aws:states:us-east-1:123456789012:execution:runpod-ecr-refresh-dev:test';

/** The target that the embedded world begins with, as DiscoverEndpoints hands it on. */
export const target = {
  name: 'production',
  ecr: { region: 'us-east-1' },
  runpod: { apiKey: 'ssm:/runpod-ecr-refresh/production/api-key', registry: '6n2k8v4d' },
};

/** Mints and seals a token for that target. */
export const fetchToken = (world: World, of: object = target): Promise<FetchTokenOutput> =>
  world.invoke('fetch-token', { execution: executionArn, target: of }) as Promise<FetchTokenOutput>;

const sealedToken = (token: FetchTokenOutput) => ({
  execution: executionArn,
  target: 'production',
  credential: target.runpod.registry,
  expiresAt: token.expiresAt,
  sealed: token.sealed,
  registry: token.registry,
});

/** What each function is called with, for a target with one endpoint and image. */
export const inputs = {
  resolveTargets: (input: object = {}) => ({ input, execution: executionArn, startedAt: '2026-11-23T12:00:00Z' }),
  findConcerned: () => ({
    resolved: {
      trigger: 'push',
      names: ['production'],
      giveUpAt: '2026-11-23T16:30:00Z',
      pushed: { account: '123456789012', region: 'us-east-1', waitUntil: Date.parse('2026-11-23T12:00:05Z') },
    },
  }),
  discoverEndpoints: () => ({ name: 'production', execution: executionArn, trigger: 'schedule' }),
  fetchToken: () => ({ execution: executionArn, target }),
  verifyImagePull: (token: FetchTokenOutput, images: readonly string[]) => ({
    ...sealedToken(token),
    images: packImages(images).packed,
    registries: [],
  }),
  updateRunpod: (token: FetchTokenOutput) => ({ execution: executionArn, target, token, staleTimes: 0 }),
  submitCanary: () => ({ target }),
  verifyEndpointPull: (more: object = {}) => ({
    target,
    registry: '123456789012.dkr.ecr.us-east-1.amazonaws.com',
    images: { images: [] },
    storedAt: '2026-11-23T12:00:00Z',
    canaries: [],
    before: {},
    ...more,
  }),
  startRollouts: (
    token: FetchTokenOutput,
    endpoints: ReadonlyArray<{ readonly id: string; readonly image: string }>,
  ) => ({
    ...sealedToken(token),
    endpoints: endpoints.map((each) => ({ ...each, seenAt: '2026-11-23T12:00:00Z' })),
  }),
  canaryPod: (more: object = {}) => ({
    name: 'production',
    execution: executionArn,
    discovered: { target, canaryPod: { image: 'runpod-canary:v1', everyHours: 24 } },
    token: { registry: '123456789012.dkr.ecr.us-east-1.amazonaws.com' },
    stored: { storedAt: '2026-11-23T12:00:00Z' },
    ...more,
  }),
  /** Of a target that waits for Runpod since noon. */
  delayed: (more: object = {}) => ({
    kind: 'delayed',
    name: 'production',
    region: 'us-east-1',
    execution: executionArn,
    giveUpAt: '2026-11-23T17:30:00Z',
    delay: { failingSince: '2026-11-23T12:00:00Z', retryAt: '2026-11-23T12:45:00Z' },
    failure: { Error: 'RunpodUnavailableError', Cause: '{"errorMessage":"Runpod is down."}' },
    ...more,
  }),
  rollout: (more: object = {}) => ({
    endpoint: '4m7x2k9q',
    attempt: 1,
    digest: `sha256:${'0'.repeat(64)}`,
    target,
    proveWithinMinutes: 20,
    waiting: [],
    ...more,
  }),
};

/** The content of targets.yml with a canary pod. */
export const targetsWithPod = `
targets:
  - name: production
    ecr: { region: us-east-1 }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d }
    canaryPod: { image: runpod-canary:v1, everyHours: 24 }
`;

/** The content of targets.yml with one endpoint, which follows a tag. */
export const targetsWithRollout = `
targets:
  - name: production
    ecr: { region: us-east-1 }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d }
    endpoints: [{ id: 4m7x2k9q, rollout: { tag: production } }]
`;
