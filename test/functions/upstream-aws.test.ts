import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FetchTokenOutput } from '../../functions/fetch-token.ts';
import { fetchToken, inputs, target } from '../../simulator/inputs.ts';
import { World } from '../../simulator/world.ts';
import { awsFailures, type FailureName, failureNames, nameOfEnd } from '../support/failures.ts';
import { crossAccountTargets, deployPullRole, pullRole } from '../support/pull-role.ts';

const { arn: roleArn, externalId } = pullRole;

let world: World;

/** Seconds that an upstream gets: few where it is known to hang, and plenty where a busy machine is slow. */
const [patient, hasty] = ['10', '0.25'];
const be = (seconds: string): void => {
  if (world.environment.UPSTREAM_TIMEOUT_SECONDS === seconds) return;
  world.environment = { ...world.environment, UPSTREAM_TIMEOUT_SECONDS: seconds };
  world.restart();
};
let token: FetchTokenOutput;
let image: string;

beforeAll(async () => {
  world = await World.begin({ targets: crossAccountTargets, environment: { UPSTREAM_TIMEOUT_SECONDS: '10' } });
  image = world.push('team/worker', 'v1');
  world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
  deployPullRole(world);
  world.secrets.secrets.set('runpod/key', world.apiKey);
  token = await fetchToken(world);
});

afterEach(() => {
  world.faults.clear();
  be(patient);
});
afterAll(() => world.end());

/** AWS refuses by an error's name, not by a status alone: an answer without one is no answer. */
const allAre = (name: string): Record<FailureName, string> =>
  Object.fromEntries(failureNames.map((failure) => [failure, name])) as Record<FailureName, string>;

const crossAccount = { ...target, ecr: { region: 'us-east-1', registryId: '210987654321', roleArn, externalId } };
const keptIn = (apiKey: string): string => `
targets:
  - name: production
    ecr: { region: us-east-1 }
    runpod: { apiKey: "${apiKey}", registry: 6n2k8v4d }
`;
const withSecret = keptIn('secretsmanager:runpod/key');
const withParameter = keptIn('ssm:/runpod-ecr-refresh/production/api-key');

const alert = inputs.delayed();

const push = {
  account: pullRole.account,
  region: 'us-east-1',
  detail: { 'repository-name': 'team/worker' },
};

const calls: Array<{
  readonly call: string;
  readonly on: RegExp;
  readonly invoke: () => Promise<unknown>;
  readonly becomes: Record<FailureName, string>;
}> = [
  {
    call: 'mint a token',
    on: /GetAuthorizationToken /,
    invoke: () => fetchToken(world),
    becomes: allAre('EcrUnavailableError'),
  },
  {
    call: 'assume a role',
    on: /AssumeRole /,
    invoke: () => fetchToken(world, crossAccount),
    becomes: allAre('EcrUnavailableError'),
  },
  {
    call: 'make a data key',
    on: /GenerateDataKey /,
    invoke: () => fetchToken(world),
    becomes: allAre('KmsUnavailableError'),
  },
  {
    call: 'open a sealed token',
    on: /TrentService.Decrypt /,
    invoke: () => world.invoke('update-runpod', inputs.updateRunpod(token)),
    becomes: allAre('KmsUnavailableError'),
  },
  {
    call: 'read a parameter',
    on: /GetParameter /,
    invoke: () => world.invoke('discover-endpoints', inputs.discoverEndpoints()),
    becomes: { ...allAre('SecretStoreUnavailableError'), 'empty 200': 'ConfigurationError' },
  },
  {
    call: 'publish a message',
    on: /Publish /,
    invoke: () => world.invoke('notify', alert),
    becomes: allAre('NotificationError'),
  },
  {
    call: 'list earlier runs',
    on: /ListExecutions /,
    invoke: () => world.invoke('notify', alert),
    becomes: allAre('fine'),
  },
  {
    call: 'start an execution',
    on: /StartExecution /,
    invoke: () => world.invoke('start-refresh', push),
    becomes: allAre('RefreshNotStartedError'),
  },
];

describe.each(calls)('when AWS is asked to $call', ({ on, invoke, becomes }) => {
  it.each(failureNames)('and fails with %s', async (name) => {
    if (name === 'hang') be(hasty);
    world.restart();
    const repair = world.faults.add({ on, does: awsFailures[name] });
    expect(await nameOfEnd(invoke())).toBe(becomes[name]);
    repair();
    world.restart();
    expect(await nameOfEnd(invoke())).toBe('fine');
  });
});

describe('when Secrets Manager is asked for the key', () => {
  afterAll(() => world.writeTargets(withParameter));

  it.each(failureNames)('and fails with %s', async (name) => {
    if (name === 'hang') be(hasty);
    world.writeTargets(withSecret);
    world.restart();
    const repair = world.faults.add({ on: /GetSecretValue /, does: awsFailures[name] });
    const expected = name === 'empty 200' ? 'ConfigurationError' : 'SecretStoreUnavailableError';
    expect(await nameOfEnd(world.invoke('discover-endpoints', inputs.discoverEndpoints()))).toBe(expected);
    repair();
    expect(await nameOfEnd(world.invoke('discover-endpoints', inputs.discoverEndpoints()))).toBe('fine');
  });
});

