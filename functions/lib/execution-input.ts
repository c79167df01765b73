import * as z from 'zod/mini';
import { InvalidInputError } from './errors.ts';
import { moment } from './platform.ts';
import { quote } from './quote.ts';
import { accountOf, type Target } from './targets.ts';

/** What an execution may be started with. `{}` means every target. */
export const executionInputSchema = z.strictObject({
  /** What started it, for the report. */
  trigger: z.optional(z.enum(['schedule', 'push', 'deploy', 'manual', 'rollout'])),
  /** Only targets of this ECR registry. */
  registry: z.optional(z.strictObject({ account: z.string(), region: z.string() })),
  /** Only these targets, by name. */
  targets: z.optional(z.array(z.string()).check(z.minLength(1))),
  /** What was pushed to the registry until then is what the run is for; the machine waits for it before it comes here. */
  waitUntil: z.optional(moment),
  /** The Step Functions console starts executions with a comment. */
  Comment: z.optional(z.string()),
});

const maxNames = 10;

/**
 * Chooses the targets that an execution asks for.
 *
 * @param ownAccount the account this stack runs in
 * @throws {InvalidInputError} it names a target that is not there, or is a scheduled one of some targets alone
 */
export const chooseTargets = (
  targets: readonly Target[],
  { trigger, registry, targets: names }: z.output<typeof executionInputSchema>,
  ownAccount: string,
): readonly Target[] => {
  // What a scheduled run does not meet is taken to be gone, and its memory with it.
  if (trigger === 'schedule' && (registry ?? names) !== undefined) {
    throw new InvalidInputError(
      'trigger: a scheduled run concerns every target. Leave out registry and targets, or the trigger.',
    );
  }
  const known = new Set(targets.map(({ name }) => name));
  const unknown = names?.filter((name) => !known.has(name)) ?? [];
  if (unknown.length > 0) {
    throw new InvalidInputError(
      `targets: expected names from targets.yml (${[...known].slice(0, maxNames).join(', ')}), found ${unknown
        .slice(0, maxNames)
        .map((name) => quote(name))
        .join(', ')}.`,
    );
  }
  return targets.filter(
    (target) =>
      (names === undefined || names.includes(target.name)) &&
      (registry === undefined ||
        (target.ecr.region === registry.region && accountOf(target, ownAccount) === registry.account)),
  );
};
