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

/** A repository as CreateRepository made it. */
interface CreatedRepository {
  readonly isImmutable: boolean;
  readonly tags: readonly unknown[];
}

const noRepository = (name: string, account: string): AwsError =>
  new AwsError(
    'RepositoryNotFoundException',
    `The repository with name '${name}' does not exist in the registry with id '${account}'`,
  );

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

  /** Repositories that were created, as `account/region/name`, by a call or as if by one, and not by a push of the world's. */
  readonly createdRepositories = new Map<string, CreatedRepository>();
  /** Set by the registry, which holds the images. */
  listRepositories: (registryId: string, region: string) => string[] = () => [];
  deleteImage: (registryId: string, region: string, repository: string, digest: string) => void = () => {};
  deleteRepository: (registryId: string, region: string, repository: string) => void = () => {};
  describeImages: (
    registryId: string,
    region: string,
    repository: string,
  ) => ReadonlyArray<{ readonly imageDigest: string; readonly imageTags: readonly string[] }> | undefined = () =>
    undefined;

  /** The names of a registry's repositories, with images or without. */
  #repositoriesOf(account: string, region: string): string[] {
    const prefix = `${account}/${region}/`;
    const created = [...this.createdRepositories.keys()]
      .filter((each) => each.startsWith(prefix))
      .map((each) => each.slice(prefix.length));
    return [...new Set([...this.listRepositories(account, region), ...created])].sort();
  }

  readonly service: AwsService = {
    json: {
      'AmazonEC2ContainerRegistry_V20150921.DescribeImages': (input, caller) => {
        const { registryId, repositoryName, maxResults = 100, nextToken = '0', filter } = input;
        const { account } = this.#identities.of(caller);
        const [owner, name] = [String(registryId ?? account), String(repositoryName)];
        if (!this.#repositoriesOf(owner, caller.region).includes(name)) throw noRepository(name, owner);
        const images = this.describeImages(owner, caller.region, name) ?? [];
        const { tagStatus } = (filter ?? {}) as { readonly tagStatus?: string };
        const listed = images.filter(({ imageTags }) => tagStatus !== 'TAGGED' || imageTags.length > 0);
        const from = Number(nextToken);
        const end = from + Number(maxResults);
        return {
          imageDetails: listed.slice(from, end),
          ...(end < listed.length ? { nextToken: String(end) } : {}),
        };
      },
      'AmazonEC2ContainerRegistry_V20150921.DescribeRepositories': ({ repositoryNames }, caller) => {
        const { account } = this.#identities.of(caller);
        const all = this.#repositoriesOf(account, caller.region);
        const asked = Array.isArray(repositoryNames) ? repositoryNames.map(String) : all;
        const missing = asked.find((name) => !all.includes(name));
        if (missing !== undefined) throw noRepository(missing, account);
        return {
          repositories: asked.map((repositoryName) => ({
            registryId: account,
            repositoryName,
            repositoryArn: `arn:aws:ecr:${caller.region}:${account}:repository/${repositoryName}`,
          })),
        };
      },
      'AmazonEC2ContainerRegistry_V20150921.ListTagsForResource': ({ resourceArn }, caller) => {
        const { account } = this.#identities.of(caller);
        const [, name = ''] = String(resourceArn).split(':repository/');
        if (!this.#repositoriesOf(account, caller.region).includes(name)) throw noRepository(name, account);
        return { tags: this.createdRepositories.get(`${account}/${caller.region}/${name}`)?.tags ?? [] };
      },
      'AmazonEC2ContainerRegistry_V20150921.CreateRepository': (input, caller) => {
        const { repositoryName, imageTagMutability, tags } = input;
        const { account } = this.#identities.of(caller);
        const name = String(repositoryName);
        if (this.#repositoriesOf(account, caller.region).includes(name)) {
          throw new AwsError(
            'RepositoryAlreadyExistsException',
            `The repository with name '${name}' already exists in the registry with id '${account}'`,
          );
        }
        this.createdRepositories.set(`${account}/${caller.region}/${name}`, {
          isImmutable: imageTagMutability === 'IMMUTABLE',
          tags: Array.isArray(tags) ? tags : [],
        });
        return { repository: { registryId: account, repositoryName } };
      },
      'AmazonEC2ContainerRegistry_V20150921.DeleteRepository': ({ repositoryName, force }, caller) => {
        const { account } = this.#identities.of(caller);
        const name = String(repositoryName);
        if (!this.#repositoriesOf(account, caller.region).includes(name)) throw noRepository(name, account);
        if (force !== true && (this.describeImages(account, caller.region, name) ?? []).length > 0) {
          throw new AwsError(
            'RepositoryNotEmptyException',
            `The repository with name '${name}' in registry with id '${account}' cannot be deleted because it still contains images`,
          );
        }
        this.createdRepositories.delete(`${account}/${caller.region}/${name}`);
        this.deleteRepository(account, caller.region, name);
        return {};
      },
      // https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchDeleteImage.html and API_ImageFailure.html
      'AmazonEC2ContainerRegistry_V20150921.BatchDeleteImage': ({ repositoryName, imageIds }, caller) => {
        const { account } = this.#identities.of(caller);
        const name = String(repositoryName);
        if (!this.#repositoriesOf(account, caller.region).includes(name)) throw noRepository(name, account);
        const [imageId = {}] = imageIds as ReadonlyArray<{ readonly imageTag?: string; readonly imageDigest?: string }>;
        const { imageTag = '', imageDigest = '' } = imageId;
        const tagged = (this.describeImages(account, caller.region, name) ?? []).find(({ imageTags }) =>
          imageTags.includes(imageTag),
        );
        const failureCode =
          tagged === undefined
            ? 'ImageNotFound'
            : tagged.imageDigest === imageDigest
              ? undefined
              : 'ImageTagDoesNotMatchDigest';
        if (failureCode !== undefined) return { imageIds: [], failures: [{ imageId, failureCode }] };
        this.deleteImage(account, caller.region, name, imageDigest);
        return { imageIds: [imageId], failures: [] };
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
