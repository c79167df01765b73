import { defined } from './lib/defined.ts';
import { lambda, type Platform, parseInput } from './lib/platform.ts';
import { boundOutcome } from './lib/report/bound-outcome.ts';
import { messageOfFailure } from './lib/report/cause.ts';
import { concludePod } from './lib/report/conclude-pod.ts';
import { concludeOthers, concludeWatch } from './lib/report/conclude-proofs.ts';
import { gatheredSchema } from './lib/report/gathered.ts';
import type { Outcome } from './lib/report/outcome.ts';

const unlessEmpty = <Item>(items: readonly Item[] = []): Item[] | undefined =>
  items.length === 0 ? undefined : [...items];

/** Sums up what became of a target, in as many bytes as the run allows it. */
export const createConcludeTarget =
  ({ now }: Pick<Platform, 'now'>) =>
  async (event: unknown): Promise<Outcome> => {
    const input = parseInput('conclude-target', gatheredSchema, event);
    const { discovered, failure } = input;
    const stored = input.stored?.status === 'stored' ? input.stored : undefined;
    const watched =
      stored === undefined
        ? { endpoints: [], proofs: {} }
        : concludeOthers(
            concludeWatch(input.watch, discovered?.endpoints ?? 0, input.watchFailure),
            discovered?.otherUsers ?? [],
            input.images,
          );
    const isFailed = stored === undefined && failure !== undefined;
    const isDelayTold = (input.notified?.published ?? 0) > 0 || input.notifyFailure !== undefined;
    const outcome = defined({
      target: input.name,
      refreshed: stored !== undefined,
      error: isFailed ? { name: failure.Error, message: messageOfFailure(failure) } : undefined,
      way: stored?.api,
      missingWays: unlessEmpty(stored?.unsupportedApis),
      storedAt: stored?.storedAt,
      expiresAt: stored?.expiresAt,
      seconds: Math.round((now() - input.startAt) / 1000),
      proofs: watched.proofs,
      endpoints: watched.endpoints,
      images: unlessEmpty(input.images?.images),
      canaryPod: concludePod(input.canaryPod?.outcome, input.canaryPodFailure),
      rollouts: input.rollouts?.rollouts,
      otherUsers: unlessEmpty(discovered?.otherUsers.map(({ name }) => name)),
      unmanaged: unlessEmpty(discovered?.unmanaged),
      left: unlessEmpty(discovered?.left),
      warnings: unlessEmpty([
        ...(discovered?.warnings ?? []),
        ...(input.rolloutFailure === undefined
          ? []
          : [`Nothing was rolled out: ${messageOfFailure(input.rolloutFailure)}`]),
      ]),
      delayedRounds: input.delay?.rounds,
      delayTold: isDelayTold ? true : undefined,
    });
    return boundOutcome(outcome, input.outcomeBytes);
  };

export const buildConcludeTarget = ({ now }: Pick<Platform, 'now'>) => createConcludeTarget({ now });

export const handler = lambda('conclude-target', buildConcludeTarget);
