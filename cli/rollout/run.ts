import { nameOfImage } from '../../functions/lib/ecr/image-reference.ts';
import { messageOf } from '../../functions/lib/message-of.ts';
import type { BasePlatform } from '../../functions/lib/platform.ts';
import { createProcessMemory } from '../../functions/lib/rollout/memory.ts';
import { orderOf } from '../../functions/lib/rollout/order.ts';
import { claim, type RolloutRecord } from '../../functions/lib/rollout/record.ts';
import { leftTexts } from '../../functions/lib/rollout/unfollowed.ts';
import { readDefinition, rolloutDefinitionUrl } from '../../runner/definition.ts';
import { createEngine, type EngineClock } from '../../runner/engine.ts';
import { createInvokeFunction, functionNames } from '../../runner/functions.ts';
import { CommandError } from '../../stack/failure.ts';
import type { Prepared } from './prepare.ts';

/** How a rollout ended, and what to print about it. */
export interface Ending {
  readonly verdict: string;
  readonly text: string;
}

/** What an endpoint has that refused an image. */
const backOf = ({ digest, back }: NonNullable<RolloutRecord['ended']>, earlier: string | undefined): string => {
  if (back === 'not ours') return 'Its earlier image was not put back, for it has another one by now';
  if (digest === earlier) return 'It had that image before, and has it still: name another with --to';
  return back === 'broken' ? 'Its earlier image is back, and does not start either' : 'Its earlier image is back';
};

/**
 * Says how a rollout ended by what is remembered of it.
 *
 * @param error what stopped its execution, where something did
 */
export const endingOf = (id: string, record: RolloutRecord | undefined, attempt: number, error?: string): Ending => {
  const { current, ended } = record ?? {};
  if (current?.attempt === attempt && current.phase === 'watching' && error === undefined) {
    return {
      verdict: 'unproved',
      text: `! ${id} has ${nameOfImage(current.image)}, and no worker has shown yet that it works.`,
    };
  }
  if (ended?.attempt !== attempt) {
    const left = current === undefined ? '' : `; ${leftTexts[current.phase](nameOfImage(current.image))}`;
    return {
      verdict: 'stopped',
      text: `✗ ${id}: the rollout was stopped by an error${left}. ${error ?? ''}`.trim(),
    };
  }
  const image = nameOfImage(ended.image);
  switch (ended.verdict) {
    case 'proven':
      return { verdict: 'proven', text: `✓ ${id} runs ${image}: ${ended.why}.` };
    case 'broken':
      return {
        verdict: 'broken',
        text: `✗ ${id} refused ${image}: ${ended.why}. ${backOf(ended, record?.earlier.digest)}.`,
      };
    default:
      return { verdict: ended.verdict, text: `✗ ${id}: the rollout of ${image} was ${ended.verdict}: ${ended.why}.` };
  }
};

/** Runs the rollout's state machine in this process, with a memory that lasts as long. */
export const rollOutHere = async (
  prepared: Prepared,
  platform: BasePlatform,
  clock: EngineClock,
  signal: AbortSignal,
  tell: (text: string) => void,
): Promise<Ending> => {
  const memory = createProcessMemory();
  const { id, wanted } = prepared;
  const record = await memory.change(id, () => claim(prepared.take(undefined), wanted, clock.now(), true));
  const attempt = record?.current?.attempt ?? 1;
  // No stack is beside that could refresh what waits for this endpoint.
  const rolloutPlatform = { ...platform, rolloutMemory: memory, startRefresh: async () => 'ended' as const };
  const invoke = createInvokeFunction(rolloutPlatform, { notify: () => async () => ({ published: 0 }) });
  const arnOf = (name: string): string => `arn:aws:lambda:us-east-1:000000000000:function:${name}`;
  const definition = readDefinition({ functionArn: arnOf, alertTopicArn: arnOf('nobody') }, rolloutDefinitionUrl);
  const failures: string[] = [];
  const call = async (resource: string, payload: unknown): Promise<unknown> => {
    const name = functionNames.find((each) => arnOf(each) === resource);
    if (name === undefined) return {};
    if (signal.aborted) throw new CommandError('Interrupted.');
    try {
      return await invoke(name, payload);
    } catch (error) {
      failures.push(messageOf(error));
      throw error;
    }
  };
  const execution = createEngine(
    clock,
    definition,
    call,
  )(orderOf(prepared, wanted.digest, attempt), {
    id: 'arn:aws:states:us-east-1:000000000000:execution:rollout-here:1',
    name: 'rollout-here',
  });
  const stop = (): void => execution.abort();
  signal.addEventListener('abort', stop);
  for await (const event of execution.events) {
    if (event.type !== 'StateEntered') continue;
    if (event.state.name === 'ApplyRollout') tell(`Giving ${id} ${nameOfImage(wanted.image)} …`);
    if (event.state.name === 'WaitToLook') tell('Waiting for a worker to show that it works …');
    if (event.state.name === 'RollBack') tell('It does not work: the earlier image goes back …');
  }
  const hasFailed = await execution.result.then(
    () => false,
    () => true,
  );
  signal.removeEventListener('abort', stop);
  if (signal.aborted) {
    return {
      verdict: 'interrupted',
      text: `! Stopped: ${id} has one of the two images, and nobody watches it. See which: npm run rollout.`,
    };
  }
  return endingOf(id, await memory.read(id), attempt, hasFailed ? (failures.at(-1) ?? '') : undefined);
};
