import * as z from 'zod/mini';
import { createUnseal, type Unseal } from './lib/aws/seal.ts';
import { cutToBytes } from './lib/bounded-text.ts';
import { defined } from './lib/defined.ts';
import { isSameRegistry } from './lib/ecr/host.ts';
import { parseImageReference } from './lib/ecr/image-reference.ts';
import { createRegistryClient, type RegistryClient } from './lib/ecr/pull.ts';
import { reasonOfRegistry, reasonToWithhold } from './lib/ecr/pull-failures.ts';
import { createListPushes, type ListPushes, newerPushes } from './lib/ecr/pushes.ts';
import { PullError } from './lib/ecr/registry.ts';
import { mapConcurrent } from './lib/map-concurrent.ts';
import { lambda, type Platform, parseInput } from './lib/platform.ts';
import type { ImageRecord } from './lib/report/outcome.ts';

/** What verify-image-pull needs from outside. */
interface VerifyImagePullDeps {
  readonly unseal: Unseal;
  readonly registryClient: RegistryClient;
  readonly listPushes: ListPushes;
}

const inputSchema = z.object({
  execution: z.string(),
  target: z.string(),
  credential: z.string(),
  expiresAt: z.string(),
  sealed: z.string(),
  registry: z.string(),
  endpoints: z.array(z.object({ image: z.string() })),
});

/** What trying the token on ECR came to. Images of other registries are left out: the token is not for them. */
interface VerifyImagePullOutput {
  readonly images: readonly ImageRecord[];
}

const maxImagesAtOnce = 4;
const maxProblemBytes = 300;

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
    const { sealed, registry, endpoints, ...sealedFor } = parseInput('verify-image-pull', inputSchema, event);
    const token = await unseal(sealed, sealedFor);
    const images = [...new Set(endpoints.map(({ image }) => image))].flatMap((image) => {
      const reference = parseImageReference(image);
      return reference !== undefined && isSameRegistry(reference.registry, registry) ? [{ image, reference }] : [];
    });
    if (images.length === 0) {
      await registryClient.tryToken(registry, token).catch((error: unknown) => {
        throw error instanceof PullError ? reasonOfRegistry(error) : error;
      });
      return { images: [] };
    }

    const failures: PullError[] = [];
    const tried = await mapConcurrent(images, maxImagesAtOnce, async ({ image, reference }): Promise<ImageRecord> => {
      try {
        const [pulled, pushes] = await Promise.all([registryClient.tryImage(reference, token), listPushes(reference)]);
        return defined({ image, ...pulled, behindBy: newerPushes(pushes, pulled.digest) });
      } catch (error) {
        if (!(error instanceof PullError)) throw error;
        failures.push(error);
        return { image, problem: cutToBytes(error.message, maxProblemBytes) };
      }
    });
    const reason = reasonToWithhold(failures, images.length);
    if (reason !== undefined) throw reason;
    return { images: tried };
  };

export const buildVerifyImagePull = ({ settings, send, unseal }: Pick<Platform, 'settings' | 'send' | 'unseal'>) =>
  createVerifyImagePull({
    unseal,
    registryClient: createRegistryClient(settings, send),
    listPushes: createListPushes(settings),
  });

export const handler = lambda('verify-image-pull', (platform) =>
  buildVerifyImagePull({ ...platform, unseal: createUnseal(platform.settings) }),
);
