import type { Target } from '../targets.ts';
import type { RolloutSettings } from './settings.ts';

/** An endpoint of targets.yml that follows something. */
export interface Follower {
  readonly id: string;
  readonly settings: RolloutSettings;
  readonly target: Target;
}

export const followersOf = (targets: readonly Target[]): Follower[] =>
  targets.flatMap(
    (target) =>
      target.endpoints?.flatMap(({ id, rollout }) =>
        rollout === undefined ? [] : [{ id, settings: rollout, target }],
      ) ?? [],
  );
