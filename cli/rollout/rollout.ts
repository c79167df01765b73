import { followersOf } from '../../functions/lib/rollout/followers.ts';
import { createRolloutMemory, type RolloutMemory } from '../../functions/lib/rollout/memory.ts';
import { runpodId } from '../../functions/lib/runpod/id.ts';
import { readTargets } from '../../functions/lib/targets.ts';
import { wallClock } from '../../runner/engine.ts';
import { type CallerOptions, readCaller } from '../../stack/caller.ts';
import { CommandError, exitCodes, UsageError } from '../../stack/failure.ts';
import { deployCommand, readStack } from '../../stack/stack.ts';
import { type CommandContext, type CommonOptions, interruptible } from '../context.ts';
import { ownPlatform } from '../refresh/run.ts';
import { type Terminal, wrapForPerson } from '../terminal.ts';
import { takeBack, takeOffRefusals } from './changes.ts';
import { type Prepared, prepare } from './prepare.ts';
import { type Ending, rollOutHere } from './run.ts';
import { showRollouts } from './show.ts';
import { rollOutByStack } from './stack.ts';

interface RolloutOptions extends CallerOptions, CommonOptions {
  readonly hold?: string;
  readonly resume?: string;
  readonly back?: string;
  readonly retry?: string;
  readonly endpoint?: string;
  readonly to?: string;
  readonly wait?: boolean;
}

const tagOrDigest = /^(?:\w[\w.-]{0,127}|sha256:[0-9a-f]{64})$/;

/** @throws {UsageError} */
const checkOptions = (options: RolloutOptions): void => {
  for (const name of ['hold', 'resume', 'back', 'retry', 'endpoint'] as const) {
    const id = options[name];
    if (id === undefined || runpodId.safeParse(id).success) continue;
    throw new UsageError(`--${name}: expected an endpoint's id, such as 4m7x2k9q, found ${JSON.stringify(id)}.`);
  }
  if (options.to !== undefined && !tagOrDigest.test(options.to))
    throw new UsageError(`--to: expected a tag, such as v1.4.2, or a digest, found ${JSON.stringify(options.to)}.`);

  const given = (['hold', 'resume', 'back', 'retry', 'to'] as const).filter((name) => options[name] !== undefined);
  if (given.length > 1) throw new UsageError(`--${given[1]}: expected one thing to do, found --${given[0]}, too.`);
  if (options.to !== undefined && options.endpoint === undefined)
    throw new UsageError('--to: expected the endpoint that gets it, with --endpoint, found nothing.');
  if (options.endpoint !== undefined && options.to === undefined)
    throw new UsageError('--endpoint: expected what it gets, with --to, found nothing.');
  if (options.wait === true && options.to === undefined && options.back === undefined && options.retry === undefined)
    throw new UsageError('--wait: expected a rollout to wait for, by --to, --back or --retry, found none.');
};

const codes: Readonly<Record<string, number>> = {
  started: exitCodes.well,
  proven: exitCodes.well,
  unproved: exitCodes.unproved,
  interrupted: exitCodes.interrupted,
};

/** How a rollout ended, as an exit code: 0 started or proven, 3 unproved, 130 no longer waited for, 1 everything else. */
const exitCodeOf = (verdict: string): number => codes[verdict] ?? exitCodes.trouble;

/** Prints how a rollout ended; as JSON without the mark that its sentence begins with. */
const printEnding = (
  { id, wanted }: Prepared,
  { verdict, text }: Ending,
  terminal: Terminal,
  isJson: boolean,
): void => {
  const sentence = text.replace(/^[✓!✗] /u, '');
  const printed = { version: 1, endpoint: id, image: wanted.image, verdict, sentence };
  terminal.print(isJson ? JSON.stringify(printed, undefined, 2) : wrapForPerson(text, '  ', terminal));
};

