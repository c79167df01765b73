import * as z from 'zod/mini';
import type { Memory, MemoryForm } from './memory.ts';

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

/**
 * Notes that people are told of an upstream that keeps a run's targets waiting.
 *
 * @returns whether they are told of another target, and no less urgently. A target whose own message failed tells it again
 * @throws {MemoryUnavailableError}
 */
export const isDelayTold = async (
  memory: Memory,
  { execution, target, ...of }: Waiting,
  severity: z.output<typeof severitySchema>,
  now: number,
): Promise<boolean> => {
  let isTold = false;
  await memory.change(delayForm, `${execution} ${upstreamOf(of)}`, (before) => {
    isTold =
      before !== undefined && before.target !== target && (severity !== 'critical' || before.severity === 'critical');
    return isTold ? undefined : { target, severity, expiresAt: now + keptMs };
  });
  return isTold;
};
