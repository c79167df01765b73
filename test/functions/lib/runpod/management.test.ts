import { describe, expect, it } from 'vitest';
import type { RunpodCall, RunpodClient } from '../../../../functions/lib/runpod/client.ts';
import { createRunpodManagement } from '../../../../functions/lib/runpod/management.ts';

type Given = { readonly status?: number; readonly json?: unknown; readonly text?: string };

const missing = { status: 404, json: { title: 'Not Found', detail: 'resource not found' } };
const noSuchPath = { status: 404, json: { title: 'Not Found', detail: 'the requested path was not found' } };
const broken = { status: 500, json: { error: 'it is broken' } };

/** Runpod as it answers each path, `GET` but where the method stands before it, and what it was asked. */
const runpodOf = (answers: Record<string, Given>) => {
  const asked: RunpodCall[] = [];
  const send: RunpodClient['send'] = async (call) => {
    asked.push(call);
    const key = `${call.method === undefined ? '' : `${call.method} `}${call.url.pathname}${call.url.search}`;
    const answer: Given = answers[key] ?? noSuchPath;
    const { status = 200, json, text = '' } = answer;
    return { status, headers: new Map<string, string>(), json, text: () => text, secrets: [] };
  };
  const client: RunpodClient = {
    now: () => 0,
    send,
    ask: async (call, schema) => schema.parse((await send(call)).json),
    open: () => Promise.reject(new Error('not asked for')),
  };
  const management = createRunpodManagement(client, {
    RUNPOD_API_URL: new URL('https://api.runpod.io/v2'),
    RUNPOD_GRAPHQL_URL: new URL('https://api.runpod.io/graphql'),
  });
  return { management, asked };
};

const credential = '/v2/registries/6n2k8v4d';
const graphql = 'POST /graphql';
const listed = (...ids: readonly string[]) => ({
  json: { data: { myself: { containerRegistryCreds: ids.map((id) => ({ id, name: 'ecr' })) } } },
});

describe('a credential', () => {
  it('is there where v2 knows it, and then nobody else is asked', async () => {
    const { management, asked } = runpodOf({ [credential]: { json: { id: '6n2k8v4d', name: 'ecr' } } });
    await management.requireCredential('6n2k8v4d');
    expect(asked).toEqual([
      {
        what: 'find credential 6n2k8v4d',
        url: new URL('https://api.runpod.io/v2/registries/6n2k8v4d'),
        scope: 'for reading registry credentials',
      },
    ]);
  });

  it('is there where GraphQL alone knows it, which is asked for its ids and names, and for no secret', async () => {
    const { management, asked } = runpodOf({ [credential]: missing, [graphql]: listed('other', '6n2k8v4d') });
    await management.requireCredential('6n2k8v4d');
    expect(asked[1]).toEqual({
      what: 'find credential 6n2k8v4d by GraphQL',
      method: 'POST',
      url: new URL('https://api.runpod.io/graphql'),
      body: { query: 'query { myself { containerRegistryCreds { id name } } }' },
      scope: 'for GraphQL',
    });
  });

  it.each<readonly [string, Record<string, Given>]>([
    ['neither knows it', { [credential]: missing, [graphql]: listed('other') }],
    ['GraphQL is gone', { [credential]: missing, [graphql]: { status: 404 } }],
    ['GraphQL is retired', { [credential]: missing, [graphql]: { status: 410, json: {} } }],
  ])('is not there where %s', async (_what, answers) => {
    await expect(runpodOf(answers).management.requireCredential('6n2k8v4d')).rejects.toMatchObject({
      name: 'CredentialNotFoundError',
      message: expect.stringContaining('6n2k8v4d'),
    });
  });

  it.each<readonly [string, Record<string, Given>, string]>([
    ['v2 has no such operation', { [credential]: noSuchPath }, 'asked to find credential 6n2k8v4d, answered 404'],
    ['v2 is broken', { [credential]: broken }, 'asked to find credential 6n2k8v4d, answered 500 "it is broken"'],
    [
      'v2 shows another',
      { [credential]: { json: { id: 'other', name: 'ecr' } } },
      'asked to find credential 6n2k8v4d, answered with something that is no credential',
    ],
    [
      'v2 shows none',
      { [credential]: { json: { name: 'ecr' } } },
      'asked to find credential 6n2k8v4d, answered with something that is no credential',
    ],
    [
      'GraphQL is broken',
      { [credential]: missing, [graphql]: broken },
      'asked to find credential 6n2k8v4d by GraphQL, answered 500 "it is broken"',
    ],
    [
      'GraphQL lists none',
      { [credential]: missing, [graphql]: { json: { errors: [] } } },
      'asked to find credential 6n2k8v4d by GraphQL, answered with something that is no such list',
    ],
  ])('is not known where %s', async (_what, answers, message) => {
    await expect(runpodOf(answers).management.requireCredential('6n2k8v4d')).rejects.toMatchObject({
      name: 'RunpodUnavailableError',
      message: expect.stringContaining(message),
    });
  });
});

