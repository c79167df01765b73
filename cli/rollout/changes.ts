import type { RolloutRecord } from '../../functions/lib/rollout/record.ts';
import type { RolloutSettings } from '../../functions/lib/rollout/settings.ts';
import type { Target } from '../../functions/lib/targets.ts';
import { CommandError } from '../../stack/failure.ts';

/** An endpoint of targets.yml that follows something. */
export interface Follower {
  readonly id: string;
  readonly settings: RolloutSettings;
  readonly target: Target;
}

export const followersOf = (targets: readonly Target[]): Follower[] =>
  targets.flatMap((target) =>
    (target.endpoints ?? []).flatMap(({ id, rollout }) =>
      rollout === undefined ? [] : [{ id, settings: rollout, target }],
    ),
  );

const unknown = (id: string): CommandError =>
  new CommandError(`Nothing is remembered of endpoint ${id}: no run has seen it yet. Name an image with --to.`);

/** The digest that an endpoint had before: of the rollout under way, or of the last that was proven. */
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
