import { randomBytes } from 'node:crypto';
import { json, type Reply } from '../loopback.ts';
import {
  forbidden,
  methodNotAllowed,
  notFound,
  pathNotFound,
  problem,
  type RunpodRequest,
  readObject,
  readToken,
  unprocessable,
} from './api.ts';
import { answerPage } from './pages.ts';
import type { Runpod, SimulatedCredential, SimulatedEndpoint } from './server.ts';
import {
  showCpu,
  showDelegation,
  showEndpoint,
  showPod,
  showRelease,
  showRollout,
  showTemplate,
  showWorkers,
  streamLog,
} from './views.ts';

/** What the API does at one path by one method. */
interface Operation {
  /** What a key must have for it. */
  readonly scope?: string;
  readonly isOffered?: (runpod: Runpod) => boolean;
  /** @param ids the segments that stand where the path has `*` */
  readonly answer: (runpod: Runpod, request: RunpodRequest, ...ids: string[]) => Reply;
}

/** By "METHOD path", where `*` stands for any one segment; the first that fits counts. */
type Operations = Readonly<Record<string, Operation>>;

const ofCredential =
  (answer: (runpod: Runpod, credential: SimulatedCredential, body: string) => Reply): Operation['answer'] =>
  (runpod, { body }, id = '') => {
    const credential = runpod.credentials.get(id);
    return credential === undefined ? notFound() : answer(runpod, credential, body);
  };

const showCredential = ({ id, name }: SimulatedCredential) => ({ id, name });

const registries: Operations = {
  'GET registries/delegations': {
    answer: ({ delegations, clock }) => json(200, { delegations: delegations.map(showDelegation(clock.now())) }),
  },
  'POST registries/delegations': {
    scope: 'secrets:write',
    answer: ({ delegations, clock }, { body }) => {
      const { resource } = readObject(body);
      const [, region, account, repository] =
        /^arn:aws[a-z-]*:ecr:([a-z0-9-]+):(\d{12}):repository\/(.+)$/.exec(String(resource)) ?? [];
      if (region === undefined || account === undefined || repository === undefined) {
        return unprocessable('$.resource: expected the ARN of an ECR repository');
      }
      const isKnown = delegations.some((each) => each.repository === repository && each.account === account);
      if (isKnown) return problem(409, 'Conflict', 'a delegation for this repository exists');
      const delegation = { account, region, repository };
      delegations.push(delegation);
      return json(201, showDelegation(clock.now())(delegation));
    },
  },
  'GET registries': {
    scope: 'secrets:read',
    answer: ({ credentials }) => json(200, { registries: [...credentials.values()].map(showCredential) }),
  },
  'POST registries': {
    scope: 'secrets:write',
    answer: (runpod, { body }) => {
      const token = readToken(body);
      const { name } = readObject(body);
      if (typeof name !== 'string' || token === undefined) return unprocessable();
      const credential = runpod.addCredential(randomBytes(4).toString('hex'), name, token);
      runpod.store(credential, token, 'v2');
      return json(201, showCredential(credential));
    },
  },
  'GET registries/*': {
    scope: 'secrets:read',
    answer: ofCredential((_, credential) => json(200, showCredential(credential))),
  },
  'PATCH registries/*': {
    scope: 'secrets:write',
    isOffered: ({ offers }) => offers.v2,
    answer: ofCredential((runpod, credential, body) => {
      const token = readToken(body);
      if (token === undefined) return unprocessable();
      runpod.store(credential, token, 'v2');
      return json(200, showCredential(credential));
    }),
  },
  'DELETE registries/*': {
    scope: 'secrets:write',
    answer: ofCredential(({ credentials }, { id }) => {
      credentials.delete(id);
      return { status: 204 };
    }),
  },
};

const ofEndpoint =
  (
    answer: (runpod: Runpod, endpoint: SimulatedEndpoint, request: RunpodRequest, ...ids: string[]) => Reply,
  ): Operation['answer'] =>
  (runpod, request, id = '', ...ids) => {
    const endpoint = runpod.endpoints.get(id);
    return endpoint === undefined ? notFound() : answer(runpod, endpoint, request, ...ids);
  };

