import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ContextKeys } from '../../simulator/iam/conditions.ts';
import type { AccessRequest, ResourcePolicy } from '../../simulator/iam/evaluate.ts';
import { type IamQuestion, iamOf } from '../../simulator/iam/iam.ts';
import type { Policy, PolicyStatement } from '../../simulator/iam/policy.ts';
import type { DeployedStack } from '../../simulator/iam/template.ts';
import { maxPackagingMs } from '../../simulator/packaged.ts';
import type { World } from '../../simulator/world.ts';
import { recordCalls } from '../support/recorded-calls.ts';

/** One thing that a policy of the stack says, and the stack as it would be without it. */
interface Grant {
  /** `TriggerRole, StartRuns: states:StartExecution`. */
  readonly name: string;
  readonly without: DeployedStack;
  /** A condition narrows what is granted: without it more is allowed, not less. */
  readonly condition?: string | undefined;
}

/** Every way to take one thing out of a list. */
const eachWithout = <Item>(items: readonly Item[]): Array<readonly [Item, Item[]]> =>
  items.map((item, index) => [item, items.toSpliced(index, 1)]);

const dropKey = <Value>(record: Readonly<Record<string, Value>>, key: string): Record<string, Value> =>
  Object.fromEntries(Object.entries(record).filter(([each]) => each !== key));

type Change = { readonly what: string; readonly statement: PolicyStatement; readonly condition?: Grant['condition'] };

/** A statement with one of its actions, resources, principals, conditions or conditions' values taken out. */
const changesOf = (statement: PolicyStatement): Change[] => {
  const { Action = [], Resource = [], Principal, Condition = {} } = statement;
  const several = <Item>(items: readonly Item[]) => (items.length > 1 ? eachWithout(items) : []);
  const conditions = Object.entries(Condition).flatMap(([operator, keys]) =>
    Object.entries(keys).map(([key, values]) => ({ operator, keys, key, values })),
  );
  return [
    ...several(Action).map(([action, left]) => ({ what: action, statement: { ...statement, Action: left } })),
    ...several(Resource).map(([resource, left]) => ({ what: resource, statement: { ...statement, Resource: left } })),
    ...several(Principal?.Service ?? []).map(([service, left]) => ({
      what: service,
      statement: { ...statement, Principal: { ...Principal, Service: left } },
    })),
    ...conditions.flatMap(({ operator, keys, key, values }) => [
      {
        what: `${operator} ${key}`,
        statement: { ...statement, Condition: { ...Condition, [operator]: dropKey(keys, key) } },
        condition: key,
      },
      ...several(values).map(([value, left]) => ({
        what: `${operator} ${key} ${value}`,
        statement: { ...statement, Condition: { ...Condition, [operator]: { ...keys, [key]: left } } },
      })),
    ]),
  ];
};

/** A policy with one thing taken out of it, in every way. */
const policiesWithout = (policy: Policy): Array<Omit<Change, 'statement'> & { readonly policy: Policy }> =>
  policy.Statement.flatMap((statement, index) => {
    const { Sid = `${statement.Action?.[0]}` } = statement;
    return [
      { what: Sid, policy: { ...policy, Statement: policy.Statement.toSpliced(index, 1) } },
      ...changesOf(statement).map(({ what, statement: changed, ...rest }) => ({
        ...rest,
        what: `${Sid}: ${what}`,
        policy: { ...policy, Statement: policy.Statement.with(index, changed) },
      })),
    ];
  });

/** Everything that the stack's roles and resources say. */
const grantsOf = (stack: DeployedStack): Grant[] => {
  const roles = stack.roles.flatMap((role, index) =>
    role.policies.flatMap(({ name, policy }, policyIndex) =>
      policiesWithout(policy).map(({ what, policy: changed, ...rest }) => ({
        ...rest,
        name: `${role.logicalId}, ${what}`,
        without: {
          ...stack,
          roles: stack.roles.with(index, {
            ...role,
            policies: role.policies.with(policyIndex, { name, policy: changed }),
          }),
        },
      })),
    ),
  );
  const nameOf = (arn: string): string =>
    [...stack.resources.values()].find((resource) => resource.arn === arn)?.logicalId ?? arn;
  const ofResources = [...stack.resourcePolicies].flatMap(([arn, { kind, policy }]) =>
    // What AWS gives to a topic by itself is not the stack's.
    policy.Id === '__default_policy_ID'
      ? []
      : policiesWithout(policy).map(({ what, policy: changed, ...rest }) => ({
          ...rest,
          name: `${nameOf(arn)}, ${what}`,
          without: {
            ...stack,
            resourcePolicies: new Map<string, ResourcePolicy>([
              ...stack.resourcePolicies,
              [arn, { kind, policy: changed }],
            ]),
          },
        })),
  );
  return [...roles, ...ofResources];
};

