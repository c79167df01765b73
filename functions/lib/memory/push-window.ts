import * as z from 'zod/mini';
import { isoSeconds } from '../platform.ts';
import type { Memory, MemoryForm } from './memory.ts';

/** All the pushes to a registry that arrive until a moment: they cost one run. */
export interface PushWindow {
  readonly account: string;
  readonly region: string;
  /** When their run asks which they were (epoch milliseconds). */
  readonly waitUntil: number;
}

const pushSchema = z.object({ repository: z.string(), expiresAt: z.number() });

const pushForm: MemoryForm<typeof pushSchema> = {
  kind: 'push',
  schema: pushSchema,
  expiresAt: ({ expiresAt }) => expiresAt,
};

/** Longer than a run may wait for anything, a redriven one included. */
const keptMs = 15 * 24 * 3_600_000;

/** An item for each repository, so that no two pushes of a burst write the same one. */
const prefixOf = ({ account, region, waitUntil }: PushWindow): string =>
  `${account}/${region}/${isoSeconds(waitUntil)}/`;

/** Remembers that something was pushed to a repository within a window. @throws {MemoryUnavailableError} */
export const rememberPush = async (memory: Memory, window: PushWindow, repository: string): Promise<void> => {
  await memory.change(pushForm, `${prefixOf(window)}${repository}`, (before) =>
    before === undefined ? { repository, expiresAt: window.waitUntil + keptMs } : undefined,
  );
};

/** The repositories that were pushed to within a window. @throws {MemoryUnavailableError} */
export const repositoriesOf = async (memory: Memory, window: PushWindow): Promise<ReadonlySet<string>> =>
  new Set([...(await memory.readAll(pushForm, prefixOf(window))).values()].map(({ repository }) => repository));
