import * as z from 'zod/mini';
import { defined } from '../defined.ts';
import { canaryPodOutcomeSchema, type Outcome, outcomeSchema } from '../report/outcome.ts';
import type { Report } from '../report/report.ts';
import type { MemoryForm } from './memory.ts';

const text = z.string();
const time = text.check(z.refine((each) => !Number.isNaN(Date.parse(each))));

/** A run, as far as it concerned a target. Times are ISO 8601. */
const runSchema = z.object({
  /** The execution's name. */
  name: text,
  trigger: text,
  startedAt: time,
  endedAt: time,
  refreshed: z.boolean(),
  /** Of the token that it stored. */
  storedAt: z.optional(text),
  expiresAt: z.optional(text),
  /** The name of what kept it from storing one, or from pulling. */
  error: z.optional(text),
});

/** What cannot be read of a record is as if it were not there, and takes nothing else with it. */
const part = <Schema extends z.ZodMiniType>(schema: Schema) => z.catch(z.optional(schema), undefined);

const recordSchema = z.object({
  /** When the token that Runpod holds ends (ISO 8601). */
  expiresAt: part(time),
  /** Since when a token has been on record without a gap (ISO 8601). */
  heldSince: part(time),
  /** What the last run came to for the target, and when it ended. */
  last: part(z.object({ at: time, execution: text, trigger: text, outcome: outcomeSchema })),
  /** What an earlier run saw of its endpoints, and when, where the last one saw none. */
  seen: part(z.object({ at: time, ...z.pick(outcomeSchema, { proofs: true, endpoints: true }).shape })),
  /** What people know of its troubles: in a form that is equal as long as they are, and how severe they were. */
  notified: part(z.object({ trouble: text, severity: z.enum(['critical', 'warning', 'info']) })),
  /** Its last canary pod: when one was begun, by which execution, and what the last one that has ended showed. */
  canaryPod: part(
    z.object({
      begun: z.optional(z.object({ at: text, execution: text, isEnded: z.optional(z.boolean()) })),
      last: z.optional(canaryPodOutcomeSchema),
    }),
  ),
  /** The runs that concerned it, newest first. */
  runs: z.catch(z.array(runSchema), []),
});

/** What is remembered of a target. */
export type TargetMemory = z.output<typeof recordSchema>;
/** By target. */
export type TargetMemories = ReadonlyMap<string, TargetMemory>;

export const targetForm: MemoryForm<typeof recordSchema> = { kind: 'target', schema: recordSchema };

/** What is said to have started a run that `npm run refresh` made beside the stack. */
export const commandTrigger = 'command';

/** A day of hourly runs. */
const maxRuns = 24;
/** DynamoDB's items hold 400 KB, and a page of a thousand targets must be read at once. */
const maxEndpoints = 20;

/** The end of the token that Runpod holds (epoch milliseconds); `undefined` where none is on record. */
export const heldUntil = (memory: TargetMemory | undefined): number | undefined => {
  const end = Date.parse(memory?.expiresAt ?? '');
  return Number.isNaN(end) ? undefined : end;
};

/** All tokens live as long. One on record that ends this much later than one that was stored just now is none. */
const maxLaterMs = 3_600_000;

/** A token has been stored. The one that ends last is the one that counts, for runs may overlap. */
export const rememberToken = (before: TargetMemory | undefined, expiresAt: string, storedAt: string): TargetMemory => {
  const end = heldUntil(before);
  const laterMs = end === undefined ? 0 : end - Date.parse(expiresAt);
  const isGap = end === undefined || end <= Date.parse(storedAt) || laterMs > maxLaterMs;
  return defined({
    runs: [],
    ...before,
    expiresAt: laterMs > 0 && !isGap ? before?.expiresAt : expiresAt,
    heldSince: isGap ? storedAt : before?.heldSince,
  });
};

/**
 * When the table learned last what people know of a target's troubles (ISO 8601): at the end of a run of the stack.
 * `npm run refresh` tells nobody.
 */
export const toldAt = ({ last, runs }: TargetMemory): string | undefined =>
  last !== undefined && last.trigger !== commandTrigger
    ? last.at
    : runs.find(({ trigger: by }) => by !== commandTrigger)?.endedAt;

const boundOutcome = (outcome: Outcome): Outcome => {
  const { images: _, otherUsers: __, ...kept } = outcome;
  return { ...kept, endpoints: outcome.endpoints.slice(0, maxEndpoints) };
};

/** What was last seen of a target's endpoints, and when: a run that stored nothing has proven nothing either. */
export const lastSeen = ({ last, seen }: TargetMemory): TargetMemory['seen'] =>
  last === undefined || last.outcome.endpoints.length === 0
    ? seen
    : { at: last.at, proofs: last.outcome.proofs, endpoints: last.outcome.endpoints };

/** A run has ended. What people know of the target stays as it was. */
export const rememberRun = (
  before: TargetMemory | undefined,
  outcome: Outcome,
  { endedAt, execution, trigger, startedAt }: Pick<Report, 'endedAt' | 'execution' | 'trigger' | 'startedAt'>,
): TargetMemory => {
  const { refreshed, expiresAt, storedAt = endedAt } = outcome;
  const held =
    refreshed && expiresAt !== undefined && !Number.isNaN(Date.parse(expiresAt))
      ? rememberToken(before, expiresAt, storedAt)
      : before;
  const run = defined({
    name: execution.slice(execution.lastIndexOf(':') + 1),
    trigger,
    startedAt,
    endedAt,
    refreshed,
    storedAt: outcome.storedAt,
    expiresAt: outcome.expiresAt,
    error: refreshed && (outcome.proofs.failed ?? 0) > 0 ? 'EndpointNotPullingError' : outcome.error?.name,
  });
  const earlier = (before?.runs ?? []).filter(({ name }) => name !== run.name);
  const runs = [run, ...earlier].toSorted((one, other) => other.endedAt.localeCompare(one.endedAt));
  // Of two runs that overlap, the one that ended last has the last word.
  const isNewest = before?.last === undefined || before.last.at <= endedAt;
  const hasSeen = outcome.endpoints.length > 0;
  return defined({
    ...held,
    last: isNewest ? { at: endedAt, execution, trigger, outcome: boundOutcome(outcome) } : before.last,
    seen: !isNewest ? before.seen : hasSeen || before === undefined ? undefined : lastSeen(before),
    notified: before?.notified,
    runs: runs.slice(0, maxRuns),
  });
};
