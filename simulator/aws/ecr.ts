import { randomBytes } from 'node:crypto';
import type { WorldClock } from '../clock.ts';
import type { Identity } from '../iam/evaluate.ts';
import type { Identities } from './identities.ts';
import { AwsError, type AwsService } from './server.ts';

/** A token that ECR minted, and what it is good for. */
export interface IssuedToken {
  readonly password: string;
  readonly account: string;
  readonly region: string;
  readonly principal: Identity;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

const lifeMs = 12 * 3_600_000;
/** Passwords of 1,800 to 2,714 characters have been seen; ours have 2,400. */
const passwordBytes = 1800;

/** ECR's minting of tokens. The registry asks it what a password is good for. */
export class Ecr {
  readonly #tokens = new Map<string, IssuedToken>();
  readonly #clock: WorldClock;
  readonly #identities: Identities;
  /** Every password begins with this, so that a leaked one is found. */
  readonly passwordMark: string;

  constructor(clock: WorldClock, identities: Identities, passwordMark = '') {
    this.#clock = clock;
    this.#identities = identities;
    this.passwordMark = passwordMark;
  }

  mint(principal: Identity, region: string, expiresAt = this.#clock.now() + lifeMs): IssuedToken {
    const password = `${this.passwordMark}${randomBytes(passwordBytes).toString('base64')}`;
    const token = { password, account: principal.account, region, principal, expiresAt };
    this.#tokens.set(password, token);
    return token;
  }

  find(password: string): IssuedToken | undefined {
    return this.#tokens.get(password);
  }

  /** How many tokens have been minted. */
  get count(): number {
    return this.#tokens.size;
  }

  /** Repositories without an image, as `account/region/name`. */
  readonly emptyRepositories = new Set<string>();
  /** Set by the registry, which holds the images. */
  listRepositories: (registryId: string, region: string) => string[] = () => [];
  describeImages: (
    registryId: string,
    region: string,
    repository: string,
  ) => ReadonlyArray<{ readonly imageTags: readonly string[] }> | undefined = () => undefined;

  readonly service: AwsService = {
    json: {
      'AmazonEC2ContainerRegistry_V20150921.DescribeImages': (input, caller) => {
        const { registryId, repositoryName, maxResults = 100, nextToken = '0', filter } = input;
        const { account } = this.#identities.of(caller);
        const images = this.describeImages(String(registryId ?? account), caller.region, String(repositoryName));
        if (images === undefined) {
          throw new AwsError(
            'RepositoryNotFoundException',
            `The repository with name '${String(repositoryName)}' does not exist`,
          );
        }
        const { tagStatus } = (filter ?? {}) as { readonly tagStatus?: string };
        const listed = images.filter(({ imageTags }) => tagStatus !== 'TAGGED' || imageTags.length > 0);
        const from = Number(nextToken);
        const end = from + Number(maxResults);
        return {
          imageDetails: listed.slice(from, end),
          ...(end < listed.length ? { nextToken: String(end) } : {}),
        };
      },
      'AmazonEC2ContainerRegistry_V20150921.DescribeRepositories': (_input, caller) => {
        const { account } = this.#identities.of(caller);
        const prefix = `${account}/${caller.region}/`;
        const empty = [...this.emptyRepositories]
          .filter((each) => each.startsWith(prefix))
          .map((each) => each.slice(prefix.length));
        const names = [...this.listRepositories(account, caller.region), ...empty];
        return {
          repositories: [...new Set(names)].sort().map((repositoryName) => ({ registryId: account, repositoryName })),
        };
      },
      'AmazonEC2ContainerRegistry_V20150921.CreateRepository': ({ repositoryName }, caller) => {
        const { account } = this.#identities.of(caller);
        this.emptyRepositories.add(`${account}/${caller.region}/${String(repositoryName)}`);
        return { repository: { registryId: account, repositoryName } };
      },
      'AmazonEC2ContainerRegistry_V20150921.DeleteRepository': ({ repositoryName }, caller) => {
        const { account } = this.#identities.of(caller);
        if (this.listRepositories(account, caller.region).includes(String(repositoryName))) {
          throw new AwsError(
            'RepositoryNotEmptyException',
            'The repository cannot be deleted because it contains images',
          );
        }
        this.emptyRepositories.delete(`${account}/${caller.region}/${String(repositoryName)}`);
        return {};
      },
      'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken': (_input, caller) => {
        const principal = this.#identities.of(caller);
        const { password, account, region, expiresAt } = this.mint(principal, caller.region);
        return {
          authorizationData: [
            {
              authorizationToken: Buffer.from(`AWS:${password}`).toString('base64'),
              expiresAt: expiresAt / 1000,
              proxyEndpoint: `https://${account}.dkr.ecr.${region}.amazonaws.com`,
            },
          ],
        };
      },
    },
  };
}

/** What EventBridge delivers of a push (Amazon ECR user guide, "Amazon ECR events and EventBridge"). */
export const pushEvent = ({
  account,
  region,
  repository,
  tag,
  at,
}: {
  readonly account: string;
  readonly region: string;
  readonly repository: string;
  readonly tag: string;
  /** Epoch milliseconds. */
  readonly at: number;
}) => ({
  version: '0',
  'detail-type': 'ECR Image Action',
  source: 'aws.ecr',
  account,
  region,
  time: new Date(at).toISOString(),
  detail: { result: 'SUCCESS', 'repository-name': repository, 'action-type': 'PUSH', 'image-tag': tag },
});
