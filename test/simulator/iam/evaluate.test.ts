import { describe, expect, it } from 'vitest';
import { type AccessRequest, evaluate, type Identity, type ResourcePolicy } from '../../../simulator/iam/evaluate.ts';
import { readPolicy } from '../../../simulator/iam/policy.ts';

const account = '123456789012';
const roleArn = `arn:aws:iam::${account}:role/worker`;
const session = `arn:aws:sts::${account}:assumed-role/worker/one`;
const queue = `arn:aws:sqs:us-east-1:${account}:orders`;
const key = `arn:aws:kms:us-east-1:${account}:key/1`;
const other = 'arn:aws:iam::210987654321:role/minter';

const policyOf = (...statements: object[]) => readPolicy({ Version: '2012-10-17', Statement: statements }, 'a policy');
const allow = (Action: string, Resource: string, more: object = {}) => ({ Effect: 'Allow', Action, Resource, ...more });
const deny = (Action: string, Resource: string, more: object = {}) => ({
  ...allow(Action, Resource, more),
  Effect: 'Deny',
});
const worker = (statements: object[], boundary?: object[]): Identity => ({
  kind: 'identity',
  arn: roleArn,
  callerArn: session,
  account,
  policies: statements.length === 0 ? [] : [policyOf(...statements)],
  boundary: boundary === undefined ? undefined : policyOf(...boundary),
});
const resourcePolicy = (kind: ResourcePolicy['kind'], ...statements: object[]): ResourcePolicy => ({
  kind,
  policy: policyOf(...statements),
});
const events = { kind: 'service', name: 'events.amazonaws.com' } as const;

const send = { action: 'sqs:SendMessage', resource: queue, context: {} };
const decrypt = { action: 'kms:Decrypt', resource: key, context: {} };
const assume = { action: 'sts:AssumeRole', resource: other, context: {} };
const mayDecrypt = [allow('kms:Decrypt', key)];
const toRoot = { ...allow('kms:*', '*'), Principal: { AWS: `arn:aws:iam::${account}:root` } };

/** "Troubleshoot access denied error messages" has each of these sentences. */
const refused = (reason: string, action = 'sqs:SendMessage', resource = queue): string =>
  `User: ${session} is not authorized to perform: ${action} on resource: ${resource}${reason}`;
const noIdentity = (action = 'sqs:SendMessage', resource = queue): string =>
  refused(` because no identity-based policy allows the ${action} action`, action, resource);

