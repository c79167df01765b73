import { DescribeImagesCommand, ECRClient } from '@aws-sdk/client-ecr';
import { awsClientDefaults } from '../aws/client.ts';
import type { Settings } from '../env.ts';
import { parseEcrHost } from './host.ts';
import type { ImageReference } from './image-reference.ts';

/** When each tagged image of a repository was pushed last: digest and epoch milliseconds. */
type Pushes = ReadonlyMap<string, number>;

/**
 * Lists the tagged pushes to an image's repository.
 *
 * @returns `undefined` where that cannot be told: it is information, and its absence is no failure
 */
export type ListPushes = (image: ImageReference) => Promise<Pushes | undefined>;

/** A repository of more tagged images than this is looked at no further. */
const imagesRead = 1000;

/** Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html */
export const createListPushes = (settings: Settings): ListPushes => {
  const defaults = awsClientDefaults(settings);
  return async ({ registry, repository }) => {
    const host = parseEcrHost(registry);
    if (host === undefined) return undefined;
    const ecr = new ECRClient({ ...defaults, region: host.region });
    const command = new DescribeImagesCommand({
      registryId: host.account,
      repositoryName: repository,
      filter: { tagStatus: 'TAGGED' },
      maxResults: imagesRead,
    });
    try {
      const { imageDetails = [], nextToken } = await ecr.send(command);
      if (nextToken !== undefined) return undefined;
      return new Map(
        imageDetails.map(({ imageDigest = '', imagePushedAt }) => [imageDigest, imagePushedAt?.getTime() ?? 0]),
      );
    } catch {
      return undefined;
    }
  };
};

/** How many pushes are newer than that of an image; `undefined` where that cannot be told. */
export const newerPushes = (pushes: Pushes | undefined, digest: string): number | undefined => {
  const own = pushes?.get(digest);
  return pushes === undefined || own === undefined ? undefined : [...pushes.values()].filter((at) => at > own).length;
};
