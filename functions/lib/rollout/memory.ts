import type { StartExecution } from '../aws/start-execution.ts';
import { createMemory, type MemoryForm } from '../memory/memory.ts';
import type { BasePlatform } from '../platform.ts';
import { type RolloutRecord, rolloutRecordSchema } from './record.ts';

/** What is remembered of endpoints' rollouts. It decides, and it is the lock. */
export interface RolloutMemory {
  /** `undefined` where nothing is remembered of the endpoint. */
  read(endpointId: string): Promise<RolloutRecord | undefined>;
  /** All that is remembered, by endpoint. */
  readAll(): Promise<ReadonlyMap<string, RolloutRecord>>;
  /**
   * Changes what is remembered in one step: where somebody else wrote in between, `change` is asked again about what they
   * wrote. What it hands back as it was is not written.
   *
   * @returns what is remembered now
   */
  change(
    endpointId: string,
    change: (before: RolloutRecord | undefined) => RolloutRecord | undefined,
  ): Promise<RolloutRecord | undefined>;
}

export const rolloutForm: MemoryForm<typeof rolloutRecordSchema> = { kind: 'rollout', schema: rolloutRecordSchema };

/** What functions of the rollout get from outside. */
export interface RolloutPlatform extends BasePlatform {
  /** What a rollout from the command line has in place of the stack's table. */
  readonly rolloutMemory?: RolloutMemory;
  /** What it has in place of the stack's refreshes. */
  readonly startRefresh?: StartExecution;
}

/** The memory of the stack's table, or the one that the platform brings. */
export const createRolloutMemory = ({
  settings,
  rolloutMemory,
}: Pick<RolloutPlatform, 'settings' | 'rolloutMemory'>): RolloutMemory => {
  if (rolloutMemory !== undefined) return rolloutMemory;
  const memory = createMemory(settings);
  return {
    read: (endpointId) => memory.read(rolloutForm, endpointId),
    readAll: () => memory.readAll(rolloutForm),
    change: (endpointId, change) =>
      memory.change(rolloutForm, endpointId, (before) => {
        const after = change(before);
        return after === before ? undefined : after;
      }),
  };
};

/** A memory that lasts as long as its process. */
export const createProcessMemory = (): RolloutMemory => {
  const records = new Map<string, RolloutRecord>();
  return {
    read: async (endpointId) => records.get(endpointId),
    readAll: async () => records,
    change: async (endpointId, change) => {
      const after = change(records.get(endpointId));
      if (after !== undefined) records.set(endpointId, after);
      return after;
    },
  };
};
