import * as z from 'zod/mini';
import { ConfigurationError } from './lib/errors.ts';
import { lambda, type Platform, parseInput } from './lib/platform.ts';
import { connectRunpod } from './lib/runpod/connect.ts';
import { createRunpodManagement, type RunpodManagement } from './lib/runpod/management.ts';
import { createLoadTargets, type Target } from './lib/targets.ts';

/** What discover-endpoints needs from outside. */
export interface DiscoverEndpointsDeps {
  readonly loadTargets: () => readonly Target[];
  /** Runpod, as the key at `keySource` sees it. */
  readonly runpodFor: (keySource: string) => RunpodManagement;
}

const inputSchema = z.object({ name: z.string() });

/** An endpoint whose pulls this run watches. */
export interface DiscoveredEndpoint {
  readonly id: string;
  /** The image it references now; empty where the endpoint does not exist. */
  readonly image: string;
  /** Whether targets.yml names it, rather than it having been found by its credential. */
  readonly isNamed: boolean;
  readonly canary?: NonNullable<NonNullable<Target['endpoints']>[number]['canary']>;
}

/** What uses a target's credential. */
export interface DiscoverEndpointsOutput {
  /** The target as targets.yml describes it, so that a deploy does not change it under a run. */
  readonly target: Pick<Target, 'name' | 'ecr' | 'runpod'>;
  readonly endpoints: readonly DiscoveredEndpoint[];
  /** Templates and pods that use the credential, at most 20. */
  readonly otherUsers: readonly string[];
  readonly warnings: readonly string[];
}

/** A history holds 25,000 events, and an endpoint that never settles takes about 130 of them; the rest is for retries. */
export const maxEndpoints = 100;
const maxOtherUsers = 20;

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
    const { ecr, runpod, endpoints: named } = found;
    const management = runpodFor(runpod.apiKey);
    const warnings: string[] = [];

    await management.requireCredential(runpod.registry);
    const all = await management.listEndpoints();
    // Only for the report: a key that may not list pods still refreshes.
    const otherUsers = await management.listOtherUsers(runpod.registry).catch((error: Error) => {
      warnings.push(`Templates and pods that use the credential are not known: ${error.message}`);
      return [];
    });

    const chosen: DiscoveredEndpoint[] =
      named === undefined
        ? all
            .filter(({ registry }) => registry === runpod.registry)
            .map(({ id, image }) => ({ id, image, isNamed: false }))
        : named.map(({ id, canary }) => ({
            id,
            image: all.find((each) => each.id === id)?.image ?? '',
            isNamed: true,
            ...(canary === undefined ? {} : { canary }),
          }));
    if (chosen.length > maxEndpoints) {
      warnings.push(
        `${chosen.length} endpoints use the credential; the first ${maxEndpoints} are watched. Name the important ones in targets.yml.`,
      );
    }
    return {
      target: { name, ecr, runpod },
      endpoints: chosen.slice(0, maxEndpoints),
      otherUsers: otherUsers.slice(0, maxOtherUsers),
      warnings,
    };
  };

export const buildDiscoverEndpoints = (platform: Platform) => {
  const connect = connectRunpod(platform);
  return createDiscoverEndpoints({
    loadTargets: createLoadTargets(platform.settings.TARGETS_FILE),
    runpodFor: (keySource) => createRunpodManagement(connect(keySource), platform.settings),
  });
};

export const handler = lambda('discover-endpoints', buildDiscoverEndpoints);
