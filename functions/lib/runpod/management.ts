import * as z from 'zod/mini';
import { boundedText } from '../bounded-text.ts';
import type { Settings } from '../env.ts';
import { RunpodUnavailableError } from '../errors.ts';
import { listOf } from '../json-parts.ts';
import { givenIdSchema, maxImageBytes, maxNameBytes } from './bounds.ts';
import {
  credentialNotFound,
  isOperationMissing,
  type RunpodCall,
  type RunpodClient,
  refusalOf,
  under,
} from './client.ts';
import { maxItems, readList } from './pages.ts';

const idSchema = boundedText(maxNameBytes);

/**
 * Every key may be missing, null or of another type in the wild: what we can do without gets a value, so that one odd item
 * does not hide a list. An id and a credential are needed: without them nobody knows whom the list leaves out.
 */
const textOr = (fallback: string, maxBytes = maxNameBytes) => z.catch(boundedText(maxBytes), fallback);
export const unlessOdd = <Schema extends z.ZodMiniType>(schema: Schema) => z.catch(z.nullish(schema), undefined);

const workerLimits = z.pipe(
  unlessOdd(z.object({ max: unlessOdd(z.number()) })),
  z.transform((value) => ({ max: value?.max ?? undefined })),
);

/** A serverless endpoint, as far as it concerns pulling its image. Its `env` holds secrets and is never kept. */
export const endpointSchema = z.object({
  id: givenIdSchema,
  name: textOr(''),
  image: textOr('', maxImageBytes),
  /** The registry credential's id, or null. */
  registry: z._default(z.nullable(idSchema), null),
  workers: z._default(workerLimits, { max: undefined }),
});
export type Endpoint = z.output<typeof endpointSchema>;

const workerSchema = z.object({
  id: idSchema,
  /** RUNNING, IDLE, INITIALIZING, THROTTLED or UNHEALTHY; others may come. */
  status: textOr('UNKNOWN'),
  /** ISO 8601, or null until it has started. */
  startedAt: unlessOdd(boundedText(64)),
  /** Whether it runs an older release than the endpoint's newest. */
  isStale: unlessOdd(z.boolean()),
  /** The release that it runs, and its image; Runpod may know neither. */
  version: unlessOdd(z.number()),
  image: unlessOdd(boundedText(maxImageBytes)),
});
export type Worker = z.output<typeof workerSchema>;

const workersSchema = z.object({ workers: listOf(workerSchema, maxItems) });
const registriesSchema = z.object({ id: z.string(), name: z.string() });
const userSchema = z.object({
  id: idSchema,
  name: textOr(''),
  image: textOr('', maxImageBytes),
  registry: z.optional(z.nullable(idSchema)),
});
const credentialListSchema = z.object({
  data: z.object({ myself: z.object({ containerRegistryCreds: listOf(z.object({ id: z.string() }), maxItems) }) }),
});

/** A template or a pod. */
export interface TemplateOrPod {
  readonly name: string;
  readonly image: string;
  readonly registry: string | null;
}

/** What we read of Runpod: API v2, and GraphQL's list of credentials where v2 does not know an id. */
export interface RunpodManagement {
  /** @throws {CredentialNotFoundError} neither API knows it */
  requireCredential(id: string): Promise<void>;
  /** Whether v2 knows the credential. */
  isKnownToV2(id: string): Promise<boolean>;
  listEndpoints(): Promise<Endpoint[]>;
  /** `undefined` where there is no such endpoint. */
  getEndpoint(id: string): Promise<Endpoint | undefined>;
  listWorkers(endpointId: string): Promise<Worker[]>;
  /** The templates and pods that there are: their names, for people, their images, and the credentials that they use. */
  listTemplatesAndPods(): Promise<readonly TemplateOrPod[]>;
  /** Those that use a credential. */
  listOtherUsers(credentialId: string): Promise<Array<{ readonly name: string; readonly image: string }>>;
}

