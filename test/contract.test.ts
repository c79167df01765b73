import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRunpodAccount } from '../cli/runpod.ts';
import { readSettings } from '../functions/lib/env.ts';
import { type Send, send } from '../functions/lib/http.ts';
import { connectRunpod } from '../functions/lib/runpod/connect.ts';
import { listDelegations } from '../functions/lib/runpod/delegations.ts';
import { createInvokeFunction } from '../runner/functions.ts';
import { World } from '../simulator/world.ts';

const path = process.env.RUNPOD_OPENAPI;

if (path === undefined) {
  console.warn(
    'Left out: the contract with Runpod. Set RUNPOD_OPENAPI to the path of its API v2 description (JSON) to check it.',
  );
}

interface Operation {
  readonly requestBody?: { readonly content: Record<string, { readonly schema: object }> };
  readonly responses: Record<string, Response | { readonly $ref: string }>;
  readonly parameters?: ReadonlyArray<Parameter | { readonly $ref: string }>;
}
interface Response {
  readonly content?: Record<string, { readonly schema: object }>;
}
interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly schema: object;
}
interface Description {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components?: {
    readonly responses?: Record<string, Response>;
    readonly parameters?: Record<string, Parameter>;
  };
}

/** Descriptions by what they say first: of an operation that several have, the first one's word counts. */
const readDescriptions = (files: string): Description[] =>
  files.split(':').map((each) => JSON.parse(readFileSync(each, 'utf8')) as Description);

interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly body: string;
  readonly status: number;
  readonly type: string;
  readonly answer: string;
}

const exchanges: Exchange[] = [];

