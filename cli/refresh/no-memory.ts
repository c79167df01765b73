import type { Memory } from '../../functions/lib/memory/memory.ts';

/** What a run in this process has in place of the stack's table: nothing is known from before, and nothing is kept. */
export const noMemory: Memory = {
  read: async () => undefined,
  readAll: async () => new Map(),
  change: async (_form, _name, change) => change(undefined),
  forget: async () => {},
};
