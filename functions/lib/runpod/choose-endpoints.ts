import { defined } from '../defined.ts';
import { parseEcrHost } from '../ecr/host.ts';
import { parseImageReference } from '../ecr/image-reference.ts';
import { quote } from '../quote.ts';
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
  /** There where it follows what is pushed. */
  readonly rollout?: NonNullable<NamedEndpoint['rollout']>;
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
      ? all.filter((each) => each.registry === registry).map(({ id }) => ({ id, isNamed: false }))
      : named.map((each) => defined({ ...each, isNamed: true }));
  return chosen.map((each) => ({ ...each, endpoint: known.get(each.id) })).toSorted(byId);
};

/**
 * Whether an image is surely of another registry than a target's: of another host than ECR's, of another region, or of
 * another account where the target names one.
 */
const isOfOtherRegistry = (image: string, ecr: Target['ecr']): boolean => {
  const reference = parseImageReference(image);
  if (reference === undefined) return false;
  const account = accountOf({ ecr }, '');
  const host = parseEcrHost(reference.registry);
  return host === undefined || host.region !== ecr.region || (account !== '' && host.account !== account);
};

const maxHurt = 5;

/** Says whose login a target's token takes the place of, where what uses the credential pulls from another registry, too. */
export const describeHurt = (
  users: ReadonlyArray<{ readonly name: string; readonly image: string }>,
  ecr: Target['ecr'],
): string[] => {
  const hurt = users.filter(({ image }) => isOfOtherRegistry(image, ecr));
  if (hurt.length === 0) return [];
  const described = hurt
    .slice(0, maxHurt)
    .map(({ name, image }) => `${quote(name)} uses the credential for ${quote(image)}`)
    .join('; ');
  const more = hurt.length > maxHurt ? `; and ${hurt.length - maxHurt} more` : '';
  return [
    `${described}${more}: of another registry, whose login this token takes the place of, and nobody can read it back. Give them a credential of their own.`,
  ];
};
