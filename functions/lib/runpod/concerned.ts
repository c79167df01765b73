import { parseEcrHost } from '../ecr/host.ts';
import { parseImageReference } from '../ecr/image-reference.ts';
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
