import * as z from 'zod/mini';
import type { Memory, MemoryForm } from './memory.ts';
import type { NotifiedStore } from './notified.ts';

const severitySchema = z.enum(['critical', 'warning', 'info']);
const delaySchema = z.object({ target: z.string(), severity: severitySchema, expiresAt: z.number() });

const delayForm: MemoryForm<typeof delaySchema> = {
  kind: 'delay',
  schema: delaySchema,
  expiresAt: ({ expiresAt }) => expiresAt,
};

/** Longer than any run. */
const keptMs = 24 * 3_600_000;

/** An upstream goes by the name of its error, and ECR by its region, too: the others are one for all targets. */
const upstreamOf = ({ error, region }: { readonly error: string; readonly region: string }): string =>
  error.startsWith('Ecr') ? `${error} ${region}` : error;

/** A target that waits, and what for. */
interface Waiting {
  readonly execution: string;
  readonly target: string;
  readonly error: string;
  /** Of the target's registry. */
  readonly region: string;
}

type Severity = z.output<typeof severitySchema>;

/** Whether people are told of another target, and no less urgently. A target whose own message failed tells it again. */
const isToldOf = (
  before: { readonly target: string; readonly severity: Severity } | undefined,
  target: string,
  severity: Severity,
): boolean =>
  before !== undefined && before.target !== target && (severity !== 'critical' || before.severity === 'critical');

/**
 * Notes that people are told of an upstream that keeps a run's targets waiting.
 *
 * @returns whether they are told already
 * @throws {MemoryUnavailableError}
 */
export const isDelayTold = async (
  memory: Memory,
  { execution, target, ...of }: Waiting,
  severity: Severity,
  now: number,
): Promise<boolean> => {
  let isTold = false;
  await memory.change(delayForm, `${execution} ${upstreamOf(of)}`, (before) => {
    isTold = isToldOf(before, target, severity);
    return isTold ? undefined : { target, severity, expiresAt: now + keptMs };
  });
  return isTold;
};

/**
 * The same by the parameter, where the table fails. Without conditional writes, targets that ask in one moment may each be
 * told of. No target has a name with a space, and a scheduled run's report drops what stands there of none of its targets.
 *
 * @throws {MemoryUnavailableError}
 */
export const isDelayNotified = async (
  store: NotifiedStore,
  { execution, target, ...of }: Waiting,
  severity: Severity,
  now: number,
): Promise<boolean> => {
  const name = `${execution.slice(execution.lastIndexOf(':') + 1)} ${upstreamOf(of)}`;
  const content = await store.read();
  const before = content.get(name)?.notified;
  const isTold = isToldOf(before && { target: before.trouble, severity: before.severity }, target, severity);
  if (!isTold) await store.write(new Map([...content, [name, { at: now, notified: { severity, trouble: target } }]]));
  return isTold;
};
