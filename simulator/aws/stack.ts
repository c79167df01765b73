import type { Target } from '../../functions/lib/targets.ts';
import {
  describePermissions,
  hasCanaryPods,
  hasRollouts,
  keyPermissions,
  mintPermissions,
  podKeyPermissions,
  pushDetail,
  rolloutKeyPermissions,
  type TargetPermissions,
} from '../../infra/permissions.ts';
import { withoutUnused } from '../../infra/without-unused.ts';
import { isRecord, type Place } from '../iam/names.ts';
import { type DeployedStack, deployTemplate } from '../iam/template.ts';
import { packagedStage, packagedTemplate, type Template } from '../packaged.ts';

/** The stage that the commands take unless they are told another. */
const stage = 'dev';
/** The embedded stack's name. */
export const stackName = `runpod-ecr-refresh-${stage}`;

let staged: Template | undefined;

/** The packaged template, with the stage's name in place of the one that it was packaged for. */
const templateOfStage = (): Template => {
  staged ??= JSON.parse(JSON.stringify(packagedTemplate()).replaceAll(packagedStage, stage)) as Template;
  return staged;
};

/** A role's policy with other statements, where it is one that follows targets.yml. */
const withStatements = (policy: unknown, statements: ReadonlyMap<unknown, readonly object[]>): unknown => {
  if (!isRecord(policy)) return policy;
  const Statement = statements.get(policy.PolicyName);
  return Statement === undefined ? policy : { ...policy, PolicyDocument: { Version: '2012-10-17', Statement } };
};

/** What a deploy of these targets makes of the packaged template: roles and pushes follow targets.yml, and nothing else does. */
const templateFor = (targets: readonly Target[], region: string): Template => {
  const used = { hasRollouts: hasRollouts(targets), hasCanaryPods: hasCanaryPods(targets) };
  const template = withoutUnused(templateOfStage(), used);
  const place = { stage, region };
  const permissions: Record<string, TargetPermissions> = {
    'read-api-keys': keyPermissions(targets, place),
    'mint-token': mintPermissions(targets, place),
    'describe-images': describePermissions(targets, place),
    'read-rollout-keys': rolloutKeyPermissions(targets, place),
    'read-pod-keys': podKeyPermissions(targets, place),
  };
  const statements = new Map<unknown, readonly object[]>(
    Object.entries(permissions).map(([name, each]) => [name, each.statements]),
  );
  const resources: Template['Resources'] = {};
  for (const [id, resource] of Object.entries(template.Resources)) {
    if (resource.Type === 'AWS::IAM::ManagedPolicy') continue;
    // An account's own boundary is a policy that nobody here knows.
    const { PermissionsBoundary: _, ...properties } = resource.Properties;
    const { Policies, EventPattern } = properties;
    resources[id] = {
      ...resource,
      Properties: {
        ...properties,
        ...(Array.isArray(Policies) ? { Policies: Policies.map((each) => withStatements(each, statements)) } : {}),
        ...(id === 'PushRule' && isRecord(EventPattern)
          ? { EventPattern: { ...EventPattern, detail: pushDetail(targets) } }
          : {}),
      },
    };
  }
  const policies = Object.values(permissions).map(({ managedPolicies }) => managedPolicies);
  return { ...template, Resources: Object.assign(resources, ...policies) };
};

const deployed = new Map<string, DeployedStack>();

/** The packaged stack as it is deployed for these targets. */
export const deployStack = (targets: readonly Target[], place: Place): DeployedStack => {
  const key = JSON.stringify([targets, place]);
  const stack = deployed.get(key) ?? deployTemplate(templateFor(targets, place.region), { ...place, stackName });
  deployed.set(key, stack);
  return stack;
};
