import { readFileSync } from 'node:fs';
import { functionNames, pascalCase } from './functions.ts';

/** Where the state machine finds what it calls. */
export interface Callees {
  readonly functionArn: (name: string) => string;
  readonly alertTopicArn: string;
}

const definitionPath = new URL('../statemachines/refresh-credentials.asl.json', import.meta.url);

/** Reads the state machine that ships, and fills its placeholders in as CloudFormation would. */
export const readDefinition = ({ functionArn, alertTopicArn }: Callees): unknown => {
  const substitutions = new Map([
    ...functionNames.map((name) => [`${pascalCase(name)}FunctionArn`, functionArn(name)] as const),
    ['AlertTopicArn', alertTopicArn],
    ['SnsPublishArn', 'arn:aws:states:::sns:publish'],
  ]);
  const text = readFileSync(definitionPath, 'utf8').replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = substitutions.get(name);
    if (value === undefined) throw new Error(`The state machine's placeholder ${name} is not filled in.`);
    return value;
  });
  return JSON.parse(text);
};

interface AnyState {
  readonly ItemProcessor?: {
    readonly ProcessorConfig?: { readonly Mode?: string };
    readonly States: Readonly<Record<string, AnyState>>;
  };
}

const namesWithin = (states: Readonly<Record<string, AnyState>>): string[] =>
  Object.entries(states).flatMap(([name, { ItemProcessor: inner }]) => [name, ...namesWithin(inner?.States ?? {})]);

/** The Distributed Map of a state machine, and the names of all states within it. */
export const childrenOf = (definition: unknown): { readonly map: string; readonly states: ReadonlySet<string> } => {
  const { States: states } = definition as { readonly States: Readonly<Record<string, AnyState>> };
  const [map, state] =
    Object.entries(states).find(([, each]) => each.ItemProcessor?.ProcessorConfig?.Mode === 'DISTRIBUTED') ?? [];
  if (map === undefined) throw new Error('The state machine has no Distributed Map.');
  return { map, states: new Set(namesWithin(state?.ItemProcessor?.States ?? {})) };
};
