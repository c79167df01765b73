import { runSimulation } from '@cloud-copilot/iam-simulate';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AccessRequest, evaluate } from '../../simulator/iam/evaluate.ts';
import { readPolicy } from '../../simulator/iam/policy.ts';

// An evaluator that others wrote, over many small worlds. What it does not know is left out: key policies, encryption
// contexts, and a key with several values under an operator without a set.
const account = '123456789012';
const elsewhere = '210987654321';
const role = `arn:aws:iam::${account}:role/worker`;
const session = `arn:aws:sts::${account}:assumed-role/worker/one`;

const oneOrMore = <Value>(values: readonly Value[]) =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 2 });

const actions = oneOrMore([
  'sqs:SendMessage',
  'SQS:sendmessage',
  'sqs:*',
  'sqs:Send?essage',
  'sqs:Send*',
  'sns:Publish',
  '*',
]);
const resources = oneOrMore([
  `arn:aws:sqs:us-east-1:${account}:orders`,
  `arn:aws:sqs:us-east-1:${account}:ord*`,
  `arn:aws:sqs:*:${account}:order?`,
  `arn:aws:sqs:us-east-1:${elsewhere}:orders`,
  'arn:aws:sqs:*:*:*',
  `arn:aws:sns:us-east-1:${account}:orders`,
  '*',
]);

const texts = ['red', 'Red', 'blue', 're?', 'b*', ''];
const arns = ['arn:aws:events:us-east-1:123456789012:rule/push', 'arn:aws:events:*:*:rule/*', 'arn:aws:*:*:*:p?sh'];
const numbers = ['1', '2', '10', '2.5'];
const dates = ['2026-01-01T00:00:00Z', '2026-06-01T12:30:00Z', '2027-01-01T00:00:00Z'];
const booleans = ['true', 'false'];
const optional = fc.constantFrom('', 'IfExists');
const condition = (names: readonly string[], values: readonly string[], key: string) =>
  fc.tuple(fc.constantFrom(...names), optional, oneOrMore(values)).map(([name, suffix, chosen]) => ({
    // ForAnyValue is false for an absent key, IfExists true: which of them wins, no page says.
    [name.startsWith('ForAnyValue') ? name : `${name}${suffix}`]: { [key]: chosen },
  }));
const ofStrings = ['StringEquals', 'StringNotEquals', 'StringLike', 'StringNotLike'] as const;
const ignoringCase = ['StringEqualsIgnoreCase', 'StringNotEqualsIgnoreCase'] as const;
const numeric = ['Equals', 'NotEquals', 'LessThan', 'LessThanEquals', 'GreaterThan', 'GreaterThanEquals'];
const conditions = fc.oneof(
  condition([...ofStrings, ...ignoringCase], texts, 'aws:PrincipalTag/Colour'),
  condition(['ArnEquals', 'ArnLike', 'ArnNotEquals', 'ArnNotLike'], arns, 'aws:SourceArn'),
  condition(['Bool'], booleans, 'aws:SecureTransport'),
  condition(
    numeric.map((each) => `Numeric${each}`),
    numbers,
    'aws:MultiFactorAuthAge',
  ),
  condition(
    numeric.map((each) => `Date${each}`),
    dates,
    'aws:CurrentTime',
  ),
  condition(
    ['ForAnyValue', 'ForAllValues'].flatMap((set) => ofStrings.map((each) => `${set}:${each}`)),
    texts,
    'aws:CalledVia',
  ),
  fc
    .tuple(fc.constantFrom(...booleans), fc.constantFrom('aws:PrincipalTag/Colour', 'AWS:CalledVia', 'aws:sourcearn'))
    .map(([value, key]) => ({ Null: { [key]: value } })),
  fc.constant({}),
);

const statement = fc
  .record({
    Effect: fc.constantFrom('Allow', 'Allow', 'Allow', 'Deny'),
    Condition: fc.tuple(conditions, conditions).map(([one, other]) => ({ ...one, ...other })),
  })
  .chain((common) =>
    fc
      .tuple(
        fc.oneof({ weight: 4, arbitrary: fc.record({ Action: actions }) }, fc.record({ NotAction: actions })),
        fc.oneof({ weight: 4, arbitrary: fc.record({ Resource: resources }) }, fc.record({ NotResource: resources })),
      )
      .map(([action, resource]) => ({ ...common, ...action, ...resource })),
  );
