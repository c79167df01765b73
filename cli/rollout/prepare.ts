import { formatImageReference, parseImageReference } from '../../functions/lib/ecr/image-reference.ts';
import { createMintToken } from '../../functions/lib/ecr/mint-token.ts';
import { createRegistryClient } from '../../functions/lib/ecr/pull.ts';
import { PullError } from '../../functions/lib/ecr/registry.ts';
import { createListRepositoryImages } from '../../functions/lib/ecr/repository-images.ts';
import type { BasePlatform } from '../../functions/lib/platform.ts';
import { digestOf } from '../../functions/lib/rollout/decide.ts';
import type { RolloutMemory } from '../../functions/lib/rollout/memory.ts';
import {
  firstRecord,
  isOfRollout,
  pin,
  type RolloutRecord,
  takeHandMadeChoice,
} from '../../functions/lib/rollout/record.ts';
import type { RolloutSettings } from '../../functions/lib/rollout/settings.ts';
import { connectRunpod } from '../../functions/lib/runpod/connect.ts';
import { createRunpodManagement } from '../../functions/lib/runpod/management.ts';
import type { Target } from '../../functions/lib/targets.ts';
import { CommandError } from '../../stack/failure.ts';

/** A rollout that a person asks for, once everything about it is known to be there. */
export interface Prepared {
  readonly id: string;
  readonly target: Target;
  readonly settings: RolloutSettings;
  readonly wanted: { readonly digest: string; readonly image: string; readonly pushedAt: number };
  /** What is remembered, with what the endpoint has now: another image than a rollout's was chosen by hand. */
  readonly take: (before: RolloutRecord | undefined) => RolloutRecord;
}

/** The target that an endpoint belongs to: the one that names it, else the one whose credential it uses. */
const targetOfEndpoint = async (targets: readonly Target[], id: string, platform: BasePlatform) => {
  const connect = connectRunpod(platform);
  const naming = targets.filter(({ endpoints = [] }) => endpoints.some((each) => each.id === id));
  for (const target of naming.length > 0 ? naming : targets) {
    const management = createRunpodManagement(connect(target.runpod.apiKey), platform.settings);
    const endpoint = await management.getEndpoint(id);
    if (endpoint?.registry === target.runpod.registry) return { target, endpoint };
  }
  throw new CommandError(
    `No endpoint ${id} uses a credential of targets.yml. Check the id, and the credential that the endpoint uses at Runpod.`,
  );
};

/**
 * Looks up what a person asks for: the endpoint, the image, and what to come back to; and pulls the image as a worker would.
 *
 * @param wanted a tag, or a digest
 * @throws {CommandError} something of it is not there
 */
export const prepare = async (
  targets: readonly Target[],
  id: string,
  wanted: string,
  platform: BasePlatform,
  memory: RolloutMemory | undefined,
): Promise<Prepared> => {
  const { target, endpoint } = await targetOfEndpoint(targets, id, platform);
  const reference = parseImageReference(endpoint.image);
  if (reference === undefined) throw new CommandError(`Endpoint ${id} has no image that could be pulled.`);
  const { registry, repository } = reference;
  const images = await createListRepositoryImages(platform.settings, platform.now)(registry, repository);
  const found = images.find(({ digest, tags }) => digest === wanted || tags.includes(wanted));
  if (found === undefined) throw new CommandError(`ECR has no image ${wanted} in ${repository}. Push it first.`);
  const tag = found.digest === wanted ? found.tags[0] : wanted;
  const image = pin(endpoint.image, found.digest, tag);

  const digest = digestOf(endpoint.image, images);
  const seen = { image: endpoint.image, ...(digest === undefined ? {} : { digest }) };
  const take = (before: RolloutRecord | undefined): RolloutRecord => {
    if (before === undefined) return firstRecord(seen);
    const { current, earlier } = before;
    const isKnown = current === undefined ? earlier.image === seen.image : isOfRollout(current, seen.image);
    return isKnown ? { ...before, earlier: { ...seen, ...earlier } } : takeHandMadeChoice(before, seen, platform.now());
  };
  const { current, earlier } = take(await memory?.read(id));
  const back = current?.earlier ?? earlier;
  if (!images.some((each) => each.digest === back.digest)) {
    throw new CommandError(
      `ECR holds no image to come back to: nothing that ${formatImageReference(reference)} stands for. Give the endpoint an image that is there by hand first.`,
    );
  }
  const { token } = await createMintToken(platform.settings, platform.now)(target.ecr);
  const wantedReference = parseImageReference(image);
  if (wantedReference !== undefined) {
    await createRegistryClient(platform.settings, platform.send)
      .tryImage(wantedReference, token)
      .catch((error: unknown) => {
        throw error instanceof PullError
          ? new CommandError(`${image} is not rolled out: ${error.advice}`, { cause: error })
          : error;
      });
  }
  const settings = target.endpoints?.find((each) => each.id === id)?.rollout ?? {
    tag: wanted,
    proveWithinMinutes: 20,
  };
  return {
    id,
    target,
    settings,
    wanted: { digest: found.digest, image, pushedAt: found.pushedAt },
    take,
  };
};
