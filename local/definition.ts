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
