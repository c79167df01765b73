import { createStartExecution } from '../../functions/lib/aws/start-execution.ts';
import { nameOfImage } from '../../functions/lib/ecr/image-reference.ts';
import type { RolloutMemory } from '../../functions/lib/rollout/memory.ts';
import { executionNameOf, orderOf } from '../../functions/lib/rollout/order.ts';
import { claim, errorThatStopped, takeHandMadeChoice } from '../../functions/lib/rollout/record.ts';
import type { EngineClock } from '../../runner/engine.ts';
import type { Caller } from '../../stack/caller.ts';
import { CommandError } from '../../stack/failure.ts';
import { wait } from '../wait.ts';
import type { Prepared } from './prepare.ts';
import { type Ending, endingOf } from './run.ts';

const lookEveryMs = 5000;
const minuteMs = 60_000;

/** Has the stack roll out what a person asks for: it goes before what the endpoint follows, what it refused, and a hold. */
export const rollOutByStack = async (
  prepared: Prepared,
  memory: RolloutMemory,
  caller: Caller,
  machineArn: string,
  clock: EngineClock,
  isAwaited: boolean,
  signal: AbortSignal,
): Promise<Ending> => {
  const { id, wanted, take, settings } = prepared;
  const claimed = await memory.change(id, (before) => {
    if (before?.current?.phase === 'returning') {
      throw new CommandError(`Endpoint ${id} is being given its earlier image back. Try again when that has ended.`);
    }
    const record = take(before);
    // What a person's choice replaces is not given again by itself, unless it is what the endpoint wants anyway; and the
    // choice is no longer refused.
    const isOwnWish = record.wanted?.digest === wanted.digest;
    const { refused: all } = isOwnWish ? record : takeHandMadeChoice(record, wanted, clock.now());
    const refused = all.filter(({ digest }) => digest !== wanted.digest);
    return claim({ ...record, refused }, wanted, clock.now(), true);
  });
  const attempt = claimed?.current?.attempt ?? 0;
  const order = orderOf(prepared, wanted.digest, attempt);
  const execution = executionNameOf(order);
  const name = nameOfImage(wanted.image);
  const awaitEnd = async (): Promise<Ending> => {
    const giveUpAt = clock.now() + (settings.proveWithinMinutes + 60) * minuteMs;
    for (;;) {
      await wait(lookEveryMs, clock, signal);
      signal.throwIfAborted();
      // A table that fails for a moment says nothing of how the rollout fares.
      const record = await memory.read(id).catch((error: unknown) => {
        if (signal.aborted || clock.now() > giveUpAt) throw error;
        return undefined;
      });
      const error = record && errorThatStopped(record, { digest: wanted.digest, execution });
      if (error !== undefined) return endingOf(id, record, attempt, `${error}. npm run rollout shows how it goes on.`);
      const { current, ended } = record ?? {};
      const appliedAt = current?.attempt === attempt && current.phase === 'watching' ? current.appliedAt : undefined;
      const isOver =
        (ended?.attempt ?? 0) >= attempt ||
        (current?.attempt ?? 0) > attempt ||
        (appliedAt !== undefined && clock.now() > appliedAt + settings.proveWithinMinutes * minuteMs + minuteMs) ||
        clock.now() > giveUpAt;
      if (isOver) return endingOf(id, record, attempt);
    }
  };
  try {
    await createStartExecution(caller.settings, machineArn)(execution, order);
    return isAwaited
      ? await awaitEnd()
      : { verdict: 'started', text: `${id} is given ${name}. npm run rollout shows how it fares.` };
  } catch (error) {
    if (!signal.aborted) throw error;
    // Once it is claimed, a run of the stack begins with it where nobody else has.
    return {
      verdict: 'interrupted',
      text: `! Stopped waiting: ${id} is given ${name} all the same. npm run rollout shows how it fares.`,
    };
  }
};
