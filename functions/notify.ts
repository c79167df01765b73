import { SNSClient } from '@aws-sdk/client-sns';
import { awsClientDefaults } from './lib/aws/client.ts';
import { createPublish, type Publish } from './lib/aws/publish.ts';
import { requireSetting } from './lib/env.ts';
import { isDelayNotified, isDelayTold } from './lib/memory/delay.ts';
import { createMemory, type Memory } from './lib/memory/memory.ts';
import { createNotifiedStore, type NotifiedStore, rememberNotified, withNotified } from './lib/memory/notified.ts';
import { foldReport, rememberReport } from './lib/memory/remember-report.ts';
import { targetForm } from './lib/memory/target-memory.ts';
import { lambda, type Platform, parseInput } from './lib/platform.ts';
import { measureTokens } from './lib/report/measurements.ts';
import { writeMessages } from './lib/report/messages.ts';
import { composeNotice, executionOf, noticeSchema } from './lib/report/notice.ts';
import { type FirstSteps, readFirstSteps } from './lib/report/runbook.ts';
import { isStopTold } from './lib/rollout/stopped.ts';

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

/** Longer than what a run that ends in the same moment takes from reading the parameter to writing it. */
const pauseMs = 1000;

/**
 * Tells people what changed for them: what failed, is delayed or degraded, and what has recovered; and, for those who
 * asked for it, how every target has fared in the last day. Remembers what a run came to, and what people know of it.
 *
 * @throws {NotificationError} SNS did not take the message
 */
export const createNotify = ({
  publish,
  memory,
  notified,
  now,
  sleep,
  scheduleMs,
  runbook,
  firstSteps,
  hasTargetAlarms,
  log,
  meter,
}: NotifyDeps) => {
  const failed = (what: string) => (error: unknown) => {
    log.error(what, error);
    return undefined;
  };
  return async (event: unknown): Promise<NotifyOutput> => {
    const notice = parseInput('notify', noticeSchema, event);
    const execution = executionOf(notice);
    // Without both, people may be told twice, which is better than not at all.
    const [read, before] = await Promise.all([
      memory.readAll(targetForm).catch(failed('What is remembered of the targets cannot be read')),
      notified.read().catch(failed('What people were told cannot be read')),
    ]);
    const memories = withNotified(read ?? new Map(), before ?? new Map());
    if (notice.kind === 'rollout-stopped') {
      const isTold = await isStopTold(memory, { ...notice, error: notice.failure.Error }).catch(
        failed('What people were told of a rollout cannot be remembered'),
      );
      if (isTold === true) return { published: 0 };
    }
    const alerts = composeNotice(notice, { memories, table: read }, now(), scheduleMs);
    const [first, ...more] = alerts;
    if (notice.kind === 'delayed' && first !== undefined) {
      const of = { execution, error: notice.failure.Error, region: notice.region, target: notice.name };
      // One message for all targets that share an upstream and a moment.
      const isTold = await isDelayTold(memory, of, first.severity, now()).catch((error: unknown) => {
        failed('What people were told of a delay cannot be remembered')(error);
        return isDelayNotified(notified, of, first.severity, now()).catch(
          failed('What people were told cannot be remembered'),
        );
      });
      if (isTold === true) return { published: 0 };
    }
    if (first !== undefined) await publish(writeMessages([first, ...more], { execution, runbook, firstSteps }));
    if (notice.kind === 'report') {
      const known = foldReport(notice.report, memories, alerts);
      const [remembered = known] = await Promise.all([
        rememberReport(memory, notice.report, memories, alerts, now).catch(
          failed('What the run came to cannot be remembered'),
        ),
        rememberNotified(notified, { table: read, parameter: before }, { report: notice.report, known, alerts }, () =>
          sleep(pauseMs),
        ).catch(failed('What people were told cannot be remembered')),
      ]);
      measureTokens(meter, remembered, now(), hasTargetAlarms);
    }
    return { published: first === undefined ? 0 : 1 };
  };
};

export const buildNotify = ({
  settings,
  now,
  sleep,
  log,
  meter,
}: Pick<Platform, 'settings' | 'now' | 'sleep' | 'log' | 'meter'>) => {
  const runbook = settings.RUNBOOK_URL ?? '';
  const topics = { alert: requireSetting(settings, 'ALERT_TOPIC_ARN'), chat: settings.CHAT_TOPIC_ARN };
  return createNotify({
    publish: createPublish(new SNSClient(awsClientDefaults(settings)), topics, log),
    memory: createMemory(settings),
    notified: createNotifiedStore(settings),
    now,
    sleep,
    scheduleMs: settings.SCHEDULE_HOURS * 3_600_000,
    runbook,
    firstSteps: runbook === '' ? readFirstSteps(log) : {},
    hasTargetAlarms: settings.TARGET_ALARMS === 'true',
    log,
    meter,
  });
};

export const handler = lambda('notify', buildNotify);
