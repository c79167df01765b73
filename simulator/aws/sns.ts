import type { WorldClock } from '../clock.ts';
import { AwsError, type AwsService } from './server.ts';

/** A message as it went to a topic. */
export interface Message {
  readonly topicArn: string;
  readonly subject: string;
  readonly text: string;
  /** The text per protocol, where there is more than one. */
  readonly forms: Readonly<Record<string, string>>;
  /** Epoch milliseconds. */
  readonly at: number;
}

const maxBytes = 256 * 1024;

/** A message per protocol: text each, and one for everybody else. */
const readForms = (message: string): Record<string, string> => {
  const forms = JSON.parse(message) as Record<string, unknown>;
  if (typeof forms.default !== 'string' || Object.values(forms).some((form) => typeof form !== 'string')) {
    throw new AwsError(
      'InvalidParameter',
      'Invalid parameter: Message Structure - No default entry in JSON message body',
    );
  }
  return forms as Record<string, string>;
};

/** SNS: topics, and the messages that went to them. */
export class Sns {
  readonly topics = new Set<string>();
  readonly inbox: Message[] = [];
  onMessage: (message: Message) => void = () => {};
  readonly #clock: WorldClock;

  constructor(clock: WorldClock) {
    this.#clock = clock;
  }

  /** Takes a message as SNS would, or refuses it as SNS would. */
  publish(topicArn: string, subject: string, text: string, forms: Record<string, string> = {}): void {
    if (!this.topics.has(topicArn)) throw new AwsError('NotFound', 'Topic does not exist', 404);
    if (text === '') throw new AwsError('InvalidParameter', 'Invalid parameter: Empty message');
    if (Buffer.byteLength(text) > maxBytes)
      throw new AwsError('InvalidParameter', 'Invalid parameter: Message too long');
    if (subject.length >= 100 || /[^\x20-\x7e]/.test(subject)) {
      throw new AwsError('InvalidParameter', 'Invalid parameter: Subject');
    }
    const message = { topicArn, subject, text, forms, at: this.#clock.now() };
    this.inbox.push(message);
    this.onMessage(message);
  }

  readonly service: AwsService = {
    query: {
      Publish: (input) => {
        const message = input.get('Message') ?? '';
        const isStructured = input.get('MessageStructure') === 'json';
        const forms = isStructured ? readForms(message) : undefined;
        this.publish(input.get('TopicArn') ?? '', input.get('Subject') ?? '', forms?.email ?? message, forms);
        return `<MessageId>${this.inbox.length}</MessageId>`;
      },
    },
  };
}
