import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { functionNames, pascalCase } from './functions.ts';

/** Where the state machine finds what it calls. */
interface Callees {
  readonly functionArn: (name: string) => string;
  readonly alertTopicArn: string;
}

/** Which errors a state begins again after, and when. */
export interface RetryRule {
  readonly ErrorEquals: readonly string[];
  readonly IntervalSeconds: number;
  readonly MaxAttempts: number;
  readonly BackoffRate: number;
  readonly MaxDelaySeconds: number;
  readonly JitterStrategy: string;
}

/** Where the machine goes on after an error. */
export interface CatchRule {
  readonly ErrorEquals: readonly string[];
  readonly ResultPath?: string;
  readonly Next: string;
}

/** A state of the Amazon States Language, with those of its fields that are read. */
export interface State {
  readonly Type: string;
  readonly Comment?: string;
  readonly Resource?: string;
  readonly TimeoutSeconds?: number;
  readonly MaxConcurrency?: number;
  readonly ToleratedFailurePercentage?: number;
  readonly Retry?: readonly RetryRule[];
  readonly Catch?: readonly CatchRule[];
  readonly Choices?: ReadonlyArray<{ readonly Next: string }>;
  readonly Next?: string;
  readonly Default?: string;
  readonly ItemProcessor?: {
    readonly ProcessorConfig: { readonly Mode: string; readonly ExecutionType?: string };
    readonly StartAt: string;
    readonly States: Readonly<Record<string, State>>;
  };
}

/** A state machine's definition. */
export interface Definition {
  readonly StartAt: string;
  readonly TimeoutSeconds: number;
  readonly States: Readonly<Record<string, State>>;
}

/** A state, and where in the definition it stands. */
interface PlacedState {
  readonly name: string;
  readonly state: State;
  /** The Maps that it is within, outermost first. */
  readonly parents: readonly string[];
  /** Its parents' names and its own, by slashes. */
  readonly path: string;
}

/** The definitions that ship: what runs here is what is deployed. */
export const definitionUrl = new URL('../statemachines/refresh-credentials.asl.yml', import.meta.url);
export const rolloutDefinitionUrl = new URL('../statemachines/roll-out-image.asl.yml', import.meta.url);

/** `yaml` takes more than 100 aliases for an attack unless told otherwise; a definition repeats its rules in every Task. */
const maxAliasCount = 1000;

/** Reads a definition's text, YAML with aliases. */
export const parseDefinition = (text: string): Definition => parse(text, { maxAliasCount }) as Definition;

/** Definitions by URL, as JSON: to read their YAML takes longer than to run what it says. */
const shipped = new Map<string, string>();

const shippedText = ({ href }: URL): string => {
  const text = shipped.get(href) ?? JSON.stringify(parseDefinition(readFileSync(new URL(href), 'utf8')));
  shipped.set(href, text);
  return text;
};

/**
 * Reads a state machine that ships, and fills its placeholders in as CloudFormation would.
 *
 * @param url the refresh's, where nothing else is said
 */
export const readDefinition = ({ functionArn, alertTopicArn }: Callees, url = definitionUrl): Definition => {
  const substitutions = new Map([
    ...functionNames.map((name) => [`${pascalCase(name)}FunctionArn`, functionArn(name)] as const),
    ['AlertTopicArn', alertTopicArn],
    ['SnsPublishArn', 'arn:aws:states:::sns:publish'],
  ]);
  const text = shippedText(url).replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = substitutions.get(name);
    if (value === undefined) throw new Error(`The state machine's placeholder ${name} is not filled in.`);
    return value;
  });
  return JSON.parse(text) as Definition;
};

/** Goes through every state of a definition in the order of the file, each Map before the states within it. */
export function* statesOf(
  { States }: { readonly States: Readonly<Record<string, State>> },
  parents: readonly string[] = [],
): Generator<PlacedState> {
  for (const [name, state] of Object.entries(States)) {
    const here = [...parents, name];
    yield { name, state, parents, path: here.join('/') };
    if (state.ItemProcessor !== undefined) yield* statesOf(state.ItemProcessor, here);
  }
}

/** The Distributed Map of a state machine, and the names of all states within it. */
export const childrenOf = (definition: Definition): { readonly map: string; readonly states: ReadonlySet<string> } => {
  const all = [...statesOf(definition)];
  const map = all.find(({ state }) => state.ItemProcessor?.ProcessorConfig.Mode === 'DISTRIBUTED')?.name;
  if (map === undefined) throw new Error('The state machine has no Distributed Map.');
  return { map, states: new Set(all.filter(({ parents }) => parents.includes(map)).map(({ name }) => name)) };
};
