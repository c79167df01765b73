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
import { type Delegation, listDelegations } from './lib/runpod/delegations.ts';
import { findLeft, type LeftEndpoint } from './lib/runpod/left.ts';
import { createRunpodManagement, type RunpodManagement } from './lib/runpod/management.ts';
import { describeAllUnmanaged, findUnmanaged, labelOf } from './lib/runpod/unmanaged.ts';
import {
  accountOf,
  type CanaryPodSettings,
  createLoadTargets,
  type LoadTargets,
  type Target,
  targetOf,
} from './lib/targets.ts';

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
  readonly otherUsers: ReadonlyArray<{ readonly name: string; readonly image: string }>;
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
const maxUnmanaged = 20;
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
    const warnings: string[] = [];

    await management.requireCredential(runpod.registry);
    const seenAt = isoSeconds(now());
    const all = await management.listEndpoints();
    // Only for the report: a key that may not list pods still refreshes.
    const otherUsers = await management.listOtherUsers(runpod.registry).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      warnings.push(`Templates and pods that use the credential are not known: ${message}`);
      return [];
    });
    const behind = [
      ...all.filter(({ registry }) => registry === runpod.registry).map(({ id, image }) => ({ name: id, image })),
      ...otherUsers,
    ];

    const chosen = chooseEndpoints(found, all);
    const { packed, leftOut } = packImages([
      ...chosen.map(({ endpoint }) => endpoint?.image ?? ''),
      ...otherUsers.map(({ image }) => image),
    ]);
    if (leftOut > 0)
      warnings.push(`${leftOut} images of what uses the credential do not fit a run, and are not tried on ECR.`);
    const unmanaged = await findUnmanaged(found, accountOf(found, ownAccount), targets, all, () =>
      // Better to warn of an endpoint that needs no credential than to be silent about one that does.
      management.listDelegations().catch(() => []),
    );
    warnings.push(...describeAllUnmanaged(unmanaged, maxUnmanaged));
    const left = await findLeft(
      { memory, log },
      found,
      targets,
      all,
      unmanaged.map(({ id }) => id),
    );
    warnings.push(...left.map(({ evidence }) => evidence));
    if (otherUsers.length > maxOtherUsers)
      warnings.push(
        `${otherUsers.length} templates and pods use the credential; of ${otherUsers.length - maxOtherUsers} the report does not say whether their images can be pulled.`,
      );
    warnings.push(...describeHurt(behind, ecr));
    const rollouts = new Set(found.endpoints?.flatMap(({ id, rollout }) => (rollout === undefined ? [] : [id])));
    const followers = chosen.flatMap(({ id, endpoint }) =>
      rollouts.has(id) ? [{ id, image: endpoint?.image ?? '', seenAt }] : [],
    );
    return defined({
      target: { name, ecr, runpod },
      endpoints: chosen.length,
      images: packed,
      canaries: trigger === 'schedule' ? chosen.filter(({ canary }) => canary !== undefined).length : 0,
      otherUsers: otherUsers.slice(0, maxOtherUsers),
      registries: registriesOf(behind.map(({ image }) => image)).slice(0, maxRegistries),
      unmanaged: unmanaged.slice(0, maxUnmanaged).map(labelOf),
      left,
      warnings,
      followers: followers.length === 0 ? undefined : followers,
      canaryPod: found.canaryPod,
    });
  };

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
