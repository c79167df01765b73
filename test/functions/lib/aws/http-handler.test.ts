import { ListSchedulesCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { awsClause, awsClientDefaults } from '../../../../functions/lib/aws/client.ts';
import { createAwsHttpHandler } from '../../../../functions/lib/aws/http-handler.ts';
import { type Send, send } from '../../../../functions/lib/http.ts';
import { WorldClock } from '../../../../simulator/clock.ts';
import { Faults, json, type Loopback, type LoopbackRequest, serve } from '../../../../simulator/loopback.ts';

let server: Loopback;
let faults: Faults;
let requests: LoopbackRequest[];

beforeAll(async () => {
  faults = new Faults();
  server = await serve(new WorldClock(), faults, (request) => {
    requests.push(request);
    return json(200, { Schedules: [] });
  });
});
beforeEach(() => {
  faults.clear();
  requests = [];
});
afterAll(() => server.close());

const scheduler = (timeoutSeconds = 5, sendRequest: Send = send) =>
  new SchedulerClient({
    ...awsClientDefaults({ UPSTREAM_TIMEOUT_SECONDS: timeoutSeconds }, 1000, sendRequest),
    region: 'us-east-1',
    endpoint: server.origin,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  });

describe('what the AWS SDK sends', () => {
  it('has its query written as it was signed, and may have no body', async () => {
    await scheduler().send(new ListSchedulesCommand({ NamePrefix: "a b*(c)!'~", MaxResults: 5 }));
    expect(requests.map(({ url, body }) => [url.search, body])).toEqual([
      ['?NamePrefix=a%20b%2A%28c%29%21%27~&MaxResults=5', ''],
    ]);
  });

  it('may have a name without a value, or with several', async () => {
    const { protocol, hostname, port } = new URL(server.origin);
    const handler = createAwsHttpHandler(send, { timeoutMs: 5000, maxBytes: 1000 });
    const request = { protocol, hostname, port: Number(port), path: '/x%2Fy', method: 'GET', headers: {} };
    const query = { alone: null, many: ['1', '2'] };
    const { response } = await handler.handle({ ...request, query });
    expect(response).toMatchObject({ statusCode: 200, headers: { 'content-type': 'application/json' } });
    expect(requests.map(({ url }) => `${url.pathname}${url.search}`)).toEqual(['/x%2Fy?alone=&many=1&many=2']);
  });

  it('goes to the port of the protocol where none is named', async () => {
    const asked: string[] = [];
    const handler = createAwsHttpHandler(
      async (url) => {
        asked.push(url.href);
        return { status: 204, headers: new Map(), body: (async function* () {})() };
      },
      { timeoutMs: 5000, maxBytes: 1000 },
    );
    const hostname = 'scheduler.us-east-1.amazonaws.com';
    await handler.handle({ protocol: 'https:', hostname, path: '/schedules', method: 'GET', headers: {} });
    expect(asked).toEqual([`https://${hostname}/schedules`]);
  });

  it('is sent once more when no answer came in time', async () => {
    faults.add({ on: /schedules/, does: { hang: true }, times: 1 });
    expect((await scheduler(0.2).send(new ListSchedulesCommand({}))).Schedules).toEqual([]);
  });

  it('ends when its caller cancels it, and is not sent again', async () => {
    let [sent, ended] = [0, 0];
    const watched: Send = async (url, request) => {
      sent += 1;
      request.signal?.addEventListener('abort', () => {
        ended += 1;
      });
      return send(url, request);
    };
    faults.add({ on: /schedules/, does: { hang: true } });
    const asked = scheduler(60, watched).send(new ListSchedulesCommand({}), { abortSignal: AbortSignal.timeout(50) });
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
    expect([sent, ended]).toEqual([1, 1]);
  });

  it('ends when the way to send is cancelled, as by Ctrl-C, and is not sent again', async () => {
    let sent = 0;
    const interruptible: Send = async (url, request) => {
      sent += 1;
      return send(url, { ...request, signal: AbortSignal.timeout(50) });
    };
    faults.add({ on: /schedules/, does: { hang: true } });
    const error = await scheduler(60, interruptible)
      .send(new ListSchedulesCommand({}))
      .catch((thrown: unknown) => thrown);
    expect(awsClause(error)).toBe(`"the request to ${new URL(server.origin).host} was cancelled"`);
    expect(sent).toBe(1);
  });
});
