import * as z from 'zod/mini';
import { InvalidInputError } from './errors.ts';
import { moment } from './platform.ts';
import { accountOf, type Target } from './targets.ts';

/** What an execution may be started with. `{}` means every target. */
export const executionInputSchema = z.strictObject({
  /** What started it, for the report. */
  trigger: z.optional(z.enum(['schedule', 'push', 'deploy', 'manual', 'rollout'])),
  /** Only targets of this ECR registry. */
  registry: z.optional(z.object({ account: z.string(), region: z.string() })),
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
 * @throws {InvalidInputError} it names a target that is not there
 */
export const chooseTargets = (
  targets: readonly Target[],
  { registry, targets: names }: z.output<typeof executionInputSchema>,
  ownAccount: string,
): readonly Target[] => {
  const known = new Set(targets.map(({ name }) => name));
  const unknown = names?.filter((name) => !known.has(name)) ?? [];
  if (unknown.length > 0) {
    throw new InvalidInputError(
      `targets: expected names from targets.yml (${[...known].slice(0, maxNames).join(', ')}), found ${unknown.slice(0, maxNames).join(', ')}.`,
    );
  }
  return targets.filter(
    (target) =>
      (names === undefined || names.includes(target.name)) &&
      (registry === undefined ||
        (target.ecr.region === registry.region && accountOf(target, ownAccount) === registry.account)),
  );
};
