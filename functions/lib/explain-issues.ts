import * as z from 'zod/mini';
import { cutText } from './bounded-text.ts';

const maxText = 60;
const maxKeys = 10;

const describe = (value: unknown): string => {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return 'a mapping';
  return cutText(JSON.stringify(value), maxText);
};

/** Writes a path as a person would: `targets[2].ecr.region`. */
export const pathOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');

/** Keys are whatever somebody has written: a message holds a few of them, as far as they help. */
const unknownKeys = (keys: readonly string[]): string => {
  const more = keys.length > maxKeys ? ` and ${keys.length - maxKeys} more` : '';
  return `${keys
    .slice(0, maxKeys)
    .map((key) => cutText(JSON.stringify(key), maxText))
    .join(', ')}${more}`;
};

const expectation = (issue: z.core.$ZodIssue): string => {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${issue.expected === 'object' ? 'a mapping' : issue.expected === 'array' ? 'a list' : `a ${issue.expected}`}`;
    case 'invalid_value':
      return `expected one of ${issue.values.join(', ')}`;
    case 'unrecognized_keys':
      return `does not know ${unknownKeys(issue.keys)}`;
    case 'invalid_union':
      return issue.discriminator === undefined ? issue.message : 'expected a kind that is known';
    case 'too_small':
      return `expected at least ${issue.minimum}`;
    case 'too_big':
      return `expected at most ${issue.maximum}`;
    default:
      return issue.message;
  }
};

/**
 * Says what is wrong with a value, one line a mistake: where, what was expected, and what was found. The value must
 * have been parsed with `reportInput`.
 *
 * @param show whether found values may be repeated; never for anything that may hold a secret
 */
export const explainIssues = (issues: readonly z.core.$ZodIssue[], show = true): string[] =>
  issues.map((issue) => {
    const where = pathOf(issue.path) || 'the document';
    const what = expectation(issue);
    if (issue.code === 'unrecognized_keys') return `${where} ${what}`;
    return show ? `${where}: ${what}, found ${describe(issue.input)}` : `${where}: ${what}`;
  });

/** Parses a value by a schema, or throws what `fail` makes of all its mistakes. */
export const parseOr = <Schema extends z.ZodMiniType>(
  schema: Schema,
  value: unknown,
  fail: (mistakes: string[]) => Error,
  show = true,
): z.output<Schema> => {
  const result = z.safeParse(schema, value, { reportInput: true });
  if (result.success) return result.data;
  throw fail(explainIssues(result.error.issues, show));
};
