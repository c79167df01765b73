import type { PolicyStatement } from './policy.ts';

/** What a request says of itself, by condition key. A key with several values has a list of them, as AWS does. */
export type ContextKeys = Readonly<Record<string, string | readonly string[]>>;

const globs = new Map<string, RegExp>();

/** Does a text match a pattern with `*` and `?`? */
export const matchesGlob = (pattern: string, text: string): boolean => {
  let expression = globs.get(pattern);
  if (expression === undefined) {
    const source = pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.');
    expression = new RegExp(`^${source}$`, 's');
    globs.set(pattern, expression);
  }
  return expression.test(text);
};

/** The six components of an ARN. What is missing from a pattern's end stands for anything ("Resource", incomplete ARNs). */
const componentsOf = (arn: string): string[] => {
  const parts = arn.split(':');
  const components = [...parts.slice(0, 5), ...(parts.length > 5 ? [parts.slice(5).join(':')] : [])];
  return [...components, ...Array<string>(6 - components.length).fill('*')];
};

/** "Each of the six colon-delimited components of the ARN is checked separately": ARN condition operators. */
export const matchesArn = (pattern: string, arn: string): boolean => {
  if (pattern === '*') return true;
  const parts = componentsOf(arn);
  return componentsOf(pattern).every((component, index) => matchesGlob(component, parts[index] ?? ''));
};

type Compare = (policyValue: string, requestValue: string) => boolean;

const numerically =
  (test: (request: number, policy: number) => boolean): Compare =>
  (policyValue, requestValue) => {
    const [request, policy] = [Number(requestValue), Number(policyValue)];
    return !Number.isNaN(request) && !Number.isNaN(policy) && test(request, policy);
  };

/** ISO 8601, or seconds since 1970: "Date condition operators". */
const timeOf = (text: string): number => (/^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text));
const byTime = (test: (request: number, policy: number) => boolean): Compare => {
  const compare = numerically(test);
  return (policyValue, requestValue) => compare(String(timeOf(policyValue)), String(timeOf(requestValue)));
};

const same = (one: number, other: number): boolean => one === other;
const equals: Compare = (policyValue, requestValue) => policyValue === requestValue;
const equalsIgnoringCase: Compare = (policyValue, requestValue) =>
  policyValue.toLowerCase() === requestValue.toLowerCase();

/** Operators that hold where any of the policy's values matches. */
const operators: Readonly<Record<string, Compare>> = {
  StringEquals: equals,
  StringEqualsIgnoreCase: equalsIgnoringCase,
  StringLike: matchesGlob,
  ArnEquals: matchesArn, // "ArnEquals and ArnLike behave identically"
  ArnLike: matchesArn,
  Bool: equalsIgnoringCase,
  NumericEquals: numerically(same),
  NumericLessThan: numerically((request, policy) => request < policy),
  NumericLessThanEquals: numerically((request, policy) => request <= policy),
  NumericGreaterThan: numerically((request, policy) => request > policy),
  NumericGreaterThanEquals: numerically((request, policy) => request >= policy),
  DateEquals: byTime(same),
  DateLessThan: byTime((request, policy) => request < policy),
  DateLessThanEquals: byTime((request, policy) => request <= policy),
  DateGreaterThan: byTime((request, policy) => request > policy),
  DateGreaterThanEquals: byTime((request, policy) => request >= policy),
};

/** Operators that hold where none of the policy's values matches, and where the key is absent. */
const negations: Readonly<Record<string, Compare>> = {
  StringNotEquals: equals,
  StringNotEqualsIgnoreCase: equalsIgnoringCase,
  StringNotLike: matchesGlob,
  ArnNotEquals: matchesArn,
  ArnNotLike: matchesArn,
  NumericNotEquals: numerically(same),
  DateNotEquals: byTime(same),
};

const own = <Value>(table: Readonly<Record<string, Value>>, name: string): Value | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;

/** A key's values in a request; `undefined` where it is absent, or has no value at all. Names of keys ignore case. */
const valuesOf = (context: ContextKeys, key: string): readonly string[] | undefined => {
  const found = Object.entries(context).find(([name]) => name.toLowerCase() === key.toLowerCase())?.[1];
  if (found === undefined) return undefined;
  const values = typeof found === 'string' ? [found] : found;
  return values.length === 0 ? undefined : values;
};

/**
 * Does one condition hold?
 *
 * @throws an operator that IAM does not have, or that this simulator does not know, is a mistake of the policy's author
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
 */
export const holdsCondition = (
  operator: string,
  key: string,
  policyValues: readonly string[],
  context: ContextKeys,
): boolean => {
  const [, set, name = '', ifExists] = /^(?:(ForAnyValue|ForAllValues):)?(.*?)(IfExists)?$/.exec(operator) ?? [];
  const requestValues = valuesOf(context, key);
  if (name === 'Null') {
    if (set !== undefined || ifExists !== undefined) throw new Error(`IAM has no condition operator ${operator}.`);
    return policyValues.some((value) => (value.toLowerCase() === 'true') === (requestValues === undefined));
  }
  const positive = own(operators, name);
  const compare = positive ?? own(negations, name);
  if (compare === undefined) throw new Error(`The simulator knows no condition operator ${operator}.`);
  const holds = (requestValue: string): boolean =>
    policyValues.some((policyValue) => compare(policyValue, requestValue)) === (positive !== undefined);
  if (requestValues === undefined) {
    if (ifExists !== undefined || set === 'ForAllValues') return true;
    return set === undefined && positive === undefined;
  }
  if (set === 'ForAllValues') return requestValues.every(holds);
  if (set === undefined && requestValues.length > 1) {
    throw new Error(`${key} has several values: ${operator} needs ForAnyValue or ForAllValues in front.`);
  }
  return requestValues.some(holds);
};

/** All operators and all their keys must hold: "Conditions with multiple context keys or values". */
export const holdsConditions = ({ Condition = {} }: PolicyStatement, context: ContextKeys): boolean =>
  Object.entries(Condition).every(([operator, keys]) =>
    Object.entries(keys).every(([key, values]) => holdsCondition(operator, key, values, context)),
  );
