import * as z from 'zod/mini';
import { createUnseal, sealedTokenSchema, type Unseal } from './lib/aws/seal.ts';
import { isSameRegistry } from './lib/ecr/host.ts';
import { parseImageReference } from './lib/ecr/image-reference.ts';
import { packedImagesSchema, packImages } from './lib/ecr/packed-images.ts';
import { createRegistryClient, type RegistryClient } from './lib/ecr/pull.ts';
import { reasonOfRegistry, reasonToWithhold } from './lib/ecr/pull-failures.ts';
import { createListPushes, type ListPushes } from './lib/ecr/pushes.ts';
import { PullError } from './lib/ecr/registry.ts';
import { boundTriedImages, type TriedImages, triedImagesSchema } from './lib/ecr/tried-images.ts';
import { tryImages } from './lib/ecr/try-images.ts';
import { ImageNotPullableError, TokenRejectedError, WrongRegistryError } from './lib/errors.ts';
import { createMemory, type Memory } from './lib/memory/memory.ts';
import { heldUntil, targetForm } from './lib/memory/target-memory.ts';
import { lambda, type Platform, parseInput } from './lib/platform.ts';
import { quote } from './lib/quote.ts';
import type { ImageRecord } from './lib/report/outcome.ts';

/** What verify-image-pull needs from outside. */
interface VerifyImagePullDeps {
  readonly unseal: Unseal;
  readonly registryClient: RegistryClient;
  readonly listPushes: ListPushes;
  readonly memory: Pick<Memory, 'read'>;
  readonly now: () => number;
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
/** A thousand images take a few of them. What is left after these is tried by the next run. */
const maxLooks = 8;
const noTime = 'There was no time left in this run to try it';

/**
 * Pulls a target's images with the new token, as a worker would, before Runpod ever sees it.
 *
 * An image that cannot be pulled is reported, and the refresh goes on: its endpoint would not start with the old token
 * either. Only a token that ECR refuses, whose role may pull nothing, or that is of another registry is not stored. Of
 * these, the first two are once the token that Runpod holds is known to end before the next run: it can become no worse.
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
    const { untried: left, looks = 0 } = before;
    // What was tried with an earlier token is tried again, unless it has just been.
    const named = left === undefined ? all : z.parse(packedImagesSchema, left);
    const known: TriedImages | undefined = left === undefined ? undefined : { ...before, images: before.images ?? [] };
    if (registries.length > 0 && !registries.some((host) => isSameRegistry(host, registry))) {
      throw new WrongRegistryError(
        `What uses the credential pulls from ${registries.map((host) => quote(host)).join(', ')}, and nothing from ${registry}: this token would replace the one that it pulls with, so it was not stored. Give the target the credential of its own registry in targets.yml.`,
      );
    }
    const token = await unseal(sealed, sealedFor);
    const begunAt = now();
    /** Throws a reason to withhold the token, unless the one that Runpod holds is known to be of no use by the next run. */
    const withhold = async (reason: Error): Promise<void> => {
      if (!(reason instanceof TokenRejectedError || reason instanceof ImageNotPullableError)) throw reason;
      // Where nobody knows, it is withheld.
      const held = heldUntil(await memory.read(targetForm, sealedFor.target).catch(() => undefined));
      if (held === undefined || held > begunAt + scheduleMs) throw reason;
    };
    const tryToken = () =>
      registryClient.tryToken(registry, token).catch((error: unknown) => {
        if (error instanceof PullError) return withhold(reasonOfRegistry(error));
        throw error;
      });
    // Those of other registries are left out: the token is not for them.
    const images = named.flatMap((image) => {
      const reference = parseImageReference(image);
      return reference !== undefined && isSameRegistry(reference.registry, registry) ? [{ image, reference }] : [];
    });
    if (images.length === 0) {
      await tryToken();
      return { images: [] };
    }

    const hasTime = () => now() - begunAt <= maxTryingMs;
    const trials = await tryImages({ registryClient, ...deps }, images, token, tryToken, hasTime);
    const { records, failures, untried } = trials;
    // A token that was not withheld for the first images is not for the others.
    const reason = known === undefined ? reasonToWithhold(failures, images.length - untried.length) : undefined;
    if (reason !== undefined) await withhold(reason);
    if (untried.length > 0 && looks + 1 < maxLooks) {
      return { ...boundTriedImages(records, known), untried: packImages(untried).packed, looks: looks + 1 };
    }
    const late = untried.map((image): ImageRecord => ({ image, problem: noTime, isPassing: true }));
    return boundTriedImages([...records, ...late], known);
  };

export const buildVerifyImagePull = ({
  settings,
  send,
  unseal,
  memory,
  now,
  sleep,
}: Pick<Platform, 'settings' | 'send' | 'unseal' | 'memory' | 'now' | 'sleep'>) =>
  createVerifyImagePull({
    unseal,
    memory,
    now,
    scheduleMs: settings.SCHEDULE_HOURS * 3_600_000,
    registryClient: createRegistryClient(settings, send, sleep),
    listPushes: createListPushes(settings),
  });

export const handler = lambda('verify-image-pull', (platform) =>
  buildVerifyImagePull({
    ...platform,
    unseal: createUnseal(platform.settings),
    memory: createMemory(platform.settings),
  }),
);
