import type { Memory } from '../memory/memory.ts';
import { rolloutForm } from './memory.ts';
import { tellStopped } from './record.ts';

/**
 * Whether people know of the error that stopped an execution, its endpoint's rollout; from now on they do.
 *
 * @param error the error's name
 * @throws {MemoryUnavailableError}
 */
export const isStopTold = async (
  memory: Pick<Memory, 'change'>,
  { endpoint, execution, error }: { readonly endpoint: string; readonly execution: string; readonly error: string },
): Promise<boolean> => {
  let isTold = false;
  await memory.change(rolloutForm, endpoint, (before) => {
    const after = tellStopped(before, error, execution);
    isTold = after !== undefined && after === before;
    return isTold ? undefined : after;
  });
  return isTold;
};
