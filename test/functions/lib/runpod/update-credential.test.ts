import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FetchTokenOutput } from '../../../../functions/fetch-token.ts';
import { fetchToken, inputs, target } from '../../../../simulator/inputs.ts';
import { World } from '../../../../simulator/world.ts';
import { failures } from '../../../support/failures.ts';

let world: World;
let token: FetchTokenOutput;

beforeAll(async () => {
  world = await World.begin();
  token = await fetchToken(world);
});
beforeEach(() => world.restart());
afterEach(() => world.faults.clear());
afterAll(() => world.end());

const update = () => world.invoke('update-runpod', inputs.updateRunpod(token));
const graphql = (value: object, status = 200) =>
  world.faults.add({
    on: /POST \/graphql/,
    does: { answer: { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) } },
  });
const error = (message: string, code?: string) => ({
  errors: [{ message, path: ['updateRegistryAuth'], ...(code === undefined ? {} : { extensions: { code } }) }],
  data: null,
});

describe('storing by GraphQL, which reports failure inside a 200', () => {
  beforeEach(() => world.faults.add({ on: /PATCH \/v2/, does: failures['405'] }));

  it.each<readonly [string, object, number, string]>([
    [
      'the operation is not there',
      error('Cannot query field "updateRegistryAuth" on type "Mutation".'),
      200,
      'RunpodUpdateUnsupportedError',
    ],
    [
      'the operation is not there, by code',
      error('Unknown argument of updateRegistryAuth', 'GRAPHQL_VALIDATION_FAILED'),
      400,
      'RunpodUpdateUnsupportedError',
    ],
    [
      'its input type is not there',
      error('Unknown type "UpdateRegistryAuthInput".'),
      400,
      'RunpodUpdateUnsupportedError',
    ],
    [
      'another part is invalid',
      error('Field "name" is required', 'GRAPHQL_VALIDATION_FAILED'),
      400,
      'RunpodRequestRejectedError',
    ],
    ['the key is refused, by code', error('No.', 'UNAUTHENTICATED'), 200, 'RunpodUnauthorizedError'],
    ['the key is refused, by its words', error('Unauthorized request'), 200, 'RunpodUnauthorizedError'],
    ['the key may not', error('No.', 'FORBIDDEN'), 200, 'RunpodUnauthorizedError'],
    ['the input is refused', error('No.', 'BAD_USER_INPUT'), 200, 'RunpodRequestRejectedError'],
    ['something broke there', error('Something went wrong.', 'INTERNAL_SERVER_ERROR'), 200, 'RunpodUnavailableError'],
    ['something broke there, without a code', error('Something went wrong.'), 200, 'RunpodUnavailableError'],
    ['a 400 says nothing', { what: 'ever' }, 400, 'RunpodRequestRejectedError'],
    ['a 200 says nothing', { data: null }, 200, 'RunpodUnavailableError'],
    [
      'it answers for another credential',
      { data: { updateRegistryAuth: { id: 'other' } } },
      200,
      'RunpodUnavailableError',
    ],
    ['it answers with a list', [], 200, 'RunpodUnavailableError'],
    // v2 knows the credential although GraphQL does not: then v1 may.
    [
      'it does not know the credential, which v2 does',
      error('Registry auth not found', 'NOT_FOUND'),
      200,
      'RunpodUpdateUnsupportedError',
    ],
  ])('when %s', async (_what, value, status, expected) => {
    graphql(value, status);
    await expect(update()).rejects.toMatchObject({ name: expected });
  });

  it('when neither it nor v2 knows the credential', async () => {
    world.faults.add({ on: /GET \/v2\/registries/, does: failures['404'] });
    world.faults.add({
      on: /POST \/graphql/,
      does: { answer: { status: 200, body: JSON.stringify(error('not found')) } },
      times: 1,
    });
    const held = world.runpod.credentials.get('6n2k8v4d');
    world.runpod.credentials.clear();
    await expect(update()).rejects.toMatchObject({ name: 'CredentialNotFoundError' });
    if (held) world.runpod.credentials.set('6n2k8v4d', held);
  });

  it('remembers the API that worked for as long as the Lambda lives', async () => {
    await update();
    world.faults.clear();
    expect(await update()).toMatchObject({ api: 'graphql', unsupportedApis: [] });
    world.restart();
    expect(await update()).toMatchObject({ api: 'v2' });
  });

  it('remembers it of that credential alone', async () => {
    await update();
    world.faults.clear();
    world.runpod.addCredential('second00', 'second', { username: 'AWS', password: 'never-filled' });
    const second = { ...target, runpod: { ...target.runpod, registry: 'second00' } };
    const secondToken = await fetchToken(world, second);
    const updateSecond = () => world.invoke('update-runpod', { ...inputs.updateRunpod(secondToken), target: second });
    expect(await updateSecond()).toMatchObject({ api: 'v2', unsupportedApis: [] });
    expect(await update()).toMatchObject({ api: 'graphql', unsupportedApis: [] });
    expect(await updateSecond()).toMatchObject({ api: 'v2', unsupportedApis: [] });
  });

  it('goes back to the others when the remembered API goes away', async () => {
    await update();
    world.faults.clear();
    world.faults.add({ on: /POST \/graphql/, does: failures['410'] });
    expect(await update()).toMatchObject({ api: 'v2', unsupportedApis: ['graphql'] });
  });
});

