import { readFileSync } from 'node:fs';
import { parse, type Tags, type YAMLSeq } from 'yaml';

/** CloudFormation's short forms: "Intrinsic function reference". */
const functions = ['Sub', 'GetAtt', 'If', 'Equals', 'Not', 'Join', 'Select', 'Split'];
const named = (name: string): string => (name === 'Ref' || name === 'Condition' ? name : `Fn::${name}`);
const argumentOf = (name: string, value: unknown): unknown => (name === 'GetAtt' ? String(value).split('.') : value);
const tags: Tags = [...functions, 'Ref', 'Condition'].flatMap((name) => [
  { tag: `!${name}`, resolve: (value: string) => ({ [named(name)]: argumentOf(name, value) }) },
  {
    tag: `!${name}`,
    collection: 'seq' as const,
    resolve: (sequence: YAMLSeq) => ({ [named(name)]: sequence.toJSON() as unknown }),
  },
]);

/** A template of infra/examples, as the object that CloudFormation reads. */
export const readExample = (name: string): unknown =>
  parse(readFileSync(new URL(`../../infra/examples/${name}`, import.meta.url), 'utf8'), { customTags: tags });
