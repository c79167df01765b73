import { PublishCommand, type PublishCommandInput, SNSClient } from '@aws-sdk/client-sns';
import * as z from 'zod/mini';
import { messageOfCause } from './conclude-target.ts';
import { awsCause, awsClause, awsClientDefaults } from './lib/aws/client.ts';
import { createReadEarlierReports, type ReadEarlierReports } from './lib/aws/history.ts';
import { requireSetting } from './lib/env.ts';
import { NotificationError } from './lib/errors.ts';
import { lambda, moment, type Platform, parseInput } from './lib/platform.ts';
import { type Alert, composeAlerts, composeDelay, composeDigest, goodUntil } from './lib/report/alerts.ts';
import { type Messages, writeMessages } from './lib/report/messages.ts';
import { type Report, reportSchema } from './lib/report/report.ts';

/** Publishes one alert to whoever listens. */
export type Publish = (messages: Messages) => Promise<void>;

/** What notify needs from outside. */
export interface NotifyDeps {
  readonly publish: Publish;
  readonly readEarlierReports: ReadEarlierReports;
  readonly now: () => number;
  /** Milliseconds between scheduled runs. */
  readonly scheduleMs: number;
  /** Where the runbook is. */
  readonly runbook: string;
  readonly log: Platform['log'];
  readonly meter: Platform['meter'];
}

const inputSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('report'), report: reportSchema }),
  z.object({
    kind: z.literal('delayed'),
    name: z.string(),
    execution: z.string(),
    giveUpAt: moment,
    delay: z.object({ failingSince: moment, retryAt: moment }),
    failure: z.object({ Error: z.string(), Cause: z._default(z.string(), '') }),
  }),
  z.object({ kind: z.literal('digest'), stateMachine: z.string() }),
]);

type Input = z.output<typeof inputSchema>;

const executionOf = (input: Input): string =>
  input.kind === 'report' ? input.report.execution : input.kind === 'delayed' ? input.execution : input.stateMachine;

const compose = (input: Input, earlier: readonly Report[], now: number, scheduleMs: number): readonly Alert[] => {
  switch (input.kind) {
    case 'report':
      return composeAlerts(input.report, earlier, now, scheduleMs);
    case 'delayed': {
      const tries = { ...input.delay, giveUpAt: input.giveUpAt };
      const delay = composeDelay(input.name, messageOfCause(input.failure.Cause), tries, earlier, now, scheduleMs);
      return delay === undefined ? [] : [delay];
    }
    case 'digest':
      return composeDigest(earlier, now);
  }
};

/** How many messages went out. */
export interface NotifyOutput {
  readonly published: number;
}

/** How long pulls keep working: of each target, and of the one that ends first. None on record counts as none left. */
const measure = (meter: Platform['meter'], report: Report, earlier: readonly Report[], now: number): void => {
  const left = report.targets.map(({ target }) => {
    const seconds = Math.max(0, ((goodUntil(target, [report, ...earlier]) ?? now) - now) / 1000);
    meter.add('TargetTokenSecondsLeft', seconds, { Target: target });
    return seconds;
  });
  if (left.length > 0) meter.add('TokenSecondsLeft', Math.min(...left));
};

/**
 * Tells people what changed for them: what failed, is delayed or degraded, and what has recovered; and, for those who
 * asked for it, how every target has fared in the last day.
 *
 * @throws {NotificationError} SNS did not take the message
 */
export const createNotify =
  ({ publish, readEarlierReports, now, scheduleMs, runbook, log, meter }: NotifyDeps) =>
  async (event: unknown): Promise<NotifyOutput> => {
    const input = parseInput('notify', inputSchema, event);
    const execution = executionOf(input);
    // Without history people may be told twice, which is better than not at all.
    const earlier = await readEarlierReports(execution).catch((error: Error): Report[] => {
      log.error('The history of earlier runs cannot be read', error);
      return [];
    });
    if (input.kind === 'report') measure(meter, input.report, earlier, now());
    const [first, ...more] = compose(input, earlier, now(), scheduleMs);
    if (first === undefined) return { published: 0 };
    await publish(writeMessages([first, ...more], { execution, runbook }));
    return { published: 1 };
  };

/** Where alerts go: the topic for people and pagers, and the one for chat, if there is any. */
export interface AlertTopics {
  readonly alert: string;
  readonly chat: string | undefined;
}

/**
 * Makes what publishes alerts by SNS, in the form that each protocol's readers take.
 *
 * @throws {NotificationError} SNS did not take the message for the alert topic
 */
export const createPublish = (sns: SNSClient, { alert, chat }: AlertTopics, log: Platform['log']): Publish => {
  const send = async (input: PublishCommandInput): Promise<void> => {
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

  return async ({ subject, email, sms, machine, chat: chatText }) => {
    const forms = { default: email, email, sms, https: machine, sqs: machine };
    await send({ TopicArn: alert, Subject: subject, Message: JSON.stringify(forms), MessageStructure: 'json' });
    if (chat === undefined) return;
    // Chat is a convenience: the alert has been told, and telling it again would tell it twice.
    await send({ TopicArn: chat, Message: chatText }).catch((error: unknown) => {
      log.error('The chat topic did not take the alert', error);
    });
  };
};

export const buildNotify = ({ settings, now, log, meter }: Platform) => {
  const topics = { alert: requireSetting(settings, 'ALERT_TOPIC_ARN'), chat: settings.CHAT_TOPIC_ARN };
  return createNotify({
    publish: createPublish(new SNSClient(awsClientDefaults(settings)), topics, log),
    readEarlierReports: createReadEarlierReports(settings),
    now,
    scheduleMs: settings.SCHEDULE_HOURS * 3_600_000,
    runbook: settings.RUNBOOK_URL,
    log,
    meter,
  });
};

export const handler = lambda('notify', buildNotify);
