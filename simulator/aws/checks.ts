import * as z from 'zod/mini';
import { type AuthorizationCheck, type EncryptionContext, operations } from '../iam/authorization.ts';
import { isRecord, type Place } from '../iam/names.ts';

/** What a request to AWS says, in whichever protocol. */
export type AwsInput = Readonly<Record<string, unknown>>;

/** What an operation is authorized by beyond what its request says: who holds which key. */
export interface AwsResources {
  /** The key under which a machine's executions are. */
  readonly machineKeyArn: () => string | undefined;
  /** A topic's key. */
  readonly keyOfTopic: (topicArn: string) => string | undefined;
  /** The customer's key of a parameter or a secret. */
  readonly keyOfSecret: (name: string) => string | undefined;
  /** A table's key. */
  readonly keyOfTable: (tableArn: string) => string | undefined;
  /** The key that made a data key. */
  readonly keyOfCiphertext: (ciphertext: string) => string;
}

type Checks = (input: AwsInput, place: Place, resources: AwsResources) => readonly AuthorizationCheck[];

const text = (value: unknown): string => String(value ?? '');
const fieldOf = (record: unknown, key: string): unknown => (isRecord(record) ? record[key] : undefined);
const contextOf = (value: unknown): EncryptionContext =>
  Object.fromEntries(Object.entries(value ?? {}).map(([key, each]) => [key, String(each)]));

const onExecution =
  (operation: 'describeExecution' | 'getExecutionHistory'): Checks =>
  ({ executionArn, includedData }, place, { machineKeyArn }) =>
    operations[operation].checks(
      {
        executionArn: text(executionArn),
        keyArn: machineKeyArn(),
        ...(typeof includedData === 'string' ? { includedData } : {}),
      },
      place,
    );

/** A customer's key has an ARN; AWS's own is named by its alias. */
const customerKeyOf = (keyId: unknown): string | undefined =>
  typeof keyId === 'string' && keyId.startsWith('arn:') ? keyId : undefined;

/** DynamoDB's condition keys name the partitions that a request touches. */
const onTable =
  (action: `dynamodb:${string}`): Checks =>
  ({ TableName, Key, Item, ExpressionAttributeValues: values }, place, { keyOfTable }) => {
    const tableArn = `arn:${place.partition}:dynamodb:${place.region}:${place.account}:table/${text(TableName)}`;
    const partition = z.safeParse(
      z.object({ S: z.string() }),
      fieldOf(Key ?? Item, 'kind') ?? fieldOf(values, ':kind'),
    );
    const leadingKeys = partition.success ? [partition.data.S] : [];
    return operations.useTable.checks({ action, tableArn, leadingKeys, keyArn: keyOfTable(tableArn) }, place);
  };

const repositoryOf = ({ registryId, repositoryName }: AwsInput, place: Place): { readonly repositoryArn: string } => ({
  repositoryArn: repositoryArnOf(text(registryId) || place.account, text(repositoryName), place),
});

