import type { Platform } from '../platform.ts';
import type { Alert } from '../report/alerts.ts';
import { executionOf, type Notice } from '../report/notice.ts';
import type { Report } from '../report/report.ts';
import { isStopTold } from '../rollout/stopped.ts';
import { isDelayNotified, isDelayTold } from './delay.ts';
import { type NotifiedStore, type ReadBefore, rememberNotified, withNotified } from './notified.ts';
import { foldReport, rememberReport } from './remember-report.ts';
import { type TargetMemories, targetForm } from './target-memory.ts';

/** What is remembered of the targets: as the table and the parameter have it, and both together. */
interface Known extends ReadBefore {
  readonly memories: TargetMemories;
}

/** What people know, in the table and in the parameter. */
interface Told {
  /** Of what cannot be read, nothing is known. */
  read(): Promise<Known>;
  /** Whether people know already what a notice says, and notes that they do. It may be told twice rather than not at all. */
  isTold(notice: Notice, severity: Alert['severity']): Promise<boolean>;
  /** Remembers what a run came to, and that people know. @returns what is remembered now, or would be */
  remember(report: Report, before: Known, alerts: readonly Alert[]): Promise<TargetMemories>;
}

/** Longer than what a run that ends in the same moment takes from reading the parameter to writing it. */
const pauseMs = 1000;

/** Keeps what people know in two stores. Whoever reads the function's log learns where one does not answer. */
export const createTold = ({
  memory,
  notified,
  now,
  sleep,
  log,
}: Pick<Platform, 'now' | 'sleep' | 'log' | 'memory'> & { readonly notified: NotifiedStore }): Told => {
  const failed = (what: string) => (error: unknown) => {
    log.error(what, error);
    return undefined;
  };
  return {
    async read() {
      const [table, parameter] = await Promise.all([
        memory.readAll(targetForm).catch(failed('What is remembered of the targets cannot be read')),
        notified.read().catch(failed('What people were told cannot be read')),
      ]);
      return { table, parameter, memories: withNotified(table ?? new Map(), parameter ?? new Map()) };
    },
    async isTold(notice, severity) {
      if (notice.kind === 'rollout-stopped') {
        const told = isStopTold(memory, { ...notice, error: notice.failure.Error });
        return (await told.catch(failed('What people were told of a rollout cannot be remembered'))) ?? false;
      }
      if (notice.kind !== 'delayed') return false;
      // One message for all targets that share an upstream and a moment.
      const { name: target, region, failure } = notice;
      const waiting = { execution: executionOf(notice), error: failure.Error, region, target };
      const told = isDelayTold(memory, waiting, severity, now()).catch((error: unknown) => {
        failed('What people were told of a delay cannot be remembered')(error);
        return isDelayNotified(notified, waiting, severity, now());
      });
      return (await told.catch(failed('What people were told cannot be remembered'))) ?? false;
    },
    async remember(report, before, alerts) {
      const { memories } = before;
      const known = foldReport(report, memories, alerts);
      const [remembered = known] = await Promise.all([
        rememberReport(memory, report, memories, alerts, now).catch(
          failed('What the run came to cannot be remembered'),
        ),
        rememberNotified(notified, before, { report, known, alerts }, () => sleep(pauseMs)).catch(
          failed('What people were told cannot be remembered'),
        ),
      ]);
      return remembered;
    },
  };
};
