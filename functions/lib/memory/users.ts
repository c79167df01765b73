import * as z from 'zod/mini';
import type { Target } from '../targets.ts';
import type { Memory, MemoryForm } from './memory.ts';
import { targetForm } from './target-memory.ts';

const usersSchema = z.object({ credential: z.string(), endpoints: z.array(z.string()) });

/** Which endpoints used a target's credential at its last run, by id. */
const usersForm: MemoryForm<typeof usersSchema> = { kind: 'users', schema: usersSchema };

/** DynamoDB's items hold 400 KB, and Runpod's ids have some ten characters. */
const maxUsers = 10_000;
/** A run tells of no more: the next one tells of the rest. */
const maxLeft = 10;

/**
 * Finds the endpoints that used the credential at an earlier run and no longer do, and remembers those that do now. One
 * that has left stays on record until a run that told of it has ended, so that no crash swallows it and none tells it twice.
 *
 * @param users the endpoints that use the credential now, by id
 * @param isOther whether an endpoint is there, uses something else, and is not told of in another way
 * @returns the ids of those that left, at most ten
 * @throws {MemoryUnavailableError}
 */
export const rememberUsers = async (
  memory: Pick<Memory, 'read' | 'change'>,
  { name, runpod: { registry: credential } }: Pick<Target, 'name' | 'runpod'>,
  users: readonly string[],
  isOther: (id: string) => boolean,
): Promise<string[]> => {
  const told = (await memory.read(targetForm, name))?.last?.outcome.left ?? [];
  const using = new Set(users);
  const known = new Set(told.map(({ endpoint }) => endpoint));
  let left: string[] = [];
  await memory.change(usersForm, name, (before) => {
    // Of another credential, it says nothing of this one.
    const earlier = before?.credential === credential ? before.endpoints : [];
    left = earlier.filter((id) => !using.has(id) && !known.has(id) && isOther(id));
    const endpoints = [...left, ...users].slice(0, maxUsers).toSorted();
    const isSame = before?.credential === credential && before.endpoints.join() === endpoints.join();
    // What cannot be remembered is told in each run: whoever tells of one has written first.
    return isSame && left.length === 0 ? undefined : { credential, endpoints };
  });
  return left.slice(0, maxLeft);
};
