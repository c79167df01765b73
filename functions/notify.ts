import { SNSClient } from '@aws-sdk/client-sns';
import { awsClientDefaults } from './lib/aws/client.ts';
import { createPublish, type Publish } from './lib/aws/publish.ts';
import { requireSetting } from './lib/env.ts';
import { createMemory, type Memory } from './lib/memory/memory.ts';
import { createNotifiedStore, type NotifiedStore } from './lib/memory/notified.ts';
import { createTold } from './lib/memory/told.ts';
import { lambda, type Platform, parseInput } from './lib/platform.ts';
import { measureTokens } from './lib/report/measurements.ts';
import { writeMessages } from './lib/report/messages.ts';
import { composeNotice, executionOf, noticeSchema } from './lib/report/notice.ts';
import { type FirstSteps, readFirstSteps } from './lib/report/runbook.ts';

/** What notify needs from outside. */
interface NotifyDeps extends Pick<Platform, 'now' | 'sleep' | 'log' | 'meter'> {
  readonly publish: Publish;
  readonly memory: Memory;
  readonly notified: NotifiedStore;
  /** Milliseconds between scheduled runs. */
  readonly scheduleMs: number;
  /** Where the runbook is; empty where it has no address, and then what it says to do first, by section. */
  readonly runbook: string;
  readonly firstSteps: FirstSteps;
  /** Whether each target has an alarm, and so a metric, of its own. */
  readonly hasTargetAlarms: boolean;
}

/** How many messages went out. */
interface NotifyOutput {
  readonly published: number;
}

/**
 * Tells people what changed for them: what failed, is delayed or degraded, and what has recovered; and, for those who
 * asked for it, how every target has fared in the last day. Remembers what a run came to, and what people know of it.
 *
 * @throws {NotificationError} SNS did not take the message
 */
export const createNotify = (deps: NotifyDeps) => {
  const { publish, now, scheduleMs, runbook, firstSteps, hasTargetAlarms, meter } = deps;
  const told = createTold(deps);
  return async (event: unknown): Promise<NotifyOutput> => {
    const notice = parseInput('notify', noticeSchema, event);
    const known = await told.read();
    const alerts = composeNotice(notice, known, now(), scheduleMs);
    const [first, ...more] = alerts;
    if (first !== undefined) {
      if (await told.isTold(notice, first.severity)) return { published: 0 };
      await publish(writeMessages([first, ...more], { execution: executionOf(notice), runbook, firstSteps }));
    }
    if (notice.kind === 'report') {
      const remembered = await told.remember(notice.report, known, alerts);
      measureTokens(meter, remembered, now(), hasTargetAlarms);
    }
    return { published: first === undefined ? 0 : 1 };
  };
};

export const buildNotify = (platform: Pick<Platform, 'settings' | 'now' | 'sleep' | 'log' | 'meter'>) => {
  const { settings, log } = platform;
  const runbook = settings.RUNBOOK_URL ?? '';
  const topics = { alert: requireSetting(settings, 'ALERT_TOPIC_ARN'), chat: settings.CHAT_TOPIC_ARN };
  return createNotify({
    ...platform,
    publish: createPublish(new SNSClient(awsClientDefaults(settings)), topics, log),
    memory: createMemory(settings),
    notified: createNotifiedStore(settings),
    scheduleMs: settings.SCHEDULE_HOURS * 3_600_000,
    runbook,
    firstSteps: runbook === '' ? readFirstSteps(log) : {},
    hasTargetAlarms: settings.TARGET_ALARMS === 'true',
  });
};

export const handler = lambda('notify', buildNotify);
