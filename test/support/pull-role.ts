import { deployTemplate } from '../../simulator/iam/template.ts';
import type { World } from '../../simulator/world.ts';
import { account, region } from '../../simulator/world.ts';
import { readExample } from './example-template.ts';

/** Another account, which holds images, and the role that it deploys for this stack: infra/examples/cross-account-role.yml. */
export const pullRole = {
  account: '210987654321',
  arn: 'arn:aws:iam::210987654321:role/runpod-pull',
  externalId: 'only-you-two',
} as const;

/** Targets of which one pulls from that account by its role. */
export const crossAccountTargets = `
targets:
  - name: production
    ecr: { region: ${region} }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d }
  - name: elsewhere
    ecr: { region: ${region}, roleArn: "${pullRole.arn}", externalId: ${pullRole.externalId} }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 7p3m9w5e }
`;

/** Deploys that role. */
export const deployPullRole = (world: World, parameters: Readonly<Record<string, string>> = {}): void =>
  world.addRolesOf(
    deployTemplate(readExample('cross-account-role.yml'), {
      account: pullRole.account,
      region,
      partition: 'aws',
      stackName: 'runpod-pull',
      parameters: { TrustedAccount: account, ExternalId: pullRole.externalId, ...parameters },
    }),
  );
