import { DescribeRepositoriesCommand, ECRClient } from '@aws-sdk/client-ecr';
import { isSameRegistry, parseEcrHost } from '../../functions/lib/ecr/host.ts';
import { parseImageReference } from '../../functions/lib/ecr/image-reference.ts';
import type { Endpoint, TemplateOrPod } from '../../functions/lib/runpod/management.ts';
import type { Caller } from '../../stack/caller.ts';
import type { RunpodCredential } from '../runpod.ts';

/** An endpoint whose image is in an ECR registry. */
export interface EcrEndpoint extends Endpoint {
  /** The ECR registry's host name. */
  readonly host: string;
}

/** The endpoints that pull from ECR. */
export const ecrEndpointsOf = (endpoints: readonly Endpoint[]): EcrEndpoint[] =>
  endpoints.flatMap((endpoint) => {
    const host = parseImageReference(endpoint.image)?.registry ?? '';
    return parseEcrHost(host) === undefined ? [] : [{ ...endpoint, host }];
  });

/** What to call an endpoint. */
export const nameOf = ({ id, name }: Pick<Endpoint, 'id' | 'name'>): string => (name === '' ? id : `${name} (${id})`);

/** `ecr (6n2k8v4d), used by images (4m7x2k9q)`, and what of another registry does */
export const describeCredential = (
  { id, name }: RunpodCredential,
  endpoints: readonly Endpoint[],
  host: string,
): string => {
  const users = endpoints.filter(({ registry }) => registry === id);
  const foreign = users.filter(({ image }) => !isSameRegistry(parseImageReference(image)?.registry ?? '', host));
  const harm = foreign.length === 0 ? '' : `; HARMS ${foreign.map(nameOf).join(', ')}, of another registry`;
  const used = users.length === 0 ? 'used by no endpoint' : `used by ${users.map(nameOf).join(', ')}`;
  return `${name} (${id}), ${used}${harm}`;
};

/** Something that uses a credential: an endpoint, a template or a pod. */
export interface CredentialUser {
  /** What to call it. */
  readonly name: string;
  readonly image: string;
}

/** Finds what uses a credential for images that are not a registry's: its token cannot pull them, and takes the place of the login that can. */
export type FindHurt = (credential: string, host: string) => Promise<readonly CredentialUser[]>;

/** @param listOthers the templates and pods that there are, asked for once, when first needed */
export const createFindHurt = (
  endpoints: readonly Endpoint[],
  listOthers: () => Promise<readonly TemplateOrPod[]>,
): FindHurt => {
  let others: Promise<readonly TemplateOrPod[]> | undefined;
  return async (credential, host) => {
    others ??= listOthers();
    const users = [
      ...endpoints.map(({ image, registry, ...each }) => ({ name: nameOf(each), image, registry })),
      ...(await others),
    ];
    return users
      .filter(({ registry }) => registry === credential)
      .filter(({ image }) => image !== '' && !isSameRegistry(parseImageReference(image)?.registry ?? '', host));
  };
};

/** `hub (2x4k6m8q), which pulls acme/app:1` */
export const describeHurt = (hurt: readonly CredentialUser[]): string =>
  hurt.map(({ name, image }) => `${name}, which pulls ${image}`).join('; ');

/** The credentials that the registry's endpoints use, and nothing for another registry; the most used first. */
export const findAdoptable = async (
  { host, endpoints: ours }: { readonly host: string; readonly endpoints: readonly Endpoint[] },
  credentials: readonly RunpodCredential[],
  findHurt: FindHurt,
): Promise<string[]> => {
  const uses = credentials
    .map(({ id }) => ({ id, count: ours.filter(({ registry }) => registry === id).length }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count);
  const hurt = await Promise.all(uses.map(({ id }) => findHurt(id, host)));
  return uses.flatMap(({ id }, index) => (hurt[index]?.length === 0 ? [id] : []));
};

/** The registry's repositories; `undefined` where AWS does not say. */
export const listRepositories = async ({ aws }: Caller, region: string): Promise<string[] | undefined> => {
  try {
    const ecr = new ECRClient({ ...aws, region });
    const { repositories = [] } = await ecr.send(new DescribeRepositoriesCommand({ maxResults: 1000 }));
    return repositories.map(({ repositoryName = '' }) => repositoryName);
  } catch {
    // Not knowing is no reason to stop: it only means that we do not offer to create one.
    return undefined;
  }
};
