import * as z from 'zod/mini';
import { lambda, moment, type Platform, parseInput } from './lib/platform.ts';
import { quote } from './lib/quote.ts';
import { boundOutcome, type FinalProof, finalProofs, type Outcome } from './lib/report/outcome.ts';

/** What conclude-target needs from outside. */
export interface ConcludeTargetDeps {
  readonly now: () => number;
}

const failureSchema = z.object({ Error: z.string(), Cause: z.optional(z.string()) });

/** Everything a target's workflow has gathered. What it did not come to is not there. */
const inputSchema = z.object({
  name: z.string(),
  outcomeBytes: z.number(),
  /** When the target's turn began. */
  startAt: moment,
  discovered: z.optional(
    z.object({
      endpoints: z.array(z.object({ id: z.string() })),
      otherUsers: z.array(z.string()),
      warnings: z.array(z.string()),
    }),
  ),
  images: z.optional(
    z.object({
      images: z.array(
        z.object({
          image: z.string(),
          digest: z.optional(z.string()),
          sizeInBytes: z.optional(z.number()),
          layers: z.optional(z.number()),
          problem: z.optional(z.string()),
          behindBy: z.optional(z.number()),
        }),
      ),
    }),
  ),
  stored: z.optional(
    z.object({
      status: z.string(),
      storedAt: z.optional(z.string()),
      expiresAt: z.optional(z.string()),
      api: z.optional(z.string()),
      unsupportedApis: z.optional(z.array(z.string())),
    }),
  ),
  proofs: z.optional(
    z.array(
      z.object({
        endpoint: z.string(),
        proof: z.string(),
        reason: z.string(),
        evidence: z.optional(z.string()),
        worker: z.optional(z.string()),
        line: z.optional(z.string()),
        at: z.optional(z.string()),
      }),
    ),
  ),
  delay: z.optional(z.object({ rounds: z.number() })),
  /** There once people have been notified that the target is delayed. */
  notified: z.optional(z.unknown()),
  failure: z.optional(failureSchema),
});

const lambdaErrorSchema = z.object({ errorMessage: z.string() });

/** A Lambda's Cause is JSON with the message and a stack trace; Step Functions' own is a sentence. */
export const messageOfCause = (cause: string): string => {
  let json: unknown;
  try {
    json = JSON.parse(cause);
  } catch {
    return quote(cause);
  }
  const error = z.safeParse(lambdaErrorSchema, json);
  return error.success ? error.data.errorMessage.slice(0, 1000) : quote(cause);
};

const isFinal = (proof: string): proof is FinalProof => finalProofs.some((each) => each === proof);

/** A token was stored, and then watching broke down: nothing is known, and that is told. */
const notWatched = ({ id }: { readonly id: string }) => ({
  endpoint: id,
  proof: 'degraded',
  reason: 'not-looked',
  evidence: 'The new token is stored and ECR takes it, but watching the endpoint broke down. Look at the execution.',
});

/** Sums up what became of a target, in as many bytes as the run allows it. */
export const createConcludeTarget =
  ({ now }: ConcludeTargetDeps) =>
  async (event: unknown): Promise<Outcome> => {
    const { name, outcomeBytes, startAt, discovered, images, stored, proofs, delay, notified, failure } = parseInput(
      'conclude-target',
      inputSchema,
      event,
    );
    const refreshed = stored?.status === 'stored';
    const watched = proofs ?? (refreshed ? (discovered?.endpoints ?? []).map(notWatched) : []);
    const endpoints = watched.map(({ proof, ...each }) => ({
      ...each,
      proof: isFinal(proof) ? proof : ('degraded' as const),
    }));
    const counts = Object.fromEntries(
      finalProofs
        .map((proof) => [proof, endpoints.filter((each) => each.proof === proof).length] as const)
        .filter(([, count]) => count > 0),
    );
    const outcome: Outcome = {
      target: name,
      refreshed,
      ...(refreshed || failure === undefined
        ? {}
        : { error: { name: failure.Error, message: messageOfCause(failure.Cause ?? '') } }),
      ...(refreshed
        ? {
            ...(stored.api === undefined ? {} : { way: stored.api }),
            ...(stored.unsupportedApis === undefined || stored.unsupportedApis.length === 0
              ? {}
              : { missingWays: stored.unsupportedApis }),
            ...(stored.storedAt === undefined ? {} : { storedAt: stored.storedAt }),
            ...(stored.expiresAt === undefined ? {} : { expiresAt: stored.expiresAt }),
          }
        : {}),
      seconds: Math.round((now() - startAt) / 1000),
      proofs: counts,
      endpoints,
      ...(images === undefined ? {} : { images: images.images }),
      ...(discovered === undefined || discovered.otherUsers.length === 0 ? {} : { otherUsers: discovered.otherUsers }),
      ...(discovered === undefined || discovered.warnings.length === 0 ? {} : { warnings: discovered.warnings }),
      ...(delay === undefined ? {} : { delayedRounds: delay.rounds }),
      ...(notified === undefined ? {} : { delayTold: true }),
    };
    return boundOutcome(outcome, outcomeBytes);
  };

export const buildConcludeTarget = ({ now }: Platform) => createConcludeTarget({ now });

export const handler = lambda('conclude-target', buildConcludeTarget);
