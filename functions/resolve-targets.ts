import * as z from 'zod/mini';
import { chooseTargets, executionInputSchema } from './lib/execution-input.ts';
import { isoSeconds, lambda, moment, ownAccountSchema, type Platform, parseInput } from './lib/platform.ts';
import { outcomeBytesFor } from './lib/report/bound-outcome.ts';
import { createLoadTargets, type LoadTargets } from './lib/targets.ts';
import { patienceMs, type TargetTurn, takeTurns } from './lib/turns.ts';

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
interface ResolveTargetsOutput {
  readonly trigger: string;
  /** Every target of the run; the report counts whoever does not answer as failed. */
  readonly names: readonly string[];
  /** Whether these are all the targets there are. */
  readonly concernsAll: boolean;
  /** Where the machine puts each target's outcome; until then its turn stands there, for both do not fit a state. */
  readonly outcomes: readonly TargetTurn[];
  /** When a target stops waiting for a failing upstream (ISO 8601): half an hour before the next scheduled run. */
  readonly giveUpAt: string;
  /** How many bytes of outcome each target may hand back, so that all of them fit the run's 256 KiB. */
  readonly outcomeBytes: number;
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

    const names = chosen.map(({ name }) => name);
    return {
      trigger: request.trigger ?? 'manual',
      names,
      concernsAll: chosen.length === all.length,
      outcomes: takeTurns(chosen, now(), requestsPerMinute),
      giveUpAt: isoSeconds(startedAt + patienceMs(scheduleHours)),
      outcomeBytes: outcomeBytesFor(names),
    };
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