const policy = fc
  .array(statement, { minLength: 1, maxLength: 3 })
  .map((statements) => ({ Version: '2012-10-17', Statement: statements }));
const principal = fc.constantFrom(
  '*',
  { AWS: role },
  { AWS: session },
  { AWS: [account] },
  { AWS: [`arn:aws:iam::${account}:root`] },
  { AWS: [`arn:aws:iam::${account}:role/other`] },
  { AWS: '*' },
  { Service: 'events.amazonaws.com' },
  { Service: ['events.amazonaws.com', 'scheduler.amazonaws.com'] },
);
const resourcePolicy = fc
  .array(
    fc.tuple(statement, principal).map(([each, Principal]) => ({ ...each, Principal })),
    { minLength: 1, maxLength: 2 },
  )
  .map((statements) => ({ Version: '2012-10-17', Statement: statements }));

const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined });
const context = fc
  .record({
    'aws:PrincipalTag/Colour': maybe(fc.constantFrom('red', 'Red', 'blue')),
    'aws:SourceArn': maybe(fc.constantFrom('arn:aws:events:us-east-1:123456789012:rule/push', 'arn:aws:s3:::push')),
    'aws:SecureTransport': maybe(fc.constantFrom(...booleans)),
    'aws:MultiFactorAuthAge': maybe(fc.constantFrom('1', '2', '11')),
    'aws:CurrentTime': maybe(fc.constantFrom(...dates)),
    'aws:CalledVia': maybe(fc.uniqueArray(fc.constantFrom('red', 'blue', 'Red'), { minLength: 1, maxLength: 3 })),
  })
  .map((keys) =>
    Object.fromEntries(Object.entries(keys).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]))),
  );

describe('the evaluator and @cloud-copilot/iam-simulate', () => {
  it('decide the same of random policies and requests', async () => {
    const decisions = { allowed: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(policy, { maxLength: 2 }),
        maybe(policy),
        maybe(resourcePolicy),
        context,
        fc.constantFrom(account, account, account, elsewhere),
        fc.constantFrom<AccessRequest['by']['kind']>('identity', 'identity', 'service'),
        async (policies, boundary, ofResource, contextVariables, resourceAccount, kind) => {
          const isService = kind === 'service';
          const resource = `arn:aws:sqs:us-east-1:${resourceAccount}:orders`;
          const theirs = await runSimulation(
            {
              request: {
                principal: isService ? 'events.amazonaws.com' : session,
                action: 'sqs:SendMessage',
                resource: { resource, accountId: resourceAccount },
                contextVariables,
              },
              identityPolicies: isService ? [] : policies.map((each, index) => ({ name: `${index}`, policy: each })),
              serviceControlPolicies: [],
              resourceControlPolicies: [],
              ...(ofResource === undefined ? {} : { resourcePolicy: ofResource }),
              ...(boundary === undefined || isService
                ? {}
                : { permissionBoundaryPolicies: [{ name: 'boundary', policy: boundary }] }),
            },
            {},
          );
          const { isAllowed } = evaluate({
            by: isService
              ? { kind, name: 'events.amazonaws.com' }
              : {
                  kind,
                  arn: role,
                  callerArn: session,
                  account,
                  policies: policies.map((each) => readPolicy(each, 'an identity policy')),
                  boundary: boundary === undefined ? undefined : readPolicy(boundary, 'a boundary'),
                },
            action: 'sqs:SendMessage',
            resource,
            resourcePolicy:
              ofResource === undefined
                ? undefined
                : { kind: 'resource', policy: readPolicy(ofResource, 'a resource policy') },
            context: contextVariables,
          });
          decisions[isAllowed ? 'allowed' : 'refused'] += 1;
          if (theirs.resultType === 'error') throw new Error(JSON.stringify(theirs.errors));
          expect(isAllowed).toBe(theirs.resultType === 'single' && theirs.overallResult === 'Allowed');
        },
      ),
      { seed: 20_261_125, numRuns: 2_000 },
    );
    // Worlds in which everything is refused would prove little.
    expect(decisions.allowed).toBeGreaterThan(100);
    expect(decisions.refused).toBeGreaterThan(100);
  }, 180_000);
});
