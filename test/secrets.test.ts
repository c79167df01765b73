import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endpointSecret } from '../simulator/runpod/views.ts';
import { World } from '../simulator/world.ts';
import { awsFailures, failureNames } from './support/failures.ts';

const passwordMark = 'PasswordSentinelThatMustNeverBeSeen';
const apiKey = 'rpa_ApiKeySentinelThatMustNeverBeSeen';

/** Ways in which a secret might be written down. */
const writings = (secret: string): string[] => [
  secret,
  Buffer.from(`AWS:${secret}`).toString('base64').slice(0, 40),
  Buffer.from(secret).toString('base64').slice(0, 40),
  encodeURIComponent(secret),
];

let world: World;

beforeAll(async () => {
  world = await World.begin({
    passwordMark,
    apiKey,
    environment: { UPSTREAM_TIMEOUT_SECONDS: '0.2', LOG_LISTEN_SECONDS: '0.05', SCHEDULE_HOURS: '0.5' },
  });
  const image = world.push('team/worker', 'v1');
  const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
  world.runpod.startWorker(endpoint);
});

afterAll(() => world.end());

const expectNoSecret = (): void => {
  const places: Record<string, unknown> = {
    'states’ inputs and outputs': [...world.stepFunctions.executions.values()].map((each) => ({
      ...each,
      ended: undefined,
    })),
    logs: world.logs,
    alerts: world.sns.inbox,
    metrics: world.measurements,
  };
  for (const [place, value] of Object.entries(places)) {
    const text = JSON.stringify(value);
    for (const secret of [passwordMark, apiKey, endpointSecret]) {
      for (const writing of writings(secret)) expect(text.includes(writing), `${place} hold ${writing}`).toBe(false);
    }
  }
};

describe('the password, the API key and the endpoints’ own secrets', () => {
  it('are in use', async () => {
    const execution = await world.refresh();
    expect(execution.status).toBe('SUCCEEDED');
    expect(world.runpod.stored.at(-1)?.token.password).toContain(passwordMark);
    expectNoSecret();
  });

  const upstreams = [
    /PATCH \/v2/,
    /GET \/v2\/registries/,
    /GET \/v2\/serverless/,
    /\/manifests\//,
    /\/blobs\//,
    /GetAuthorizationToken/,
    /TrentService/,
    /GetParameter/,
    /Publish/,
  ];

  it.each(upstreams)('are nowhere to be seen when %s fails in any way', async (on) => {
    for (const name of failureNames) {
      world.restart();
      const repair = world.faults.add({ on, does: awsFailures[name], times: 3 });
      await world.refresh();
      repair();
    }
    expectNoSecret();
  });

  it.each([
    ['problem+json', (echo: string) => JSON.stringify({ title: 'Bad', status: 422, detail: `invalid value ${echo}` })],
    ['plain text', (echo: string) => `cannot store ${echo}`],
    ['a GraphQL error', (echo: string) => JSON.stringify({ errors: [{ message: `bad input ${echo}` }] })],
    ['half of it', (echo: string) => `cannot store ${echo.slice(7, 60)}`],
  ])('are withheld from messages when Runpod repeats them in %s', async (_form, write) => {
    for (const status of [400, 422, 500, 200]) {
      for (const secret of [passwordMark, apiKey]) {
        world.restart();
        const repair = world.faults.add({
          on: /PATCH \/v2/,
          does: {
            answer: { status, headers: { 'content-type': 'text/plain', 'x-request-id': secret }, body: write(secret) },
          },
        });
        await world.refresh();
        repair();
      }
    }
    expect(world.logs.some(({ fields }) => JSON.stringify(fields).includes('[withheld: it repeats a secret]'))).toBe(
      true,
    );
    expectNoSecret();
  });
});
