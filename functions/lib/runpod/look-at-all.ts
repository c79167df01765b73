import type * as z from 'zod/mini';
import { cutToBytes } from '../bounded-text.ts';
import { defined } from '../defined.ts';
import { type TriedImages, trialOf } from '../ecr/tried-images.ts';
import { isPassingError, RunpodRateLimitedError } from '../errors.ts';
import { bytesOf } from '../json.ts';
import { mapConcurrent } from '../map-concurrent.ts';
import type { EndpointOutcome } from '../report/outcome.ts';
import type { Target } from '../targets.ts';
import { type canariesSchema, canaryOf } from './canary.ts';
import { chooseEndpoints } from './choose-endpoints.ts';
import { notAsked, patienceEnd } from './endpoint-proof.ts';
import { lookAtEndpoint, type WatchedRunpod } from './look.ts';
import type { Endpoint } from './management.ts';
import type { Pace } from './pace.ts';
import { addSettled, boundPending, maxPendingBytes, type PendingEndpoint, type Watch } from './watch.ts';

/** What is known when a target's endpoints are looked at. Times are epoch milliseconds. */
interface LookAtAllView {
  readonly target: Pick<Target, 'runpod' | 'endpoints'>;
  /** Every endpoint that Runpod lists. */
  readonly all: readonly Endpoint[];
  /** The registry whose token the credential holds. */
  readonly registry: string;
  readonly images: TriedImages;
  readonly canaries: z.output<typeof canariesSchema>;
  readonly storedAt: number;
  readonly propagationMs: number;
  readonly before: Watch | undefined;
}

/** No endpoint is begun with later than this, so that a look ends within its function's time. */
export const maxLookMs = 240_000;
/** Logs take seconds to listen to: several endpoints are looked at side by side. */
const maxAtOnce = 5;
/** So many failures in a row, and Runpod is left alone until the next look. */
const maxFailures = 5;
/** What a key that was asked to slow down is left alone for. */
const quietSeconds = 30;
const longestWaitSeconds = 120;

/** A thousand endpoints' outcomes must fit a state. */
const maxNameBytes = 60;

const seconds = (milliseconds: number): number => Math.ceil(milliseconds / 1000);

/**
 * Looks at a target's endpoints: first at those that have not been looked at, then at those that are pending and due. In
 * the order of their ids, as many as there is time for; the rest is left to the next look.
 */
export const lookAtAll = async (
  runpod: WatchedRunpod,
  { target, all, registry, images, canaries, storedAt, propagationMs, before }: LookAtAllView,
  { now, pace }: { readonly now: () => number; readonly pace: Pace },
): Promise<Watch> => {
  const endBy = now() + maxLookMs;
  const listed = new Map(all.map((each) => [each.id, each]));
  const named = new Map((target.endpoints ?? []).map((each) => [each.id, each]));
  const waiting = new Map(before?.pending.map((each) => [each.id, each]));
  const firstUnseen = before === undefined ? '' : before.next;
  const unseen =
    firstUnseen === undefined
      ? []
      : chooseEndpoints(target, all).filter(({ id }) => id >= firstUnseen && !waiting.has(id));
  const due = [...waiting.values()].filter((each) => each.due * 1000 <= now());

  const pending = new Map(waiting);
  const settled: EndpointOutcome[] = [];
  let failures = 0;
  let isLimited = false;
  let pendingBytes = bytesOf([...pending.values()]);

  const isTimeToStop = (): boolean => now() >= endBy || failures >= maxFailures || isLimited;

  const wait = (each: PendingEndpoint): void => {
    pendingBytes += waiting.has(each.id) ? 0 : bytesOf(each);
    pending.set(each.id, each);
  };
  const settle = (outcome: EndpointOutcome): void => {
    const name = cutToBytes(listed.get(outcome.endpoint)?.name ?? '', maxNameBytes);
    pending.delete(outcome.endpoint);
    settled.push(name === '' ? outcome : { ...outcome, name });
  };

  const lookAt = async (id: string): Promise<void> => {
    const earlier = waiting.get(id);
    const since = earlier?.since ?? seconds(now());
    const firstLookAt = since * 1000;
    const endpoint = listed.get(id);
    try {
      const { verdict, nextAt, watching } = await lookAtEndpoint(
        runpod,
        {
          endpoint,
          endpointId: id,
          isNamed: named.has(id),
          credentialId: target.runpod.registry,
          registry,
          image: trialOf(images, endpoint?.image ?? ''),
          storedAt,
          firstLookAt,
          propagationMs,
          watching: earlier?.watching ?? [],
          canary: named.get(id)?.canary === undefined ? undefined : canaryOf(canaries, id),
        },
        { now, pace },
      );
      failures = 0;
      const { proof, ...seen } = verdict;
      if (proof === 'pending')
        wait(defined({ id, since, due: seconds(nextAt), watching: watching.length > 0 ? [...watching] : undefined }));
      else settle({ endpoint: id, proof, ...seen });
    } catch (error) {
      failures += 1;
      isLimited ||= error instanceof RunpodRateLimitedError;
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      const isOver = now() >= patienceEnd({ firstLookAt, propagationMs });
      if (!isPassingError(error) || isOver) settle({ endpoint: id, ...notAsked(name, message) });
      else wait(defined({ id, since, due: seconds(now()) + quietSeconds, watching: earlier?.watching, error: name }));
    }
  };

  // A lane that stops hands the rest of its turns back.
  const lookAtEach = async (ids: readonly string[], hasRoom: () => boolean): Promise<string | undefined> => {
    let next: string | undefined;
    await mapConcurrent(ids, maxAtOnce, async (id) => {
      if (next !== undefined || isTimeToStop() || !hasRoom()) next = next === undefined || id < next ? id : next;
      else await lookAt(id);
    });
    return next;
  };
  const next = await lookAtEach(
    unseen.map(({ id }) => id),
    () => pendingBytes < maxPendingBytes,
  );
  await lookAtEach(
    due.map(({ id }) => id),
    () => true,
  );

  const left = next === undefined ? 0 : unseen.filter(({ id }) => id >= next).length;
  const nextDue = Math.min(...[...pending.values()].map(({ due: at }) => at * 1000));
  const waitSeconds = left > 0 && pendingBytes < maxPendingBytes ? 1 : seconds(nextDue - now());
  const isPending = pending.size > 0 || left > 0;
  const isQuiet = isLimited || failures >= maxFailures;
  return defined({
    status: isPending ? ('pending' as const) : ('settled' as const),
    recheckAfterSeconds: isPending
      ? Math.min(longestWaitSeconds, Math.max(isQuiet ? quietSeconds : 1, waitSeconds))
      : undefined,
    pending: boundPending([...pending.values()]),
    next,
    unseen: left,
    ...addSettled(before ?? { endpoints: [], proofs: {} }, settled),
  });
};
