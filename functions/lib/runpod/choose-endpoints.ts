import { defined } from '../defined.ts';
import { parseEcrHost } from '../ecr/host.ts';
import { parseImageReference } from '../ecr/image-reference.ts';
import { accountOf, type Target } from '../targets.ts';
import type { Endpoint } from './management.ts';

/** An endpoint whose pulls a run watches. */
export interface DiscoveredEndpoint {
  readonly id: string;
  /** The image it references now; empty where the endpoint does not exist. */
  readonly image: string;
  /** Whether targets.yml names it, rather than it having been found by its credential. */
  readonly isNamed: boolean;
  readonly canary?: NonNullable<NonNullable<Target['endpoints']>[number]['canary']>;
}

/** The endpoints that targets.yml names, there or not; where it names none, all that use the target's credential. */
export const chooseEndpoints = (
  { runpod: { registry }, endpoints: named }: Pick<Target, 'runpod' | 'endpoints'>,
  all: readonly Endpoint[],
): DiscoveredEndpoint[] => {
  if (named === undefined) {
    return all.filter((each) => each.registry === registry).map(({ id, image }) => ({ id, image, isNamed: false }));
  }
  return named.map(({ id, canary }) =>
    defined({ id, image: all.find((each) => each.id === id)?.image ?? '', isNamed: true, canary }),
  );
};

/**
 * Whether an image is surely of another registry than a target's: of another host than ECR's, of another region, or of
 * another account where the target names one.
 */
export const isOfOtherRegistry = (image: string, ecr: Target['ecr']): boolean => {
  if (image === '') return false;
  const account = accountOf({ ecr }, '');
  const host = parseEcrHost(parseImageReference(image)?.registry ?? '');
  return host === undefined || host.region !== ecr.region || (account !== '' && host.account !== account);
};
