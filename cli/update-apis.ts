import * as z from 'zod/mini';
import type { Settings } from '../functions/lib/env.ts';
import {
  isOperationMissing,
  type RunpodAnswer,
  type RunpodCall,
  type RunpodClient,
  refusalOf,
  under,
} from '../functions/lib/runpod/client.ts';
import { type UpdateApi, updateApis } from '../functions/lib/runpod/update-credential.ts';

/** By which of Runpod's APIs a token can be stored, and which before it Runpod said it does not have. */
interface OpenApi {
  /** `undefined` where none is. */
  readonly way: UpdateApi | undefined;
  readonly missingWays: readonly UpdateApi[];
}

/** What to say where no way is open. */
export const noWay = (id: string): string =>
  `Runpod offers no way to update credential ${id}. Look for a newer release of runpod-ecr-refresh, and store a token by hand meanwhile.`;

const graphqlSchema = z.object({ errors: z.array(z.object({ message: z.string() })) });

/**
 * Asks each way, in the order in which they are tried, whether its operation is there. The requests lack what they would
 * store, so a way that is open refuses them as invalid, and nothing changes at Runpod.
 *
 * @param id a credential that exists
 * @throws {RunpodUnauthorizedError} the key lacks the scope
 * @throws {RunpodUnavailableError | RunpodRateLimitedError} Runpod did not answer
 */
export const findOpenApi = async (client: RunpodClient, settings: Settings, id: string): Promise<OpenApi> => {
  const what = `say whether credential ${id} can be updated`;
  const calls: Record<UpdateApi, RunpodCall> = {
    v2: {
      what,
      method: 'PATCH',
      url: under(settings.RUNPOD_API_URL, 'registries', id),
      body: {},
      scope: 'secrets:write',
    },
    graphql: {
      what: `${what} by GraphQL`,
      method: 'POST',
      url: settings.RUNPOD_GRAPHQL_URL,
      body: { query: 'mutation { updateRegistryAuth { id } }' },
      scope: 'for GraphQL',
    },
    v1: {
      what: `${what} by API v1`,
      method: 'PATCH',
      url: under(settings.RUNPOD_REST_URL, 'containerregistryauth', id),
      body: {},
      scope: 'secrets:write',
    },
  };
  const ways = settings.RUNPOD_UPDATE_WAY === 'auto' ? updateApis : [settings.RUNPOD_UPDATE_WAY];
  const missingWays: UpdateApi[] = [];
  for (const way of ways) {
    if (isOpen(way, await client.send(calls[way]), calls[way])) return { way, missingWays };
    missingWays.push(way);
  }
  return { way: undefined, missingWays };
};

const isOpen = (way: UpdateApi, answer: RunpodAnswer, call: RunpodCall): boolean => {
  if (answer.status === 404 || isOperationMissing(answer)) return false;
  const failures = z.safeParse(graphqlSchema, answer.json);
  if (way === 'graphql' && failures.success && [200, 400].includes(answer.status)) {
    return !failures.data.errors.some(({ message }) => /cannot query field/i.test(message));
  }
  if (way !== 'graphql' && (answer.status === 400 || answer.status === 422 || answer.status < 300)) return true;
  throw refusalOf(answer, call);
};