const aws = (code: string, status = 400) => ({
  answer: {
    status,
    headers: { 'content-type': 'application/x-amz-json-1.1' },
    body: JSON.stringify({ __type: code, message: 'as AWS says it' }),
  },
});
const awsXml = (code: string, status = 403) => ({
  answer: {
    status,
    headers: { 'content-type': 'text/xml' },
    body: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>as AWS says it</Message></Error></ErrorResponse>`,
  },
});

describe('errors that AWS names', () => {
  const mint = () => fetchToken(world);
  const open = () => world.invoke('update-runpod', inputs.updateRunpod(token));
  const readKey = () => world.invoke('discover-endpoints', inputs.discoverEndpoints());
  it.each([
    ['GetAuthorizationToken', aws('AccessDeniedException'), mint, 'EcrAccessDeniedError'],
    ['GetAuthorizationToken', aws('UnrecognizedClientException'), mint, 'EcrAccessDeniedError'],
    ['GetAuthorizationToken', aws('InvalidParameterException'), mint, 'EcrAccessDeniedError'],
    ['GetAuthorizationToken', aws('ThrottlingException'), mint, 'EcrThrottledError'],
    ['GetAuthorizationToken', aws('ServerException', 500), mint, 'EcrUnavailableError'],
    ['AssumeRole', awsXml('AccessDenied'), () => fetchToken(world, crossAccount), 'EcrAccessDeniedError'],
    ['GenerateDataKey', aws('AccessDeniedException'), mint, 'ConfigurationError'],
    ['GenerateDataKey', aws('DisabledException'), mint, 'ConfigurationError'],
    ['GenerateDataKey', aws('ThrottlingException'), mint, 'KmsUnavailableError'],
    ['Decrypt', aws('AccessDeniedException'), open, 'ConfigurationError'],
    ['Decrypt', aws('KMSInternalException', 500), open, 'KmsUnavailableError'],
    ['GetParameter', aws('ParameterNotFound'), readKey, 'ConfigurationError'],
    ['GetParameter', aws('AccessDeniedException'), readKey, 'ConfigurationError'],
    ['GetParameter', aws('InvalidKeyId'), readKey, 'ConfigurationError'],
    ['GetParameter', aws('ThrottlingException'), readKey, 'SecretStoreUnavailableError'],
    ['Publish', awsXml('NotFound', 404), () => world.invoke('notify', alert), 'NotificationError'],
  ])('%s that fails with %j is told apart', async (operation, does, invoke, expected) => {
    world.restart();
    const repair = world.faults.add({ on: new RegExp(`${operation} `), does });
    expect(await nameOfEnd(invoke())).toBe(expected);
    repair();
  });

  it('refuses a data key of the wrong length and an answer without one', async () => {
    const key = (Plaintext: string | undefined) => ({
      answer: {
        status: 200,
        headers: { 'content-type': 'application/x-amz-json-1.1' },
        body: JSON.stringify({ Plaintext, CiphertextBlob: 'AAAA' }),
      },
    });
    for (const plaintext of ['c2hvcnQ=', undefined]) {
      const repair = world.faults.add({ on: /TrentService/, does: key(plaintext) });
      expect(await nameOfEnd(mint())).toBe('KmsUnavailableError');
      expect(await nameOfEnd(open())).toBe('KmsUnavailableError');
      repair();
    }
  });
});

describe('when ECR’s registry is asked', () => {
  /** It pauses before it asks again. */
  const invoke = (input: object) => world.clock.until(world.invoke('verify-image-pull', input));
  const verify = () => invoke(inputs.verifyImagePull(token, [image]));
  const tryToken = () => invoke(inputs.verifyImagePull(token, []));
  const usual: Record<FailureName, string> = {
    '401': 'TokenRejectedError',
    '403': 'ImageNotPullableError',
    // ECR took the token: what is wrong is the image's, and reported of its endpoint.
    '404': 'fine',
    '405': 'fine',
    '410': 'fine',
    '429 with Retry-After': 'EcrThrottledError',
    '500': 'EcrUnavailableError',
    '503': 'EcrUnavailableError',
    reset: 'EcrUnavailableError',
    hang: 'EcrUnavailableError',
    'truncated JSON': 'EcrUnavailableError',
    'HTML 200': 'EcrUnavailableError',
    'empty 200': 'EcrUnavailableError',
    'a body that never ends': 'fine',
  };
  const rows: Array<readonly [string, RegExp, () => Promise<unknown>, Partial<Record<FailureName, string>>]> = [
    ['for the manifest', /\/manifests\/v1/, verify, {}],
    ['for the linux/amd64 manifest', /\/manifests\/sha256/, verify, {}],
    ['for the config blob', /\/blobs\//, verify, {}],
    [
      'for the config blob at the store it redirects to',
      /GET \/bucket\//,
      verify,
      // The store never sees the token, so it cannot refuse it.
      { '401': 'EcrUnavailableError', '403': 'EcrUnavailableError' },
    ],
    [
      'to let the token in',
      /GET \/[^/]+\/v2\/$/,
      tryToken,
      {
        '403': 'TokenRejectedError',
        '404': 'EcrUnavailableError',
        '405': 'EcrUnavailableError',
        '410': 'EcrUnavailableError',
        'HTML 200': 'fine',
        'empty 200': 'fine',
        'a body that never ends': 'EcrUnavailableError',
      },
    ],
  ];
  describe.each(rows)('%s', (_what, on, invoke, but) => {
    it.each(failureNames)('and fails with %s', async (name) => {
      if (name === 'hang') be(hasty);
      const repair = world.faults.add({ on, does: awsFailures[name] });
      expect(await nameOfEnd(invoke())).toBe(but[name] ?? usual[name]);
      repair();
      expect(await nameOfEnd(invoke())).toBe('fine');
    });
  });
});
