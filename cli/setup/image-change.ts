import { BatchDeleteImageCommand, ECRClient } from '@aws-sdk/client-ecr';
import { createMintToken } from '../../functions/lib/ecr/mint-token.ts';
import { createRegistryClient } from '../../functions/lib/ecr/pull.ts';
import { PullError } from '../../functions/lib/ecr/registry.ts';
import { send } from '../../functions/lib/http.ts';
import { awsFailure, CommandError } from '../../stack/failure.ts';
import { buildCanaryImage } from './canary-image.ts';
import type { Secrets, Workshop } from './changes.ts';
import type { ChangeOf } from './journal.ts';
import { pushImage } from './push-image.ts';
import { readTargetsFile } from './targets-file.ts';

/** Pushes the canary image with the rights of who runs this, and tries it with the token that may only pull. */
export const makeImage = async (
  { region, repository, tag }: ChangeOf<'image'>,
  { caller: { settings } }: Pick<Workshop, 'caller'>,
  { tokenOf }: Secrets,
): Promise<void> => {
  const { registry, token: pushToken } = await createMintToken(settings, Date.now)({ region });
  const reference = { registry, repository, tag };
  await pushImage(settings, send, reference, buildCanaryImage(), pushToken);
  try {
    await createRegistryClient(settings, send).tryImage(reference, tokenOf(repository));
  } catch (error) {
    if (!(error instanceof PullError)) throw error;
    throw new CommandError(`The image was pushed, and a fresh token does not pull it: ${error.advice}.`);
  }
};

/**
 * Deletes the image where its tag is still of what setup pushed. An image goes with its last tag:
 * https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchDeleteImage.html
 */
export const undoImage = async (
  { region, repository, tag, digest }: ChangeOf<'image'>,
  { caller, folder }: Pick<Workshop, 'caller' | 'folder'>,
): Promise<string> => {
  const image = `${repository}:${tag}`;
  const { targets } = readTargetsFile(caller.settings.TARGETS_FILE, folder);
  const user = targets.find(({ canaryPod }) => canaryPod?.image === image);
  if (user !== undefined) return `left image ${image}: the canary pod of target ${user.name} pulls it`;
  const command = new BatchDeleteImageCommand({
    repositoryName: repository,
    imageIds: [{ imageTag: tag, imageDigest: digest }],
  });
  const gone = `image ${image} is gone already`;
  try {
    const { failures = [] } = await new ECRClient({ ...caller.aws, region }).send(command);
    const [failure] = failures;
    if (failure === undefined) return `deleted image ${image}`;
    if (failure.failureCode === 'ImageNotFound') return gone;
    if (failure.failureCode === 'ImageTagDoesNotMatchDigest') return `left image ${image}: it is another one now`;
    throw new CommandError(`ECR did not delete image ${image}: ${failure.failureCode} (${failure.failureReason}).`);
  } catch (error) {
    if (error instanceof Error && error.name === 'RepositoryNotFoundException') return gone;
    throw awsFailure(`delete image ${image}`, 'ecr:BatchDeleteImage', error);
  }
};