export const createRunpodManagement = (
  client: RunpodClient,
  { RUNPOD_API_URL: api, RUNPOD_GRAPHQL_URL: graphql }: Pick<Settings, 'RUNPOD_API_URL' | 'RUNPOD_GRAPHQL_URL'>,
): RunpodManagement => {
  const isKnownToV2 = async (id: string): Promise<boolean> => {
    const call = {
      what: `find credential ${id}`,
      url: under(api, 'registries', id),
      scope: 'for reading registry credentials',
    };
    const answer = await client.send(call);
    if (answer.status === 404 && !isOperationMissing(answer)) return false;
    if (answer.status !== 200) throw refusalOf(answer, call);
    const found = z.safeParse(registriesSchema, answer.json);
    if (found.success && found.data.id === id) return true;
    throw new RunpodUnavailableError(`Runpod, asked to ${call.what}, answered with something that is no credential.`);
  };

  /** Ids made before v2 may be known to GraphQL alone. Once GraphQL is retired, v2's word is the only one. */
  const isKnownToGraphql = async (id: string): Promise<boolean> => {
    const call: RunpodCall = {
      what: `find credential ${id} by GraphQL`,
      method: 'POST',
      url: graphql,
      body: { query: 'query { myself { containerRegistryCreds { id name } } }' },
      scope: 'for GraphQL',
    };
    const answer = await client.send(call);
    if (answer.status === 404 || isOperationMissing(answer)) return false;
    if (answer.status !== 200) throw refusalOf(answer, call);
    const list = z.safeParse(credentialListSchema, answer.json);
    if (!list.success) {
      throw new RunpodUnavailableError(`Runpod, asked to ${call.what}, answered with something that is no such list.`);
    }
    return list.data.data.myself.containerRegistryCreds.some((each) => each.id === id);
  };

  const listTemplatesAndPods = async (): Promise<readonly TemplateOrPod[]> => {
    const list = async (kind: 'templates' | 'pods', scope: string) => {
      const url = under(api, kind);
      // Members of clusters use credentials, too, and are left out unless asked for.
      if (kind === 'pods') url.searchParams.set('includeClusterPods', 'true');
      const users = await readList(client, { what: `list the ${kind}`, url, scope }, kind, userSchema);
      return users.map(({ id, name, image, registry = null }) => ({
        name: `${kind.slice(0, -1)} ${name === '' ? id : `${name} (${id})`}`,
        image,
        registry,
      }));
    };
    const [templates, pods] = await Promise.all([
      list('templates', 'for reading templates'),
      list('pods', 'for reading pods'),
    ]);
    return [...templates, ...pods];
  };

  return {
    isKnownToV2,

    async requireCredential(id) {
      if (!(await isKnownToV2(id)) && !(await isKnownToGraphql(id))) throw credentialNotFound(id);
    },

    listEndpoints: () =>
      readList(
        client,
        {
          what: 'list the serverless endpoints',
          url: under(api, 'serverless'),
          scope: 'for reading serverless endpoints',
        },
        'endpoints',
        endpointSchema,
      ),

    async getEndpoint(id) {
      const call = {
        what: `show endpoint ${id}`,
        url: under(api, 'serverless', id),
        scope: 'for reading serverless endpoints',
      };
      const answer = await client.send(call);
      if (answer.status === 404 && !isOperationMissing(answer)) return undefined;
      if (answer.status !== 200) throw refusalOf(answer, call);
      const found = z.safeParse(endpointSchema, answer.json);
      if (found.success && found.data.id === id) return found.data;
      throw new RunpodUnavailableError(`Runpod, asked to ${call.what}, answered with something that is no endpoint.`);
    },

    async listWorkers(endpointId) {
      const call = {
        what: `list the workers of endpoint ${endpointId}`,
        url: under(api, 'serverless', endpointId, 'workers'),
        scope: 'for reading serverless endpoints',
      };
      return (await client.ask(call, workersSchema)).workers;
    },

    listTemplatesAndPods,

    async listOtherUsers(credentialId) {
      const users = await listTemplatesAndPods();
      return users.filter(({ registry }) => registry === credentialId).map(({ name, image }) => ({ name, image }));
    },
  };
};
