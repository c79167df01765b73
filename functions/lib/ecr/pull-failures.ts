import { EcrThrottledError, EcrUnavailableError, ImageNotPullableError, TokenRejectedError } from '../errors.ts';
import { PullError } from './registry.ts';
import { isPassing, type PullProblem } from './registry-answer.ts';

/** Whether ECR refuses the token itself, rather than an image. */
export const isTokenProblem = ({ problem }: PullError): boolean =>
  problem === 'token-refused' || problem === 'token-expired';

/** A token that its own registry refuses is of no use to anybody. */
const rejectToken = (error: PullError): Error =>
  new TokenRejectedError(
    `ECR refused the token it had just minted: ${error.message}. The old token stays in Runpod. Check that the role that mints still exists and may pull.`,
    { cause: error },
  );

const passingError = (error: PullError): Error => {
  const ErrorClass = error.problem === 'throttled' ? EcrThrottledError : EcrUnavailableError;
  return new ErrorClass(`${error.message}.`, { cause: error });
};

/** What speaks neither for the token nor against the image. Any other answer is one that ECR gives to a good token. */
const undecided: readonly PullProblem[] = [
  'token-refused',
  'token-expired',
  'repository-forbidden',
  'throttled',
  'unreachable',
  'bad-reference',
];

/**
 * Says why a token must not be stored after its images were tried: its role may pull none of them, where the old token
 * may be of a stronger role; or none could be tried. An image that is missing, or is none, is no reason: ECR took the
 * token.
 *
 * @param failures of the images that could not be pulled
 * @param images how many were tried
 * @returns `undefined` where it may be stored
 */
export const reasonToWithhold = (failures: readonly PullError[], images: number): Error | undefined => {
  if (failures.length < images || failures.some(({ problem }) => !undecided.includes(problem))) return undefined;
  const passing = failures.find(({ problem }) => isPassing(problem));
  if (passing !== undefined) return passingError(passing);
  const refusals = failures.filter(({ problem }) => problem !== 'bad-reference');
  const [refused] = refusals;
  if (refused === undefined) return undefined;
  if (refusals.every(isTokenProblem)) return rejectToken(refused);
  return new ImageNotPullableError(
    `The role that mints may pull none of the target's ${images} images, so its token was not stored: ${refused.message}. Allow ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on their repositories to that role.`,
  );
};

/** The same where there is no image of this registry to try: the registry as a whole would not take the token. */
export const reasonOfRegistry = (error: unknown): Error => {
  if (!(error instanceof PullError)) throw error;
  return isTokenProblem(error) || error.problem === 'repository-forbidden' ? rejectToken(error) : passingError(error);
};
