import * as z from 'zod/mini';
import { createUnseal, type Unseal } from './lib/aws/seal.ts';
import { isStale } from './lib/ecr/stale-token.ts';
import { createMemory, type Memory } from './lib/memory/memory.ts';
import { rememberToken, targetForm } from './lib/memory/target-memory.ts';
import { type BasePlatform, isoSeconds, type Log, lambda, moment, type Platform, parseInput } from './lib/platform.ts';
import type { RunpodClient } from './lib/runpod/client.ts';
import { runpodBy } from './lib/runpod/connect.ts';
import { createRunpodManagement, type RunpodManagement } from './lib/runpod/management.ts';
import {
  createUpdateCredential,
  type UpdateCredential,
  type UpdatedCredential,
} from './lib/runpod/update-credential.ts';

/** What update-runpod needs from outside. */
interface UpdateRunpodDeps {
  readonly unseal: Unseal;
  readonly runpodFor: (keySource: string) => { readonly client: RunpodClient; readonly management: RunpodManagement };
  readonly updateCredential: UpdateCredential;
  readonly memory: Pick<Memory, 'change'>;
  readonly now: () => number;
  readonly log: Log;
}

const inputSchema = z.object({
  execution: z.string(),
  target: z.object({ name: z.string(), runpod: z.object({ apiKey: z.string(), registry: z.string() }) }),
  token: z.object({ sealed: z.string(), mintedAt: moment, expiresAt: moment }),
  /** How many times in this run a token was too old already. */
  staleTimes: z._default(z.number(), 0),
});

/** Either the token is stored, or it is too old to be: then the machine mints anew. Times are ISO 8601. */
type UpdateRunpodOutput =
  | ({ readonly status: 'stored'; readonly storedAt: string; readonly expiresAt: string } & UpdatedCredential)
  | { readonly status: 'stale' };

/**
 * Stores a proven token in the Runpod credential, in place.
 *
 * @throws {RunpodUnauthorizedError | CredentialNotFoundError | RunpodRequestRejectedError} Runpod refused
 * @throws {TokenStaleError} the token is too old, as those before it in this run were
 * @throws {RunpodUpdateUnsupportedError} Runpod has none of the operations that update a credential
 * @throws {RunpodUnavailableError | RunpodRateLimitedError} Runpod did not answer; storing again is harmless
 */
export const createUpdateRunpod =
  ({ unseal, runpodFor, updateCredential, memory, now, log }: UpdateRunpodDeps) =>
  async (event: unknown): Promise<UpdateRunpodOutput> => {
    const { execution, target, token: minted, staleTimes } = parseInput('update-runpod', inputSchema, event);
    if (isStale(minted, staleTimes, now())) return { status: 'stale' };
    const credential = target.runpod.registry;
    const expiresAt = isoSeconds(minted.expiresAt);
    const token = await unseal(minted.sealed, { execution, target: target.name, credential, expiresAt });
    const updated = await updateCredential(runpodFor(target.runpod.apiKey), credential, token);
    const storedAt = isoSeconds(now());
    // It is stored, whether we can remember it or not.
    await memory
      .change(targetForm, target.name, (before) => rememberToken(before, expiresAt, storedAt))
      .catch((error: unknown) => log.error('The end of the token cannot be remembered', error));
    return { status: 'stored', storedAt, expiresAt, ...updated };
  };

export const buildUpdateRunpod = (platform: BasePlatform & Pick<Platform, 'unseal' | 'memory'>) =>
  createUpdateRunpod({
    ...platform,
    runpodFor: runpodBy(platform, (client, settings) => ({
      client,
      management: createRunpodManagement(client, settings),
    })),
    updateCredential: createUpdateCredential(platform.settings),
  });

export const handler = lambda('update-runpod', (platform) =>
  buildUpdateRunpod({
    ...platform,
    unseal: createUnseal(platform.settings),
    memory: createMemory(platform.settings),
  }),
);
