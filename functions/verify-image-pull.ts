import * as z from 'zod/mini';
import { createUnseal, sealedTokenSchema } from './lib/aws/seal.ts';
import { packedImagesSchema } from './lib/ecr/packed-images.ts';
import { createRegistryClient, type RegistryClient } from './lib/ecr/pull.ts';
import { reasonOfRegistry, reasonToWithhold } from './lib/ecr/pull-failures.ts';
import { createListPushes, type ListPushes } from './lib/ecr/pushes.ts';
import { sumUpTried, type TriedImages, triedImagesSchema } from './lib/ecr/tried-images.ts';
import { tryImages } from './lib/ecr/try-images.ts';
import { createWithhold, requireOwnRegistry } from './lib/ecr/withhold.ts';
import { createMemory } from './lib/memory/memory.ts';
import { lambda, type Platform, parseInput } from './lib/platform.ts';

/** What verify-image-pull needs from outside. */
interface VerifyImagePullDeps extends Pick<Platform, 'unseal' | 'memory' | 'now'> {
  readonly registryClient: RegistryClient;
  readonly listPushes: ListPushes;
  /** Milliseconds between two scheduled runs. */
  readonly scheduleMs: number;
}

const inputSchema = z.extend(sealedTokenSchema, {
  registry: z.string(),
  /** The images of what is watched, packed. */
  images: packedImagesSchema,
  /** Where what uses the credential pulls from, whether it is watched or not. */
  registries: z.array(z.string()),
  /** What this function answered the last time round; nothing at first. */
  before: z.optional(z.partial(triedImagesSchema)),
});

/** What is not begun by then is handed back: the function has five minutes. */
const maxTryingMs = 200_000;

/**
 * Pulls a target's images with the new token, as a worker would, before Runpod ever sees it.
 *
 * An image that cannot be pulled is reported, and the refresh goes on: its endpoint would not start with the old token
 * either. Only a token that ECR refuses, whose role may pull nothing, or that is of another registry is not stored.
 *
 * @throws {TokenRejectedError} ECR refused the token, for the registry as a whole
 * @throws {ImageNotPullableError} the role that mints may pull none of the images
 * @throws {WrongRegistryError} what uses the credential pulls from other registries alone
 * @throws {EcrThrottledError | EcrUnavailableError | KmsUnavailableError} no image could be tried to the end
 */
export const createVerifyImagePull =
  ({ unseal, registryClient, memory, now, scheduleMs, ...deps }: VerifyImagePullDeps) =>
  async (event: unknown): Promise<TriedImages> => {
    const input = parseInput('verify-image-pull', inputSchema, event);
    const { sealed, registry, images: all, registries, before = {}, ...sealedFor } = input;
    requireOwnRegistry(registry, registries);
    const token = await unseal(sealed, sealedFor);
    const begunAt = now();
    const withhold = createWithhold(memory, sealedFor.target, begunAt + scheduleMs);
    const tryToken = () =>
      registryClient.tryToken(registry, token).catch((error: unknown) => withhold(reasonOfRegistry(error)));
    const hasTime = () => now() - begunAt <= maxTryingMs;
    // What was tried with an earlier token is tried again, unless it has just been.
    const isFirst = before.untried === undefined;
    const names = isFirst ? all : z.parse(packedImagesSchema, before.untried);
    const trials = await tryImages({ registryClient, ...deps }, { registry, names, token }, tryToken, hasTime);
    // A token that was not withheld for the first images is not for the others.
    if (isFirst) await withhold(reasonToWithhold(trials.failures, trials.records.length));
    return sumUpTried(trials, isFirst ? undefined : { ...before, images: before.images ?? [] });
  };

export const buildVerifyImagePull = (platform: Omit<Platform, 'seal' | 'loadTargets' | 'log' | 'meter'>) =>
  createVerifyImagePull({
    ...platform,
    scheduleMs: platform.settings.SCHEDULE_HOURS * 3_600_000,
    registryClient: createRegistryClient(platform.settings, platform.send, platform.sleep),
    listPushes: createListPushes(platform.settings),
  });

export const handler = lambda('verify-image-pull', (platform) =>
  buildVerifyImagePull({
    ...platform,
    unseal: createUnseal(platform.settings),
    memory: createMemory(platform.settings),
  }),
);
