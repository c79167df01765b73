import { describe, expect, it } from 'vitest';
import { parseTargets } from '../../functions/lib/targets.ts';
import { deployStack, stackName } from '../../simulator/aws/stack.ts';
import { deployTemplate } from '../../simulator/iam/template.ts';
import { copyProject, maxPackagingMs } from '../../simulator/packaged.ts';

const account = '210987654321';

/** Targets of which everything is different, with their keys under the stage's prefix. */
const targetsOf = (count: number, region: string): string =>
  JSON.stringify({
    targets: Array.from({ length: count }, (_, index) => ({
      name: `target-${index}`,
      ecr: { region, repositories: [`team/worker-${index}`] },
      runpod: { apiKey: `ssm:/runpod-ecr-refresh/production/target-${index}/api-key`, registry: `credential${index}` },
    })),
  });

/** IAM counts characters without white space: "IAM and AWS STS quotas". */
const charactersOf = (documents: readonly unknown[]): number =>
  documents.reduce<number>((sum, document) => sum + JSON.stringify(document).length, 0);
const textsOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
const recordOf = (value: unknown): Record<string, unknown> => ({ ...(typeof value === 'object' ? value : {}) });

describe('the template that is packaged for targets of which everything is different', () => {
  it.each([
    [1, 'us-east-1', 'aws'],
    [100, 'us-east-1', 'aws'],
    [1000, 'us-east-1', 'aws'],
    [800, 'us-gov-west-1', 'aws-us-gov'], // its ARNs are longer: about 860 repositories fit
  ])(
    'is within every quota of AWS for %i of them in %s',
    (count, region, partition) => {
      const project = copyProject(targetsOf(count, region));
      try {
        const { template } = project.packageStack('--stage', 'production', '--region', region);
        // "CloudFormation quotas", as far as a template meets them; it is sent without white space.
        expect(JSON.stringify(template).length).toBeLessThanOrEqual(1_000_000);
        expect(Object.keys(template.Resources).length).toBeLessThanOrEqual(500);
        expect(Object.keys(template.Outputs).length).toBeLessThanOrEqual(200);

        const stackName = 'runpod-ecr-refresh-production';
        const stack = deployTemplate(template, { account, region, partition, stackName });
        const all = [...stack.resources.values()];
        const managed = all.filter(({ type }) => type === 'AWS::IAM::ManagedPolicy');
        // "IAM and AWS STS quotas"
        for (const { ref, properties } of all.filter(({ type }) => type === 'AWS::IAM::Role')) {
          const attached = all.filter(
            (each) => each.type === 'AWS::IAM::Policy' && textsOf(each.properties.Roles).includes(ref),
          );
          const inline = [
            ...(Array.isArray(properties.Policies) ? properties.Policies : []),
            ...attached.map((each) => each.properties),
          ];
          expect(charactersOf(inline.map((each) => recordOf(each).PolicyDocument))).toBeLessThanOrEqual(10_240);
          expect(charactersOf([properties.AssumeRolePolicyDocument])).toBeLessThanOrEqual(2048);
          expect(managed.filter((each) => textsOf(each.properties.Roles).includes(ref)).length).toBeLessThanOrEqual(10);
          expect(ref.length).toBeLessThanOrEqual(64);
        }
        for (const { properties } of managed) {
          expect(charactersOf([properties.PolicyDocument])).toBeLessThanOrEqual(6144);
        }
        // "Amazon EventBridge quotas" and "Lambda quotas"
        for (const { properties } of all.filter(({ type }) => type === 'AWS::Events::Rule')) {
          if (properties.EventPattern === undefined) continue;
          expect(JSON.stringify(properties.EventPattern).length).toBeLessThanOrEqual(2048);
        }
        for (const { ref, properties } of all.filter(({ type }) => type === 'AWS::Lambda::Function')) {
          expect(ref.length).toBeLessThanOrEqual(64);
          expect(JSON.stringify(recordOf(properties.Environment).Variables ?? {}).length).toBeLessThanOrEqual(4096);
        }
        // What the roles name are the targets' own repositories, all of them.
        const pulled = stack.roles
          .filter(({ logicalId }) => logicalId === 'FetchTokenRole')
          .flatMap(({ policies }) => policies.flatMap(({ policy }) => policy.Statement))
          .filter(({ Action = [] }) => Action.includes('ecr:BatchGetImage'))
          .flatMap(({ Resource = [] }) => Resource);
        expect(new Set(pulled).size).toBe(count);
      } finally {
        project.remove();
      }
    },
    maxPackagingMs,
  );
});

describe('the embedded stack', () => {
  it(
    'has the roles, and the rule of pushes, that packaging the same targets.yml makes',
    () => {
      const targets = targetsOf(200, 'us-east-1');
      const project = copyProject(targets);
      try {
        const place = { account, region: 'us-east-1', partition: 'aws' };
        const packaged = deployTemplate(project.packageStack('--stage', 'dev').template, { ...place, stackName });
        const embedded = deployStack(parseTargets(targets), place);
        expect(embedded.roles).toEqual(packaged.roles);
        const [one, other] = [embedded, packaged].map(({ resources }) => resources.get('PushRule')?.properties);
        expect(one).toEqual(other);
      } finally {
        project.remove();
      }
    },
    maxPackagingMs,
  );
});
