import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod/mini';
import type { ReadApiKey } from '../functions/lib/aws/api-key.ts';
import type { RegistryToken } from '../functions/lib/aws/seal.ts';
import { boundedText } from '../functions/lib/bounded-text.ts';
import { defined } from '../functions/lib/defined.ts';
import type { Settings } from '../functions/lib/env.ts';
import { RunpodUnavailableError } from '../functions/lib/errors.ts';
import { send, sendUntil } from '../functions/lib/http.ts';
import { listOf } from '../functions/lib/json-parts.ts';
import { maxNameBytes } from '../functions/lib/runpod/bounds.ts';
import {
  type ConnectRunpod,
  createConnectRunpod,
  deleteAt,
  type RunpodCall,
  type RunpodClient,
  refusalOf,
  under,
} from '../functions/lib/runpod/client.ts';
import { maxItems } from '../functions/lib/runpod/pages.ts';

/**
 * Makes Runpod clients for a person's command.
 *
 * @param signal ends requests and waits; left out for what is finished although Ctrl-C was pressed
 */
export const connect = (settings: Settings, readApiKey: ReadApiKey, signal?: AbortSignal): ConnectRunpod =>
  createConnectRunpod({
    send: signal === undefined ? send : sendUntil(signal),
    now: Date.now,
    sleep: (milliseconds) => sleep(milliseconds, undefined, defined({ signal })),
    readApiKey,
    timeoutMs: settings.UPSTREAM_TIMEOUT_SECONDS * 1000,
  });

const nameSchema = boundedText(maxNameBytes);
const credentialSchema = z.object({ id: nameSchema, name: nameSchema });
const endpointSchema = z.object({ id: nameSchema, registry: z._default(z.nullable(nameSchema), null) });

/** A registry credential as Runpod shows it: its password cannot be read back. */
export type RunpodCredential = z.output<typeof credentialSchema>;

/** What setup asks of Runpod besides what every run asks. */
export interface RunpodAccount {
  listCredentials(): Promise<readonly RunpodCredential[]>;
  /** @throws {RunpodUnauthorizedError} the key may not create credentials */
  requireCreation(): Promise<void>;
  createCredential(name: string, token: RegistryToken): Promise<RunpodCredential>;
  deleteCredential(id: string): Promise<void>;
  /** @throws {RunpodUnauthorizedError} the key may not change the endpoint */
  requireChanges(endpointId: string): Promise<void>;
  /** Lets Runpod pull from an ECR repository, whose policy must allow it. @param arn the repository's */
  delegate(arn: string): Promise<{ readonly id: string }>;
  /** Selects a credential for an endpoint, or none. */
  setCredential(endpointId: string, credentialId: string | null): Promise<void>;
}

export const createRunpodAccount = (
  client: RunpodClient,
  { RUNPOD_API_URL: api }: Pick<Settings, 'RUNPOD_API_URL'>,
): RunpodAccount => ({
  async listCredentials() {
    const call: RunpodCall = {
      what: 'list the registry credentials',
      url: under(api, 'registries'),
      scope: 'for reading registry credentials',
    };
    return (await client.ask(call, z.object({ registries: listOf(credentialSchema, maxItems) }))).registries;
  },

  /** An empty credential is refused as invalid where a whole one would be taken, and nothing is created. */
  async requireCreation() {
    const call: RunpodCall = {
      what: 'say whether credentials can be created',
      method: 'POST',
      url: under(api, 'registries'),
      body: {},
      scope: 'secrets:write',
    };
    const answer = await client.send(call);
    if (answer.status !== 400 && answer.status !== 422) throw refusalOf(answer, call);
  },

  createCredential: (name, { username, password }) =>
    client.ask(
      {
        what: `create credential ${name}`,
        method: 'POST',
        url: under(api, 'registries'),
        body: { name, username, password },
        scope: 'secrets:write',
        secrets: [password],
      },
      credentialSchema,
    ),

  deleteCredential: (id) =>
    deleteAt(client, { what: `delete credential ${id}`, url: under(api, 'registries', id), scope: 'secrets:write' }),

  /** A change of nothing: only fields that are there are changed. */
  async requireChanges(endpointId) {
    const call: RunpodCall = {
      what: `say whether endpoint ${endpointId} can be changed`,
      method: 'PATCH',
      url: under(api, 'serverless', endpointId),
      body: {},
      scope: 'for changing serverless endpoints',
    };
    const answer = await client.send(call);
    if (![200, 400, 422].includes(answer.status)) throw refusalOf(answer, call);
  },

  delegate: (arn) =>
    client.ask(
      {
        what: `register an ECR delegation for ${arn}`,
        method: 'POST',
        url: under(api, 'registries', 'delegations'),
        body: { resource: arn },
        scope: 'secrets:write',
      },
      z.object({ id: z.string() }),
    ),

  async setCredential(endpointId, credentialId) {
    const call: RunpodCall = {
      what: `select credential ${credentialId ?? 'none'} for endpoint ${endpointId}`,
      method: 'PATCH',
      url: under(api, 'serverless', endpointId),
      body: { registry: credentialId },
      scope: 'for changing serverless endpoints',
    };
    const { registry } = await client.ask(call, endpointSchema);
    if (registry !== credentialId) {
      throw new RunpodUnavailableError(
        `Runpod was asked to ${call.what}, and answered that it uses ${registry ?? 'none'}.`,
      );
    }
  },
});
