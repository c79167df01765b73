import { describe, expect, it } from 'vitest';
import { type ContextKeys, holdsCondition, matchesArn } from '../../../simulator/iam/conditions.ts';

const rule = 'arn:aws:events:us-east-1:123456789012:rule/push';

/** Operator, the policy's values, the request's value or values (undefined: the key is absent), does it hold? */
type Case = readonly [string, readonly string[], string | readonly string[] | undefined, boolean];

// "IAM JSON policy elements: Condition operators" and "Single-valued vs. multivalued context keys".
const cases: readonly Case[] = [
  ['StringEquals', ['a', 'b'], 'b', true],
  ['StringEquals', ['a', 'b'], 'B', false],
  ['StringEquals', ['a*'], 'ab', false],
  ['StringEquals', ['a'], undefined, false],
  ['StringNotEquals', ['a', 'b'], 'c', true],
  ['StringNotEquals', ['a', 'b'], 'b', false],
  ['StringNotEquals', ['a'], undefined, true],
  ['StringEqualsIgnoreCase', ['A'], 'a', true],
  ['StringNotEqualsIgnoreCase', ['A'], 'a', false],
  ['StringLike', ['a*', 'x'], 'abc', true],
  ['StringLike', ['a?'], 'abc', false],
  ['StringLike', ['a.c'], 'abc', false],
  ['StringNotLike', ['a*'], 'abc', false],
  ['StringNotLike', ['a*'], undefined, true],
  ['ArnEquals', ['arn:aws:events:*:*:rule/*'], rule, true],
  ['ArnLike', [rule], rule, true],
  ['ArnLike', ['arn:aws:events:*:rule/push'], rule, false],
  ['ArnNotLike', ['arn:aws:events:*:*:rule/*'], rule, false],
  ['ArnNotEquals', [rule], undefined, true],
  ['Bool', ['true'], 'true', true],
  ['Bool', ['false'], 'true', false],
  ['Bool', ['true'], undefined, false],
  ['NumericEquals', ['10'], '10.0', true],
  ['NumericNotEquals', ['10'], '11', true],
  ['NumericLessThan', ['10'], '9', true],
  ['NumericLessThan', ['10'], '10', false],
  ['NumericLessThanEquals', ['10'], '10', true],
  ['NumericGreaterThan', ['10'], '10', false],
  ['NumericGreaterThanEquals', ['10'], '10', true],
  ['NumericLessThan', ['10'], 'many', false],
  ['DateEquals', ['2026-01-01T00:00:00Z'], '1767225600', true],
  ['DateNotEquals', ['2026-01-01T00:00:00Z'], '2026-01-02T00:00:00Z', true],
  ['DateLessThan', ['2026-01-01T00:00:00Z'], '2025-12-31T23:59:59Z', true],
  ['DateLessThanEquals', ['2026-01-01T00:00:00Z'], '2026-01-01T00:00:01Z', false],
  ['DateGreaterThan', ['2026-01-01T00:00:00Z'], '2026-01-01T00:00:01Z', true],
  ['DateGreaterThanEquals', ['2026-01-01T00:00:00Z'], '2026-01-01T00:00:00Z', true],
  // Null asks whether the key is absent.
  ['Null', ['true'], undefined, true],
  ['Null', ['true'], 'a', false],
  ['Null', ['false'], 'a', true],
  ['Null', ['false'], undefined, false],
  ['Null', ['false'], [], false],
  // With IfExists, an absent key holds.
  ['StringEqualsIfExists', ['a'], undefined, true],
  ['StringEqualsIfExists', ['a'], 'b', false],
  ['NumericLessThanIfExists', ['1'], undefined, true],
  ['StringNotEqualsIfExists', ['a'], 'a', false],
  // Every value of the request, and so none.
  ['ForAllValues:StringEquals', ['a', 'b'], ['a', 'b'], true],
  ['ForAllValues:StringEquals', ['a', 'b'], ['a'], true],
  ['ForAllValues:StringEquals', ['a', 'b'], ['a', 'c'], false],
  ['ForAllValues:StringEquals', ['a', 'b'], undefined, true],
  ['ForAllValues:StringEquals', ['a', 'b'], [], true],
  ['ForAllValues:StringNotEquals', ['a'], ['b', 'c'], true],
  ['ForAllValues:StringNotEquals', ['a'], ['a', 'c'], false],
  // At least one value of the request.
  ['ForAnyValue:StringEquals', ['a', 'b'], ['b', 'c'], true],
  ['ForAnyValue:StringEquals', ['a', 'b'], ['c'], false],
  ['ForAnyValue:StringEquals', ['a', 'b'], undefined, false],
  ['ForAnyValue:StringNotEquals', ['a'], ['a', 'b'], true],
  ['ForAnyValue:StringNotEquals', ['a'], ['a'], false],
  ['ForAnyValue:StringNotEquals', ['a'], undefined, false],
  ['ForAnyValue:StringLike', ['ali*'], ['alias/one', 'two'], true],
];

const contextOf = (value: Case[2]): ContextKeys => (value === undefined ? {} : { 'app:Key': value });

describe('conditions', () => {
  it.each(cases)('%s %j of %j is %s', (operator, policyValues, requestValue, holds) => {
    expect(holdsCondition(operator, 'app:key', policyValues, contextOf(requestValue))).toBe(holds);
  });

  it.each([
    'IpAddress',
    'BinaryEquals',
    'StringMatches',
    'stringequals',
    'NullIfExists',
    'ForAnyValue:Null',
    'toString',
  ])('refuses the operator %s, rather than to say no', (operator) => {
    expect(() => holdsCondition(operator, 'app:Key', ['a'], { 'app:Key': 'a' })).toThrow(operator);
  });

  it('wants a set operator for a key with several values', () => {
    expect(() => holdsCondition('StringEquals', 'app:Key', ['a'], { 'app:Key': ['a', 'b'] })).toThrow(
      'needs ForAnyValue or ForAllValues',
    );
  });
});

describe('ARNs', () => {
  it.each([
    ['*', true],
    ['arn:aws:sqs', true], // an incomplete ARN is completed by wildcards
    ['arn:aws:sqs:*:*:*', true],
    ['arn:aws:sqs:us-east-1:123456789012:ord?rs', true],
    ['arn:aws:sqs:us-east-1:123456789012:order', false],
    ['arn:aws:sqs:us-east-?:123456789012:orders', true],
    ['arn:aws:sqs:*:orders', false], // a wildcard ends with its component
    ['arn:aws:SQS:us-east-1:123456789012:orders', false],
  ])('%s names a queue: %s', (pattern, isNamed) => {
    expect(matchesArn(pattern, 'arn:aws:sqs:us-east-1:123456789012:orders')).toBe(isNamed);
  });

  it('takes the colons of a resource as its own', () => {
    const logs = 'arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/notify:log-stream:one';
    expect(matchesArn('arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/notify:*', logs)).toBe(true);
  });
});
