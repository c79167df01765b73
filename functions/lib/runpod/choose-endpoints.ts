import { defined } from '../defined.ts';
import { parseEcrHost } from '../ecr/host.ts';
import { parseImageReference } from '../ecr/image-reference.ts';
import { accountOf, type Target } from '../targets.ts';
import type { Endpoint } from './management.ts';

type NamedEndpoint = NonNullable<Target['endpoints']>[number];

/** An endpoint whose pulls a run watches. */
export interface WatchedEndpoint {
  readonly id: string;
  /** As Runpod lists it; `undefined` where it does not. */
  readonly endpoint: Endpoint | undefined;
  /** Whether targets.yml names the endpoint, rather than it having been found by its credential. */
  readonly isNamed: boolean;
  readonly canary?: NonNullable<NamedEndpoint['canary']>;
}

const byId = (one: { readonly id: string }, other: { readonly id: string }): number => (one.id < other.id ? -1 : 1);

/**
 * The endpoints that targets.yml names, there or not; where it names none, all that use the target's credential. In the
 * order of their ids, which is the same at every look.
 */
export const chooseEndpoints = (
  { runpod: { registry }, endpoints: named }: Pick<Target, 'runpod' | 'endpoints'>,
  all: readonly Endpoint[],
): WatchedEndpoint[] => {
  const known = new Map(all.map((each) => [each.id, each]));
  const chosen =
    named === undefined
      ? all
          .filter((each) => each.registry === registry)
          .map((endpoint) => ({ id: endpoint.id, endpoint, isNamed: false }))
      : named.map(({ id, canary }) => defined({ id, endpoint: known.get(id), isNamed: true, canary }));
  return chosen.map((each) => ({ ...each, endpoint: known.get(each.id) })).toSorted(byId);
};

/**
 * Whether an image is surely of another registry than a target's: of another host than ECR's, of another region, or of
 * another account where the target names one.
 */
export const isOfOtherRegistry = (image: string, ecr: Target['ecr']): boolean => {
  const reference = parseImageReference(image);
  if (reference === undefined) return false;
  const account = accountOf({ ecr }, '');
  const host = parseEcrHost(reference.registry);
  return host === undefined || host.region !== ecr.region || (account !== '' && host.account !== account);
};
