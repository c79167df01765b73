import { DescribeImagesCommand, ECRClient } from '@aws-sdk/client-ecr';
import { awsCause, awsClause, awsClientDefaults, awsFaultOf } from '../aws/client.ts';
import type { Settings } from '../env.ts';
import { EcrAccessDeniedError, EcrThrottledError, EcrUnavailableError } from '../errors.ts';
import { parseEcrHost } from './host.ts';

/** An image of a repository, as ECR describes it. */
export interface RepositoryImage {
  readonly digest: string;
  readonly tags: readonly string[];
  /** Epoch milliseconds. */
  readonly pushedAt: number;
}

/**
 * Lists all images of a repository, all pages of them; none where there is no such repository.
 *
 * @throws {EcrAccessDeniedError | EcrThrottledError | EcrUnavailableError}
 */
export type ListRepositoryImages = (registry: string, repository: string) => Promise<readonly RepositoryImage[]>;

/** The most that ECR gives at once. */
const pageSize = 1000;
/** A page of a thousand images with some tags each takes half a megabyte. */
const maxBytes = 8 * 1024 * 1024;
/** A repository holds 100,000 images: https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html */
const maxPages = 110;
/** No page is begun later than this, so that a list ends within its function's time. */
const maxImagesMs = 60_000;

/** Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html */
export const createListRepositoryImages = (
  settings: Pick<Settings, 'UPSTREAM_TIMEOUT_SECONDS' | 'aws'>,
  now: () => number,
): ListRepositoryImages => {
  const defaults = awsClientDefaults(settings, maxBytes);
  return async (registry, repository) => {
    const asked = `ECR, asked for the images of ${repository},`;
    const host = parseEcrHost(registry);
    if (host === undefined) throw new EcrUnavailableError(`${asked} cannot be: ${registry} is none of its registries.`);
    const ecr = new ECRClient({ ...defaults, region: host.region });
    const images: RepositoryImage[] = [];
    const giveUpAt = now() + maxImagesMs;
    let nextToken: string | undefined;
    for (let page = 0; page === 0 || nextToken !== undefined; page += 1) {
      if (page === maxPages || now() >= giveUpAt) throw new EcrUnavailableError(`${asked} had no last page.`);
      try {
        const answer = await ecr.send(
          new DescribeImagesCommand({
            registryId: host.account,
            repositoryName: repository,
            maxResults: pageSize,
            ...(nextToken === undefined ? {} : { nextToken }),
          }),
        );
        nextToken = answer.nextToken;
        for (const { imageDigest, imageTags = [], imagePushedAt } of answer.imageDetails ?? []) {
          if (imageDigest === undefined) continue;
          images.push({ digest: imageDigest, tags: imageTags, pushedAt: imagePushedAt?.getTime() ?? 0 });
        }
      } catch (error) {
        if (error instanceof Error && error.name === 'RepositoryNotFoundException') return [];
        throw explain(asked, error);
      }
    }
    return images;
  };
};

const explain = (asked: string, error: unknown): Error => {
  const came = awsClause(error);
  switch (awsFaultOf(error)) {
    case 'throttled':
      return new EcrThrottledError(`${asked} asked us to slow down (${came}).`, awsCause(error));
    case 'unavailable':
      return new EcrUnavailableError(`${asked} did not answer (${came}).`, awsCause(error));
    default:
      return new EcrAccessDeniedError(
        `${asked} refused (${came}). Allow ecr:DescribeImages on the repository.`,
        awsCause(error),
      );
  }
};