describe('an operation that is not there', () => {
  const apis = [
    { api: 'v2', on: /PATCH \/v2/ },
    { api: 'graphql', on: /POST \/graphql/ },
    { api: 'v1', on: /PATCH \/v1/ },
  ];

  it('is known by a 404 that speaks of the path, without a look whether the credential is there', async () => {
    const body = JSON.stringify({ title: 'Not Found', status: 404, detail: 'The requested path was not found.' });
    const asked: string[] = [];
    const test = (request: string): boolean => asked.push(request) === 0;
    world.faults.add({ on: { test }, does: { hang: true } });
    world.faults.add({ on: /PATCH \/v2/, does: { answer: { status: 404, body } } });
    expect(await update()).toMatchObject({ api: 'graphql', unsupportedApis: ['v2'] });
    expect(asked.filter((each) => each.startsWith('GET /v2/registries'))).toEqual([]);
  });

  it.each([405, 410, 501])('is known by %d of each API, and the next is tried', async (status) => {
    world.runpod.offers.v1 = true;
    const tried: string[] = [];
    for (const { api, on } of apis) {
      expect(await update()).toMatchObject({ api, unsupportedApis: tried });
      world.restart();
      world.faults.add({ on, does: { answer: { status } } });
      tried.push(api);
    }
    await expect(update()).rejects.toMatchObject({
      name: 'RunpodUpdateUnsupportedError',
      message: expect.stringContaining('v2, graphql, v1 answered that there is no such operation'),
    });
    world.runpod.offers.v1 = false;
  });
});

describe('storing by REST', () => {
  it('takes a 204 for the success it is', async () => {
    world.faults.add({ on: /PATCH \/v2/, does: { answer: { status: 204 } } });
    expect(await update()).toMatchObject({ status: 'stored', api: 'v2' });
  });

  it('does not take an answer for another credential', async () => {
    world.faults.add({ on: /PATCH \/v2/, does: { answer: { status: 200, body: '{"id":"other","name":"x"}' } } });
    await expect(update()).rejects.toMatchObject({
      name: 'RunpodUnavailableError',
      message: expect.stringContaining('nobody knows whether it did'),
    });
  });

  it('finds a credential that is gone, whatever the PATCH says', async () => {
    const held = world.runpod.credentials.get('6n2k8v4d');
    world.runpod.credentials.clear();
    await expect(update()).rejects.toMatchObject({ name: 'CredentialNotFoundError' });
    if (held) world.runpod.credentials.set('6n2k8v4d', held);
  });

  it.each([
    '404',
    '405',
    '410',
  ] as const)('takes v2’s word that a credential is gone where GraphQL is retired (%s)', async (status) => {
    world.faults.add({ on: /\/v2\/registries/, does: failures['404'] });
    world.faults.add({ on: /POST \/graphql/, does: failures[status] });
    await expect(update()).rejects.toMatchObject({ name: 'CredentialNotFoundError' });
  });

  it('refuses an old token without asking anybody', async () => {
    const old = { ...token, mintedAt: new Date(world.clock.now() - 16 * 60_000).toISOString() };
    expect(await world.invoke('update-runpod', inputs.updateRunpod(old))).toEqual({ status: 'stale' });
    const ending = { ...token, expiresAt: new Date(world.clock.now() + 30 * 60_000).toISOString() };
    expect(await world.invoke('update-runpod', inputs.updateRunpod(ending))).toEqual({ status: 'stale' });
  });

  it.each([
    ['{"title":"Bad Request","status":400,"detail":"as problem+json"}', 'as problem+json'],
    ['{"title":"Bad Request","status":400}', 'Bad Request'],
    ['{"error":"as v1 says it"}', 'as v1 says it'],
    ['{"message":"as v1 says it elsewhere"}', 'as v1 says it elsewhere'],
    ['{"errors":[{"message":"as GraphQL says it"}]}', 'as GraphQL says it'],
    ['plain words', 'plain words'],
    ['<html><body>Bad Gateway</body></html>', 'a web page'],
  ])('says what came back, in whichever form: %s', async (body, said) => {
    world.faults.add({
      on: /PATCH \/v2/,
      does: { answer: { status: 400, headers: { 'x-request-id': 'req-1' }, body } },
    });
    await expect(update()).rejects.toMatchObject({
      name: 'RunpodRequestRejectedError',
      message: `Runpod refused to store the new token in credential 6n2k8v4d (400 "${said}", request req-1). Check the ids in targets.yml and the account at console.runpod.io.`,
    });
  });
});

describe('a pinned way', () => {
  it('is the only one tried', async () => {
    const pinned = await World.begin({ environment: { RUNPOD_UPDATE_WAY: 'graphql' } });
    const own = await fetchToken(pinned);
    expect(await pinned.invoke('update-runpod', inputs.updateRunpod(own))).toMatchObject({ api: 'graphql' });
    pinned.runpod.offers.graphql = false;
    await expect(pinned.invoke('update-runpod', inputs.updateRunpod(own))).rejects.toMatchObject({
      name: 'RunpodUpdateUnsupportedError',
      message: expect.stringContaining('graphql answered that there is no such operation'),
    });
    await pinned.end();
  });
});
