import { isSameRegistry } from '../../functions/lib/ecr/host.ts';
import { explainReference, parseImageReference } from '../../functions/lib/ecr/image-reference.ts';
import { createMintToken, type MintedToken } from '../../functions/lib/ecr/mint-token.ts';
import { createRegistryClient } from '../../functions/lib/ecr/pull.ts';
import { PullError } from '../../functions/lib/ecr/registry.ts';
import { pullRemedies } from '../../functions/lib/ecr/registry-answer.ts';
import { sendUntil } from '../../functions/lib/http.ts';
import type { Endpoint } from '../../functions/lib/runpod/management.ts';
import type { Target } from '../../functions/lib/targets.ts';
import type { Caller } from '../../stack/caller.ts';
import type { CommandContext } from '../context.ts';
import { need, once } from './check.ts';
import type { KeyView } from './key-view.ts';

/** An image that was pulled with a fresh token, or what is wrong with it. */
type PullTrial =
  | { readonly image: string; readonly sizeInBytes: number }
  | { readonly image: string; readonly problem: string; readonly remedy: string };

/** What there is to see of one target; each thing is asked once, however many checks need it. */
export interface TargetView {
  readonly caller: Caller;
  readonly target: Target;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** All that targets.yml has: credentials of others are kept fresh, too. */
  readonly targets: readonly Target[];
  readonly key: KeyView;
  readonly credential: () => Promise<void>;
  readonly token: () => Promise<MintedToken>;
  /** The endpoints that a run would watch. */
  readonly endpoints: () => Promise<readonly Endpoint[]>;
  readonly images: () => Promise<readonly PullTrial[]>;
  /** The key that creates and deletes canary pods. */
  readonly podKey: KeyView;
  /** Tries an image of the target's registry, by its repository and tag. */
  readonly canaryImage: (image: string) => Promise<PullTrial>;
}

export const createTargetView = ({
  caller,
  target,
  targets,
  view: key,
  podKey,
  interrupted,
  now,
  pause,
}: {
  readonly caller: Caller;
  readonly target: Target;
  readonly targets: readonly Target[];
  readonly view: KeyView;
  readonly podKey: KeyView;
  readonly interrupted: AbortSignal;
  readonly now: () => number;
  readonly pause?: CommandContext['pause'];
}): TargetView => {
  const { ecr, runpod, endpoints: named } = target;
  const registryClient = createRegistryClient(caller.settings, sendUntil(interrupted), pause);
  const token = once(() => createMintToken(caller.settings, now)(ecr));
  const endpoints = once(async () => {
    const all = await key.endpoints();
    return named === undefined
      ? all.filter(({ registry }) => registry === runpod.registry)
      : all.filter(({ id }) => named.some((each) => each.id === id));
  });

  const tryImage = async (image: string, { token: minted, registry }: MintedToken): Promise<PullTrial> => {
    const fault = explainReference(image);
    if (fault !== undefined) return { image, problem: fault, remedy: pullRemedies['bad-reference'] };
    const reference = parseImageReference(image);
    if (reference === undefined || !isSameRegistry(reference.registry, registry)) {
      const remedy = "Correct the endpoint's image, or give the endpoint the credential of its own registry";
      return { image, problem: `it is not in ${registry}, whose token the credential gets`, remedy };
    }
    try {
      const { sizeInBytes } = await registryClient.tryImage(reference, minted);
      return { image, sizeInBytes };
    } catch (error) {
      if (!(error instanceof PullError)) throw error;
      return { image, problem: error.message, remedy: pullRemedies[error.problem] };
    }
  };

  return {
    caller,
    target,
    now,
    targets,
    key,
    podKey,
    token,
    endpoints,
    credential: once(() => key.management.requireCredential(runpod.registry)),
    canaryImage: async (image) => {
      const minted = await need('a token', token());
      return tryImage(`${minted.registry}/${image}`, minted);
    },
    images: once(async () => {
      const minted = await need('a token', token());
      const images = new Set((await need('a list of its endpoints', endpoints())).map(({ image }) => image));
      return Promise.all([...images].map((image) => tryImage(image, minted)));
    }),
  };
};
