import { DescribeRepositoriesCommand, ECRClient } from '@aws-sdk/client-ecr';
import { isSameRegistry, parseEcrHost } from '../../functions/lib/ecr/host.ts';
import { parseImageReference } from '../../functions/lib/ecr/image-reference.ts';
import type { Endpoint } from '../../functions/lib/runpod/management.ts';
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

/** `ecr (6n2k8v4d), used by images (4m7x2k9q)` */
export const describeCredential = (
  { id, name }: RunpodCredential,
  endpoints: readonly Endpoint[],
  host: string,
): string => {
  const users = endpoints.filter(({ registry }) => registry === id).map(nameOf);
  const hurt = endpointsHurtBy(id, endpoints, host);
  const harm = hurt.length === 0 ? '' : `; HARMS ${describeHurt(hurt)}`;
  return `${name} (${id}), ${users.length === 0 ? 'used by no endpoint' : `used by ${users.join(', ')}`}${harm}`;
};

/** The endpoints of a credential whose images are not this registry's: its token cannot pull them, and takes the place of the login that can. */
export const endpointsHurtBy = (
  credential: string,
  endpoints: readonly Endpoint[],
  host: string,
): readonly Endpoint[] =>
  endpoints.filter(
    ({ registry, image }) =>
      registry === credential && image !== '' && !isSameRegistry(parseImageReference(image)?.registry ?? '', host),
  );

/** `hub (2x4k6m8q), which pulls acme/app:1` */
export const describeHurt = (hurt: readonly Endpoint[]): string =>
  hurt.map((each) => `${nameOf(each)}, which pulls ${each.image}`).join('; ');

/** The credential that most of the registry's endpoints use, and none of another registry's; `undefined` where there is no such. */
export const mostUsed = (
  ours: readonly Endpoint[],
  all: readonly Endpoint[],
  credentials: readonly RunpodCredential[],
  host: string,
): string | undefined => {
  const uses = credentials
    .filter(({ id }) => endpointsHurtBy(id, all, host).length === 0)
    .map(({ id }) => ({ id, count: ours.filter(({ registry }) => registry === id).length }));
  return uses.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count)[0]?.id;
};

/** The registry's repositories; `undefined` where that cannot be told. */
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
