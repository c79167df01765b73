import * as z from 'zod/mini';
import { createUnseal, sealedTokenSchema, type Unseal } from './lib/aws/seal.ts';
import { createStartExecution } from './lib/aws/start-execution.ts';
import { isSameRegistry } from './lib/ecr/host.ts';
import { parseImageReference } from './lib/ecr/image-reference.ts';
import { createRegistryClient } from './lib/ecr/pull.ts';
import { createListRepositoryImages } from './lib/ecr/repository-images.ts';
import { requireSetting } from './lib/env.ts';
import { messageOf } from './lib/message-of.ts';
import { lambda, moment, type Platform, parseInput } from './lib/platform.ts';
import type { RolloutOutcome } from './lib/report/outcome.ts';
import { createFollow, type FollowDeps } from './lib/rollout/follow.ts';
import { type Follower, followersOf } from './lib/rollout/followers.ts';
import { createRolloutMemory, type RolloutPlatform } from './lib/rollout/memory.ts';
import { endUnfollowed } from './lib/rollout/unfollowed.ts';
import { createLoadTargets, type LoadTargets } from './lib/targets.ts';

/** What start-rollouts needs from outside. */
interface StartRolloutsDeps extends FollowDeps {
  readonly loadTargets: LoadTargets;
  readonly unseal: Unseal;
}

const inputSchema = z.extend(sealedTokenSchema, {
  registry: z.string(),
  endpoints: z.array(z.object({ id: z.string(), image: z.string(), seenAt: moment })),
});

/** No endpoint is begun with later than this, so that the last one ends within the function's time. */
const maxFollowMs = 6 * 60_000;

/**
 * Finds for each endpoint that follows something the image that it wants, tries it with the fresh token, and starts an
 * execution that rolls it out. Nobody waits for it.
 *
 * @throws {KmsUnavailableError} the token cannot be opened
 */
export const createStartRollouts = ({ loadTargets, unseal, ...deps }: StartRolloutsDeps) => {
  const { memory, now, log } = deps;
  const { follow, followNone } = createFollow(deps);
  return async (event: unknown): Promise<{ readonly rollouts: readonly RolloutOutcome[] }> => {
    const input = parseInput('start-rollouts', inputSchema, event);
    const { execution, target, credential, expiresAt, sealed, registry, endpoints } = input;
    const token = await unseal(sealed, { execution, target, credential, expiresAt });
    const followers = followersOf(loadTargets());
    const rollouts: RolloutOutcome[] = [];
    const giveUpAt = now() + maxFollowMs;
    const followOne = (follower: Follower): Promise<RolloutOutcome> => {
      const { image, seenAt } = endpoints.find(({ id }) => id === follower.id) ?? { image: '', seenAt: 0 };
      const reference = parseImageReference(image);
      return reference === undefined || !isSameRegistry(reference.registry, registry)
        ? followNone(
            follower,
            followers,
            image === '' ? 'Runpod shows no such endpoint, or none with an image' : `its image is none of ${registry}`,
          )
        : follow(follower, { image, seenAt, execution }, reference, followers, token);
    };
    for (const follower of followers.filter((each) => each.target.name === target)) {
      const { id } = follower;
      if (now() >= giveUpAt) {
        rollouts.push({ endpoint: id, state: 'unknown', why: 'there was no time for it; the next run looks' });
        continue;
      }
      // What is wrong with one endpoint, or its repository, holds up no other.
      const outcome = await followOne(follower).catch((error: unknown) => {
        log.error(`What endpoint ${id} wants could not be found`, error);
        const why = messageOf(error);
        return { endpoint: id, state: 'unknown', why };
      });
      rollouts.push(outcome);
    }
    // One target's child does it for all of them.
    if (target === followers[0]?.target.name) {
      const unfollowed = await endUnfollowed(memory, followers, execution, now()).catch((error: unknown) => {
        log.error('Rollouts of endpoints that follow nothing could not be ended', error);
        return [];
      });
      rollouts.push(...unfollowed);
    }
    return { rollouts };
  };
};

export const buildStartRollouts = (platform: RolloutPlatform & Pick<Platform, 'unseal' | 'loadTargets'>) => {
  const { settings, now, sleep, send, log } = platform;
  return createStartRollouts({
    loadTargets: platform.loadTargets,
    unseal: platform.unseal,
    registryClient: createRegistryClient(settings, send, sleep),
    listImages: createListRepositoryImages(settings, now),
    memory: createRolloutMemory(platform),
    startExecution: createStartExecution(settings, requireSetting(settings, 'ROLLOUT_MACHINE_ARN')),
    now,
    log,
  });
};

export const handler = lambda('start-rollouts', (platform) =>
  buildStartRollouts({
    ...platform,
    unseal: createUnseal(platform.settings),
    loadTargets: createLoadTargets(platform.settings),
  }),
);
