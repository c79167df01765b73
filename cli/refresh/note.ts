import { defined } from '../../functions/lib/defined.ts';
import { createMemory } from '../../functions/lib/memory/memory.ts';
import { commandTrigger, rememberRun, rememberToken, targetForm } from '../../functions/lib/memory/target-memory.ts';
import { messageOf } from '../../functions/lib/message-of.ts';
import type { Report } from '../../functions/lib/report/report.ts';
import type { Caller } from '../../stack/caller.ts';
import { readStack } from '../../stack/stack.ts';

/**
 * Notes the tokens that were stored from here in the memory of the stack that is deployed beside, so that its status and
 * alarms know of them. What people know of a target's troubles stays: the next run of the stack tells of their end.
 *
 * @param isPartial whether a part of the endpoints was looked at: then the token alone is noted
 * @returns why it could not be noted; `undefined` where it was, or where there is no stack
 */
export const noteRefresh = async (caller: Caller, report: Report, isPartial: boolean): Promise<string | undefined> => {
  const stored = report.targets.filter(({ refreshed }) => refreshed);
  if (stored.length === 0) return undefined;
  try {
    const table = (await readStack(caller))?.memoryTable;
    if (table === undefined) return undefined;
    const memory = createMemory({ ...caller.settings, MEMORY_TABLE: table });
    for (const outcome of stored) {
      const { target, expiresAt, storedAt = report.endedAt } = outcome;
      await memory.change(targetForm, target, (before) =>
        isPartial && expiresAt !== undefined
          ? rememberToken(before, expiresAt, storedAt)
          : rememberRun(
              before,
              // It rolls nothing out: what the stack's last run said of rollouts holds still.
              defined({ ...outcome, rollouts: before?.last?.outcome.rollouts }),
              { ...report, trigger: commandTrigger },
            ),
      );
    }
    return undefined;
  } catch (error) {
    const message = messageOf(error);
    return `Not noted with stack ${caller.stackName}, whose status and alarms know nothing of this refresh: ${message}`;
  }
};
