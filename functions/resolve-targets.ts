import * as z from 'zod/mini';
import { InvalidInputError } from './lib/errors.ts';
import { isoSeconds, lambda, moment, type Platform, parseInput } from './lib/platform.ts';
import { accountOf, createLoadTargets, type Target } from './lib/targets.ts';

/** What resolve-targets needs from outside. */
export interface ResolveTargetsDeps {
  readonly loadTargets: () => readonly Target[];
  readonly now: () => number;
  /** Requests a minute that one Runpod key may make. */
  readonly requestsPerMinute: number;
  /** Hours between two scheduled runs. */
  readonly scheduleHours: number;
}

/** What an execution may be started with. `{}` means every target. */
const executionInput = z.strictObject({
  /** What started it, for the report. */
  trigger: z.optional(z.enum(['schedule', 'push', 'deploy', 'manual'])),
  /** Only targets of this ECR registry. */
  registry: z.optional(z.object({ account: z.string(), region: z.string() })),
  /** Only these targets, by name. */
  targets: z.optional(z.array(z.string()).check(z.minLength(1))),
  /** A push's window closes at this time; the machine waits for it before it comes here. */
  waitUntil: z.optional(moment),
  /** The Step Functions console starts executions with a comment. */
  Comment: z.optional(z.string()),
});

const inputSchema = z.object({
  input: z.unknown(),
  /** The execution's ARN, from which we learn the account we run in. */
  execution: z.pipe(
    z.string().check(z.regex(/^arn:[^:]+:states:[^:]+:\d{12}:/, 'expected the ARN of an execution')),
    z.transform((arn) => arn.replace(/^(?:[^:]+:){4}(\d{12}):.*$/s, '$1')),
  ),
  startedAt: moment,
});

/** One target's turn in this run. */
export interface TargetTurn {
  readonly name: string;
  /** When it may begin (ISO 8601): targets of one Runpod key take turns, so that no key is asked faster than its quota. */
  readonly startAt: string;
}

/** Which targets this run concerns, and its bounds. */
export interface ResolveTargetsOutput {
  readonly trigger: string;
  /** Every target of the run; the report counts whoever does not answer as failed. */
  readonly names: readonly string[];
  /** Where the machine puts each target's outcome; until then its turn stands there, for both do not fit a state. */
  readonly outcomes: readonly TargetTurn[];
  /** When a target stops waiting for a failing upstream (ISO 8601): half an hour before the next scheduled run. */
  readonly giveUpAt: string;
  /** How many bytes of outcome each target may hand back, so that all of them fit the run's 256 KiB. */
  readonly outcomeBytes: number;
}

/** About what a target with three endpoints asks of Runpod in a minute. */
const requestsPerTarget = 12;
const retirementMs = 30 * 60_000;
/** The machine ends after 4 h 50 min whatever happens; a target gives up in time to say so. */
const maxRunMs = 4.5 * 3_600_000;
const maxOutcomeBytes = 16 * 1024;
/** Of the 256 KiB that a state may hold, what the names and the outcomes share; the rest is the report's own frame. */
const payloadBudget = 240 * 1024;

const choose = (
  targets: readonly Target[],
  { registry, targets: names }: z.output<typeof executionInput>,
  ownAccount: string,
): readonly Target[] => {
  const known = new Set(targets.map(({ name }) => name));
  const unknown = names?.filter((name) => !known.has(name)) ?? [];
  if (unknown.length > 0) {
    throw new InvalidInputError(
      `targets: expected names from targets.yml (${[...known].slice(0, 10).join(', ')}), found ${unknown.slice(0, 10).join(', ')}.`,
    );
  }
  return targets.filter(
    (target) =>
      (names === undefined || names.includes(target.name)) &&
      (registry === undefined ||
        (target.ecr.region === registry.region && accountOf(target, ownAccount) === registry.account)),
  );
};

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
    const request = parseInput('The execution', executionInput, input);
    const chosen = choose(loadTargets(), request, ownAccount);

    const secondsApart = (60 * requestsPerTarget) / requestsPerMinute;
    const turnsOfKey = new Map<string, number>();
    const turns = chosen.map(({ name, runpod: { apiKey } }) => {
      const turn = turnsOfKey.get(apiKey) ?? 0;
      turnsOfKey.set(apiKey, turn + 1);
      return { name, startAt: isoSeconds(now() + turn * secondsApart * 1000) };
    });
    const names = turns.map(({ name }) => name);
    const outcomeBudget = payloadBudget - Buffer.byteLength(JSON.stringify(names));
    const patienceMs = Math.max(0, Math.min(scheduleHours * 3_600_000 - retirementMs, maxRunMs));
    return {
      trigger: request.trigger ?? 'manual',
      names,
      outcomes: turns,
      giveUpAt: isoSeconds(startedAt + patienceMs),
      outcomeBytes: Math.min(maxOutcomeBytes, Math.floor(outcomeBudget / Math.max(1, turns.length))),
    };
  };

export const buildResolveTargets = ({ settings, now }: Platform) =>
  createResolveTargets({
    loadTargets: createLoadTargets(settings.TARGETS_FILE),
    now,
    requestsPerMinute: settings.RUNPOD_REQUESTS_PER_MINUTE,
    scheduleHours: settings.SCHEDULE_HOURS,
  });

export const handler = lambda('resolve-targets', buildResolveTargets);
