import * as z from 'zod/mini';
import { createUnseal, type RegistryToken, type Unseal } from './lib/aws/seal.ts';
import { isSameRegistry } from './lib/ecr/host.ts';
import { parseImageReference } from './lib/ecr/image-reference.ts';
import { createRegistryClient, type RegistryClient } from './lib/ecr/pull.ts';
import { createListPushes, type ListPushes, newerPushes } from './lib/ecr/pushes.ts';
import { PullError } from './lib/ecr/registry.ts';
import { EcrThrottledError, EcrUnavailableError, ImageNotPullableError, TokenRejectedError } from './lib/errors.ts';
import { mapConcurrent } from './lib/map-concurrent.ts';
import { lambda, type Platform, parseInput } from './lib/platform.ts';

/** What verify-image-pull needs from outside. */
export interface VerifyImagePullDeps {
  readonly unseal: Unseal;
  readonly registryClient: RegistryClient;
  readonly listPushes: ListPushes;
}

const inputSchema = z.object({
  execution: z.string(),
  target: z.string(),
  sealed: z.string(),
  registry: z.string(),
  endpoints: z.array(z.object({ image: z.string() })),
});

/** An image that the new token pulled. */
export interface PullableImage {
  readonly image: string;
  readonly digest: string;
  /** Compressed bytes that a cold host downloads. */
  readonly sizeInBytes: number;
  readonly layers: number;
  /** How many pushes to its repository are newer; left out where that is not known. */
  readonly behindBy?: number;
}

/** An image that it did not pull, and why, in a clause. */
export interface UnpullableImage {
  readonly image: string;
  readonly problem: string;
}

type TriedImage = PullableImage | UnpullableImage;

/** What trying the token on ECR came to. Images of other registries are left out: the token is not for them. */
export interface VerifyImagePullOutput {
  readonly images: readonly TriedImage[];
}

const maxImagesAtOnce = 4;

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
 * Pulls a target's images with the new token, as a worker would, before Runpod ever sees it.
 *
 * One bad image among good ones is reported and the refresh goes on; a token that pulls none of them is not stored.
 *
 * @throws {TokenRejectedError} ECR refused the token
 * @throws {ImageNotPullableError} none of the images can be pulled
 * @throws {EcrThrottledError | EcrUnavailableError | KmsUnavailableError} no image could be tried to the end
 */
export const createVerifyImagePull =
  ({ unseal, registryClient, listPushes }: VerifyImagePullDeps) =>
  async (event: unknown): Promise<VerifyImagePullOutput> => {
    const { execution, target, sealed, registry, endpoints } = parseInput('verify-image-pull', inputSchema, event);
    const token = await unseal(sealed, { execution, target });
    const images = [...new Set(endpoints.map(({ image }) => image))].flatMap((image) => {
      const reference = parseImageReference(image);
      return reference !== undefined && isSameRegistry(reference.registry, registry) ? [{ image, reference }] : [];
    });
    if (images.length === 0) {
      await tryTokenAlone(registryClient, registry, token);
      return { images: [] };
    }

    const failures: PullError[] = [];
    const tried = await mapConcurrent(images, maxImagesAtOnce, async ({ image, reference }): Promise<TriedImage> => {
      try {
        const [pulled, pushes] = await Promise.all([registryClient.tryImage(reference, token), listPushes(reference)]);
        const behindBy = newerPushes(pushes, pulled.digest);
        return { image, ...pulled, ...(behindBy === undefined ? {} : { behindBy }) };
      } catch (error) {
        if (!(error instanceof PullError)) throw error;
        failures.push(error);
        return { image, problem: error.message };
      }
    });
    const refused = failures.find(isTokenProblem);
    if (refused) throw rejectToken(refused);
    if (failures.length < images.length) return { images: tried };

    const passing = failures.map(passingError).find((error) => error !== undefined);
    if (passing) throw passing;
    throw new ImageNotPullableError(
      `The new token pulls none of the target's ${images.length} images, so it was not stored: ${failures[0]?.message}. Push the image, correct the endpoint, or allow ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on its repository to the role that mints.`,
    );
  };

const tryTokenAlone = async (registryClient: RegistryClient, registry: string, token: RegistryToken): Promise<void> => {
  try {
    await registryClient.tryToken(registry, token);
  } catch (error) {
    if (!(error instanceof PullError)) throw error;
    if (isTokenProblem(error) || error.problem === 'repository-forbidden') throw rejectToken(error);
    throw passingError(error) ?? new EcrUnavailableError(`${error.message}.`, { cause: error });
  }
};

export const buildVerifyImagePull = ({ settings, send }: Platform) =>
  createVerifyImagePull({
    unseal: createUnseal(settings),
    registryClient: createRegistryClient(settings, send),
    listPushes: createListPushes(settings),
  });

export const handler = lambda('verify-image-pull', buildVerifyImagePull);
