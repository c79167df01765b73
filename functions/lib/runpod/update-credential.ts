import type { RegistryToken } from '../aws/seal.ts';
import type { Settings } from '../env.ts';
import { RunpodUpdateUnsupportedError } from '../errors.ts';
import { type RunpodCall, type RunpodClient, under } from './client.ts';
import type { RunpodManagement } from './management.ts';
import { readGraphqlUpdate, readRestUpdate, updateMutation } from './update-answer.ts';

/** Runpod's APIs that store a token in a registry credential, in the order in which they are tried. */
export const updateApis = ['v2', 'graphql', 'v1'] as const;
export type UpdateApi = (typeof updateApis)[number];

/** The API that stored the token, and those before it of which Runpod said that they have no such operation. */
export interface UpdatedCredential {
  readonly api: UpdateApi;
  readonly unsupportedApis: readonly UpdateApi[];
}

/** Stores a token in a credential, in place. Never deletes, never creates: templates would silently lose it. */
export type UpdateCredential = (
  runpod: { readonly client: RunpodClient; readonly management: RunpodManagement },
  credentialId: string,
  token: RegistryToken,
) => Promise<UpdatedCredential>;

/** Makes an updater that remembers of each credential, for as long as the Lambda lives, which API stored its last token. */
export const createUpdateCredential = (settings: Settings): UpdateCredential => {
  const apis = settings.RUNPOD_UPDATE_WAY === 'auto' ? updateApis : ([settings.RUNPOD_UPDATE_WAY] as const);
  const lastApis = new Map<string, UpdateApi>();

  return async ({ client, management }, id, token) => {
    const secrets = [token.password, Buffer.from(`${token.username}:${token.password}`).toString('base64')];
    const what = `store the new token in credential ${id}`;

    const calls: Record<UpdateApi, RunpodCall> = {
      v2: {
        what,
        method: 'PATCH',
        url: under(settings.RUNPOD_API_URL, 'registries', id),
        body: token,
        scope: 'secrets:write',
        secrets,
      },
      graphql: {
        what: `${what} by GraphQL`,
        method: 'POST',
        url: settings.RUNPOD_GRAPHQL_URL,
        body: { query: updateMutation, variables: { input: { id, ...token } } },
        scope: 'for GraphQL',
        secrets,
      },
      v1: {
        what: `${what} by API v1`,
        method: 'PATCH',
        url: under(settings.RUNPOD_REST_URL, 'containerregistryauth', id),
        body: token,
        scope: 'secrets:write',
        secrets,
      },
    };

    const isStoredBy = async (api: UpdateApi): Promise<boolean> => {
      const call = calls[api];
      const read = api === 'graphql' ? readGraphqlUpdate : readRestUpdate;
      const meaning = read(await client.send(call), call, id);
      // "Not found" speaks of the operation where another of Runpod's APIs knows the credential, else of the credential.
      if (meaning === 'not found') await management.requireCredential(id);
      return meaning === 'stored';
    };

    const last = lastApis.get(id);
    const unsupportedApis: UpdateApi[] = [];
    for (const api of [...apis].sort((one, other) => Number(other === last) - Number(one === last))) {
      if (await isStoredBy(api)) {
        lastApis.set(id, api);
        return { api, unsupportedApis };
      }
      unsupportedApis.push(api);
    }
    throw new RunpodUpdateUnsupportedError(
      `Runpod offers no way to ${what}: ${unsupportedApis.join(', ')} answered that there is no such operation. Look for a newer release of runpod-ecr-refresh, and store a token by hand meanwhile.`,
    );
  };
};
