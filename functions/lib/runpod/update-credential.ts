import * as z from 'zod/mini';
import type { RegistryToken } from '../aws/seal.ts';
import type { Settings } from '../env.ts';
import { RunpodUnauthorizedError, RunpodUnavailableError, RunpodUpdateUnsupportedError } from '../errors.ts';
import { listOf } from '../json-parts.ts';
import { quote } from '../quote.ts';
import { clauseOf, type RunpodAnswer, type RunpodCall, type RunpodClient, refusalOf, under } from './client.ts';
import type { RunpodManagement } from './management.ts';

/** Runpod's ways of storing a login in a registry credential, in the order we try them. */
export const updateApis = ['v2', 'graphql', 'v1'] as const;
export type UpdateApi = (typeof updateApis)[number];

/** The way that worked, and the ways before it that Runpod said it does not have. */
export interface UpdatedCredential {
  readonly way: UpdateApi;
  readonly missingWays: readonly UpdateApi[];
}

/** Stores a login in a credential, in place. Never deletes, never creates: templates would silently lose it. */
export type UpdateCredential = (
  runpod: { readonly client: RunpodClient; readonly management: RunpodManagement },
  credentialId: string,
  login: RegistryToken,
) => Promise<UpdatedCredential>;

const credentialSchema = z.object({ id: z.string() });
const graphqlSchema = z.object({
  data: z.optional(z.nullable(z.object({ updateRegistryAuth: z.optional(z.nullable(credentialSchema)) }))),
  errors: z.optional(
    listOf(
      z.object({
        message: z._default(z.string(), ''),
        extensions: z.optional(z.nullable(z.object({ code: z.optional(z.string()) }))),
      }),
      1000,
    ),
  ),
});

const mutation =
  'mutation updateRegistryAuth($input: UpdateRegistryAuthInput!) { updateRegistryAuth(input: $input) { id name } }';

/** An outcome of one way: stored, or the operation is not there and the next way may be tried. Everything else throws. */
type Outcome = 'stored' | 'missing';

const isStored = (answer: RunpodAnswer): boolean => answer.status >= 200 && answer.status <= 299;

/** A 2xx is believed when it names the credential, or when it is a 204, which has nothing to say. */
const confirm = (answer: RunpodAnswer, call: RunpodCall, id: string): Outcome => {
  if (answer.status === 204) return 'stored';
  const parsed = z.safeParse(credentialSchema, answer.json);
  if (parsed.success && parsed.data.id === id) return 'stored';
  throw new RunpodUnavailableError(
    `Runpod, asked to ${call.what}, answered ${clauseOf(answer)} without naming the credential, so nobody knows whether it did.`,
  );
};

/** Makes an updater that remembers, for as long as the Lambda lives, which way worked. */
export const createUpdateCredential = (settings: Settings): UpdateCredential => {
  const ways = settings.RUNPOD_UPDATE_WAY === 'auto' ? updateApis : ([settings.RUNPOD_UPDATE_WAY] as const);
  let lastApi: UpdateApi | undefined;

  return async ({ client, management }, id, login) => {
    const secrets = [login.password, Buffer.from(`${login.username}:${login.password}`).toString('base64')];
    const what = `store the new token in credential ${id}`;

    /** "Not found" speaks of the operation where somebody at Runpod knows the credential, else of the credential. */
    const missingUnlessGone = async (): Promise<Outcome> => {
      await management.requireCredential(id);
      return 'missing';
    };

    const byRest = (call: RunpodCall) => async (): Promise<Outcome> => {
      const answer = await client.send(call);
      if (isStored(answer)) return confirm(answer, call, id);
      if (answer.status === 404) return missingUnlessGone();
      if (answer.status === 405 || answer.status === 410) return 'missing';
      throw refusalOf(answer, call);
    };

    const byGraphql = async (): Promise<Outcome> => {
      const call: RunpodCall = {
        what: `${what} by GraphQL`,
        method: 'POST',
        url: settings.RUNPOD_GRAPHQL_URL,
        body: { query: mutation, variables: { input: { id, ...login } } },
        scope: 'for GraphQL',
        secrets,
      };
      const answer = await client.send(call);
      if ([404, 405, 410].includes(answer.status)) return 'missing';
      // GraphQL servers answer 400 to what does not fit their schema, and 200 to every other failure.
      if (answer.status !== 200 && answer.status !== 400) throw refusalOf(answer, call);
      const parsed = z.safeParse(graphqlSchema, answer.json);
      const failure = parsed.success ? parsed.data.errors?.[0] : undefined;
      if (failure === undefined) {
        if (answer.status !== 200) throw refusalOf(answer, call);
        if (parsed.success && parsed.data.data?.updateRegistryAuth?.id === id) return 'stored';
        throw new RunpodUnavailableError(
          `Runpod, asked to ${call.what}, answered ${clauseOf(answer)} without naming the credential, so nobody knows whether it did.`,
        );
      }
      const outcome = readGraphqlFailure(failure.message, failure.extensions?.code ?? '', answer, call);
      return outcome === 'not found' ? missingUnlessGone() : outcome;
    };

    const attempt: Record<UpdateApi, () => Promise<Outcome>> = {
      v2: byRest({
        what,
        method: 'PATCH',
        url: under(settings.RUNPOD_API_URL, 'registries', id),
        body: login,
        scope: 'secrets:write',
        secrets,
      }),
      graphql: byGraphql,
      v1: byRest({
        what: `${what} by API v1`,
        method: 'PATCH',
        url: under(settings.RUNPOD_REST_URL, 'containerregistryauth', id),
        body: login,
        scope: 'secrets:write',
        secrets,
      }),
    };

    const missingWays: UpdateApi[] = [];
    for (const way of [...ways].sort((one, other) => Number(other === lastApi) - Number(one === lastApi))) {
      if ((await attempt[way]()) === 'stored') {
        lastApi = way;
        return { way, missingWays };
      }
      missingWays.push(way);
    }
    throw new RunpodUpdateUnsupportedError(
      `Runpod offers no way to ${what}: ${missingWays.join(', ')} answered that there is no such operation. Look for a newer release of runpod-ecr-refresh, and store a token by hand meanwhile.`,
    );
  };
};

/** GraphQL reports failure inside a 200: by code where there is one, else by its wording. */
const readGraphqlFailure = (
  message: string,
  code: string,
  answer: RunpodAnswer,
  call: RunpodCall,
): 'missing' | 'not found' => {
  const isAboutOperation = /updateRegistryAuth|UpdateRegistryAuthInput/.test(message);
  if (isAboutOperation && (code === 'GRAPHQL_VALIDATION_FAILED' || /cannot query field|unknown type/i.test(message))) {
    return 'missing';
  }
  const came = `${clauseOf(answer)}${code === '' ? '' : ` ${quote(code, answer.secrets)}`}`;
  if (/^(?:UNAUTHENTICATED|FORBIDDEN)$/.test(code) || /unauthori[sz]ed|not logged in|forbidden/i.test(message)) {
    throw new RunpodUnauthorizedError(
      `Runpod refused to ${call.what} (${came}). The API key needs the scope ${call.scope}.`,
    );
  }
  if (code === 'NOT_FOUND' || /not found|does not exist/i.test(message)) return 'not found';
  if (code === 'BAD_USER_INPUT' || code === 'GRAPHQL_VALIDATION_FAILED') {
    throw refusalOf({ ...answer, status: 422 }, call);
  }
  throw new RunpodUnavailableError(`Runpod, asked to ${call.what}, answered ${came}.`);
};
