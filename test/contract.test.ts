import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRunpodAccount, listDelegations } from '../cli/runpod.ts';
import { readSettings } from '../functions/lib/env.ts';
import { type Send, send } from '../functions/lib/http.ts';
import { connectRunpod } from '../functions/lib/runpod/connect.ts';
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
  readonly responses: Record<
    string,
    { readonly $ref?: string; readonly content?: Record<string, { readonly schema: object }> }
  >;
  readonly parameters?: readonly object[];
}
interface Description {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly responses: Record<string, Operation['responses'][string]> };
}

/** Lays one description over another, key by key, as RFC 7396 does. */
const overlay = (base: unknown, patch: unknown): unknown => {
  if (typeof base !== 'object' || base === null || typeof patch !== 'object' || patch === null || Array.isArray(patch))
    return patch;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(patch)) merged[key] = key in merged ? overlay(merged[key], value) : value;
  return merged;
};

const readDescription = (file: string): Description => {
  const [base, ...patches] = file.split(':').map((each) => JSON.parse(readFileSync(each, 'utf8')) as unknown);
  return patches.reduce(overlay, base) as Description;
};

const exchanges: Array<{ method: string; path: string; body: string; status: number; type: string; answer: string }> =
  [];

describe.runIf(path !== undefined)('the contract with Runpod’s API v2', () => {
  let world: World;
  let description: Description;

  beforeAll(async () => {
    description = readDescription(path ?? '');
    const overheard: Send = async (url, request) => {
      const response = await send(url, request);
      const type = response.headers.get('content-type') ?? '';
      if (!url.pathname.startsWith('/v2/') || type.startsWith('text/event-stream')) return response;
      const answer = await text(response.body);
      const { method, body = '' } = request;
      exchanges.push({ method, path: url.pathname, body: String(body), status: response.status, type, answer });
      return { ...response, body: Readable.from([Buffer.from(answer)]) };
    };
    world = await World.begin();
    world.invoke = createInvokeFunction({ ...world.platform(), send: overheard });
    const image = world.push('team/worker', 'v1');
    const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
    world.runpod.startWorker(endpoint);
    await world.refresh();
    // What setup and doctor ask besides.
    const settings = readSettings(world.environment);
    const client = connectRunpod({ ...world.platform(), send: overheard })(
      'ssm:/runpod-ecr-refresh/production/api-key',
    );
    const account = createRunpodAccount(client, settings);
    world.runpod.delegations.push({ account: '123456789012', region: 'us-east-1', repository: 'team/worker' });
    await listDelegations(client, settings);
    await account.listCredentials();
    const { id } = await account.createCredential('another', { username: 'AWS', password: 'x' });
    await account.requireChanges('4m7x2k9q');
    await account.setCredential('4m7x2k9q', id);
    await account.setCredential('4m7x2k9q', null);
    await account.setCredential('4m7x2k9q', '6n2k8v4d');
    await account.deleteCredential(id);
    // The answers that refuse, too.
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

  const operationOf = (method: string, pathname: string): Operation | undefined => {
    const template = Object.keys(description.paths)
      .filter((each) => new RegExp(`^${each.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`).test(pathname))
      .sort((a, b) => b.split('{').length - a.split('{').length)
      .at(-1);
    return description.paths[template ?? '']?.[method.toLowerCase()];
  };

  const compile = (schema: object): ValidateFunction => {
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats.default(ajv);
    ajv.addSchema(description, 'runpod');
    const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"runpod#/')) as object;
    return ajv.compile(absolute);
  };

  it('holds for every request that the client makes', () => {
    const calls = new Set(
      exchanges.map(({ method, path: each }) => `${method} ${each.replace(/\/[^/]+\/workers$/, '/{id}/workers')}`),
    );
    expect(calls.size).toBeGreaterThan(5);
    for (const { method, path: pathname, body } of exchanges) {
      const operation = operationOf(method, pathname);
      expect(operation, `${method} ${pathname}`).toBeDefined();
      const schema = operation?.requestBody?.content['application/json']?.schema;
      if (schema === undefined) {
        expect(body).toBe('');
        continue;
      }
      const validate = compile(schema);
      expect(validate(JSON.parse(body)), JSON.stringify(validate.errors)).toBe(true);
    }
  });

  it('holds for every answer that the embedded Runpod gives', () => {
    expect(new Set(exchanges.map(({ status }) => status))).toEqual(new Set([200, 201, 204, 401, 403, 404]));
    for (const { method, path: pathname, status, type, answer } of exchanges) {
      if (status === 204) {
        expect([answer, Object.keys(operationOf(method, pathname)?.responses ?? {})]).toEqual([
          '',
          expect.arrayContaining(['204']),
        ]);
        continue;
      }
      const responses = operationOf(method, pathname)?.responses ?? {};
      const named =
        responses[String(status)] ?? description.paths['/v2/registries/{id}']?.get?.responses[String(status)];
      const response =
        named?.$ref === undefined ? named : description.components.responses[named.$ref.split('/').at(-1) ?? ''];
      const schema = response?.content?.[type.split(';')[0] ?? '']?.schema;
      expect(schema, `${method} ${pathname} ${status} ${type}`).toBeDefined();
      const validate = compile(schema ?? {});
      expect(validate(JSON.parse(answer)), `${pathname} ${JSON.stringify(validate.errors)}`).toBe(true);
    }
  });
});
