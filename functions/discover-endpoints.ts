import * as z from 'zod/mini';
import { defined } from './lib/defined.ts';
import { parseEcrHost } from './lib/ecr/host.ts';
import { parseImageReference } from './lib/ecr/image-reference.ts';
import { ConfigurationError } from './lib/errors.ts';
import { type BasePlatform, lambda, type Platform, parseInput } from './lib/platform.ts';
import { chooseEndpoints, type DiscoveredEndpoint } from './lib/runpod/choose-endpoints.ts';
import { connectRunpod } from './lib/runpod/connect.ts';
import { createRunpodManagement, type RunpodManagement } from './lib/runpod/management.ts';
import { createLoadTargets, type LoadTargets, type Target } from './lib/targets.ts';

/** What discover-endpoints needs from outside. */
interface DiscoverEndpointsDeps {
  readonly loadTargets: LoadTargets;
  /** Runpod, as the key at `keySource` sees it. */
  readonly runpodFor: (keySource: string) => RunpodManagement;
}

const inputSchema = z.object({ name: z.string() });

/** What uses a target's credential. */
interface DiscoverEndpointsOutput {
  /** The target as targets.yml describes it, so that a deploy does not change it under a run. */
  readonly target: Pick<Target, 'name' | 'ecr' | 'runpod'>;
  readonly endpoints: readonly DiscoveredEndpoint[];
  /** Templates and pods that use the credential, at most 20. */
  readonly otherUsers: readonly string[];
  /** The registries that all of these pull from, ECR's first, at most 20. An image that nothing pulls has none. */
  readonly registries: readonly string[];
  readonly warnings: readonly string[];
  /** There where an endpoint follows what is pushed. */
  readonly hasRollouts?: true;
}

/** A history holds 25,000 events, and an endpoint that never settles takes about 130 of them; the rest is for retries. */
export const maxEndpoints = 100;
/** A state holds 256 KiB, and what a target gathers of its endpoints grows to about seven times this. */
const maxEndpointBytes = 32 * 1024;
const maxOtherUsers = 20;
const maxRegistries = 20;

/** The registries of images, each once, ECR's first. */
const registriesOf = (images: readonly string[]): string[] => {
  const found = new Set(images.flatMap((image) => parseImageReference(image)?.registry ?? []));
  return [...found].toSorted((one, other) => Number(isEcr(other)) - Number(isEcr(one))).slice(0, maxRegistries);
};
const isEcr = (host: string): boolean => parseEcrHost(host) !== undefined;

/** The endpoints that a run can watch: as many as a history and a state hold. */
const watchable = (chosen: readonly DiscoveredEndpoint[]): DiscoveredEndpoint[] => {
  let bytes = 0;
  return chosen.slice(0, maxEndpoints).filter((endpoint) => {
    bytes += Buffer.byteLength(JSON.stringify(endpoint));
    return bytes <= maxEndpointBytes;
  });
};

/**
 * Finds the endpoints that use a target's credential, and makes sure the credential is there at all.
 *
 * @throws {CredentialNotFoundError} Runpod does not know the credential
 * @throws {RunpodUnauthorizedError} Runpod refused the API key
 * @throws {RunpodUnavailableError | RunpodRateLimitedError} Runpod did not answer
 * @throws {ConfigurationError} the target left targets.yml after the run began, or its key cannot be read
 */
export const createDiscoverEndpoints =
  ({ loadTargets, runpodFor }: DiscoverEndpointsDeps) =>
  async (event: unknown): Promise<DiscoverEndpointsOutput> => {
    const { name } = parseInput('discover-endpoints', inputSchema, event);
    const found = loadTargets().find((each) => each.name === name);
    if (found === undefined) {
      throw new ConfigurationError(
        `targets.yml has no target ${name} any more. Deploying has removed it during this run.`,
      );
    }
    const { ecr, runpod } = found;
    const management = runpodFor(runpod.apiKey);
    const warnings: string[] = [];

    await management.requireCredential(runpod.registry);
    const all = await management.listEndpoints();
    // Only for the report: a key that may not list pods still refreshes.
    const otherUsers = await management.listOtherUsers(runpod.registry).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      warnings.push(`Templates and pods that use the credential are not known: ${message}`);
      return [];
    });
    const behind = [...all.filter(({ registry }) => registry === runpod.registry), ...otherUsers];

    const chosen = chooseEndpoints(found, all);
    const watched = watchable(chosen);
    if (chosen.length > watched.length) {
      warnings.push(
        `${chosen.length} endpoints use the credential; the first ${watched.length} are watched. Name the important ones in targets.yml.`,
      );
    }
    const hasRollouts = found.endpoints?.some(({ rollout }) => rollout !== undefined) || undefined;
    return defined({
      target: { name, ecr, runpod },
      endpoints: watched,
      otherUsers: otherUsers.slice(0, maxOtherUsers).map(({ name: user }) => user),
      registries: registriesOf(behind.map(({ image }) => image)),
      warnings,
      hasRollouts,
    });
  };

export const buildDiscoverEndpoints = (platform: BasePlatform & Pick<Platform, 'loadTargets'>) => {
  const connect = connectRunpod(platform);
  return createDiscoverEndpoints({
    loadTargets: platform.loadTargets,
    runpodFor: (keySource) => createRunpodManagement(connect(keySource), platform.settings),
  });
};

export const handler = lambda('discover-endpoints', (platform) =>
  buildDiscoverEndpoints({ ...platform, loadTargets: createLoadTargets(platform.settings) }),
);
