import * as z from 'zod/mini';
import { createMemory, type Memory } from './lib/memory/memory.ts';
import { type BasePlatform, type Log, lambda, ownAccountSchema, type Platform, parseInput } from './lib/platform.ts';
import { chooseEndpoints } from './lib/runpod/choose-endpoints.ts';
import { runpodBy } from './lib/runpod/connect.ts';
import { findUsers } from './lib/runpod/credential-users.ts';
import { type Delegation, listDelegations } from './lib/runpod/delegations.ts';
import { type Discovered, sumUpDiscovered } from './lib/runpod/discovered.ts';
import { createRunpodManagement, type RunpodManagement } from './lib/runpod/management.ts';
import { findOutOfSight } from './lib/runpod/out-of-sight.ts';
import { createLoadTargets, type LoadTargets, targetOf } from './lib/targets.ts';

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
  async (event: unknown): Promise<Discovered> => {
    const { name, execution: ownAccount, trigger } = parseInput('discover-endpoints', inputSchema, event);
    const target = targetOf(loadTargets, name);
    const { apiKey, registry: credential } = target.runpod;
    const runpod = runpodFor(apiKey);

    await runpod.requireCredential(credential);
    const seenAt = now();
    const all = await runpod.listEndpoints();
    const used = await findUsers(runpod, credential, all);
    const { listDelegations } = runpod;
    const outOfSight = await findOutOfSight({ memory, log, listDelegations }, target, loadTargets(), ownAccount, all);
    const chosen = chooseEndpoints(target, all);
    return sumUpDiscovered(target, { ...used, chosen, seenAt, outOfSight, isScheduled: trigger === 'schedule' });
  };

export const buildDiscoverEndpoints = (platform: BasePlatform & Pick<Platform, 'loadTargets' | 'memory'>) =>
  createDiscoverEndpoints({
    ...platform,
    runpodFor: runpodBy(platform, (client, settings) => ({
      ...createRunpodManagement(client, settings),
      listDelegations: () => listDelegations(client, settings),
    })),
  });

export const handler = lambda('discover-endpoints', (platform) =>
  buildDiscoverEndpoints({
    ...platform,
    loadTargets: createLoadTargets(platform.settings),
    memory: createMemory(platform.settings),
  }),
);
