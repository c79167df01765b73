import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { evaluate, type Identity } from '../../simulator/iam/evaluate.ts';
import { type Policy, readPolicy } from '../../simulator/iam/policy.ts';
import { type DeployedStack, deployTemplate } from '../../simulator/iam/template.ts';
import { maxPackagingMs, packagedStage, packageStack } from '../../simulator/packaged.ts';
import { readExample } from '../support/example-template.ts';

const trusted = { account: '123456789012', region: 'us-east-1', partition: 'aws' };
const owner = { account: '210987654321', region: 'us-east-1', partition: 'aws' };
const externalId = 'only-you-two';

const deployRole = (parameters: Record<string, string> = {}) =>
  deployTemplate(readExample('cross-account-role.yml'), {
    ...owner,
    stackName: 'runpod-pull',
    parameters: { TrustedAccount: trusted.account, Stage: packagedStage, ExternalId: externalId, ...parameters },
  }).roles[0];
const pullRole = deployRole();
const pullArn = 'arn:aws:iam::210987654321:role/runpod-pull';
/** That a role may ask is targets.yml's affair; here all may, so that only the trust decides. */
const mayAssume = readPolicy(
  { Version: '2012-10-17', Statement: { Effect: 'Allow', Action: 'sts:AssumeRole', Resource: pullArn } },
  'a policy',
);

let stack: DeployedStack;
beforeAll(() => {
  stack = deployTemplate(packageStack().template, { ...trusted, stackName: `runpod-ecr-refresh-${packagedStage}` });
}, maxPackagingMs);

const identityOf = (arn: string, policy: Policy): Identity => ({
  kind: 'identity',
  arn,
  callerArn: `${arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/session`,
  account: trusted.account,
  policies: [policy],
});

const isTrusted = (arn: string, given = externalId, role = pullRole): boolean => {
  if (role === undefined) throw new Error('The example has no role.');
  return evaluate({
    by: identityOf(arn, mayAssume),
    action: 'sts:AssumeRole',
    resource: role.arn,
    resourcePolicy: { kind: 'trust', policy: role.trust },
    context: { 'aws:PrincipalArn': arn, 'sts:ExternalId': given },
  }).isAllowed;
};

describe('the role in the account of the images', () => {
  it('has the name that targets.yml names, and can pull and nothing else', () => {
    expect(pullRole?.arn).toBe(pullArn);
    const actions = pullRole?.policies.flatMap(({ policy }) => policy.Statement.flatMap(({ Action = [] }) => Action));
    expect(actions?.toSorted()).toEqual([
      'ecr:BatchGetImage',
      'ecr:GetAuthorizationToken',
      'ecr:GetDownloadUrlForLayer',
    ]);
  });

  it('trusts the role that mints, and none of the others', () => {
    expect(stack.roles.length).toBeGreaterThan(10);
    expect(stack.roles.filter(({ arn }) => isTrusted(arn)).map(({ logicalId }) => logicalId)).toEqual([
      'FetchTokenRole',
    ]);
  });

  it('trusts it with the external id alone', () => {
    const minting = stack.roles.find(({ logicalId }) => logicalId === 'FetchTokenRole')?.arn ?? '';
    expect(isTrusted(minting)).toBe(true);
    expect(isTrusted(minting, 'another')).toBe(false);
  });

  it.each([
    ['another stage', `runpod-ecr-refresh/${packagedStage}-eu/runpod-ecr-refresh-packa-FetchTokenRole-AAAA`],
    ['no stage', `runpod-ecr-refresh-${packagedStage}-FetchTokenRole-AAAA`],
    ['a person', 'Admin'],
  ])('trusts nobody of %s', (_, name) => {
    expect(isTrusted(`arn:aws:iam::123456789012:role/${name}`)).toBe(false);
  });

  it.each([
    'arn:aws:iam::123456789012:user/engineer',
    'arn:aws:iam::123456789012:role/*AWSReservedSSO_Admin_1',
  ])('trusts %s, too, where AlsoTrusts names it, with the external id alone', (AlsoTrusts) => {
    const role = deployRole({ AlsoTrusts });
    const arn = AlsoTrusts.replace('*', 'aws-reserved/sso.amazonaws.com/');
    expect([isTrusted(arn, externalId, role), isTrusted(arn, 'another', role), isTrusted(arn)]).toEqual([
      true,
      false,
      false,
    ]);
    expect(isTrusted('arn:aws:iam::123456789012:role/Other', externalId, role)).toBe(false);
  });
});

/** "Private repository policies in Amazon ECR": between accounts, both sides must allow. */
describe('the policy of a repository there, as docs/cross-account.md has it', () => {
  const page = readFileSync(new URL('../../docs/cross-account.md', import.meta.url), 'utf8');
  const [, json = ''] = /^```json\n(.*?)^```$/ms.exec(page) ?? [];
  const policy = readPolicy(JSON.parse(json.replaceAll('/prod/', `/${packagedStage}/`)), 'the policy of a repository');
  const repository = 'arn:aws:ecr:eu-west-1:210987654321:repository/team/worker';

  const allowedTo = (action: string): string[] => {
    const may = readPolicy(
      { Version: '2012-10-17', Statement: { Effect: 'Allow', Action: action, Resource: repository } },
      'a policy',
    );
    return stack.roles
      .filter(({ arn }) => {
        const context = { 'aws:PrincipalArn': arn };
        const resourcePolicy = { kind: 'resource', policy } as const;
        return evaluate({ by: identityOf(arn, may), action, resource: repository, resourcePolicy, context }).isAllowed;
      })
      .map(({ logicalId }) => logicalId)
      .toSorted();
  };

  it('lets the two roles describe images that say what is wanted and what is behind, and none pull', () => {
    expect(allowedTo('ecr:DescribeImages')).toEqual(['StartRolloutsRole', 'VerifyImagePullRole']);
    expect(allowedTo('ecr:BatchGetImage')).toEqual([]);
  });
});
