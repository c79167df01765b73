import { json, type Reply } from '../loopback.ts';
import { methodNotAllowed, type RunpodRequest } from './api.ts';
import type { Runpod } from './server.ts';

const failure = (message: string, code: string, path?: string): Reply =>
  json(200, {
    errors: [{ message, ...(path === undefined ? {} : { path: [path] }), extensions: { code } }],
    data: null,
  });

/** Runpod's GraphQL: the list of credentials, and the mutation that updates one. */
export const answerGraphql = (runpod: Runpod, { method, body, may }: RunpodRequest): Reply => {
  if (method !== 'POST') return methodNotAllowed();
  const { query = '', variables } = JSON.parse(body) as {
    query?: string;
    variables?: { input?: Record<string, string> };
  };
  if (query.includes('containerRegistryCreds')) {
    const containerRegistryCreds = [...runpod.credentials.values()].map(({ id, name }) => ({ id, name }));
    return json(200, { data: { myself: { containerRegistryCreds } } });
  }
  if (!runpod.offers.graphql || !query.includes('updateRegistryAuth')) {
    return failure('Cannot query field "updateRegistryAuth" on type "Mutation".', 'GRAPHQL_VALIDATION_FAILED');
  }
  if (!query.includes('updateRegistryAuth(')) {
    return failure(
      'Field "updateRegistryAuth" argument "input" of type "UpdateRegistryAuthInput!" is required, but it was not provided.',
      'GRAPHQL_VALIDATION_FAILED',
    );
  }
  if (!may('graphql:write')) return failure('Unauthorized', 'UNAUTHENTICATED', 'updateRegistryAuth');
  const { id = '', username = '', password = '' } = variables?.input ?? {};
  const credential = runpod.credentials.get(id);
  if (credential === undefined) return failure('Registry auth not found', 'NOT_FOUND', 'updateRegistryAuth');
  runpod.store(credential, { username, password }, 'graphql');
  return json(200, { data: { updateRegistryAuth: { id, name: credential.name } } });
};
