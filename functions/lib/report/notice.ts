import * as z from 'zod/mini';
import type { TargetMemories } from '../memory/target-memory.ts';
import { moment } from '../platform.ts';
import { type Alert, composeAlerts, composeDelay, composeDigest } from './alerts.ts';
import { failureSchema, messageOfFailure } from './cause.ts';
import { reportSchema } from './report.ts';
import {
  composeRollout,
  composeRolloutNews,
  composeStopped,
  rolloutNoticeSchema,
  rolloutStoppedSchema,
} from './rollout-alerts.ts';

/** What there may be to tell people: a run's report, a delay within a run, the last day, or how a rollout ended. */
export const noticeSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('report'), report: reportSchema }),
  z.object({
    kind: z.literal('delayed'),
    name: z.string(),
    region: z.string(),
    execution: z.string(),
    giveUpAt: moment,
    delay: z.object({ failingSince: moment, retryAt: moment }),
    failure: failureSchema,
  }),
  z.object({ kind: z.literal('digest'), stateMachine: z.string() }),
  rolloutNoticeSchema,
  rolloutStoppedSchema,
]);

export type Notice = z.output<typeof noticeSchema>;

/** The ARN of the execution that a notice is about, or of the state machine where it is about no single one. */
export const executionOf = (notice: Notice): string => {
  if (notice.kind === 'report') return notice.report.execution;
  return notice.kind === 'digest' ? notice.stateMachine : notice.execution;
};

/**
 * Composes the alerts that a notice gives rise to; none where people know already.
 *
 * @param memories what is remembered of all targets
 * @param table the same as the table alone has it, where it could be read
 */
export const composeNotice = (
  notice: Notice,
  { memories, table }: { readonly memories: TargetMemories; readonly table: TargetMemories | undefined },
  now: number,
  scheduleMs: number,
): readonly Alert[] => {
  switch (notice.kind) {
    case 'report':
      return [
        ...composeAlerts(notice.report, memories, now, scheduleMs),
        ...notice.report.targets.flatMap(composeRolloutNews),
      ];
    case 'delayed': {
      const tries = { ...notice.delay, giveUpAt: notice.giveUpAt };
      const delay = composeDelay(notice.name, messageOfFailure(notice.failure), tries, memories.get(notice.name), now);
      if (delay === undefined) return [];
      const others = memories.size > 1 ? ' Other targets that wait for the same are not told of one by one.' : '';
      return [{ ...delay, text: `${delay.text}${others}` }];
    }
    case 'rollout':
      return composeRollout(notice);
    case 'rollout-stopped':
      return [composeStopped(notice)];
    case 'digest':
      return composeDigest(table, now);
  }
};
