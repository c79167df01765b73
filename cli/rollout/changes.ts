import type { RolloutRecord } from '../../functions/lib/rollout/record.ts';
import { CommandError } from '../../stack/failure.ts';

const unknown = (id: string): CommandError =>
  new CommandError(`Nothing is remembered of endpoint ${id}: no run has seen it yet. Name an image with --to.`);

/** The digest that an endpoint had before: before the rollout under way, or what it has. */
export const takeBack = (record: RolloutRecord | undefined, id: string): string => {
  if (record === undefined) throw unknown(id);
  const digest = record.current?.earlier.digest ?? record.previous?.digest;
  if (digest === undefined)
    throw new CommandError(`No image before the one that ${id} has is on record. Name one with --to.`);
  return digest;
};

/** The digest that an endpoint wants and has refused. */
export const takeOffRefusals = (record: RolloutRecord | undefined, id: string): string => {
  if (record === undefined) throw unknown(id);
  const refused = record.refused.find(({ digest }) => digest === record.wanted?.digest) ?? record.refused.at(-1);
  if (refused === undefined) throw new CommandError(`Endpoint ${id} has refused nothing.`);
  return refused.digest;
};
