import * as z from 'zod/mini';
import { defined } from './lib/defined.ts';
import { packImages } from './lib/ecr/packed-images.ts';
import { registriesOf } from './lib/ecr/registries.ts';
import { createMemory, type Memory } from './lib/memory/memory.ts';
import {
  type BasePlatform,
  isoSeconds,
  type Log,
  lambda,
  ownAccountSchema,
  type Platform,
  parseInput,
} from './lib/platform.ts';
import { chooseEndpoints, describeHurt } from './lib/runpod/choose-endpoints.ts';
import { connectRunpod } from './lib/runpod/connect.ts';
import { type CredentialUser, findUsers } from './lib/runpod/credential-users.ts';
import { type Delegation, listDelegations } from './lib/runpod/delegations.ts';
import type { LeftEndpoint } from './lib/runpod/left.ts';
import { createRunpodManagement, type RunpodManagement } from './lib/runpod/management.ts';
import { findOutOfSight } from './lib/runpod/out-of-sight.ts';
import { type CanaryPodSettings, createLoadTargets, type LoadTargets, type Target, targetOf } from './lib/targets.ts';

/** What discover-endpoints needs from outside. */
interface DiscoverEndpointsDeps {
  readonly loadTargets: LoadTargets;
  readonly now: () => number;
  /** Runpod, as the key at `keySource` sees it. */
  readonly runpodFor: (
    keySource: string,
  ) => RunpodManagement & { readonly listDelegations: () => Promise<readonly Delegation[]> };
  readonly memory: Pick<Memory, 'read' | 'change'>;
  readonly log: Log;
}

const inputSchema = z.object({ name: z.string(), execution: ownAccountSchema, trigger: z.string() });

/** What uses a target's credential. */
interface DiscoverEndpointsOutput {
  /** The target as targets.yml describes it, so that a deploy does not change it under a run. */
  readonly target: Pick<Target, 'name' | 'ecr' | 'runpod'>;
  /** How many endpoints there are to watch: each function lists them for itself, however many they are. */
  readonly endpoints: number;
  /** The images of these, and of what else uses the credential, packed. */
  readonly images: string;
  /** How many of them ask for a canary, in a scheduled run. Others come too often for what costs GPU time. */
  readonly canaries: number;
  /** Templates and pods that use the credential, with their images, at most 50. */
  readonly otherUsers: readonly CredentialUser[];
  /** The registries that all of these pull from, ECR's first, at most 20. An image that nothing pulls has none. */
  readonly registries: readonly string[];
  /** Endpoints that pull from the registry and are not looked at, by name, at most 20. */
  readonly unmanaged: readonly string[];
  /** Endpoints that used the credential at the run before, and are not told of otherwise. */
  readonly left: readonly LeftEndpoint[];
  readonly warnings: readonly string[];
  /** There where an endpoint follows what is pushed, and when it was seen with its image. */
  readonly followers?: ReadonlyArray<{ readonly id: string; readonly image: string; readonly seenAt: string }>;
  /** There where the target has one. */
  readonly canaryPod?: CanaryPodSettings;
}

const maxOtherUsers = 50;
const maxRegistries = 20;

/**
 * Finds the endpoints that use a target's credential, and makes sure the credential is there at all.
 *
 * @throws {CredentialNotFoundError} Runpod does not know the credential
 * @throws {RunpodUnauthorizedError} Runpod refused the API key
 * @throws {RunpodUnavailableError | RunpodRateLimitedError} Runpod did not answer
 * @throws {ConfigurationError} the target left targets.yml after the run began, or its key cannot be read
 */
export const createDiscoverEndpoints =
  ({ loadTargets, now, runpodFor, memory, log }: DiscoverEndpointsDeps) =>
  async (event: unknown): Promise<DiscoverEndpointsOutput> => {
    const { name, execution: ownAccount, trigger } = parseInput('discover-endpoints', inputSchema, event);
    const targets = loadTargets();
    const found = targetOf(loadTargets, name);
    const { ecr, runpod } = found;
    const management = runpodFor(runpod.apiKey);

    await management.requireCredential(runpod.registry);
    const seenAt = isoSeconds(now());
    const all = await management.listEndpoints();
    const { users, others, warnings } = await findUsers(management, runpod.registry, all);
    const chosen = chooseEndpoints(found, all);
    const { packed, leftOut } = packImages([
      ...chosen.map(({ endpoint }) => endpoint?.image ?? ''),
      ...others.map(({ image }) => image),
    ]);
    const { listDelegations } = management;
    const outOfSight = await findOutOfSight({ memory, log, listDelegations }, found, targets, ownAccount, all);
    const followers = chosen.flatMap(({ id, endpoint, rollout }) =>
      rollout === undefined ? [] : [{ id, image: endpoint?.image ?? '', seenAt }],
    );
    return defined({
      target: { name, ecr, runpod },
      endpoints: chosen.length,
      images: packed,
      canaries: trigger === 'schedule' ? chosen.filter(({ canary }) => canary !== undefined).length : 0,
      otherUsers: others.slice(0, maxOtherUsers),
      registries: registriesOf(users.map(({ image }) => image)).slice(0, maxRegistries),
      ...outOfSight,
      warnings: [
        ...warnings,
        ...moreThan(
          leftOut,
          0,
          (more) => `${more} images of what uses the credential do not fit a run, and are not tried on ECR.`,
        ),
        ...outOfSight.warnings,
        ...moreThan(
          others.length,
          maxOtherUsers,
          (more) =>
            `${others.length} templates and pods use the credential; of ${more} the report does not say whether their images can be pulled.`,
        ),
        ...describeHurt(users, ecr),
      ],
      followers: followers.length === 0 ? undefined : followers,
      canaryPod: found.canaryPod,
    });
  };

/** A sentence on how many there are beyond a bound, where there are. */
const moreThan = (count: number, max: number, describe: (more: number) => string): string[] =>
  count > max ? [describe(count - max)] : [];

export const buildDiscoverEndpoints = (platform: BasePlatform & Pick<Platform, 'loadTargets' | 'memory'>) => {
  const connect = connectRunpod(platform);
  return createDiscoverEndpoints({
    memory: platform.memory,
    log: platform.log,
    loadTargets: platform.loadTargets,
    now: platform.now,
    runpodFor: (keySource) => {
      const client = connect(keySource);
      return {
        ...createRunpodManagement(client, platform.settings),
        listDelegations: () => listDelegations(client, platform.settings),
      };
    },
  });
};

export const handler = lambda('discover-endpoints', (platform) =>
  buildDiscoverEndpoints({
    ...platform,
    loadTargets: createLoadTargets(platform.settings),
    memory: createMemory(platform.settings),
  }),
);
