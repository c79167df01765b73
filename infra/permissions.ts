import { partitionOf } from '../functions/lib/ecr/host.ts';
import { ConfigurationError } from '../functions/lib/errors.ts';
import { accountOf, type Target } from '../functions/lib/targets.ts';

/** A CloudFormation value that is put together at deploy time. */
type Sub = { readonly 'Fn::Sub': string };

/** A statement of an IAM policy, as a template writes it. */
export interface PolicyStatement {
  readonly Sid: string;
  readonly Effect: 'Allow';
  readonly Action: readonly string[];
  readonly Resource: ReadonlyArray<Sub | string>;
  readonly Condition?: object;
}

/** What a role may do by targets.yml: what fits the role itself, and the rest in policies of their own. */
export interface TargetPermissions {
  readonly statements: readonly PolicyStatement[];
  /** CloudFormation resources, by logical id. */
  readonly managedPolicies: Readonly<Record<string, object>>;
}

/** Where the stack is deployed. */
export interface StackPlace {
  readonly stage: string;
  readonly region: string;
}

/**
 * IAM's quotas, in characters without white space: a role's inline policies 10,240 together, of which the rest of a role
 * takes less than 2,240; a managed policy 6,144, of which its frame takes less than 244; ten managed policies a role.
 *
 * Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
 */
const maxInlineCharacters = 8000;
const maxManagedCharacters = 5900;
const maxManagedPolicies = 10;

const sub = (text: string): Sub | string => (text.includes('${') ? { 'Fn::Sub': text } : text);

const unique = (texts: readonly string[]): string[] => [...new Set(texts)].sort();

/** Resources of one statement, and what else it says. */
interface Grant {
  readonly sid: string;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
}

const lengthOf = (resource: string, { region }: StackPlace): number =>
  resource
    .replaceAll('${AWS::Partition}', partitionOf(region))
    .replaceAll('${AWS::Region}', region)
    .replaceAll('${AWS::AccountId}', '123456789012').length + '"",'.length;

const statementOf = ({ sid, actions, resources }: Grant): PolicyStatement => ({
  Sid: sid,
  Effect: 'Allow',
  Action: actions,
  Resource: resources.map(sub),
});

/** Cuts grants into documents: the first for the role itself, each of the others for a managed policy. */
const cutToQuotas = (grants: readonly Grant[], place: StackPlace): PolicyStatement[][] => {
  const documents: PolicyStatement[][] = [[]];
  let left = maxInlineCharacters;
  for (const grant of grants) {
    let resources: string[] = [];
    const frame = JSON.stringify(statementOf({ ...grant, resources: [] })).length;
    const finish = (): void => {
      if (resources.length > 0) documents.at(-1)?.push(statementOf({ ...grant, resources }));
      resources = [];
    };
    left -= frame;
    for (const resource of grant.resources) {
      const length = lengthOf(resource, place);
      if (length > left) {
        finish();
        documents.push([]);
        left = maxManagedCharacters - frame;
      }
      resources.push(resource);
      left -= length;
    }
    finish();
  }
  return documents;
};

const grantTo = (
  roles: readonly string[],
  name: string,
  grants: readonly Grant[],
  place: StackPlace,
  remedy: string,
): TargetPermissions => {
  const [inline = [], ...others] = cutToQuotas(grants, place);
  if (others.length > maxManagedPolicies) {
    const count = grants.flatMap(({ resources }) => resources.filter((resource) => resource !== '*')).length;
    throw new ConfigurationError(
      `targets.yml names ${count} different ${name}, more than one IAM role can be allowed (${maxManagedPolicies} managed policies of 6,144 characters). ${remedy}`,
    );
  }
  const id = name.replaceAll(/(?:^|\W+)(\w)/g, (_, letter: string) => letter.toUpperCase());
  return {
    statements: inline,
    managedPolicies: Object.fromEntries(
      others.map((Statement, index) => [
        `${id}Policy${index + 1}`,
        {
          Type: 'AWS::IAM::ManagedPolicy',
          Properties: {
            Description: `${name} of targets.yml, part ${index + 2}`,
            Path: `/runpod-ecr-refresh/${place.stage}/`, // as of the roles, in every-role.cjs
            Roles: roles.map((Ref) => ({ Ref })),
            PolicyDocument: { Version: '2012-10-17', Statement },
          },
        },
      ]),
    ),
  };
};