/** What each operation of the embedded AWS that a role of the stack may call is authorized by. */
const checksByOperation: Readonly<Record<string, Checks>> = {
  'states:StartExecution': ({ stateMachineArn }, place) =>
    operations.startExecution.checks({ stateMachineArn: text(stateMachineArn) }, place),
  'states:DescribeExecution': onExecution('describeExecution'),
  'states:GetExecutionHistory': onExecution('getExecutionHistory'),
  'states:ListExecutions': ({ stateMachineArn, mapRunArn }, place) =>
    typeof mapRunArn === 'string'
      ? [{ action: 'states:ListExecutions', resource: mapRunArn, context: {} }]
      : operations.listExecutions.checks({ stateMachineArn: text(stateMachineArn) }, place),
  'states:ListMapRuns': ({ executionArn }, place) =>
    operations.listMapRuns.checks({ executionArn: text(executionArn) }, place),
  'kms:GenerateDataKey': ({ KeyId, EncryptionContext: context }, place) =>
    operations.generateDataKey.checks({ keyArn: text(KeyId), encryptionContext: contextOf(context) }, place),
  'kms:Decrypt': ({ CiphertextBlob, EncryptionContext: context }, place, { keyOfCiphertext }) =>
    operations.decrypt.checks(
      { keyArn: keyOfCiphertext(text(CiphertextBlob)), encryptionContext: contextOf(context) },
      place,
    ),
  'ssm:GetParameter': ({ Name }, place, { keyOfSecret }) =>
    operations.getParameter.checks({ name: text(Name), keyArn: keyOfSecret(text(Name)) }, place),
  'ssm:PutParameter': ({ Name, KeyId }, place) =>
    operations.putParameter.checks({ name: text(Name), keyArn: customerKeyOf(KeyId) }, place),
  'ssm:DeleteParameter': ({ Name }, place) => operations.deleteParameter.checks({ name: text(Name) }, place),
  'ssm:GetParameterHistory': ({ Name, WithDecryption }, place, { keyOfSecret }) =>
    operations.getParameterHistory.checks(
      { name: text(Name), keyArn: WithDecryption === true ? keyOfSecret(text(Name)) : undefined },
      place,
    ),
  // Secrets Manager appends a hyphen and six characters to a secret's name: "What's in a Secrets Manager secret?"
  'secretsmanager:GetSecretValue': ({ SecretId }, place, { keyOfSecret }) => {
    const { account, region, partition } = place;
    const id = text(SecretId);
    const secretArn = id.startsWith('arn:')
      ? id
      : `arn:${partition}:secretsmanager:${region}:${account}:secret:${id}-AbCdEf`;
    return operations.getSecretValue.checks({ secretArn, keyArn: keyOfSecret(id) }, place);
  },
  'dynamodb:GetItem': onTable('dynamodb:GetItem'),
  'dynamodb:PutItem': onTable('dynamodb:PutItem'),
  'dynamodb:DeleteItem': onTable('dynamodb:DeleteItem'),
  'dynamodb:Query': onTable('dynamodb:Query'),
  'ecr:GetAuthorizationToken': (input, place) => operations.getAuthorizationToken.checks(input, place),
  'ecr:DescribeImages': (input, place) => operations.describeImages.checks(repositoryOf(input, place), place),
  // Asked for all of them, it is asked of all: the page has the resource type as optional.
  'ecr:DescribeRepositories': ({ repositoryNames }, place) =>
    (Array.isArray(repositoryNames) ? repositoryNames.map(text) : ['*']).flatMap((name) =>
      operations.describeRepositories.checks({ repositoryArn: repositoryArnOf(place.account, name, place) }, place),
    ),
  'ecr:ListTagsForResource': ({ resourceArn }, place) =>
    operations.listTagsOfRepository.checks({ repositoryArn: text(resourceArn) }, place),
  'ecr:CreateRepository': (input, place) =>
    operations.createRepository.checks(
      { ...repositoryOf(input, place), hasTags: Array.isArray(input.tags) && input.tags.length > 0 },
      place,
    ),
  'ecr:DeleteRepository': (input, place) => operations.deleteRepository.checks(repositoryOf(input, place), place),
  'ecr:BatchDeleteImage': (input, place) => operations.deleteImage.checks(repositoryOf(input, place), place),
  'cloudformation:DescribeStacks': ({ StackName }, place) =>
    operations.describeStack.checks({ stackName: text(StackName) }, place),
  'scheduler:GetSchedule': ({ path }, place) => operations.getSchedule.checks({ name: text(path) }, place),
  'events:DescribeRule': ({ Name }, place) => operations.describeRule.checks({ name: text(Name) }, place),
  'cloudwatch:DescribeAlarms': (input, place) => operations.describeAlarms.checks(input, place),
  'sns:ListSubscriptionsByTopic': ({ TopicArn }, place) =>
    operations.listSubscriptions.checks({ topicArn: text(TopicArn) }, place),
  'sts:GetFederationToken': ({ Name }, place) => operations.getFederationToken.checks({ name: text(Name) }, place),
  'sns:Publish': ({ TopicArn }, place, { keyOfTopic }) =>
    operations.publish.checks({ topicArn: text(TopicArn), keyArn: keyOfTopic(text(TopicArn)) }, place),
  'sts:AssumeRole': ({ RoleArn, ExternalId, RoleSessionName }, place) =>
    operations.assumeRole.checks(
      {
        roleArn: text(RoleArn),
        ...(ExternalId === undefined ? {} : { externalId: text(ExternalId) }),
        ...(RoleSessionName === undefined ? {} : { sessionName: text(RoleSessionName) }),
      },
      place,
    ),
  'sts:GetCallerIdentity': (input, place) => operations.getCallerIdentity.checks(input, place),
};

/** A repository's ARN. */
export const repositoryArnOf = (account: string, name: string, { region, partition }: Place): string =>
  `arn:${partition}:ecr:${region}:${account}:repository/${name}`;

/** What a call is authorized by. Whatever has no row is asked of all resources, which no role of the stack is allowed. */
export const checksOf = (action: string, input: AwsInput, place: Place, resources: AwsResources) =>
  Object.hasOwn(checksByOperation, action) && checksByOperation[action] !== undefined
    ? checksByOperation[action](input, place, resources)
    : [{ action, resource: '*', context: {} }];
