import { describe, expect, it } from 'vitest';
import { parseTargets, type Target } from '../../functions/lib/targets.ts';
import {
  describePermissions,
  keyPermissions,
  mintPermissions,
  pushDetail,
  type TargetPermissions,
} from '../../infra/permissions.ts';

const place = { stage: 'prod', region: 'us-east-1' };

/** Targets of which everything is different. */
const targetsOf = (count: number, keyOf: (index: number) => string): Target[] =>
  parseTargets(
    JSON.stringify({
      targets: Array.from({ length: count }, (_, index) => ({
        name: `target-${index}`,
        ecr: { region: 'us-east-1', repositories: [`team/worker-${index}`] },
        runpod: { apiKey: keyOf(index), registry: `credential${index}` },
      })),
    }),
  );

const underPrefix = (index: number) => `ssm:/runpod-ecr-refresh/prod/target-${index}/api-key`;
const elsewhere = (index: number) => `ssm:/elsewhere/target-${index}/api-key`;

/** What IAM counts: a document as it is once deployed, without white space. */
const charactersOf = (document: unknown): number =>
  JSON.stringify(document)
    .replaceAll(/\{"Fn::Sub":("[^"]*")\}/g, '$1')
    .replaceAll('${AWS::Partition}', 'aws')
    .replaceAll('${AWS::Region}', place.region)
    .replaceAll('${AWS::AccountId}', '123456789012').length;

const documentsOf = ({ managedPolicies }: TargetPermissions) =>
  Object.values(managedPolicies).map(
    (policy) => (policy as { Properties: { PolicyDocument: { Statement: unknown[] } } }).Properties.PolicyDocument,
  );

const resourcesOf = (permissions: TargetPermissions): string =>
  JSON.stringify([permissions.statements, documentsOf(permissions)]);

describe('what a role may do by targets.yml', () => {
  it.each([1, 100, 1000])('fits IAM’s quotas for %i targets of which everything is different', (count) => {
    const targets = targetsOf(count, underPrefix);
    for (const permissions of [keyPermissions, mintPermissions, describePermissions].map((of) => of(targets, place))) {
      expect(charactersOf(permissions.statements)).toBeLessThan(10_240 - 1500);
      expect(documentsOf(permissions).length).toBeLessThanOrEqual(10);
      for (const document of documentsOf(permissions)) expect(charactersOf(document)).toBeLessThanOrEqual(6144);
    }
  });

  it.each([1, 100, 1000])('allows each repository of %i targets, once', (count) => {
    for (const of of [mintPermissions, describePermissions]) {
      const named = resourcesOf(of(targetsOf(count, underPrefix), place)).match(/repository\/team\/worker-\d+/g) ?? [];
      expect(named.toSorted()).toEqual(
        Array.from({ length: count }, (_, index) => `repository/team/worker-${index}`).toSorted(),
      );
    }
  });

  it('names keys one by one while they fit, and the stage’s prefix beyond', () => {
    expect(resourcesOf(keyPermissions(targetsOf(2, underPrefix), place))).not.toContain('prod/*');
    const { statements, managedPolicies } = keyPermissions(targetsOf(200, underPrefix), place);
    expect(statements[0]?.Resource).toEqual([
      {
        'Fn::Sub': 'arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/runpod-ecr-refresh/prod/*',
      },
    ]);
    expect(managedPolicies).toEqual({});
  });

  it('names keys that are elsewhere in managed policies of the roles that read them', () => {
    const { managedPolicies } = keyPermissions(targetsOf(500, elsewhere), place);
    expect(Object.keys(managedPolicies)).toContain('RunpodKeysPolicy1');
    expect(managedPolicies.RunpodKeysPolicy1).toMatchObject({
      Type: 'AWS::IAM::ManagedPolicy',
      Properties: {
        Roles: [
          { Ref: 'FindConcernedRole' },
          { Ref: 'DiscoverEndpointsRole' },
          { Ref: 'UpdateRunpodRole' },
          { Ref: 'SubmitCanaryRole' },
          { Ref: 'VerifyEndpointPullRole' },
        ],
      },
    });
  });

  it('refuses more keys than a role can be allowed, and says where to keep them', () => {
    expect(() =>
      keyPermissions(
        targetsOf(1000, (index) => `${elsewhere(index)}-${'x'.repeat(60)}`),
        place,
      ),
    ).toThrow(/names 1000 different Runpod keys.*Keep keys in Parameter Store under \/runpod-ecr-refresh\/prod\//);
  });

  it('lets keys be decrypted by way of their store alone', () => {
    const decrypt = keyPermissions(
      targetsOf(1, () => 'secretsmanager:runpod/key'),
      place,
    ).statements.at(-1);
    expect(decrypt).toMatchObject({
      Action: ['kms:Decrypt'],
      Condition: {
        StringEquals: { 'kms:ViaService': [{ 'Fn::Sub': 'secretsmanager.${AWS::Region}.${AWS::URLSuffix}' }] },
      },
    });
  });
});

describe('the pattern of pushes', () => {
  it('names repositories while they fit', () => {
    expect(pushDetail(targetsOf(50, underPrefix))).toHaveProperty('repository-name');
    const many = pushDetail(targetsOf(1000, underPrefix));
    expect(many).not.toHaveProperty('repository-name');
    expect(JSON.stringify(many).length).toBeLessThan(2048 - 100);
  });
});
