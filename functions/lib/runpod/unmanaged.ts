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

/** Says what such an endpoint does, and what will come of it. */
export const describeUnmanaged = (endpoint: UnmanagedEndpoint): string => {
  const { image, registry } = endpoint;
  const what = `Endpoint ${labelOf(endpoint)} pulls ${quote(image)} with`;
  return registry === null
    ? `${what} no credential: it fails at its next cold start.`
    : `${what} credential ${registry}, which no target of targets.yml keeps fresh: it fails at a cold start once that token has ended.`;
};

/** Says of an endpoint that used a target's credential what it uses now. */
export const describeLeft = (
  endpoint: UnmanagedEndpoint,
  credential: string,
  targets: readonly Pick<Target, 'name' | 'runpod'>[],
): string => {
  const { image, registry } = endpoint;
  const keeper = targets.find(({ runpod }) => runpod.registry === registry);
  const kept = keeper === undefined ? '' : `, which target ${keeper.name} keeps fresh`;
  const now = registry === null ? 'no credential' : `credential ${registry}${kept}`;
  return `Endpoint ${labelOf(endpoint)} no longer uses credential ${credential}: it pulls ${quote(image)} with ${now}. Where that was not meant, select ${credential} in its settings; this is said once.`;
};

/** The same of all of them, at most so many by name. */
export const describeAllUnmanaged = (unmanaged: readonly UnmanagedEndpoint[], maxNamed: number): string[] => [
  ...unmanaged.slice(0, maxNamed).map(describeUnmanaged),
  ...(unmanaged.length > maxNamed ? [`So do ${unmanaged.length - maxNamed} more.`] : []),
];
