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
  readonly api: UpdateApi | undefined;
  readonly unsupportedApis: readonly UpdateApi[];
}

/** What to say where none is. */
export const noApi = (id: string): string =>
  `Runpod has no API that updates credential ${id}. Look for a newer release of runpod-ecr-refresh, and store a token by hand meanwhile.`;

const graphqlSchema = z.object({ errors: z.array(z.object({ message: z.string() })) });

/**
 * Asks each API, in the order in which they are tried, whether it has the operation. The requests lack what they would
 * store, so an API that has it refuses them as invalid, and nothing changes at Runpod.
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
  const apis = settings.RUNPOD_UPDATE_WAY === 'auto' ? updateApis : [settings.RUNPOD_UPDATE_WAY];
  const unsupportedApis: UpdateApi[] = [];
  for (const api of apis) {
    if (isOpen(api, await client.send(calls[api]), calls[api])) return { api, unsupportedApis };
    unsupportedApis.push(api);
  }
  return { api: undefined, unsupportedApis };
};

const isOpen = (api: UpdateApi, answer: RunpodAnswer, call: RunpodCall): boolean => {
  if (answer.status === 404 || isOperationMissing(answer)) return false;
  const failures = z.safeParse(graphqlSchema, answer.json);
  if (api === 'graphql' && failures.success && [200, 400].includes(answer.status)) {
    return !failures.data.errors.some(({ message }) => /cannot query field/i.test(message));
  }
  if (api !== 'graphql' && (answer.status === 400 || answer.status === 422 || answer.status < 300)) return true;
  throw refusalOf(answer, call);
};
