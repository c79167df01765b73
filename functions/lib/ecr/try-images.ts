import type { RegistryToken } from '../aws/seal.ts';
import { cutToBytes } from '../bounded-text.ts';
import { defined } from '../defined.ts';
import { mapConcurrent } from '../map-concurrent.ts';
import type { ImageRecord } from '../report/outcome.ts';
import { isSameRegistry } from './host.ts';
import { parseImageReference } from './image-reference.ts';
import type { RegistryClient } from './pull.ts';
import { isTokenProblem } from './pull-failures.ts';
import { type ListPushes, newerPushes } from './pushes.ts';
import { PullError } from './registry.ts';
import { isPassing } from './registry-answer.ts';

/** What trying images came to. */
export interface Trials {
  readonly records: readonly ImageRecord[];
  readonly failures: readonly PullError[];
  /** Those for which there was no time. */
  readonly untried: readonly string[];
}

const maxImagesAtOnce = 8;
const maxProblemBytes = 400;

/**
 * Pulls a registry's images as a worker would, and counts the pushes that each is behind.
 *
 * @param names of the images; those of other registries are left out, for the token is not for them
 * @param tryToken asked where there is no image, or where an image's answer is about the token: one may be refused what the
 *   registry as a whole is not. What it throws ends the trials
 * @param hasTime asked before each image
 */
export const tryImages = async (
  { registryClient, listPushes }: { readonly registryClient: RegistryClient; readonly listPushes: ListPushes },
  {
    registry,
    names,
    token,
  }: { readonly registry: string; readonly names: readonly string[]; readonly token: RegistryToken },
  tryToken: () => Promise<void>,
  hasTime: () => boolean,
): Promise<Trials> => {
  const images = names.flatMap((image) => {
    const reference = parseImageReference(image);
    return reference !== undefined && isSameRegistry(reference.registry, registry) ? [{ image, reference }] : [];
  });
  if (images.length === 0) await tryToken();
  const failures: PullError[] = [];
  const untried: string[] = [];
  const tried = await mapConcurrent(images, maxImagesAtOnce, async ({ image, reference }): Promise<ImageRecord[]> => {
    if (!hasTime()) {
      untried.push(image);
      return [];
    }
    try {
      const [pulled, pushes] = await Promise.all([registryClient.tryImage(reference, token), listPushes(reference)]);
      return [defined({ image, ...pulled, behindBy: newerPushes(pushes, pulled.digest) })];
    } catch (error) {
      if (!(error instanceof PullError)) throw error;
      if (isTokenProblem(error)) await tryToken();
      failures.push(error);
      const problem = cutToBytes(error.advice, maxProblemBytes);
      return [defined({ image, problem, isPassing: isPassing(error.problem) || undefined })];
    }
  });
  return { records: tried.flat(), failures, untried };
};
