import { readFileSync } from 'node:fs';

/** The functions of the rollout, by the names of their files. */
export const rolloutFunctions = ['start-rollouts', 'plan-rollout', 'apply-rollout', 'watch-rollout', 'roll-back'];

/** How serverless names what belongs to a function: `roll-back` becomes `RollDashback…`. */
const logicalPrefix = (name: string): string =>
  `${name.charAt(0).toUpperCase()}${name.slice(1).replaceAll('-', 'Dash')}`;

/** The resources and outputs that rollout.yml describes. */
const rolloutIds: readonly string[] = [
  ...readFileSync(new URL('rollout.yml', import.meta.url), 'utf8').matchAll(/^ {2}(\w+):/gm),
].map(([, id = '']) => id);

const isOfRollouts = (id: string): boolean =>
  rolloutIds.includes(id) ||
  rolloutFunctions.some((name) => new RegExp(`^${logicalPrefix(name)}(?:Lambda|LogGroup)`).test(id));

type States = Readonly<Record<string, object>>;

/** The state machine's properties, as far as they are touched. */
interface Machine {
  readonly Definition: {
    readonly States: { readonly RefreshTargets: { readonly ItemProcessor: { readonly States: States } } };
  };
  readonly DefinitionSubstitutions: Readonly<Record<string, unknown>>;
}

/** The refresh without its step that starts rollouts: the question whether there are any leads past it. */
const refreshWithout = ({ Definition, DefinitionSubstitutions, ...rest }: Machine): Machine => {
  const { StartRolloutsFunctionArn: _, ...substitutions } = DefinitionSubstitutions;
  const { RefreshTargets } = Definition.States;
  const { StartRollouts: __, ...states } = RefreshTargets.ItemProcessor.States;
  const ItemProcessor = {
    ...RefreshTargets.ItemProcessor,
    States: { ...states, WantsRollouts: { Type: 'Pass', Next: 'ConcludeTarget' } },
  };
  return {
    ...rest,
    Definition: {
      ...Definition,
      States: { ...Definition.States, RefreshTargets: { ...RefreshTargets, ItemProcessor } },
    },
    DefinitionSubstitutions: substitutions,
  };
};

/** What of a template is there without rollouts. */
export const withoutRollouts = <Template extends { readonly Resources: object; readonly Outputs?: object }>(
  template: Template,
): Template => {
  const kept = (of: object) => Object.fromEntries(Object.entries(of).filter(([id]) => !isOfRollouts(id)));
  const resources = kept(template.Resources);
  const machine = resources.StateMachine as { readonly Properties: Machine } | undefined;
  if (machine === undefined) throw new Error('The template has no state machine.');
  return {
    ...template,
    Resources: { ...resources, StateMachine: { ...machine, Properties: refreshWithout(machine.Properties) } },
    ...(template.Outputs === undefined ? {} : { Outputs: kept(template.Outputs) }),
  };
};
