import { paginateListSubscriptionsByTopic, SNSClient, type Subscription } from '@aws-sdk/client-sns';
import type { Caller } from './caller.ts';
import { awsFailure } from './failure.ts';

/** Who listens to a topic. */
export interface Listeners {
  readonly topic: string;
  /** Addresses that are notified. */
  readonly confirmed: readonly string[];
  /** Addresses whose owner has not followed the link in SNS's mail yet. */
  readonly pending: readonly string[];
  /**
   * Subscriptions that somebody ended, perhaps a mail scanner that follows every link: SNS lists them as `Deleted` for a
   * while, and then no longer.
   */
  readonly ended: readonly Subscription[];
}

/** @throws {CommandError} AWS refused, or did not answer */
export const readListeners = async ({ aws }: Caller, topic: string): Promise<Listeners> => {
  const subscriptions: Subscription[] = [];
  try {
    const pages = paginateListSubscriptionsByTopic({ client: new SNSClient(aws) }, { TopicArn: topic });
    for await (const { Subscriptions = [] } of pages) subscriptions.push(...Subscriptions);
  } catch (error) {
    throw awsFailure('list the subscriptions of a topic', 'sns:ListSubscriptionsByTopic', error);
  }
  const isConfirmed = ({ SubscriptionArn = '' }: Subscription) => SubscriptionArn.startsWith('arn:');
  const isEnded = ({ SubscriptionArn }: Subscription) => SubscriptionArn === 'Deleted';
  const addressOf = ({ Endpoint, Protocol = 'somebody' }: Subscription) => Endpoint ?? Protocol;
  const confirmed = subscriptions.filter(isConfirmed).map(addressOf);
  const pending = subscriptions.filter((each) => !isConfirmed(each) && !isEnded(each)).map(addressOf);
  // Who has subscribed again has come back.
  const present = [...confirmed, ...pending];
  return {
    topic,
    confirmed,
    pending,
    ended: subscriptions.filter((each) => isEnded(each) && !present.includes(addressOf(each))),
  };
};

/** Says whose subscriptions have ended; `undefined` where none has. */
export const endedText = (what: string, { ended }: Listeners): string | undefined =>
  ended.length === 0
    ? undefined
    : `${what} no longer reach ${ended.map(({ Endpoint = 'somebody' }) => Endpoint).join(', ')}: the subscription was ended by the link in a mail, perhaps by a mail scanner.`;

/** The way back for whoever's subscription has ended. */
export const wayBack = ({ topic, ended: [first] }: Listeners): string =>
  `aws sns subscribe --topic-arn ${topic} --protocol ${first?.Protocol ?? 'email'} --notification-endpoint ${first?.Endpoint ?? 'you@example.com'}; then, with the token in the link that it mails: aws sns confirm-subscription --topic-arn ${topic} --authenticate-on-unsubscribe true --token TOKEN. From then on no link ends it (docs/alerts.md).`;
