import type { Memory } from '../memory/memory.ts';
import { rememberUsers } from '../memory/users.ts';
import type { Log } from '../platform.ts';
import type { Target } from '../targets.ts';
import type { Endpoint } from './management.ts';
import { describeLeft } from './unmanaged.ts';

/** An endpoint that no longer uses a target's credential, and a sentence on what it does now. */
export interface LeftEndpoint {
  readonly endpoint: string;
  readonly evidence: string;
}

/**
 * Finds the endpoints that used a target's credential at an earlier run, and are still there. It is only for the report:
 * where the memory does not answer, none is found.
 *
 * @param toldOtherwise the ids of endpoints that people are told of anyway
 */
export const findLeft = async (
  { memory, log }: { readonly memory: Pick<Memory, 'read' | 'change'>; readonly log: Log },
  target: Target,
  targets: readonly Target[],
  all: readonly Endpoint[],
  toldOtherwise: readonly string[],
): Promise<LeftEndpoint[]> => {
  const { registry } = target.runpod;
  const known = new Set([...(target.ignore ?? []), ...(target.endpoints ?? []).map(({ id }) => id), ...toldOtherwise]);
  const others = new Map(all.filter(({ id }) => !known.has(id)).map((each) => [each.id, each]));
  const users = all.filter((each) => each.registry === registry).map(({ id }) => id);
  const gone = await rememberUsers(memory, target, users, (id) => others.has(id)).catch((error: unknown) => {
    log.error('Which endpoints used the credential cannot be remembered', error);
    return [];
  });
  return gone
    .flatMap((id) => others.get(id) ?? [])
    .map((endpoint) => ({ endpoint: endpoint.id, evidence: describeLeft(endpoint, registry, targets) }));
};
