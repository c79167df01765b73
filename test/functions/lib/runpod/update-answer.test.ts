import { describe, expect, it } from 'vitest';
import type { RunpodAnswer, RunpodCall } from '../../../../functions/lib/runpod/client.ts';
import { readGraphqlUpdate, readRestUpdate } from '../../../../functions/lib/runpod/update-answer.ts';

const call: RunpodCall = {
  what: 'update credential 6n2k8v4d',
  method: 'PATCH',
  url: new URL('https://api.runpod.io/v2/registries/6n2k8v4d'),
  scope: 'secrets:write',
};
const answer = (status: number, json?: unknown, text = ''): RunpodAnswer => ({
  status,
  headers: new Map<string, string>(),
  json,
  text: () => text,
  secrets: [],
});

type Read = (given: RunpodAnswer) => string;
const rest: Read = (given) => readRestUpdate(given, call, '6n2k8v4d');
const graphql: Read = (given) => readGraphqlUpdate(given, call, '6n2k8v4d');
const failed = (message: string | undefined, code?: string, status = 200): RunpodAnswer =>
  answer(status, { errors: [{ message, extensions: code === undefined ? null : { code } }] });

/** The name and the message of the error that an answer is read as. */
const errorOf = (read: Read, given: RunpodAnswer): string => {
  try {
    return read(given);
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : 'no error';
  }
};

describe('a REST API’s answer to an update', () => {
  it.each<readonly [RunpodAnswer, string]>([
    [answer(200, { id: '6n2k8v4d', name: 'ecr' }), 'stored'],
    [answer(299, { id: '6n2k8v4d' }), 'stored'],
    [answer(204), 'stored'],
    [answer(404, { detail: 'resource not found' }), 'not found'],
    [answer(404, { detail: 'the requested path was not found' }), 'unsupported'],
    [answer(404, undefined, '<html>'), 'unsupported'],
    [answer(405, {}), 'unsupported'],
    [answer(501, {}), 'unsupported'],
  ])('is %j: %s', (given, expected) => expect(rest(given)).toBe(expected));

  it.each<readonly [RunpodAnswer, string]>([
    [answer(401, {}), 'RunpodUnauthorizedError: '],
    [answer(199, {}), 'RunpodUnavailableError: Runpod, asked to update credential 6n2k8v4d, answered 199'],
    [answer(300, {}), 'RunpodUnavailableError: Runpod, asked to update credential 6n2k8v4d, answered 300'],
    [answer(422, {}), 'RunpodRequestRejectedError: '],
    [answer(500, {}), 'RunpodUnavailableError: '],
  ])('that refuses, %j, is told', (given, message) => expect(errorOf(rest, given)).toContain(message));

  it.each([
    answer(200, { id: 'other' }),
    answer(200, {}),
    answer(200),
    answer(202, []),
  ])('that names no credential, or another, %j, is not believed', (given) => {
    expect(errorOf(rest, given)).toMatch(
      /^RunpodUnavailableError: Runpod, asked to update credential 6n2k8v4d, answered 20\d.* without naming the credential, so nobody knows whether it did\.$/,
    );
  });
});

describe('GraphQL’s answer to an update', () => {
  it.each<readonly [RunpodAnswer, string]>([
    [answer(200, { data: { updateRegistryAuth: { id: '6n2k8v4d', name: 'ecr' } } }), 'stored'],
    [answer(200, { data: { updateRegistryAuth: { id: '6n2k8v4d' } }, errors: [] }), 'stored'],
    [answer(404, {}), 'unsupported'],
    [answer(410, {}), 'unsupported'],
    [failed('Cannot query field "updateRegistryAuth" on type "Mutation".', undefined, 400), 'unsupported'],
    [failed('Unknown type "UpdateRegistryAuthInput".', undefined, 400), 'unsupported'],
    [failed('updateRegistryAuth is not what it was', 'GRAPHQL_VALIDATION_FAILED', 400), 'unsupported'],
    [failed('it is gone', 'NOT_FOUND'), 'not found'],
    [failed('Registry auth not found'), 'not found'],
    [failed('The registry auth does not exist', 'SOMETHING'), 'not found'],
  ])('is %j: %s', (given, expected) => expect(graphql(given)).toBe(expected));

  it.each<readonly [RunpodAnswer, string]>([
    [answer(500, {}), 'RunpodUnavailableError: '],
    [answer(401, {}), 'RunpodUnauthorizedError: '],
    [answer(400, {}), 'RunpodRequestRejectedError: '],
    [
      failed('who are you', 'UNAUTHENTICATED'),
      'RunpodUnauthorizedError: Runpod refused to update credential 6n2k8v4d (200 ',
    ],
    [failed('no', 'FORBIDDEN'), 'FORBIDDEN). The API key needs the scope secrets:write.'],
    [failed('Unauthorized'), 'RunpodUnauthorizedError: '],
    [failed('You are not logged in'), 'RunpodUnauthorizedError: '],
    [failed('no', 'NOT_FORBIDDEN'), 'RunpodUnavailableError: '],
    [failed('no', 'FORBIDDEN_FOR_NOW'), 'RunpodUnavailableError: '],
    [failed('an odd input', 'BAD_USER_INPUT'), 'RunpodRequestRejectedError: '],
    [failed('no such field "key"', 'GRAPHQL_VALIDATION_FAILED'), 'RunpodRequestRejectedError: '],
    [failed('it is broken'), 'RunpodUnavailableError: Runpod, asked to update credential 6n2k8v4d, answered 200'],
    [failed(undefined, 'INTERNAL'), 'INTERNAL.'],
    [failed('Cannot query field "other" on type "Mutation".', undefined, 200), 'RunpodUnavailableError: '],
  ])('that refuses, %j, is told', (given, message) => expect(errorOf(graphql, given)).toContain(message));

  it.each([
    answer(200, { data: { updateRegistryAuth: { id: 'other' } } }),
    answer(200, { data: { updateRegistryAuth: null } }),
    answer(200, { data: null }),
    answer(200, {}),
    answer(200, 'done'),
  ])('that names no credential, or another, %j, is not believed', (given) => {
    expect(errorOf(graphql, given)).toContain('without naming the credential');
  });
});
