import {
  formatImageReference,
  type ImageReference,
  nameImage,
  parseImageReference,
} from '../../functions/lib/ecr/image-reference.ts';
import type { MintedToken } from '../../functions/lib/ecr/mint-token.ts';
import { createRegistryClient } from '../../functions/lib/ecr/pull.ts';
import { PullError } from '../../functions/lib/ecr/registry.ts';
import { sendUntil } from '../../functions/lib/http.ts';
import { repositoryPattern, type Target } from '../../functions/lib/targets.ts';
import { CommandError, UsageError } from '../../stack/failure.ts';
import { wrap } from '../terminal.ts';
import { buildCanaryImage } from './canary-image.ts';
import { findRepository } from './canary-repository.ts';
import type { Conversation } from './conversation.ts';
import { mintForSetup } from './mint.ts';
import type { PlannedChange } from './plan.ts';

const usualRepository = 'runpod-canary';
const usualTag = 'v1';

/** An image of the target's registry, by its tag. */
type TaggedImage = ImageReference & { readonly tag: string };

/** Mints the token that the image is tried with: by the target's role where it can be assumed from here. */
export const mintTrialToken = async (
  { ecr }: Target,
  repository: string,
  account: string,
  conversation: Conversation,
): Promise<MintedToken> => {
  const { region, roleArn, repositories } = ecr;
  const wide = repositories === undefined ? ecr : { ...ecr, repositories: [...repositories, repository] };
  const mint = async () => {
    const token = await mintForSetup(wide, conversation);
    const isOwn = account === conversation.identity.account;
    return token === undefined && isOwn ? mintForSetup({ region }, conversation) : token;
  };
  const token = await conversation.terminal.during(`asking ECR in ${region} for a token that may only pull`, mint());
  if (token !== undefined) return token.minted;
  throw new CommandError(
    `${roleArn} cannot be assumed from here, so whether the image is there is not known. Push a small image for linux/amd64 to the registry of ${account}, and add canaryPod to targets.yml by hand (docs/canary.md). Nothing was changed.`,
  );
};

/** Whether an image is there, for the token that Runpod would hold. @throws {CommandError} that token may not pull it */
export const isThere = async (
  image: ImageReference,
  { token }: MintedToken,
  { caller, context, terminal }: Conversation,
): Promise<boolean> => {
  const registry = createRegistryClient(caller.settings, sendUntil(context.interrupted), context.pause);
  try {
    await terminal.during(`asking ECR for ${nameImage(image)}`, registry.tryImage(image, token));
    return true;
  } catch (error) {
    if (!(error instanceof PullError)) throw error;
    if (error.problem === 'image-missing') return false;
    throw new CommandError(`${nameImage(image)} cannot be used: ${error.advice}. Nothing was changed.`);
  }
};

/** What makes the image, where it is missing. */
export const planImage = async (
  image: TaggedImage,
  account: string,
  region: string,
  { caller, identity, terminal, print }: Conversation,
): Promise<PlannedChange[]> => {
  const { repository, tag } = image;
  if (account !== identity.account) {
    throw new CommandError(
      `${formatImageReference(image)} is not there, and setup makes none in another account: you are in ${identity.account}. Push a small image for linux/amd64 there, and run this again: it then adds the canary pod to targets.yml.`,
    );
  }
  const { blobs, manifest } = buildCanaryImage();
  const bytes = [...blobs, manifest].reduce((sum, each) => sum + each.bytes.byteLength, 0);
  const found = await terminal.during(
    `asking ECR for repository ${repository}`,
    findRepository(caller, region, repository),
  );
  if (found?.isOurs === false) {
    print(
      wrap(
        `! ECR repository ${repository} is there, and setup has not made it: see that no lifecycle rule of it deletes the image.`,
        terminal.columns(),
        '  ',
      ),
    );
  }
  const push: PlannedChange = {
    summary: `push an image of ${bytes} bytes, ${repository}:${tag}`,
    change: () => ({ kind: 'image', region, repository, tag, digest: manifest.digest, purpose: 'canary-pod' }),
  };
  if (found !== undefined) return [push];
  return [
    {
      summary: `create ECR repository ${repository} in ${region}, whose tags stay with their images`,
      change: () => ({ kind: 'repository', region, name: repository, purpose: 'canary-pod' }),
    },
    push,
  ];
};

/** The image that the pod pulls, without its registry: the target's own, else the one of the repository that is named. */
export const chooseImage = ({ canaryPod }: Target, { options: { repository } }: Conversation) => {
  if (repository !== undefined && !repositoryPattern.test(repository)) {
    throw new UsageError(
      `--repository: expected a name such as ${usualRepository}, found ${JSON.stringify(repository)}.`,
    );
  }
  const image = canaryPod?.image ?? `${repository ?? usualRepository}:${usualTag}`;
  const reference = parseImageReference(`registry.example/${image}`);
  if (reference === undefined || reference.digest !== undefined) {
    throw new CommandError(
      `canaryPod.image is ${image}: setup takes care of an image that is named by its tag. Nothing was changed.`,
    );
  }
  return { image, repository: reference.repository, tag: reference.tag ?? 'latest' };
};
