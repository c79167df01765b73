import { cutToBytes } from '../bounded-text.ts';
import { parseEcrHost } from '../ecr/host.ts';
import { parseImageReference } from '../ecr/image-reference.ts';
import { quote } from '../quote.ts';
import type { Target } from '../targets.ts';
import { type Delegation, isDelegated } from './delegations.ts';
import type { Endpoint } from './management.ts';

/** An endpoint that pulls from a target's registry, and not with a credential that this stack keeps. */
export type UnmanagedEndpoint = Pick<Endpoint, 'id' | 'name' | 'image' | 'registry'>;

const maxNameBytes = 100;

/** `images (4m7x2k9q)`, fit for a message. */
export const labelOf = ({ id, name }: Pick<Endpoint, 'id' | 'name'>): string =>
  name === '' ? id : `${cutToBytes(quote(name), maxNameBytes)} (${id})`;

/**
 * Finds endpoints that no run would look at, although they pull from the target's registry: those that use no credential,
 * or one of which no target keeps the token. Endpoints that targets.yml names are looked at, and those under `ignore` are
 * somebody else's.
 *
 * @param account the registry's account
 * @param targets all there are
 * @param listDelegations what Runpod may pull without a credential; asked only where it matters
 */
export const findUnmanaged = async (
  { ecr: { region }, runpod: { registry }, endpoints, ignore }: Target,
  account: string,
  targets: readonly Target[],
  all: readonly Endpoint[],
  listDelegations: () => Promise<readonly Delegation[]>,
): Promise<UnmanagedEndpoint[]> => {
  const kept = new Set(targets.map((each) => each.runpod.registry)).add(registry);
  const known = new Set([...(ignore ?? []), ...(endpoints ?? []).map(({ id }) => id)]);
  const unmanaged = all.filter((each) => {
    if (known.has(each.id) || (each.registry !== null && kept.has(each.registry))) return false;
    const host = parseEcrHost(parseImageReference(each.image)?.registry ?? '');
    return host?.account === account && host.region === region;
  });
  if (unmanaged.every((each) => each.registry !== null)) return unmanaged;
  const delegations = await listDelegations();
  return unmanaged.filter((each) => each.registry !== null || !isDelegated(delegations, each.image));
};

/**
 * Says which endpoints used a target's credential and have another or none now. What was deleted has not left; what
 * targets.yml names fails by its own proof.
 *
 * @param before the ids of those that used it
 */
export const describeLeft = (
  { runpod: { registry }, endpoints, ignore }: Target,
  targets: readonly Target[],
  before: readonly string[],
  all: readonly Endpoint[],
): string[] => {
  const [used, known] = [new Set(before), new Set([...(ignore ?? []), ...(endpoints ?? []).map(({ id }) => id)])];
  return all
    .filter((each) => used.has(each.id) && !known.has(each.id) && each.registry !== registry)
    .map((each) => {
      const keeper = targets.find(({ runpod }) => runpod.registry === each.registry)?.name;
      const uses =
        each.registry === null
          ? 'uses none'
          : `uses credential ${each.registry}${keeper === undefined ? '' : ` of target ${keeper}`}`;
      return `Endpoint ${labelOf(each)} has left credential ${registry} since the last run and ${uses}: its image is ${quote(each.image)}.`;
    });
};

/** Says what such an endpoint does, and what will come of it. */
export const describeUnmanaged = (endpoint: UnmanagedEndpoint): string => {
  const { image, registry } = endpoint;
  const what = `Endpoint ${labelOf(endpoint)} pulls ${quote(image)} with`;
  return registry === null
    ? `${what} no credential: it fails at its next cold start.`
    : `${what} credential ${registry}, which no target of targets.yml keeps fresh: it fails at a cold start once that token has ended.`;
};

/** The same of all of them, at most so many by name. */
export const describeAllUnmanaged = (unmanaged: readonly UnmanagedEndpoint[], maxNamed: number): string[] => [
  ...unmanaged.slice(0, maxNamed).map(describeUnmanaged),
  ...(unmanaged.length > maxNamed ? [`So do ${unmanaged.length - maxNamed} more.`] : []),
];