describe.runIf(path !== undefined)('the contract with Runpod’s API v2', () => {
  let world: World;
  let descriptions: Description[];

  beforeAll(async () => {
    descriptions = readDescriptions(path ?? '');
    const overheard: Send = async (url, request) => {
      const response = await send(url, request);
      const type = response.headers.get('content-type') ?? '';
      if (!url.pathname.startsWith('/v2/') || type.startsWith('text/event-stream')) return response;
      const answer = await text(response.body);
      const { method, body = '' } = request;
      exchanges.push({ method, url, body: String(body), status: response.status, type, answer });
      return { ...response, body: Readable.from([Buffer.from(answer)]) };
    };
    world = await World.begin();
    world.invoke = createInvokeFunction({ ...world.platform(), send: overheard });
    const image = world.push('team/worker', 'v1');
    const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
    world.runpod.startWorker(endpoint);
    for (const [list, index] of [world.runpod.templates, world.runpod.pods].flatMap((each) =>
      Array.from({ length: 1001 }, (_, count) => [each, count] as const),
    )) {
      list.push({ id: `user${index}`, name: 'base', registry: index === 0 ? '6n2k8v4d' : null });
    }
    await world.refresh();
    // What setup and doctor ask besides.
    const settings = readSettings(world.environment);
    const client = connectRunpod({ ...world.platform(), send: overheard })(
      'ssm:/runpod-ecr-refresh/production/api-key',
    );
    const account = createRunpodAccount(client, settings);
    world.runpod.delegations.push({ account: '123456789012', region: 'us-east-1', repository: 'team/worker' });
    await listDelegations(client, settings);
    await account.delegate('arn:aws:ecr:us-east-1:123456789012:repository/team/other');
    await account.listCredentials();
    const { id } = await account.createCredential('another', { username: 'AWS', password: 'x' });
    await account.requireChanges('4m7x2k9q');
    await account.setCredential('4m7x2k9q', id);
    await account.setCredential('4m7x2k9q', null);
    await account.setCredential('4m7x2k9q', '6n2k8v4d');
    await account.deleteCredential(id);
    await client.send({
      what: 'read its releases',
      url: new URL(`${settings.RUNPOD_API_URL}/serverless/4m7x2k9q/releases?limit=1`),
      scope: '',
    });
    // The answers that refuse, too.
    await client.send({
      what: 'read it from nowhere',
      url: new URL(`${settings.RUNPOD_API_URL}/serverless/4m7x2k9q/releases?cursor=made-up`),
      scope: '',
    });
    world.runpod.keys.set(world.apiKey, new Set(['secrets:read', 'serverless:read']));
    await world.refresh();
    world.runpod.credentials.clear();
    await world.refresh();
    world.runpod.keys.clear();
    await world.refresh();
  });

  afterAll(async () => {
    await world.end();
  });

  const operationOf = (method: string, pathname: string) => {
    for (const description of descriptions) {
      const template = Object.keys(description.paths)
        .filter((each) => new RegExp(`^${each.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`).test(pathname))
        .sort((a, b) => b.split('{').length - a.split('{').length)
        .at(-1);
      const operation = description.paths[template ?? '']?.[method.toLowerCase()];
      if (operation !== undefined) return { description, operation };
    }
    throw new Error(`No description has ${method} ${pathname}.`);
  };

  const compile = (description: Description, schema: object, coerceTypes = false): ValidateFunction => {
    const ajv = new Ajv2020({ strict: false, allErrors: true, coerceTypes });
    addFormats.default(ajv);
    ajv.addSchema(description, 'runpod');
    const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"runpod#/')) as object;
    return ajv.compile(absolute);
  };

  it('takes the first description’s word', () => {
    const { description, operation } = operationOf('GET', '/v2/serverless');
    expect(description).toBe(descriptions[0]);
    expect(operation.parameters).toHaveLength(2);
  });

  it('holds for every request that the client makes', () => {
    const calls = new Set(
      exchanges.map(({ method, url }) => `${method} ${url.pathname.replace(/\/[^/]+\/workers$/, '/{id}/workers')}`),
    );
    expect(calls.size).toBeGreaterThan(5);
    for (const { method, url, body } of exchanges) {
      const { description, operation } = operationOf(method, url.pathname);
      const parameters = (operation.parameters ?? []).map((each) =>
        '$ref' in each ? description.components?.parameters?.[each.$ref.split('/').at(-1) ?? ''] : each,
      );
      for (const [name, value] of url.searchParams) {
        const known = parameters.find((each) => each?.in === 'query' && each.name === name);
        expect(known, `${method} ${url.pathname} ${name}`).toBeDefined();
        // A query's values are texts.
        const validate = compile(description, { properties: { value: known?.schema ?? false } }, true);
        expect(validate({ value }), `${url.search} ${JSON.stringify(validate.errors)}`).toBe(true);
      }
      const schema = operation.requestBody?.content['application/json']?.schema;
      if (schema === undefined) {
        expect(body).toBe('');
        continue;
      }
      const validate = compile(description, schema);
      expect(validate(JSON.parse(body)), JSON.stringify(validate.errors)).toBe(true);
    }
  });

  it('holds for every answer that the embedded Runpod gives', () => {
    expect(new Set(exchanges.map(({ status }) => status))).toEqual(new Set([200, 201, 204, 401, 403, 404, 422]));
    for (const { method, url, status, type, answer } of exchanges) {
      const { description, operation } = operationOf(method, url.pathname);
      const named = operation.responses[String(status)] ?? operation.responses.default;
      if (status === 204) {
        expect([answer, Object.keys(operation.responses)]).toEqual(['', expect.arrayContaining(['204'])]);
        continue;
      }
      const response =
        named !== undefined && '$ref' in named
          ? description.components?.responses?.[named.$ref.split('/').at(-1) ?? '']
          : named;
      const schema = response?.content?.[type.split(';')[0] ?? '']?.schema;
      expect(schema, `${method} ${url.pathname} ${status} ${type}`).toBeDefined();
      const validate = compile(description, schema ?? {});
      expect(validate(JSON.parse(answer)), `${url.pathname} ${JSON.stringify(validate.errors)}`).toBe(true);
    }
  });
});
