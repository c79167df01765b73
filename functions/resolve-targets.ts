import * as z from 'zod/mini';
import { defined } from './lib/defined.ts';
import { chooseTargets, executionInputSchema } from './lib/execution-input.ts';
import type { PushWindow } from './lib/memory/push-window.ts';
import { isoSeconds, lambda, moment, ownAccountSchema, type Platform, parseInput } from './lib/platform.ts';
import { createLoadTargets, type LoadTargets } from './lib/targets.ts';
import { patienceMs, type RunTargets, runTargets } from './lib/turns.ts';

/** What resolve-targets needs from outside. */
interface ResolveTargetsDeps {
  readonly loadTargets: LoadTargets;
  readonly now: () => number;
  /** Requests a minute that one Runpod key may make. */
  readonly requestsPerMinute: number;
  /** Hours between two scheduled runs. */
  readonly scheduleHours: number;
}

const inputSchema = z.object({
  input: z.unknown(),
  execution: ownAccountSchema,
  startedAt: moment,
});

/** Which targets this run concerns, and its bounds. */
interface ResolveTargetsOutput extends RunTargets {
  readonly trigger: string;
  /** When a target stops waiting for a failing upstream (ISO 8601): half an hour before the next scheduled run. */
  readonly giveUpAt: string;
  /** There where the run is for what was pushed: then FindConcerned says which of the targets go on. */
  readonly pushed?: PushWindow;
}

/**
 * Decides which targets a run concerns, and when each may begin.
 *
 * @throws {InvalidInputError} the execution was started with something we do not document
 * @throws {ConfigurationError} targets.yml is wrong
 */
export const createResolveTargets =
  ({ loadTargets, now, requestsPerMinute, scheduleHours }: ResolveTargetsDeps) =>
  async (event: unknown): Promise<ResolveTargetsOutput> => {
    const { input, execution: ownAccount, startedAt } = parseInput('resolve-targets', inputSchema, event);
    const request = parseInput('The execution', executionInputSchema, input);
    const all = loadTargets();
    const chosen = chooseTargets(all, request, ownAccount);

    const { registry, waitUntil } = request;
    return defined({
      trigger: request.trigger ?? 'manual',
      ...runTargets(chosen, all, now(), requestsPerMinute),
      giveUpAt: isoSeconds(startedAt + patienceMs(scheduleHours)),
      pushed: registry === undefined || waitUntil === undefined ? undefined : { ...registry, waitUntil },
    });
  };

export const buildResolveTargets = ({
  settings,
  now,
  loadTargets,
}: Pick<Platform, 'settings' | 'now' | 'loadTargets'>) =>
  createResolveTargets({
    loadTargets,
    now,
    requestsPerMinute: settings.RUNPOD_REQUESTS_PER_MINUTE,
    scheduleHours: settings.SCHEDULE_HOURS,
  });

export const handler = lambda('resolve-targets', (platform) =>
  buildResolveTargets({ ...platform, loadTargets: createLoadTargets(platform.settings) }),
);
