import { DescribeRepositoriesCommand, ECRClient, ListTagsForResourceCommand } from '@aws-sdk/client-ecr';
import type { Caller } from '../../stack/caller.ts';
import { awsFailure } from '../../stack/failure.ts';

/** What the repository of a canary image is tagged with, by which it is known for ours. */
export const canaryTags = [
  { Key: 'application', Value: 'runpod-ecr-refresh' },
  { Key: 'purpose', Value: 'canary-pod' },
];

/** Looks a repository up. @returns whether setup made it for a canary image; `undefined` where there is none */
export const findRepository = async (
  { aws }: Caller,
  region: string,
  name: string,
): Promise<{ readonly isOurs: boolean } | undefined> => {
  const ecr = new ECRClient({ ...aws, region });
  try {
    const { repositories = [] } = await ecr.send(new DescribeRepositoriesCommand({ repositoryNames: [name] }));
    const resourceArn = repositories[0]?.repositoryArn;
    if (resourceArn === undefined) return undefined;
    const { tags = [] } = await ecr.send(new ListTagsForResourceCommand({ resourceArn }));
    const isOurs = canaryTags.every(({ Key, Value }) => tags.some((tag) => tag.Key === Key && tag.Value === Value));
    return { isOurs };
  } catch (error) {
    if (error instanceof Error && error.name === 'RepositoryNotFoundException') return undefined;
    throw awsFailure(`look repository ${name} up`, 'ecr:DescribeRepositories and ecr:ListTagsForResource', error);
  }
};
