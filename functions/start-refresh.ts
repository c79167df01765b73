import * as z from 'zod/mini';
import { createStartExecution, type StartAnswer, type StartExecution } from './lib/aws/start-execution.ts';
import { regionPattern } from './lib/ecr/host.ts';
import { requireSetting } from './lib/env.ts';
import { RefreshNotStartedError } from './lib/errors.ts';
import { isoSeconds, lambda, type Platform, parseInput } from './lib/platform.ts';

/** What start-refresh needs from outside. */
interface StartRefreshDeps {
  readonly startExecution: StartExecution;
  readonly now: () => number;
  readonly windowSeconds: number;
}

/** An "ECR Image Action" event, as far as we read it. It only hints that now is a good time for a refresh. */
const eventSchema = z.object({
  account: z.string().check(z.regex(/^\d{12}$/, 'expected an AWS account id of 12 digits')),
  region: z.string().check(z.regex(regionPattern, 'expected an AWS region')),
});

/** The execution that covers the push. */
interface StartRefreshOutput {
  readonly execution: string;
  readonly answer: StartAnswer;
}

const maxStarts = 5;

/**
 * Starts one refresh for all the pushes to a registry that arrive within a window. The execution's name is the registry
 * and the window, and its input is the same for every push in it, so Step Functions itself drops the doubles; the
 * execution then waits for its window to close and misses none.
 *
 * @throws {RefreshNotStartedError} the event should be delivered again
 */
export const createStartRefresh =
  ({ startExecution, now, windowSeconds }: StartRefreshDeps) =>
  async (event: unknown): Promise<StartRefreshOutput> => {
    const { account, region } = parseInput('start-refresh', eventSchema, event);
    const windowMs = windowSeconds * 1000;
    const opened = Math.floor(now() / windowMs) * windowMs;
    const input = { trigger: 'push', registry: { account, region }, waitUntil: isoSeconds(opened + windowMs) };
    const window = `push-${account}-${region}-${isoSeconds(opened).replaceAll(/[-:]/g, '')}`;

    // A run of this name that has ended did not see this push: it was stopped, or failed, before its window closed.
    for (let attempt = 1; attempt <= maxStarts; attempt += 1) {
      const execution = attempt === 1 ? window : `${window}-${attempt}`;
      const answer = await startExecution(execution, input);
      if (answer !== 'ended') return { execution, answer };
    }
    throw new RefreshNotStartedError(`Step Functions has already ended ${maxStarts} refreshes of ${window}.`);
  };

export const buildStartRefresh = ({ settings, now }: Pick<Platform, 'settings' | 'now'>) =>
  createStartRefresh({
    startExecution: createStartExecution(settings, requireSetting(settings, 'STATE_MACHINE_ARN')),
    now,
    windowSeconds: settings.PUSH_WINDOW_SECONDS,
  });

export const handler = lambda('start-refresh', buildStartRefresh);