/** What AWS documents, and no simulator shows to be needed: docs/permissions.md has each with its source. */
const documented = [
  ...readFileSync(new URL('../../docs/permissions.md', import.meta.url), 'utf8').matchAll(/^\| `([^`]+)` \|/gm),
].map(([, name = '']) => name);
/** A row about a statement is about all that the statement says. */
const isDocumented = (name: string): boolean =>
  documented.some((row) => name === row || name.startsWith(`${row}: `) || name.startsWith(`${row} `));
const isDocumentedAlone = ({ action, context = {} }: IamQuestion): boolean =>
  /^(xray:|logs:(?!CreateLogStream|PutLogEvents))/.test(action) ||
  (action.startsWith('kms:') &&
    ('kms:EncryptionContext:SourceArn' in context || String(context['kms:ViaService']).startsWith('sqs.')));

/** The same question with one key of its context otherwise: absent, of another value, or with one value more. */
const otherwise = (question: IamQuestion, key: string): IamQuestion[] => {
  const { context = {} } = question;
  const found = context[key];
  const changed = (value: ContextKeys[string]): IamQuestion => ({ ...question, context: { ...context, [key]: value } });
  const values = [found ?? []].flat();
  return [
    { ...question, context: dropKey(context, key) },
    Array.isArray(found) ? changed([...values, 'something-else']) : changed(`${values[0] ?? ''}-else`),
    ...(Array.isArray(found) ? [changed(['something-else'])] : []),
    // What it names may be another service's, account's or region's, too.
    ...(typeof found === 'string' ? [changed('something-else')] : []),
  ];
};

let world: World;
let questions: readonly IamQuestion[];
let grants: readonly Grant[];

beforeAll(async () => {
  const recorded = await recordCalls();
  world = recorded.world;
  questions = recorded.questions.filter((each) => !isDocumentedAlone(each));
  grants = grantsOf(world.iam.stack);
}, maxPackagingMs);
afterAll(() => world.end());

/** Asks the same of another stack: its roles are whom it has. */
const asker = (stack: DeployedStack) => {
  const iam = iamOf(stack);
  for (const [arn, { kind, document }] of world.policiesOutside) iam.setResourcePolicy(arn, kind, document);
  const again = (by: AccessRequest['by']): AccessRequest['by'] =>
    by.kind === 'identity' && stack.roles.some(({ arn }) => arn === by.arn)
      ? iam.session(by.arn, by.callerArn.split('/').at(-1) ?? '')
      : by;
  return (question: IamQuestion): boolean =>
    iam.authorize({ ...question, principal: again(question.principal) }) === undefined;
};

describe('what the roles and policies of the stack say', () => {
  it('is asked for by the workflow, or documented', () => {
    const idle = grants.filter(({ without, condition }) => {
      const allows = asker(without);
      if (condition === undefined) return questions.every(allows);
      const allowsNow = asker(world.iam.stack);
      return !questions
        .flatMap((question) => otherwise(question, condition))
        .some((each) => !allowsNow(each) && allows(each));
    });
    const names = idle.map(({ name }) => name);
    expect(names.filter((name) => !isDocumented(name))).toEqual([]);
    expect(documented.filter((row) => !names.some((name) => name === row || name.startsWith(`${row} `)))).toEqual([]);
  });

  it('is a good many things', () => {
    expect(questions.length).toBeGreaterThan(100);
    expect(grants.length).toBeGreaterThan(150);
    expect(grants.filter(({ condition }) => condition !== undefined).length).toBeGreaterThan(20);
  });
});
