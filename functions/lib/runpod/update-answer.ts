import * as z from 'zod/mini';
import { RunpodUnauthorizedError, RunpodUnavailableError } from '../errors.ts';
import { listOf } from '../json-parts.ts';
import { quote } from '../quote.ts';
import { clauseOf, isOperationMissing, type RunpodAnswer, type RunpodCall, refusalOf } from './client.ts';

/**
 * What an API's answer means: the token is stored, the operation is not there and the next API may be tried, or there is
 * no such operation or no such credential. Everything else throws.
 */
type UpdateAnswer = 'stored' | 'unsupported' | 'not found';

const credentialSchema = z.object({ id: z.string() });

/** A success is believed when it names the credential. */
const unconfirmed = (answer: RunpodAnswer, call: RunpodCall): Error =>
  new RunpodUnavailableError(
    `Runpod, asked to ${call.what}, answered ${clauseOf(answer)} without naming the credential, so nobody knows whether it did.`,
  );

/** Reads what a REST API answered. A 2xx is believed when it names the credential, or when it is a 204, which has nothing to say. */
export const readRestUpdate = (answer: RunpodAnswer, call: RunpodCall, id: string): UpdateAnswer => {
  const { status } = answer;
  if (isOperationMissing(answer)) return 'unsupported';
  if (status === 404) return 'not found';
  if (status < 200 || status > 299) throw refusalOf(answer, call);
  if (status === 204) return 'stored';
  const parsed = z.safeParse(credentialSchema, answer.json);
  if (parsed.success && parsed.data.id === id) return 'stored';
  throw unconfirmed(answer, call);
};

/** What stores a token by GraphQL, with the variable `input: { id, username, password }`. */
export const updateMutation =
  'mutation updateRegistryAuth($input: UpdateRegistryAuthInput!) { updateRegistryAuth(input: $input) { id name } }';

const answerSchema = z.object({
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

/** Reads what GraphQL answered: 400 to what does not fit its schema, and 200 to every other failure. */
export const readGraphqlUpdate = (answer: RunpodAnswer, call: RunpodCall, id: string): UpdateAnswer => {
  if (answer.status === 404 || isOperationMissing(answer)) return 'unsupported';
  if (answer.status !== 200 && answer.status !== 400) throw refusalOf(answer, call);
  const parsed = z.safeParse(answerSchema, answer.json);
  const failure = parsed.success ? parsed.data.errors?.[0] : undefined;
  if (failure !== undefined) return readFailure(failure.message, failure.extensions?.code ?? '', answer, call);
  if (answer.status !== 200) throw refusalOf(answer, call);
  if (parsed.success && parsed.data.data?.updateRegistryAuth?.id === id) return 'stored';
  throw unconfirmed(answer, call);
};

/** A failure is told by its code where it has one, else by its wording. */
const readFailure = (message: string, code: string, answer: RunpodAnswer, call: RunpodCall): UpdateAnswer => {
  const isAboutOperation = /updateRegistryAuth|UpdateRegistryAuthInput/.test(message);
  if (isAboutOperation && (code === 'GRAPHQL_VALIDATION_FAILED' || /cannot query field|unknown type/i.test(message))) {
    return 'unsupported';
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
