import { readFileSync } from 'node:fs';

/** Something of the stack that is there only where targets.yml asks for it. */
interface Part {
  /** Its functions, by the names of their files. */
  readonly functions: readonly string[];
  /** Its other resources and outputs are those of a file of its own. */
  readonly file: URL;
  /** The refresh's states for it. The first asks whether it is wanted, and leads past it by its Default. */
  readonly states: readonly [string, ...string[]];
  /** What the refresh's definition is filled in with for it. */
  readonly substitution: string;
}

const rollouts: Part = {
  functions: ['start-rollouts', 'plan-rollout', 'apply-rollout', 'watch-rollout', 'roll-back'],
  file: new URL('rollout.yml', import.meta.url),
  states: ['WantsRollouts', 'StartRollouts'],
  substitution: 'StartRolloutsFunctionArn',
};

const canaryPods: Part = {
  functions: ['canary-pod'],
  file: new URL('canary-pod.yml', import.meta.url),
  states: ['WantsCanaryPod', 'CanaryPod', 'CanaryPodSettled', 'WaitForCanaryPod'],
  substitution: 'CanaryPodFunctionArn',
};

/** What targets.yml asks for. */
interface Used {
  readonly hasRollouts: boolean;
  readonly hasCanaryPods: boolean;
}

const unusedParts = ({ hasRollouts, hasCanaryPods }: Used): Part[] => [
  ...(hasRollouts ? [] : [rollouts]),
  ...(hasCanaryPods ? [] : [canaryPods]),
];

/** The functions that are not deployed where they are not asked for. */
export const unusedFunctions = (used: Used): string[] => unusedParts(used).flatMap(({ functions }) => functions);

/** How serverless names what belongs to a function: `roll-back` becomes `RollDashback…`. */
const logicalPrefix = (name: string): string =>
  `${name.charAt(0).toUpperCase()}${name.slice(1).replaceAll('-', 'Dash')}`;

/** Whether a resource or an output belongs to a part. */
const belongsTo = ({ functions, file }: Part): ((id: string) => boolean) => {
  const ids = [...readFileSync(file, 'utf8').matchAll(/^ {2}(\w+):/gm)].map(([, id]) => id);
  const ofFunctions = functions.map((name) => new RegExp(`^${logicalPrefix(name)}(?:Lambda|LogGroup)`));
  return (id) => ids.includes(id) || ofFunctions.some((pattern) => pattern.test(id));
};

type States = Readonly<Record<string, { readonly Default?: string }>>;

/** The state machine's properties, as far as they are touched. */
interface Machine {
  readonly Definition: {
    readonly States: { readonly RefreshTargets: { readonly ItemProcessor: { readonly States: States } } };
  };
  readonly DefinitionSubstitutions: Readonly<Record<string, unknown>>;
}

/** The refresh without a part's states: what led to its question leads past it. */
const refreshWithout = ({ Definition, DefinitionSubstitutions, ...rest }: Machine, part: Part): Machine => {
  const { [part.substitution]: _, ...substitutions } = DefinitionSubstitutions;
  const { RefreshTargets } = Definition.States;
  const { States } = RefreshTargets.ItemProcessor;
  const [question] = part.states;
  const past = States[question]?.Default;
  if (past === undefined) throw new Error(`The refresh has no state ${question}.`);
  const kept = Object.fromEntries(Object.entries(States).filter(([name]) => !part.states.includes(name)));
  const led = JSON.stringify(kept).replaceAll(`:"${question}"`, `:"${past}"`);
  const ItemProcessor = { ...RefreshTargets.ItemProcessor, States: JSON.parse(led) as States };
  return {
    ...rest,
    Definition: {
      ...Definition,
      States: { ...Definition.States, RefreshTargets: { ...RefreshTargets, ItemProcessor } },
    },
    DefinitionSubstitutions: substitutions,
  };
};

type Stack = { readonly Resources: object; readonly Outputs?: object };

/** The dashboard, as far as it is touched. */
interface Dashboard {
  readonly Properties: { readonly DashboardBody: { readonly 'Fn::Sub': string } };
}

/** A widget of the dashboard, as far as it is touched. */
interface Widget {
  readonly properties: { readonly alarms?: readonly string[] };
}

/** The dashboard without what a part's functions measure, and without its alarms. */
const dashboardWithout = (dashboard: Dashboard, part: Part): Dashboard => {
  const body = JSON.parse(dashboard.Properties.DashboardBody['Fn::Sub']) as { readonly widgets: readonly Widget[] };
  const isMeasured = (widget: Widget): boolean =>
    part.functions.some((name) => JSON.stringify(widget).includes(`"${name}"`));
  const isOfPart = belongsTo(part);
  const isAlarmOfPart = (arn: string): boolean => isOfPart(/^\$\{(\w+)\.Arn\}$/.exec(arn)?.[1] ?? '');
  const widgets = body.widgets
    .filter((widget) => !isMeasured(widget))
    .map((widget) => {
      const { alarms } = widget.properties;
      if (alarms === undefined) return widget;
      return { ...widget, properties: { ...widget.properties, alarms: alarms.filter((arn) => !isAlarmOfPart(arn)) } };
    });
  const DashboardBody = { 'Fn::Sub': JSON.stringify({ ...body, widgets }) };
  return { ...dashboard, Properties: { ...dashboard.Properties, DashboardBody } };
};

const without = <Template extends Stack>(template: Template, part: Part): Template => {
  const isOfPart = belongsTo(part);
  const kept = (of: object) => Object.fromEntries(Object.entries(of).filter(([id]) => !isOfPart(id)));
  const resources = kept(template.Resources);
  const machine = resources.StateMachine as { readonly Properties: Machine } | undefined;
  const dashboard = resources.Dashboard as Dashboard | undefined;
  if (machine === undefined || dashboard === undefined) {
    throw new Error('The template has no state machine, or no dashboard.');
  }
  return {
    ...template,
    Resources: {
      ...resources,
      StateMachine: { ...machine, Properties: refreshWithout(machine.Properties, part) },
      Dashboard: dashboardWithout(dashboard, part),
    },
    ...(template.Outputs === undefined ? {} : { Outputs: kept(template.Outputs) }),
  };
};

/** What of a template is there where targets.yml asks for no more than this. */
export const withoutUnused = <Template extends Stack>(template: Template, used: Used): Template =>
  unusedParts(used).reduce(without, template);
