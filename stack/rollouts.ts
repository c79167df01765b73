import { nameOfImage } from '../functions/lib/ecr/image-reference.ts';
import { createMemory } from '../functions/lib/memory/memory.ts';
import type { RolloutOutcome } from '../functions/lib/report/outcome.ts';
import { rolloutForm } from '../functions/lib/rollout/memory.ts';
import type { RolloutRecord, WayBack } from '../functions/lib/rollout/record.ts';
import type { Caller } from './caller.ts';
import { awsFailure } from './failure.ts';
import type { DeployedStack } from './stack.ts';

/** What is remembered of rollouts, by endpoint. */
export type RolloutRecords = ReadonlyMap<string, RolloutRecord>;

/** @throws {CommandError} AWS refused, or did not answer */
export const readRollouts = async (
  { settings }: Caller,
  { memoryTable, rolloutMachine }: Pick<DeployedStack, 'memoryTable' | 'rolloutMachine'>,
): Promise<RolloutRecords> => {
  if (rolloutMachine === undefined) return new Map();
  return createMemory({ ...settings, MEMORY_TABLE: memoryTable })
    .readAll(rolloutForm)
    .catch((error: unknown) => {
      throw awsFailure('read what is remembered of rollouts', 'dynamodb:Query and kms:Decrypt', error);
    });
};

/** What became of the way back, as people read it behind why an image was refused: what was seen then. */
export const backTexts = {
  works: 'the earlier image was put back, and worked',
  unproved: 'the earlier image was put back, and no worker had to start with it',
  broken: 'the earlier image was put back, and did not start either',
  'not ours': 'it had another image by then, which stayed',
} as const satisfies Record<WayBack, string>;

/** How an endpoint fares that follows something. */
export type ShownRollout = RolloutOutcome & {
  /** Whether neither what it wants nor its earlier image could be started when they were watched. */
  readonly isStuck?: true;
};

/** How an endpoint that follows something fares, by what is remembered of it alone. */
export const stateOf = (record: RolloutRecord): Pick<ShownRollout, 'state' | 'why' | 'isStuck'> => {
  const { current, wanted, earlier, heldSince, refused, ended } = record;
  if (current !== undefined) {
    const name = nameOfImage(current.image);
    return current.phase === 'returning'
      ? { state: 'refused', why: `${name} was refused, and is being taken back: ${current.brokenWhy ?? ''}` }
      : { state: 'rolling', why: `${name} is under way` };
  }
  if (wanted !== undefined && wanted.digest === earlier.digest)
    return { state: 'current', why: `it has ${nameOfImage(earlier.image)}` };
  if (heldSince !== undefined) return { state: 'held', why: `it is held since ${new Date(heldSince).toISOString()}` };
  const refusal = refused.find(({ digest }) => digest === wanted?.digest);
  if (refusal === undefined) return { state: 'unknown', why: `${ended?.why ?? 'no run has said'}; the next run looks` };
  const back = ended?.digest === refusal.digest ? ended.back : undefined;
  return {
    state: 'refused',
    why: `${nameOfImage(refusal.image)} was refused: ${refusal.why}${back === undefined ? '' : `; ${backTexts[back]}`}`,
    ...(back === 'broken' ? { isStuck: true } : {}),
  };
};

/** Whether what a run said of an endpoint has been overtaken: by its rollout, which outlives the run, or by a person. */
const isOvertaken = ({ state }: RolloutOutcome, record: RolloutRecord, lookedAt: number): boolean => {
  const { current, ended, heldSince } = record;
  if (current !== undefined)
    return state !== 'rolling' || current.phase === 'returning' || current.startedAt > lookedAt;
  if (state === 'rolling' || (ended?.at ?? 0) > lookedAt) return true;
  if (state === 'held') return heldSince === undefined;
  const isHeldSince = (heldSince ?? 0) > lookedAt && stateOf(record).state === 'held';
  return isHeldSince || (state === 'refused' && ended?.back !== undefined);
};

/**
 * How the endpoints of a target fare that follow something: what its last run said of each, or what has become of it since.
 *
 * @param lookedAt when that run ended, in epoch milliseconds
 */
export const rolloutsNow = (
  said: readonly RolloutOutcome[],
  records: RolloutRecords,
  lookedAt: number,
): readonly ShownRollout[] =>
  said.map((each) => {
    const record = records.get(each.endpoint);
    return record !== undefined && isOvertaken(each, record, lookedAt) ? { ...each, ...stateOf(record) } : each;
  });
