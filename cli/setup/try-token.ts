import { parseEcrHost } from '../../functions/lib/ecr/host.ts';
import { parseImageReference } from '../../functions/lib/ecr/image-reference.ts';
import type { MintedToken } from '../../functions/lib/ecr/mint-token.ts';
import { createRegistryClient } from '../../functions/lib/ecr/pull.ts';
import { PullError } from '../../functions/lib/ecr/registry.ts';
import { ImageNotPullableError, TokenRejectedError } from '../../functions/lib/errors.ts';
import { sendUntil } from '../../functions/lib/http.ts';
import { messageOf } from '../../functions/lib/message-of.ts';
import { plain } from '../terminal.ts';
import type { Conversation } from './conversation.ts';

/**
 * Tries a fresh token on ECR, as a worker would.
 *
 * @throws {TokenRejectedError | ImageNotPullableError} it does not pull, so it is given to nobody
 */
export const tryToken = async (
  token: MintedToken,
  images: readonly string[],
  { caller, context, print, terminal }: Conversation,
): Promise<void> => {
  const registry = createRegistryClient(caller.settings, sendUntil(context.interrupted), context.pause);
  const references = images.map(parseImageReference).filter((each) => each !== undefined);
  try {
    if (references.length === 0) await registry.tryToken(token.registry, token.token);
  } catch (error) {
    throw new TokenRejectedError(`ECR refuses the token it minted: ${messageOf(error)}. Nothing was changed.`);
  }
  let pulled = 0;
  const problems: string[] = [];
  for (const reference of references) {
    try {
      const { sizeInBytes } = await registry.tryImage(reference, token.token);
      pulled += 1;
      print(
        `${terminal.paint('green', '✓')} A fresh token pulls ${reference.repository} in ${parseEcrHost(reference.registry)?.region} (${(sizeInBytes / 1e6).toFixed(0)} MB, linux/amd64).`,
      );
    } catch (error) {
      if (!(error instanceof PullError)) throw error;
      problems.push(error.message);
      print(`${terminal.paint('yellow', '!')} ${plain(error.message)}.`);
    }
  }
  if (references.length > 0 && pulled === 0) {
    throw new ImageNotPullableError(`A fresh token pulls none of the images: ${problems[0]}. Nothing was changed.`);
  }
};