const namesOf = (keys: readonly string[], store: string): string[] =>
  unique(keys.filter((key) => key.startsWith(`${store}:`)).map((key) => key.slice(store.length + 1)));

const parameterArn = (name: string): string =>
  `arn:\${AWS::Partition}:ssm:\${AWS::Region}:\${AWS::AccountId}:parameter/${name.replace(/^\//, '')}`;

/** Secrets Manager adds six characters to a secret's name; an ARN is complete. */
const secretArn = (name: string): string =>
  name.startsWith('arn:')
    ? name
    : `arn:\${AWS::Partition}:secretsmanager:\${AWS::Region}:\${AWS::AccountId}:secret:${name}-??????`;

/**
 * Keys may be encrypted under a customer's own KMS key, and then whoever reads them must be allowed to decrypt: through the
 * store, and in no other way.
 *
 * Source: https://docs.aws.amazon.com/systems-manager/latest/userguide/secure-string-parameter-kms-encryption.html and
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
 */
const decryptStatement = (stores: readonly string[]): PolicyStatement[] =>
  stores.length === 0
    ? []
    : [
        {
          Sid: 'DecryptApiKeys',
          Effect: 'Allow',
          Action: ['kms:Decrypt'],
          Resource: [sub('arn:${AWS::Partition}:kms:${AWS::Region}:*:key/*')],
          Condition: {
            StringEquals: {
              'kms:ViaService': stores.map((store) => sub(`${store}.\${AWS::Region}.\${AWS::URLSuffix}`)),
            },
          },
        },
      ];

/** Keys that targets.yml names; where they do not fit a role, all under the stage's prefix. */
const permissionsOfKeys = (
  keys: readonly string[],
  roles: readonly string[],
  name: string,
  place: StackPlace,
): TargetPermissions => {
  const prefix = `/runpod-ecr-refresh/${place.stage}/`;
  const parameters = namesOf(keys, 'ssm');
  const secrets = namesOf(keys, 'secretsmanager').map(secretArn);
  const fits = [...parameters.map(parameterArn), ...secrets].reduce((sum, each) => sum + lengthOf(each, place), 0);
  const named =
    fits <= maxInlineCharacters - 500
      ? parameters
      : unique(parameters.map((parameter) => (parameter.startsWith(prefix) ? `${prefix}*` : parameter)));
  const { statements, managedPolicies } = grantTo(
    roles,
    name,
    [
      { sid: 'ReadApiKeys', actions: ['ssm:GetParameter'], resources: named.map(parameterArn) },
      { sid: 'ReadApiKeySecrets', actions: ['secretsmanager:GetSecretValue'], resources: secrets },
    ],
    place,
    `Keep keys in Parameter Store under ${prefix}, which one statement covers however many they are.`,
  );
  const stores = [...(parameters.length > 0 ? ['ssm'] : []), ...(secrets.length > 0 ? ['secretsmanager'] : [])];
  return { statements: [...statements, ...decryptStatement(stores)], managedPolicies };
};

/** Targets of which an endpoint follows something. */
const withRollouts = (targets: readonly Target[]): Target[] =>
  targets.filter(({ endpoints = [] }) => endpoints.some(({ rollout }) => rollout !== undefined));

/** Whether anything is rolled out at all: without, what does it is not in the stack. */
export const hasRollouts = (targets: readonly Target[]): boolean => withRollouts(targets).length > 0;

/** Targets that have a pod pull. */
const withCanaryPods = (targets: readonly Target[]): Target[] =>
  targets.filter(({ canaryPod }) => canaryPod !== undefined);

/** Whether a pod pulls for any target: without, what has it pull is not in the stack. */
export const hasCanaryPods = (targets: readonly Target[]): boolean => withCanaryPods(targets).length > 0;

/** For the role that creates and deletes pods. */
export const podKeyPermissions = (targets: readonly Target[], place: StackPlace): TargetPermissions =>
  permissionsOfKeys(
    withCanaryPods(targets).map(({ runpod: { apiKey, podKey = apiKey } }) => podKey),
    ['CanaryPodRole'],
    'Runpod pod keys',
    place,
  );

