import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { awsClientDefaults } from '../../../functions/lib/aws/client.ts';
import { sendUntil } from '../../../functions/lib/http.ts';

let server: Server;
let url: URL;
let asked: Promise<void>;
let requests: number;

beforeEach(async () => {
  requests = 0;
  const { promise, resolve: ask } = Promise.withResolvers<void>();
  asked = promise;
  // It never answers.
  server = createServer(() => {
    requests += 1;
    ask();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

describe('a signal that ends requests', () => {
  it('ends one that is sent until then, and leaves its own signal its power', async () => {
    for (const by of ['other', 'own'] as const) {
      const [other, own] = [new AbortController(), new AbortController()];
      const sending = sendUntil(other.signal)(url, { method: 'GET', headers: {}, signal: own.signal });
      await asked;
      ({ other, own })[by].abort();
      await expect(sending).rejects.toThrow(/abort/i);
    }
  });

  it('ends what an AWS client asks, which then asks no second time', async () => {
    const interruption = new AbortController();
    const aws = {
      endpoint: url.href,
      region: 'us-east-1',
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      signal: interruption.signal,
    };
    const sts = new STSClient(awsClientDefaults({ UPSTREAM_TIMEOUT_SECONDS: 60, aws }));
    const asking = sts.send(new GetCallerIdentityCommand({}));
    await asked;
    interruption.abort();
    await expect(asking).rejects.toThrow(/was cancelled/);
    expect(requests).toBe(1);
  });
});