const cases: ReadonlyArray<readonly [string, AccessRequest, true | string]> = [
  // Policies of one's own
  ['allows what an identity policy allows', { by: worker([allow('sqs:SendMessage', queue)]), ...send }, true],
  ['ignores case in an action', { by: worker([allow('SQS:sendmess*', queue)]), ...send }, true],
  ['refuses what none allows', { by: worker([allow('sqs:Receive*', queue)]), ...send }, noIdentity()],
  ['refuses another resource', { by: worker([allow('sqs:*', `${queue}2`)]), ...send }, noIdentity()],
  ['refuses whoever has no policy', { by: worker([]), ...send }, noIdentity()],
  [
    'lets a Deny win',
    { by: worker([allow('*', '*'), deny('sqs:*', '*')]), ...send },
    refused(' with an explicit deny in an identity-based policy'),
  ],
  [
    'reads NotAction as everything else',
    { by: worker([{ Effect: 'Allow', NotAction: 'sqs:ReceiveMessage', Resource: '*' }]), ...send },
    true,
  ],
  [
    'reads NotAction as not this',
    { by: worker([{ Effect: 'Allow', NotAction: ['sqs:Send*'], Resource: '*' }]), ...send },
    noIdentity(),
  ],
  [
    'reads NotResource as everything else',
    { by: worker([{ Effect: 'Deny', Action: '*', NotResource: 'arn:aws:sns:*:*:*' }, allow('*', '*')]), ...send },
    refused(' with an explicit deny in an identity-based policy'),
  ],
  [
    'reads NotResource as not this',
    { by: worker([{ Effect: 'Allow', Action: '*', NotResource: [`${queue}*`] }]), ...send },
    noIdentity(),
  ],
  [
    'wants every condition of a statement',
    {
      by: worker([
        allow('*', '*', {
          Condition: { StringEquals: { 'a:b': 'c' }, ArnLike: { 'aws:SourceArn': 'arn:aws:s3:::*' } },
        }),
      ]),
      ...send,
      context: { 'a:b': 'c' },
    },
    noIdentity(),
  ],

  // A boundary
  ['wants the boundary to allow, too', { by: worker([allow('*', '*')], [allow('sqs:*', queue)]), ...send }, true],
  [
    'refuses what the boundary does not have',
    { by: worker([allow('*', '*')], [allow('sns:*', '*')]), ...send },
    refused(' because no permissions boundary allows the sqs:SendMessage action'),
  ],
  ['does not take a boundary for a permission', { by: worker([], [allow('*', '*')]), ...send }, noIdentity()],
  [
    "lets a boundary's Deny win",
    { by: worker([allow('*', '*')], [allow('*', '*'), deny('sqs:*', '*')]), ...send },
    refused(' with an explicit deny in a permissions boundary'),
  ],

  // A resource's policy, in the same account
  [
    'needs no policy of its own where the resource names the role',
    {
      by: worker([]),
      ...send,
      resourcePolicy: resourcePolicy('resource', { ...allow('sqs:*', queue), Principal: { AWS: roleArn } }),
    },
    true,
  ],
  [
    "takes the account's name for a delegation",
    {
      by: worker([]),
      ...send,
      resourcePolicy: resourcePolicy('resource', { ...allow('sqs:*', queue), Principal: { AWS: account } }),
    },
    noIdentity(),
  ],
  [
    'limits by a boundary what names the role',
    {
      by: worker([], [allow('sns:*', '*')]),
      ...send,
      resourcePolicy: resourcePolicy('resource', { ...allow('sqs:*', queue), Principal: { AWS: [roleArn] } }),
    },
    refused(' because no permissions boundary allows the sqs:SendMessage action'),
  ],
  [
    'does not limit by a boundary what names the session',
    {
      by: worker([], [allow('sns:*', '*')]),
      ...send,
      resourcePolicy: resourcePolicy('resource', { ...allow('sqs:*', queue), Principal: { AWS: session } }),
    },
    true,
  ],
  [
    "lets a resource's Deny win",
    {
      by: worker([allow('*', '*')]),
      ...send,
      resourcePolicy: resourcePolicy('resource', { ...deny('*', queue), Principal: '*' }),
    },
    refused(' with an explicit deny in a resource-based policy'),
  ],

  [
    'needs no policy of its own where the resource lets everybody, and no boundary limits that',
    {
      by: worker([], [allow('sns:*', '*')]),
      ...send,
      resourcePolicy: resourcePolicy('resource', { ...allow('sqs:*', queue), Principal: '*' }),
    },
    true,
  ],

  // Services in their own names
  [
    'lets a service do what the resource lets it',
    {
      by: events,
      ...send,
      resourcePolicy: resourcePolicy('resource', { ...allow('sqs:*', queue), Principal: { Service: events.name } }),
    },
    true,
  ],
  [
    'lets no other service',
    {
      by: events,
      ...send,
      resourcePolicy: resourcePolicy('resource', {
        ...allow('sqs:*', queue),
        Principal: { Service: 'scheduler.amazonaws.com' },
      }),
    },
    `User: events.amazonaws.com is not authorized to perform: sqs:SendMessage on resource: ${queue} because no resource-based policy allows the sqs:SendMessage action`,
  ],
  [
    'lets no service where the resource has no policy',
    { by: events, ...send },
    `User: events.amazonaws.com is not authorized to perform: sqs:SendMessage on resource: ${queue} because no resource-based policy allows the sqs:SendMessage action`,
  ],

  // Keys: "Key policies in AWS KMS"
  [
    'lets a role use a key whose policy leaves it to the account',
    { by: worker(mayDecrypt), ...decrypt, resourcePolicy: resourcePolicy('key', toRoot) },
    true,
  ],
  [
    'wants an identity policy where the key leaves it to the account',
    { by: worker([]), ...decrypt, resourcePolicy: resourcePolicy('key', toRoot) },
    noIdentity('kms:Decrypt', key),
  ],
  [
    'refuses a key whose policy is silent, whatever the role may',
    {
      by: worker(mayDecrypt),
      ...decrypt,
      resourcePolicy: resourcePolicy('key', { ...toRoot, Action: 'kms:DescribeKey' }),
    },
    refused(' because no resource-based policy allows the kms:Decrypt action', 'kms:Decrypt', key),
  ],
  [
    'lets a key name a role directly',
    {
      by: worker([]),
      ...decrypt,
      resourcePolicy: resourcePolicy('key', { ...toRoot, Principal: { AWS: roleArn } }),
    },
    true,
  ],
  [
    'does not take the account for a service',
    { by: events, ...decrypt, resourcePolicy: resourcePolicy('key', toRoot) },
    `User: events.amazonaws.com is not authorized to perform: kms:Decrypt on resource: ${key} because no resource-based policy allows the kms:Decrypt action`,
  ],

  // Between accounts, where a message gives no reason
  [
    'assumes a role of another account where both sides agree',
    {
      by: worker([allow('sts:AssumeRole', other)]),
      ...assume,
      context: { 'sts:ExternalId': 'x' },
      resourcePolicy: resourcePolicy('trust', {
        Effect: 'Allow',
        Action: 'sts:AssumeRole',
        Principal: { AWS: roleArn },
        Condition: { StringEquals: { 'sts:ExternalId': 'x' } },
      }),
    },
    true,
  ],
  [
    'wants the external id',
    {
      by: worker([allow('sts:AssumeRole', other)]),
      ...assume,
      resourcePolicy: resourcePolicy('trust', {
        Effect: 'Allow',
        Action: 'sts:AssumeRole',
        Principal: { AWS: roleArn },
        Condition: { StringEquals: { 'sts:ExternalId': 'x' } },
      }),
    },
    refused('', 'sts:AssumeRole', other),
  ],
  [
    'wants a policy of its own, even where another account names the role',
    {
      by: worker([]),
      ...assume,
      resourcePolicy: resourcePolicy('trust', { Effect: 'Allow', Action: 'sts:*', Principal: { AWS: roleArn } }),
    },
    refused('', 'sts:AssumeRole', other),
  ],
  [
    'wants a policy of its own, even where another account names the session',
    {
      by: worker([]),
      ...assume,
      resourcePolicy: resourcePolicy('trust', { Effect: 'Allow', Action: 'sts:*', Principal: { AWS: session } }),
    },
    refused('', 'sts:AssumeRole', other),
  ],
  [
    'refuses another account that is silent',
    { by: worker([allow('*', '*')]), ...send, resource: queue.replace(account, '210987654321') },
    refused('', 'sqs:SendMessage', queue.replace(account, '210987654321')),
  ],

  // Trust within the account
  [
    'says that no role trusts the caller',
    {
      by: worker([allow('*', '*')]),
      action: 'sts:AssumeRole',
      resource: `arn:aws:iam::${account}:role/x`,
      context: {},
      resourcePolicy: resourcePolicy('trust', {
        Effect: 'Allow',
        Action: 'sts:AssumeRole',
        Principal: { Service: 'lambda.amazonaws.com' },
      }),
    },
    `User: ${session} is not authorized to perform: sts:AssumeRole because no role trust policy allows the sts:AssumeRole action`,
  ],
];

describe('evaluate', () => {
  it.each(cases)('%s', (_, request, answer) => {
    const decision = evaluate(request);
    expect(decision.isAllowed ? true : decision.message).toBe(answer);
  });

  it('refuses a policy with a variable, rather than to take it as text', () => {
    const own = allow('sqs:*', 'arn:aws:sqs:us-east-1:123456789012:${aws:PrincipalTag/team}');
    expect(() => evaluate({ by: worker([own]), ...send })).toThrow('policy variables');
  });

  it.each([
    ['an unknown element', { ...allow('a:b', '*'), Principle: '*' }],
    ['an effect that does not exist', { ...allow('a:b', '*'), Effect: 'allow' }],
    ['Action beside NotAction', { ...allow('a:b', '*'), NotAction: 'c:d' }],
    ['no Action', { Effect: 'Allow', Resource: '*' }],
    ['Resource beside NotResource', { ...allow('a:b', '*'), NotResource: 'c' }],
    ['NotPrincipal, which it does not know', { ...deny('a:b', '*'), NotPrincipal: '*' }],
  ])('reads no policy with %s', (_, statement) => {
    expect(() => policyOf(statement)).toThrow('a policy');
  });
});
