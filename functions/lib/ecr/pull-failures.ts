import { EcrThrottledError, EcrUnavailableError, ImageNotPullableError, TokenRejectedError } from '../errors.ts';
import type { PullError } from './registry.ts';

/** A token that is refused is refused for every image, and is never stored. */
const rejectToken = (error: PullError): Error =>
  new TokenRejectedError(
    `ECR refused the token it had just minted: ${error.message}. The old token stays in Runpod. Check that the role that mints still exists and may pull.`,
    { cause: error },
  );

const passingError = (error: PullError): Error | undefined => {
  if (error.problem === 'throttled') return new EcrThrottledError(`${error.message}.`, { cause: error });
  if (error.problem === 'unreachable') return new EcrUnavailableError(`${error.message}.`, { cause: error });
  return undefined;
};

const isTokenProblem = ({ problem }: PullError): boolean => problem === 'token-refused' || problem === 'token-expired';

/**
 * Says why a token must not be stored after its images were tried: it was refused, or none of them could be pulled.
 *
 * @param failures of the images that could not be pulled
 * @param images how many were tried
 * @returns `undefined` where it may be stored
 */
export const reasonToWithhold = (failures: readonly PullError[], images: number): Error | undefined => {
  const refused = failures.find(isTokenProblem);
  if (refused) return rejectToken(refused);
  if (failures.length < images) return undefined;
  const passing = failures.map(passingError).find((error) => error !== undefined);
  if (passing) return passing;
  return new ImageNotPullableError(
    `The new token pulls none of the target's ${images} images, so it was not stored: ${failures[0]?.message}. Push the image, correct the endpoint, or allow ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on its repository to the role that mints.`,
  );
};

/** The same where there is no image of this registry to try: the registry as a whole would not take the token. */
export const reasonOfRegistry = (error: PullError): Error => {
  if (isTokenProblem(error) || error.problem === 'repository-forbidden') return rejectToken(error);
  return passingError(error) ?? new EcrUnavailableError(`${error.message}.`, { cause: error });
};
