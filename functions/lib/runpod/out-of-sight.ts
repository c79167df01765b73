import type { Memory } from '../memory/memory.ts';
import type { Log } from '../platform.ts';
import { accountOf, type Target } from '../targets.ts';
import type { Delegation } from './delegations.ts';
import { findLeft, type LeftEndpoint } from './left.ts';
import type { Endpoint } from './management.ts';
import { describeAllUnmanaged, findUnmanaged, labelOf } from './unmanaged.ts';

const maxUnmanaged = 20;

/** Endpoints that a run of a target does not look at, although its credential concerns them. */
export interface OutOfSight {
  /** Those that pull from the registry with another credential or none, by name, at most 20. */
  readonly unmanaged: readonly string[];
  /** Those that used the credential at the run before, and are not told of otherwise. */
  readonly left: readonly LeftEndpoint[];
  /** What there is to say of both. */
  readonly warnings: readonly string[];
}

/**
 * Finds the endpoints that will fail at a cold start though no run watches them. It is only for the report: it never fails.
 *
 * @param targets all there are: what another target keeps is not out of sight
 * @param ownAccount the account that the run is in
 * @param all the endpoints that Runpod lists
 */
export const findOutOfSight = async (
  deps: {
    readonly memory: Pick<Memory, 'read' | 'change'>;
    readonly log: Log;
    readonly listDelegations: () => Promise<readonly Delegation[]>;
  },
  target: Target,
  targets: readonly Target[],
  ownAccount: string,
  all: readonly Endpoint[],
): Promise<OutOfSight> => {
  const unmanaged = await findUnmanaged(target, accountOf(target, ownAccount), targets, all, () =>
    // Better to warn of an endpoint that needs no credential than to be silent about one that does.
    deps.listDelegations().catch(() => []),
  );
  const left = await findLeft(
    deps,
    target,
    targets,
    all,
    unmanaged.map(({ id }) => id),
  );
  return {
    unmanaged: unmanaged.slice(0, maxUnmanaged).map(labelOf),
    left,
    warnings: [...describeAllUnmanaged(unmanaged, maxUnmanaged), ...left.map(({ evidence }) => evidence)],
  };
};
