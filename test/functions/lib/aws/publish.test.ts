import { SNSClient } from '@aws-sdk/client-sns';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { awsClientDefaults } from '../../../../functions/lib/aws/client.ts';
import { createPublish, createPublishChat } from '../../../../functions/lib/aws/publish.ts';
import { WorldClock } from '../../../../simulator/clock.ts';
import { Faults, type Loopback, serve } from '../../../../simulator/loopback.ts';

const topics = { alert: 'arn:alert', chat: 'arn:chat' };
const messages = { subject: 'Subject', email: 'Letter', sms: 'Short', machine: '{"a":1}', chat: '{"chat":1}' };
const forms = { default: 'Letter', email: 'Letter', sms: 'Short', https: '{"a":1}', sqs: '{"a":1}' };

let server: Loopback;
let asked: URLSearchParams[];
let logged: unknown[];
/** What SNS answers by topic; a message id otherwise. */
let answers: Record<string, { status: number; body: string }>;

beforeAll(async () => {
  server = await serve(new WorldClock(), new Faults(), ({ body }) => {
    const input = new URLSearchParams(body);
    asked.push(input);
    const taken = { status: 200, body: answerWith('<MessageId>1</MessageId>') };
    return { headers: { 'content-type': 'text/xml' }, ...(answers[input.get('TopicArn') ?? ''] ?? taken) };
  });
});
afterAll(() => server.close());
beforeEach(() => {
  [asked, logged, answers] = [[], [], {}];
});

const answerWith = (inner: string) => `<PublishResponse><PublishResult>${inner}</PublishResult></PublishResponse>`;
const denied = {
  status: 403,
  body: '<ErrorResponse><Error><Code>AuthorizationError</Code><Message>No.</Message></Error></ErrorResponse>',
};
const log = {
  info: () => expect.unreachable(),
  error: (message: string, error: unknown) => void logged.push([message, error]),
};
const client = () => {
  const credentials = { accessKeyId: 'AKIA', secretAccessKey: 'secret' };
  const aws = { endpoint: server.origin, region: 'us-east-1', credentials };
  return new SNSClient(awsClientDefaults({ UPSTREAM_TIMEOUT_SECONDS: 5, aws }));
};
const asObjects = () =>
  asked.map((each) => {
    const { Action: _, Version: __, ...input } = Object.fromEntries(each);
    return input;
  });
const alert = {
  TopicArn: 'arn:alert',
  Subject: 'Subject',
  Message: JSON.stringify(forms),
  MessageStructure: 'json',
};

describe('an alert', () => {
  it('goes to people in the form of each protocol, and to chat in its own', async () => {
    await createPublish(client(), topics, log)(messages);
    expect(asObjects()).toEqual([alert, { TopicArn: 'arn:chat', Message: '{"chat":1}' }]);
    expect(logged).toEqual([]);
  });

  it('goes to people alone where there is no topic for chat', async () => {
    await createPublish(client(), { ...topics, chat: undefined }, log)(messages);
    expect(asObjects()).toEqual([alert]);
  });

  it('has gone out where chat alone did not take it, and the log says so', async () => {
    answers = { 'arn:chat': denied };
    await createPublish(client(), topics, log)(messages);
    expect(logged).toMatchObject([['The chat topic did not take the alert', { name: 'NotificationError' }]]);
  });

  it('goes to no chat where people did not get it', async () => {
    answers = { 'arn:alert': denied };
    await expect(createPublish(client(), topics, log)(messages)).rejects.toMatchObject({
      name: 'NotificationError',
      message: expect.stringMatching(
        /^SNS did not take the message for arn:alert \(403 AuthorizationError.* "No\."\)\.$/,
      ),
      cause: { message: 'No.' },
    });
    expect(asObjects()).toEqual([alert]);
  });

  it('has not gone out where SNS gave it no id', async () => {
    answers = { 'arn:chat': { status: 200, body: answerWith('') } };
    await expect(createPublishChat(client(), 'arn:chat')(messages)).rejects.toMatchObject({
      name: 'NotificationError',
      message: 'SNS did not take the message for arn:chat ("it answered without a message id").',
    });
  });
});
