import { defined } from '../defined.ts';
import { isoSeconds, type Log } from '../platform.ts';
import type { CanaryPodOutcome } from '../report/outcome.ts';
import type { Memory } from './memory.ts';
import { type TargetMemory, targetForm } from './target-memory.ts';

const hourMs = 3_600_000;

/** Whether a target may have another canary pod: also where the execution that asks has begun one that has not ended. */
const isPodDue = (
  memory: TargetMemory | undefined,
  { execution, everyHours, now }: { readonly execution: string; readonly everyHours: number; readonly now: number },
): boolean => {
  const { begun } = { ...memory?.canaryPod };
  if (begun === undefined || (begun.execution === execution && begun.isEnded !== true)) return true;
  return Date.parse(begun.at) + everyHours * hourMs <= now;
};

/** A canary pod is about to be created. */
const rememberPodBegun = (
  before: TargetMemory | undefined,
  begun: { readonly at: string; readonly execution: string },
): TargetMemory => ({ runs: [], ...before, canaryPod: { ...before?.canaryPod, begun } });

/**
 * A canary pod has been deleted again, or could not be created.
 *
 * @param execution whose it was; another's that has begun since stays as it is
 * @param outcome left out where nothing was found out
 * @param wasCreated without, the next run may try again
 */
const rememberPodEnded = (
  before: TargetMemory | undefined,
  { execution, outcome, wasCreated }: { execution: string; outcome?: CanaryPodOutcome; wasCreated: boolean },
): TargetMemory => {
  const { begun, last } = { ...before?.canaryPod };
  const isOthers = begun !== undefined && begun.execution !== execution;
  const ended = wasCreated && begun !== undefined ? { ...begun, isEnded: true } : undefined;
  return {
    runs: [],
    ...before,
    canaryPod: defined({ begun: isOthers ? begun : ended, last: outcome ?? last }),
  };
};

/** What an execution learns of a target's canary pods, and has remembered. */
interface PodRecord {
  /** What the last pod showed; an earlier run's says so. */
  readonly last: CanaryPodOutcome | undefined;
  /** Whether the target may have a pod now. */
  readonly isDue: boolean;
  /** When this very execution began the pod that has not ended (epoch milliseconds): it crashed before it could say so. */
  readonly ownStart: number | undefined;
}

/** Remembers a target's canary pods for one execution. */
export const createPodMemory = (
  memory: Pick<Memory, 'read' | 'change'>,
  { name, execution, everyHours }: { readonly name: string; readonly execution: string; readonly everyHours: number },
  log: Log,
) => {
  return {
    /** @throws {MemoryUnavailableError} */
    async read(now: number): Promise<PodRecord> {
      const before = await memory.read(targetForm, name);
      const { begun, last } = { ...before?.canaryPod };
      const isOwn = begun?.execution === execution;
      return {
        last: last === undefined || isOwn ? last : { ...last, isEarlier: true },
        isDue: isPodDue(before, { execution, everyHours, now }),
        ownStart: isOwn && begun.isEnded !== true ? Date.parse(begun.at) : undefined,
      };
    },
    /**
     * Takes a target's turn.
     *
     * @returns when the pod was begun (epoch milliseconds); nothing where another execution has begun one meanwhile
     * @throws {MemoryUnavailableError}
     */
    async claim(now: number): Promise<number | undefined> {
      const at = isoSeconds(now);
      const claimed = await memory.change(targetForm, name, (before) =>
        isPodDue(before, { execution, everyHours, now }) ? rememberPodBegun(before, { at, execution }) : undefined,
      );
      return claimed?.canaryPod?.begun?.execution === execution ? Date.parse(at) : undefined;
    },
    /**
     * Whoever reads the function's log learns where this cannot be remembered.
     *
     * @param outcome left out where nothing was found out
     * @param wasCreated without, the next run may try again
     */
    async end({ outcome, wasCreated }: { outcome?: CanaryPodOutcome; wasCreated: boolean }): Promise<void> {
      await memory
        .change(targetForm, name, (before) => rememberPodEnded(before, defined({ execution, outcome, wasCreated })))
        .catch((error: unknown) => log.error('What became of the canary pod cannot be remembered', error));
    },
  };
};