describe('an endpoint', () => {
  const path = '/v2/serverless/4m7x2k9q';
  const found = { id: '4m7x2k9q', name: 'images', image: 'team/worker:v1', registry: null, workers: { max: 3 } };

  it('is as Runpod shows it, and what is odd of it gets a value', async () => {
    const { management, asked } = runpodOf({ [path]: { json: { ...found, env: { KEY: 'secret' } } } });
    expect(await management.getEndpoint('4m7x2k9q')).toEqual(found);
    expect(asked).toEqual([
      {
        what: 'show endpoint 4m7x2k9q',
        url: new URL('https://api.runpod.io/v2/serverless/4m7x2k9q'),
        scope: 'for reading serverless endpoints',
      },
    ]);
    const odd = { id: '4m7x2k9q', name: 7, image: null, workers: { max: 'many' } };
    expect(await runpodOf({ [path]: { json: odd } }).management.getEndpoint('4m7x2k9q')).toEqual({
      id: '4m7x2k9q',
      name: '',
      image: '',
      registry: null,
      workers: { max: undefined },
    });
  });

  it('may not be there', async () => {
    expect(await runpodOf({ [path]: missing }).management.getEndpoint('4m7x2k9q')).toBeUndefined();
  });

  it.each<readonly [Given, string]>([
    [noSuchPath, 'asked to show endpoint 4m7x2k9q, answered 404'],
    [broken, 'asked to show endpoint 4m7x2k9q, answered 500'],
    [{ json: { ...found, id: 'other' } }, 'answered with something that is no endpoint'],
    [{ json: [] }, 'answered with something that is no endpoint'],
  ])('that Runpod answers with %j is not known', async (answer, message) => {
    await expect(runpodOf({ [path]: answer }).management.getEndpoint('4m7x2k9q')).rejects.toMatchObject({
      name: 'RunpodUnavailableError',
      message: expect.stringContaining(message),
    });
  });

  it('has workers', async () => {
    const { management, asked } = runpodOf({
      [`${path}/workers`]: { json: { workers: [{ id: 'w1', status: 'RUNNING', startedAt: 7 }, { id: 'w2' }] } },
    });
    expect(await management.listWorkers('4m7x2k9q')).toMatchObject([
      { id: 'w1', status: 'RUNNING', startedAt: undefined },
      { id: 'w2', status: 'UNKNOWN' },
    ]);
    expect(asked).toMatchObject([
      { what: 'list the workers of endpoint 4m7x2k9q', scope: 'for reading serverless endpoints' },
    ]);
  });

  it('is listed with all others', async () => {
    const { management, asked } = runpodOf({ '/v2/serverless': { json: { endpoints: [found] } } });
    expect(await management.listEndpoints()).toEqual([found]);
    expect(asked).toMatchObject([{ what: 'list the serverless endpoints', scope: 'for reading serverless endpoints' }]);
  });
});

describe('templates and pods', () => {
  const answers = {
    '/v2/templates': {
      json: {
        templates: [
          { id: 't1', name: 'worker', image: 'a:v1', registry: '6n2k8v4d' },
          { id: 't2', image: 'b:v1' },
        ],
      },
    },
    '/v2/pods?includeClusterPods=true': {
      json: { pods: [{ id: 'p1', name: 'mine', image: 'c:v1', registry: '6n2k8v4d' }] },
    },
  };

  it('are named for people, with their images and credentials, those of clusters among them', async () => {
    const { management, asked } = runpodOf(answers);
    expect(await management.listTemplatesAndPods()).toEqual([
      { name: 'template worker (t1)', image: 'a:v1', registry: '6n2k8v4d' },
      { name: 'template t2', image: 'b:v1', registry: null },
      { name: 'pod mine (p1)', image: 'c:v1', registry: '6n2k8v4d' },
    ]);
    expect(asked.map(({ what, scope }) => `${what} ${scope}`)).toEqual([
      'list the templates for reading templates',
      'list the pods for reading pods',
    ]);
  });

  it('use a credential, some of them', async () => {
    expect(await runpodOf(answers).management.listOtherUsers('6n2k8v4d')).toEqual([
      { name: 'template worker (t1)', image: 'a:v1' },
      { name: 'pod mine (p1)', image: 'c:v1' },
    ]);
  });
});