const serverless: Operations = {
  'GET serverless': {
    scope: 'serverless:read',
    answer: ({ endpoints }, { key, url }) => {
      const own = [...endpoints.values()].filter(({ owner = key }) => owner === key);
      return answerPage('endpoints', own, showEndpoint, url.searchParams);
    },
  },
  'GET serverless/*': {
    scope: 'serverless:read',
    answer: ofEndpoint((_, endpoint) => json(200, showEndpoint(endpoint))),
  },
  // Another image or credential makes a new release, whose workers start anew.
  'PATCH serverless/*': {
    scope: 'serverless:write',
    answer: ofEndpoint((runpod, endpoint, { body }) => {
      const { registry = endpoint.registry, image = endpoint.image } = readObject(body);
      if (registry !== null && (typeof registry !== 'string' || !runpod.credentials.has(registry))) {
        return unprocessable('$.registry: no such credential');
      }
      if (typeof image !== 'string' || image === '') return unprocessable('$.image: expected a text');
      const isAsked = 'image' in readObject(body) && runpod.unestablished.unchangedImageIsReleased;
      if ('image' in readObject(body)) runpod.onImageChange(endpoint, image);
      const { registry: old } = endpoint;
      if (image === endpoint.image && registry === old && !isAsked) return json(200, showEndpoint(endpoint));
      endpoint.registry = registry;
      runpod.release(endpoint, image, registry === old ? {} : { 'template.containerRegistryAuthId': [old, registry] });
      return json(200, showEndpoint(endpoint));
    }),
  },
  'GET serverless/*/releases': {
    scope: 'serverless:read',
    answer: ofEndpoint(({ unestablished }, endpoint, { url }) => {
      const show = showRelease(endpoint, unestablished);
      return answerPage('releases', endpoint.releases, show, url.searchParams, showRollout(endpoint, unestablished));
    }),
  },
  'GET serverless/*/workers': {
    scope: 'serverless:read',
    answer: ofEndpoint(({ clock, unestablished }, endpoint) =>
      json(200, showWorkers(endpoint, clock.now(), unestablished)),
    ),
  },
  'GET serverless/*/workers/*/logs': {
    scope: 'serverless:read',
    answer: ofEndpoint((_, { workers }, { url, headers }, workerId) => {
      const worker = workers.find(({ id }) => id === workerId);
      return worker === undefined ? notFound() : streamLog(worker, url.searchParams, headers['last-event-id']);
    }),
  },
};

/** What a pod is created with, and nothing else. A create without `disk` was refused. */
const podFields = ['name', 'image', 'cpu', 'registry', 'disk', 'cloud'];

const createPod: Operation['answer'] = (runpod, { body }) => {
  const { name, image, cpu, registry = null, disk, ...rest } = readObject(body);
  const { id, vcpuCount } = readObject(JSON.stringify(cpu ?? {}));
  const unknown = Object.keys(rest).filter((key) => !podFields.includes(key));
  const mistakes = [
    ...unknown.map((key) => `$: additional properties '${key}' not allowed`),
    ...(typeof name === 'string' && name !== '' ? [] : ['$.name: expected a text']),
    ...(typeof image === 'string' && image !== '' ? [] : ['$.image: expected a text']),
    ...(Number.isInteger(disk) && Number(disk) >= 1 ? [] : ['$.disk: expected a number of GB']),
    ...(typeof vcpuCount === 'number' && vcpuCount >= 2 && Number.isInteger(Math.log2(vcpuCount))
      ? []
      : ['$.cpu.vcpuCount: expected a power of two']),
  ];
  if (mistakes.length > 0) return unprocessable(...mistakes);
  if (!runpod.hasBalance) return problem(402, 'Payment Required', 'Your balance is too low to deploy a pod.');
  const flavour = runpod.cpus.find((each) => each.id === id);
  if (flavour === undefined) return problem(400, 'Bad Request', `unknown CPU flavor ${String(id)}`);
  if (registry !== null && !runpod.credentials.has(String(registry))) {
    return problem(400, 'Bad Request', 'container registry auth not found');
  }
  if (!flavour.hasCapacity) {
    return problem(
      400,
      'Bad Request',
      'There are no longer any instances available with the requested specifications.',
    );
  }
  const pod = runpod.createPod({
    name: String(name),
    image: String(image),
    registry: registry === null ? null : String(registry),
    cpu: { id: flavour.id, vcpuCount: Number(vcpuCount) },
  });
  return json(201, { ...showPod(runpod.clock.now())(pod), status: 'PROVISIONING' });
};

const others: Operations = {
  'GET templates': {
    answer: ({ templates }, { url }) => answerPage('templates', templates, showTemplate, url.searchParams),
  },
  'GET pods': {
    answer: ({ pods, clock }, { url }) => answerPage('pods', pods, showPod(clock.now()), url.searchParams),
  },
  'POST pods': { scope: 'pods:write', answer: createPod },
  'DELETE pods/*': {
    scope: 'pods:write',
    answer: (runpod, _, id = '') => (runpod.deletePod(id) ? { status: 204 } : notFound()),
  },
  'GET pods/*/logs': {
    answer: ({ pods }, { url, headers }, id) => {
      const pod = pods.find((each) => each.id === id);
      if (pod === undefined || !('host' in pod)) return notFound();
      return streamLog(pod.host, url.searchParams, headers['last-event-id']);
    },
  },
  'GET catalog/cpus': { answer: ({ cpus }) => json(200, { cpus: cpus.map(showCpu) }) },
};

const operations = Object.entries({ ...registries, ...serverless, ...others }).map(([name, operation]) => {
  const [method = '', path = ''] = name.split(' ');
  return { method, pattern: new RegExp(`^${path.replaceAll('*', '([^/]+)')}$`), operation };
});

/** Runpod's management API, v2. */
export const answerV2 = (runpod: Runpod, request: RunpodRequest): Reply => {
  const path = request.path.join('/');
  const there = operations.filter(({ pattern }) => pattern.test(path));
  if (there.length === 0) return pathNotFound();
  const found = there.find(
    ({ method, operation: { isOffered } }) => method === request.method && isOffered?.(runpod) !== false,
  );
  if (found === undefined) return methodNotAllowed();
  const { scope, answer } = found.operation;
  if (scope !== undefined && !request.may(scope)) return forbidden();
  return answer(runpod, request, ...(found.pattern.exec(path) ?? []).slice(1));
};
