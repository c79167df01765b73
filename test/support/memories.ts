import type { Memory } from '../../functions/lib/memory/memory.ts';
import { type Notified, type NotifiedStore, readContent, writeContent } from '../../functions/lib/memory/notified.ts';
import { foldReport } from '../../functions/lib/memory/remember-report.ts';
import type { TargetMemories } from '../../functions/lib/memory/target-memory.ts';
import { composeAlerts } from '../../functions/lib/report/alerts.ts';
import type { Report } from '../../functions/lib/report/report.ts';

/** What is remembered once these runs, newest first, have ended and people were told of each. */
export const rememberAll = (reports: readonly Report[], scheduleMs: number): TargetMemories =>
  reports.toReversed().reduce<TargetMemories>((memories, report, index) => {
    // Each is a run of its own, whatever its execution is called.
    const run = { ...report, execution: `${report.execution}-${index}` };
    return foldReport(run, memories, composeAlerts(run, memories, Date.parse(run.endedAt), scheduleMs));
  }, new Map());

/** A memory in this very process, by kind and name, for what is tested of its users alone. */
export const createMemoryOf = (
  records: Record<string, unknown> = {},
): Memory & { readonly records: typeof records } => ({
  records,
  read: async ({ kind, schema }, name) => schema.safeParse(records[`${kind} ${name}`]).data,
  readAll: async ({ kind, schema }, prefix = '') =>
    new Map(
      Object.entries(records).flatMap(([key, record]) =>
        key.startsWith(`${kind} ${prefix}`) ? [[key.slice(kind.length + 1), schema.parse(record)] as const] : [],
      ),
    ),
  change: async ({ kind, schema }, name, change) => {
    const key = `${kind} ${name}`;
    const before = schema.safeParse(records[key]).data;
    const after = change(before);
    if (after !== undefined) records[key] = after;
    return after ?? before;
  },
  forget: async (kind, name) => void delete records[`${kind} ${name}`],
});

/** What people were told, in this very process: the value that the parameter would have. */
export const createNotifiedOf = (value = 'none yet'): NotifiedStore & { value: string } => {
  const store = {
    value,
    read: async () => readContent(store.value),
    write: async (content: Notified) => {
      store.value = writeContent(content);
    },
  };
  return store;
};