/** For the roles that read Runpod keys. */
export const keyPermissions = (targets: readonly Target[], place: StackPlace): TargetPermissions =>
  permissionsOfKeys(
    targets.map(({ runpod: { apiKey } }) => apiKey),
    [
      ...[
        'FindConcernedRole',
        'DiscoverEndpointsRole',
        'UpdateRunpodRole',
        'SubmitCanaryRole',
        'VerifyEndpointPullRole',
      ],
      ...(hasRollouts(targets) ? ['PlanRolloutRole', 'WatchRolloutRole'] : []),
    ],
    'Runpod keys',
    place,
  );

/** For the roles that change endpoints: of targets with rollouts, the keys that may, and those that look. */
export const rolloutKeyPermissions = (targets: readonly Target[], place: StackPlace): TargetPermissions =>
  permissionsOfKeys(
    withRollouts(targets).flatMap(({ runpod: { apiKey, rolloutKey = apiKey } }) => [apiKey, rolloutKey]),
    ['ApplyRolloutRole', 'RollBackRole'],
    'Runpod rollout keys',
    place,
  );

const repositoriesOf = (targets: readonly Target[]): string[] =>
  unique(
    targets.flatMap(({ ecr }) => {
      const account = accountOf({ ecr }, '${AWS::AccountId}');
      const names = ecr.repositories ?? ['*'];
      return names.map((name) => `arn:\${AWS::Partition}:ecr:${ecr.region}:${account}:repository/${name}`);
    }),
  );

const repositoryRemedy =
  'Leave ecr.repositories out of some targets, which allows the whole registry, or deploy them as stages of their own.';

/** For the role that mints: what it may pull is what a token may pull. */
export const mintPermissions = (targets: readonly Target[], place: StackPlace): TargetPermissions => {
  const minted = targets.filter(({ ecr }) => ecr.roleArn === undefined);
  const roles = unique(targets.flatMap(({ ecr }) => (ecr.roleArn === undefined ? [] : [ecr.roleArn])));
  return grantTo(
    ['FetchTokenRole'],
    'ECR repositories and roles',
    [
      // ecr:GetAuthorizationToken knows no narrower resource ("Actions, resources, and condition keys for Amazon ECR").
      { sid: 'MintToken', actions: ['ecr:GetAuthorizationToken'], resources: minted.length > 0 ? ['*'] : [] },
      {
        sid: 'PullImages',
        actions: ['ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'],
        resources: repositoriesOf(minted),
      },
      { sid: 'AssumePullRoles', actions: ['sts:AssumeRole'], resources: roles },
    ],
    place,
    repositoryRemedy,
  );
};

/** For the roles that tell how far behind an image is, and which one is wanted. */
export const describePermissions = (targets: readonly Target[], place: StackPlace): TargetPermissions =>
  grantTo(
    ['VerifyImagePullRole', ...(hasRollouts(targets) ? ['StartRolloutsRole'] : [])],
    'ECR repositories',
    [{ sid: 'DescribeImages', actions: ['ecr:DescribeImages'], resources: repositoriesOf(targets) }],
    place,
    repositoryRemedy,
  );

/** EventBridge takes an event pattern of 2,048 characters: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html */
const maxPatternCharacters = 2048;
/** What the rest of the pattern, its source and its kind, takes at most. */
const patternFrame = 130;

/**
 * Which ECR pushes are worth a run, as the `detail` of an event pattern. Children of an index are pushed without a tag. An
 * image that comes by replication makes no push where it arrives, but a replication: "Amazon ECR events and EventBridge",
 * https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html
 *
 * Repositories matter only where every target says which are its own, and all of them fit.
 */
export const pushDetail = (targets: readonly Target[]): object => {
  const repositories = targets.map(({ ecr }) => ecr.repositories);
  const named = repositories.filter((each) => each !== undefined);
  const any = { 'action-type': ['PUSH', 'REPLICATE'], result: ['SUCCESS'], 'image-tag': [{ 'anything-but': [''] }] };
  const some = { ...any, 'repository-name': unique(named.flat()) };
  const fits = JSON.stringify(some).length + patternFrame <= maxPatternCharacters;
  return named.length === repositories.length && fits ? some : any;
};
