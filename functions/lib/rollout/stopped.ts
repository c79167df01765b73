import type { Memory } from '../memory/memory.ts';
import { rolloutForm } from './memory.ts';
import { tellStopped } from './record.ts';

/**
 * Whether people know of the error that stopped an endpoint's rollout; from now on they do.
 *
 * @param error the error's name
 * @throws {MemoryUnavailableError}
 */
export const isStopTold = async (memory: Pick<Memory, 'change'>, endpoint: string, error: string): Promise<boolean> => {
  let isTold = false;
  await memory.change(rolloutForm, endpoint, (before) => {
    const after = tellStopped(before, error);
    isTold = after !== undefined && after === before;
    return isTold ? undefined : after;
  });
  return isTold;
};
