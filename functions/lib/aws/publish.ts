import { PublishCommand, type PublishCommandInput, type SNSClient } from '@aws-sdk/client-sns';
import { NotificationError } from '../errors.ts';
import type { Log } from '../platform.ts';
import type { Messages } from '../report/messages.ts';
import { awsCause, awsClause } from './client.ts';

/** Publishes one alert to whoever listens. */
export type Publish = (messages: Messages) => Promise<void>;

/** Where alerts go: the topic for people and pagers, and the one for chat, if there is any. */
interface AlertTopics {
  readonly alert: string;
  readonly chat: string | undefined;
}

const createSend =
  (sns: SNSClient) =>
  async (input: PublishCommandInput): Promise<void> => {
    try {
      const { MessageId: id } = await sns.send(new PublishCommand(input));
      if (id === undefined) throw new Error('it answered without a message id');
    } catch (error) {
      throw new NotificationError(
        `SNS did not take the message for ${input.TopicArn} (${awsClause(error)}).`,
        awsCause(error),
      );
    }
  };

/**
 * Makes what publishes an alert in chat's form alone.
 *
 * @throws {NotificationError} SNS did not take the message
 */
export const createPublishChat =
  (sns: SNSClient, topic: string): Publish =>
  ({ chat }) =>
    createSend(sns)({ TopicArn: topic, Message: chat });

/**
 * Makes what publishes alerts by SNS, in the form that each protocol's readers take.
 *
 * @throws {NotificationError} SNS did not take the message for the alert topic
 */
export const createPublish = (sns: SNSClient, { alert, chat }: AlertTopics, log: Log): Publish => {
  const send = createSend(sns);
  const publishChat = chat === undefined ? undefined : createPublishChat(sns, chat);
  return async (messages) => {
    const { subject, email, sms, machine } = messages;
    const forms = { default: email, email, sms, https: machine, sqs: machine };
    await send({ TopicArn: alert, Subject: subject, Message: JSON.stringify(forms), MessageStructure: 'json' });
    // Chat is a convenience: the alert has been sent, and trying again would send it twice.
    await publishChat?.(messages).catch((error: unknown) => {
      log.error('The chat topic did not take the alert', error);
    });
  };
};
