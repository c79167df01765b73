import * as z from 'zod/mini';
import { isoSeconds, lambda, moment, type Platform, parseInput } from './lib/platform.ts';

/** What plan-retry needs from outside. */
interface PlanRetryDeps {
  readonly now: () => number;
  /** Milliseconds between two tries. */
  readonly retryMs: number;
}

/** An upstream may fail this long before people hear of it. */
const maxSilenceMs = 30 * 60_000;

const inputSchema = z.object({
  giveUpAt: moment,
  /** What this state answered the last time round. */
  delay: z.optional(z.object({ rounds: z.number(), failingSince: moment })),
  /** There once people have been notified. */
  notified: z.optional(z.unknown()),
});

/** What to do about an upstream that keeps failing. Times are ISO 8601. */
interface PlanRetryOutput {
  readonly next: 'wait' | 'notify' | 'give-up';
  /** How many times the quick retries have been used up. */
  readonly rounds: number;
  readonly failingSince: string;
  readonly retryAt: string;
}

/** Decides, when quick retries were not enough, whether to be patient, to notify people first, or to give up honestly. */
export const createPlanRetry =
  ({ now, retryMs }: PlanRetryDeps) =>
  async (event: unknown): Promise<PlanRetryOutput> => {
    const { giveUpAt, delay, notified } = parseInput('plan-retry', inputSchema, event);
    const failingSince = delay?.failingSince ?? now();
    const retryAt = now() + retryMs;
    const mayWait = retryAt < giveUpAt;
    const mustNotify = notified === undefined && now() - failingSince >= maxSilenceMs;
    return {
      next: !mayWait ? 'give-up' : mustNotify ? 'notify' : 'wait',
      rounds: (delay?.rounds ?? 0) + 1,
      failingSince: isoSeconds(failingSince),
      retryAt: isoSeconds(retryAt),
    };
  };

export const buildPlanRetry = ({ settings, now }: Pick<Platform, 'settings' | 'now'>) =>
  createPlanRetry({ now, retryMs: settings.RETRY_MINUTES * 60_000 });

export const handler = lambda('plan-retry', buildPlanRetry);
