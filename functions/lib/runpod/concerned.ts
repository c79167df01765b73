import { parseEcrHost } from '../ecr/host.ts';
import { parseImageReference } from '../ecr/image-reference.ts';
import { mapConcurrent } from '../map-concurrent.ts';
import type { Log } from '../platform.ts';
import type { Target } from '../targets.ts';
import { chooseEndpoints } from './choose-endpoints.ts';
import type { Endpoint } from './management.ts';

/** The registry that was pushed to. */
interface PushedRegistry {
  readonly account: string;
  readonly region: string;
}

/**
 * Makes the question whether pushes concern a target: one of its endpoints has an image of what was pushed to.
 *
 * @param repositories of the registry; where there is none, nobody knows which, and it may be any
 */
export const createConcerns = (pushed: PushedRegistry, repositories: ReadonlySet<string>) => {
  const isPushed = (image: string): boolean => {
    const reference = parseImageReference(image);
    const host = parseEcrHost(reference?.registry ?? '');
    return (
      reference !== undefined &&
      host?.account === pushed.account &&
      host.region === pushed.region &&
      (repositories.size === 0 || repositories.has(reference.repository))
    );
  };
  return (target: Target, endpoints: readonly Endpoint[]): boolean =>
    chooseEndpoints(target, endpoints).some(({ endpoint }) => endpoint !== undefined && isPushed(endpoint.image));
};

/** So many keys are asked at once. */
const maxKeysAtOnce = 8;
/** No key is asked later than this, so that the last one answers within a function's time. */
const maxAskMs = 4 * 60_000;

/**
 * Finds the targets that something concerns, which Runpod is asked for once for each key. Targets of a key for which it does
 * not answer are not among them.
 *
 * @throws {RunpodUnavailableError | RunpodRateLimitedError | RunpodUnauthorizedError | ConfigurationError} no key could be asked
 */
export const findTargets = async (
  targets: readonly Target[],
  concerns: (target: Target, endpoints: readonly Endpoint[]) => boolean,
  deps: {
    readonly listEndpoints: (keySource: string) => Promise<readonly Endpoint[]>;
    readonly now: () => number;
    readonly log: Log;
  },
): Promise<Target[]> => {
  const keys = [...new Set(targets.map(({ runpod }) => runpod.apiKey))];
  const giveUpAt = deps.now() + maxAskMs;
  const failures: unknown[] = [];
  const found = await mapConcurrent(keys, maxKeysAtOnce, async (keySource): Promise<readonly Target[]> => {
    if (deps.now() >= giveUpAt) return [];
    try {
      const endpoints = await deps.listEndpoints(keySource);
      return targets.filter((target) => target.runpod.apiKey === keySource && concerns(target, endpoints));
    } catch (error) {
      deps.log.error('Whom a push concerns could not be asked of Runpod; its targets are left to the schedule', error);
      failures.push(error);
      return [];
    }
  });
  if (keys.length > 0 && failures.length === keys.length) throw failures[0];
  return found.flat();
};
