import { isSameRegistry } from '../../functions/lib/ecr/host.ts';
import type { Target } from '../../functions/lib/targets.ts';
import { placeOptions } from '../../stack/stack.ts';
import { plain } from '../terminal.ts';
import type { Conversation } from './conversation.ts';
import { describeHurt, type EcrEndpoint, type FindHurt, nameOf } from './endpoints.ts';
import type { Wishes } from './wanted.ts';

/** An endpoint that pulls from ECR with what nothing keeps fresh. */
interface Unprotected {
  readonly endpoint: string;
  /** A sentence: what it uses, and what would protect it. */
  readonly why: string;
}

/** The endpoints that stay unprotected, and why. */
export const findUnprotected = async (
  pulling: readonly EcrEndpoint[],
  { targets: wanted, left }: Wishes,
  /** Those of targets.yml, with the hosts of their registries. */
  written: ReadonlyArray<{ readonly target: Target; readonly host: string }>,
  findHurt: FindHurt,
  { caller }: Conversation,
): Promise<readonly Unprotected[]> => {
  const command = (options: string): string => `npm run setup -- ${options} ${placeOptions(caller)}`;
  const isProtected = (endpoint: EcrEndpoint): boolean =>
    wanted.some(({ users, selected }) => users.includes(endpoint) || selected.includes(endpoint)) ||
    written.some(
      ({ target, host }) => target.runpod.registry === endpoint.registry && isSameRegistry(host, endpoint.host),
    );

  const reasonFor = async (endpoint: EcrEndpoint): Promise<string> => {
    const { id, host, registry } = endpoint;
    const ignoring = written.find(({ target }) => target.ignore?.includes(id));
    if (ignoring !== undefined) return `target ${ignoring.target.name} ignores it`;
    const leaving = [...left].find(([each]) => isSameRegistry(each, host));
    if (leaving !== undefined) return leaving[1];
    const ofRegistry = wanted.filter((each) => isSameRegistry(each.registry.host, host));
    if (ofRegistry.length === 0) return `its registry, ${host}, is another one: ${command(`--image-registry ${host}`)}`;
    const keeper = written.find(({ target }) => target.runpod.registry === registry);
    if (keeper !== undefined) {
      return `target ${keeper.target.name} fills that with tokens of ${keeper.host}, not of ${host}: ${command(`--endpoint ${id}`)}`;
    }
    if (ofRegistry.every(({ existing }) => existing?.endpoints !== undefined)) {
      const names = ofRegistry.map(({ name }) => name).join(', ');
      return `target ${names} names its endpoints, and not this one: add it in targets.yml, and run this again`;
    }
    if (registry === null) return `to select one for it: ${command(`--endpoint ${id}`)}`;
    const hurt = await findHurt(registry, host);
    return hurt.length === 0
      ? `no target keeps that fresh; to have one: ${command(`--credential ${registry}`)}`
      : `that holds the login of ${describeHurt(hurt)}, too; to select another for it: ${command(`--endpoint ${id}`)}`;
  };

  const found = pulling.filter((endpoint) => !isProtected(endpoint));
  return Promise.all(
    found.map(async (endpoint) => {
      const uses = endpoint.registry === null ? 'uses no credential' : `uses credential ${endpoint.registry}`;
      return { endpoint: endpoint.id, why: plain(`${nameOf(endpoint)} ${uses}; ${await reasonFor(endpoint)}`) };
    }),
  );
};
