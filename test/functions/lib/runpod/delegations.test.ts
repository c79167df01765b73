import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send } from '../../../../functions/lib/http.ts';
import { createConnectRunpod } from '../../../../functions/lib/runpod/client.ts';
import { isDelegated, listDelegations } from '../../../../functions/lib/runpod/delegations.ts';
import { WorldClock } from '../../../../simulator/clock.ts';
import { Faults, json, type Loopback, type Reply, serve } from '../../../../simulator/loopback.ts';

const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';

let server: Loopback;
let answer: Reply;
let asked: unknown[];

beforeAll(async () => {
  server = await serve(new WorldClock(), new Faults(), ({ method, url }) => {
    asked.push([method, url.pathname]);
    return answer;
  });
});
afterAll(() => server.close());

const list = (given: Reply) => {
  [answer, asked] = [given, []];
  const client = createConnectRunpod({
    send,
    now: () => 0,
    sleep: async () => {},
    readApiKey: async () => 'rpa_a_key_of_some_length',
    timeoutMs: 5000,
  })('ssm:/key');
  return listDelegations(client, { RUNPOD_API_URL: new URL(`${server.origin}/v2`) });
};

describe('repositories that Runpod may pull from without a credential', () => {
  it('are listed as Runpod has them', async () => {
    const delegations = [
      { repository: 'team/worker', dockerRegistryUri: registry, id: 'more' },
      { repository: 'other' },
    ];
    expect(await list(json(200, { delegations }))).toEqual([
      { repository: 'team/worker', dockerRegistryUri: registry },
      { repository: 'other', dockerRegistryUri: '' },
    ]);
    expect(asked).toEqual([['GET', '/v2/registries/delegations']]);
  });

  it.each([
    ['knows none', json(404, { title: 'Not found' })],
    ['has no such operation', json(501, {})],
  ])('are none where Runpod %s', async (_what, given) => {
    expect(await list(given)).toEqual([]);
  });

  it.each([
    [json(403, {}), 'RunpodUnauthorizedError', 'The API key needs the scope for reading registry credentials.'],
    [json(500, {}), 'RunpodUnavailableError', 'Runpod, asked to list the ECR delegations, answered 500'],
    [json(200, { delegations: 'none' }), 'RunpodUnavailableError', 'answered with something that is no such list.'],
    [json(200, {}), 'RunpodUnavailableError', 'answered with something that is no such list.'],
  ])('cannot be listed', async (given, name, message) => {
    const error: unknown = await list(given).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ name, message: expect.stringContaining(message) });
  });

  it('are of one repository in one registry', () => {
    const delegations = [
      { repository: 'other', dockerRegistryUri: registry },
      { repository: 'team/worker', dockerRegistryUri: registry },
    ];
    expect(isDelegated(delegations, `${registry}/team/worker:v1`)).toBe(true);
    expect(isDelegated(delegations, `${registry}/team/other:v1`)).toBe(false);
    expect(isDelegated(delegations, '210987654321.dkr.ecr.us-east-1.amazonaws.com/team/worker:v1')).toBe(false);
    expect(isDelegated(delegations, 'no reference')).toBe(false);
    expect(isDelegated([], `${registry}/team/worker:v1`)).toBe(false);
  });
});