const perform = async (options: RolloutOptions, context: CommandContext, terminal: Terminal): Promise<number> => {
  checkOptions(options);
  const { json: isJson = false } = options;
  const { clock = wallClock, interrupted } = context;
  const caller = readCaller(options, interruptible(context));
  const targets = readTargets(caller.settings.TARGETS_FILE, context.folder);
  const stack = await readStack(caller);
  const platform = ownPlatform(caller, clock.now, interrupted);
  const memory =
    stack?.memoryTable === undefined
      ? undefined
      : createRolloutMemory({ settings: { ...caller.settings, MEMORY_TABLE: stack.memoryTable } });
  const needMemory = (): RolloutMemory => {
    if (memory !== undefined && stack?.rolloutMachine !== undefined) return memory;
    throw new CommandError(
      `The stack ${caller.stackName} rolls nothing out: it is not deployed, or targets.yml had no rollout then. Deploy it: ${deployCommand(caller)}.`,
    );
  };

  const tell = (text: string): void => terminal.printError(wrapForPerson(text, '  ', terminal));

  const { hold, resume, back, retry, to, endpoint } = options;
  if (hold !== undefined || resume !== undefined) {
    const id = hold ?? resume ?? '';
    const isHeld = hold !== undefined;
    const after = await needMemory().change(id, (before) => {
      if (before === undefined) return before;
      const { heldSince = clock.now(), ...rest } = before;
      return isHeld ? { ...rest, heldSince } : rest;
    });
    if (after === undefined) {
      throw new CommandError(
        `Nothing is remembered of endpoint ${id}: no run has seen it yet. npm run rollout shows which follow something.`,
      );
    }
    const sentence = isHeld
      ? `${id} is held: it is given nothing any more, until npm run rollout -- --resume ${id}.`
      : `${id} follows again what targets.yml says: the next run gives it what it wants.`;
    const printed = { version: 1, endpoint: id, isHeld, sentence };
    terminal.print(isJson ? JSON.stringify(printed, undefined, 2) : wrapForPerson(sentence, '  ', terminal));
    return exitCodes.well;
  }
  if (to === undefined && back === undefined && retry === undefined) {
    const records = await memory?.readAll();
    if (memory === undefined) tell('There is no stack that remembers: what was refused is not known.');
    const isKnown = await showRollouts(followersOf(targets), records, platform, interrupted, terminal, isJson);
    return isKnown ? exitCodes.well : exitCodes.trouble;
  }

  const id = back ?? retry ?? endpoint ?? '';
  const before = to === undefined ? await needMemory().read(id) : undefined;
  const wanted =
    back !== undefined ? takeBack(before, id) : retry !== undefined ? takeOffRefusals(before, id) : (to ?? '');
  const prepared = await prepare(targets, id, wanted, platform, memory);
  // The stack's functions may use the keys of targets with rollouts, and no others.
  if (stack?.rolloutMachine === undefined || memory === undefined || followersOf([prepared.target]).length === 0) {
    const notice =
      stack?.rolloutMachine === undefined
        ? 'There is no stack that rolls out: whether the endpoint is held, and whether it has refused this image before, is not known.'
        : `The stack rolls out nothing of ${prepared.target.name}, which has no rollout in targets.yml: this command does it itself.`;
    tell(notice);
    if (prepared.take(undefined).earlier.digest === prepared.wanted.digest)
      tell(`${id} has that image already, by its tag or its digest: there is no earlier one to come back to.`);
    const ending = await rollOutHere(prepared, platform, clock, interrupted, tell);
    printEnding(prepared, ending, terminal, isJson);
    return exitCodeOf(ending.verdict);
  }
  const ending = await rollOutByStack(
    prepared,
    memory,
    caller,
    stack.rolloutMachine,
    clock,
    options.wait === true,
    interrupted,
  );
  printEnding(prepared, ending, terminal, isJson);
  return exitCodeOf(ending.verdict);
};

/** Shows rollouts, or does with one what is asked for. @returns the exit code */
export const rollout = async (
  options: RolloutOptions,
  context: CommandContext,
  terminal: Terminal,
): Promise<number> => {
  try {
    return await perform(options, context, terminal);
  } catch (error) {
    if (!context.interrupted.aborted) throw error;
    terminal.printError('Stopped. npm run rollout shows what was done.');
    return exitCodes.interrupted;
  }
};
