import type { RolloutRecord } from './record.ts';

/** What is remembered of endpoints' rollouts. It decides, and it is the lock. */
export interface RolloutMemory {
  /** `undefined` where nothing is remembered of the endpoint. */
  read(endpointId: string): Promise<RolloutRecord | undefined>;
  /**
   * Changes what is remembered in one step: where somebody else wrote in between, `change` is asked again about what they
   * wrote. What it leaves as it was is not written.
   */
  change<Record extends RolloutRecord | undefined>(
    endpointId: string,
    change: (before: RolloutRecord | undefined) => Record,
  ): Promise<Record>;
}

/** A memory that lasts as long as its process: a single rollout from the command line has no other. */
export const createProcessMemory = (): RolloutMemory => {
  const records = new Map<string, RolloutRecord>();
  return {
    read: async (endpointId) => records.get(endpointId),
    change: async (endpointId, change) => {
      const after = change(records.get(endpointId));
      if (after !== undefined) records.set(endpointId, after);
      return after;
    },
  };
};
