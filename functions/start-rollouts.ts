import * as z from 'zod/mini';
import { createUnseal, sealedTokenSchema } from './lib/aws/seal.ts';
import { createStartExecution } from './lib/aws/start-execution.ts';
import { createRegistryClient } from './lib/ecr/pull.ts';
import { createListRepositoryImages } from './lib/ecr/repository-images.ts';
import { requireSetting } from './lib/env.ts';
import { lambda, moment, type Platform, parseInput } from './lib/platform.ts';
import type { RolloutOutcome } from './lib/report/outcome.ts';
import { createFollow, type FollowDeps } from './lib/rollout/follow.ts';
import { followersOf } from './lib/rollout/followers.ts';
import { createRolloutMemory, type RolloutPlatform } from './lib/rollout/memory.ts';
import { endUnfollowed, findUnfollowed } from './lib/rollout/unfollowed.ts';
import { createLoadTargets } from './lib/targets.ts';

/** What start-rollouts needs from outside. */
type StartRolloutsDeps = FollowDeps & Pick<Platform, 'loadTargets' | 'unseal'>;

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
  const { now } = deps;
  const follow = createFollow(deps);
  return async (event: unknown): Promise<{ readonly rollouts: readonly RolloutOutcome[] }> => {
    const input = parseInput('start-rollouts', inputSchema, event);
    const { execution, target, credential, expiresAt, sealed, registry, endpoints } = input;
    const followers = followersOf(loadTargets());
    const [token, unfollowed] = await Promise.all([
      unseal(sealed, { execution, target, credential, expiresAt }),
      // One target's child does it for all of them.
      target === followers[0]?.target.name ? findUnfollowed(deps, followers, execution) : [],
    ]);
    const rollouts: RolloutOutcome[] = [];
    const giveUpAt = now() + maxFollowMs;
    for (const follower of followers.filter((each) => each.target.name === target)) {
      const { id } = follower;
      if (now() >= giveUpAt) {
        rollouts.push({ endpoint: id, state: 'unknown', why: 'there was no time for it; the next run looks' });
        continue;
      }
      const { image, seenAt } = endpoints.find((each) => each.id === id) ?? { image: '', seenAt: 0 };
      rollouts.push(await follow(follower, { image, seenAt, execution, registry }, followers, token));
    }
    rollouts.push(...(await endUnfollowed(deps, unfollowed, execution, now())));
    return { rollouts };
  };
};

export const buildStartRollouts = (platform: RolloutPlatform & Pick<Platform, 'unseal' | 'loadTargets'>) => {
  const { settings, now, sleep, send } = platform;
  return createStartRollouts({
    ...platform,
    registryClient: createRegistryClient(settings, send, sleep),
    listImages: createListRepositoryImages(settings, now),
    memory: createRolloutMemory(platform),
    startExecution: createStartExecution(settings, requireSetting(settings, 'ROLLOUT_MACHINE_ARN')),
  });
};

export const handler = lambda('start-rollouts', (platform) =>
  buildStartRollouts({
    ...platform,
    unseal: createUnseal(platform.settings),
    loadTargets: createLoadTargets(platform.settings),
  }),
);
