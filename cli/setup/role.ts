import { defined } from '../../functions/lib/defined.ts';
import { partitionOf } from '../../functions/lib/ecr/host.ts';
import { roleArnPattern, type Target } from '../../functions/lib/targets.ts';
import { UsageError } from '../../stack/failure.ts';
import { placeOptions } from '../../stack/stack.ts';
import { wrap } from '../terminal.ts';
import type { Answer } from './ask-together.ts';
import { type Conversation, LeftOutError } from './conversation.ts';
import { mintForSetup, type SetupToken } from './mint.ts';
import type { FoundRegistry } from './scope.ts';

/** The template that makes the role, and how. */
interface ExampleRole {
  readonly arn: string;
  readonly externalId: string;
  /** What creates it, to be copied as it stands. */
  readonly command: string;
}

/** A session is named by its role: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html */
const trustedArnOf = (arn: string): string =>
  arn.replace(/^(arn:[^:]+):sts:(:\d{12}):assumed-role\/([^/]+)\/.*$/, '$1:iam:$2:role/*$3');

const exampleRoleOf = (
  { account, region }: Pick<FoundRegistry, 'account' | 'region'>,
  { caller: { stage }, identity }: Conversation,
): ExampleRole => {
  const externalId = `runpod-ecr-refresh-${account}`;
  return {
    arn: `arn:${partitionOf(region)}:iam::${account}:role/runpod-pull`,
    externalId,
    command: [
      `aws cloudformation deploy --stack-name runpod-pull --region ${region} \\`,
      '  --capabilities CAPABILITY_NAMED_IAM \\',
      '  --template-file infra/examples/cross-account-role.yml \\',
      `  --parameter-overrides TrustedAccount=${identity.account} Stage=${stage} \\`,
      `    ExternalId=${externalId} \\`,
      `    'AlsoTrusts=${trustedArnOf(identity.arn)}'`,
    ].join('\n'),
  };
};

const isRole = (typed: string): boolean | string =>
  roleArnPattern.test(typed) || 'Such as arn:aws:iam::123456789012:role/runpod-pull';

/** How tokens of a registry are minted where nobody need be asked: of one's own account by the stack's own role. */
export const ownEcrOf = (
  { account, region }: FoundRegistry,
  { options, identity }: Conversation,
): Target['ecr'] | undefined =>
  account === identity.account && options.roleArn === undefined ? { region } : undefined;

/**
 * How tokens of a registry are minted: by the stack's own role, or, for another account, by a role there.
 *
 * @param isOnly whether setup is about no other registry
 * @throws {LeftOutError} there is no such role yet
 */
export const chooseEcr = async (
  registry: FoundRegistry,
  isOnly: boolean,
  conversation: Conversation,
): Promise<Target['ecr']> => {
  const { options, ask, caller, identity, terminal, print } = conversation;
  const { account, region, host } = registry;
  const own = ownEcrOf(registry, conversation);
  if (own !== undefined) return own;
  if (options.roleArn !== undefined) {
    if (!roleArnPattern.test(options.roleArn)) {
      throw new UsageError(
        `--role-arn: expected the ARN of a role, such as arn:aws:iam::123456789012:role/runpod-pull, found ${JSON.stringify(options.roleArn)}.`,
      );
    }
    const { roleArn, externalId } = options;
    return { region, registryId: account, roleArn, ...defined({ externalId }) };
  }
  const example = exampleRoleOf(registry, conversation);
  const printWrapped = (line: string): void => print(wrap(line, terminal.columns(), ''));
  printWrapped(
    `\nThe images of ${host} are in account ${account}; you are in ${identity.account}. A role there must mint the token, by the template infra/examples/cross-account-role.yml (docs/cross-account.md). With credentials of ${account}, create it:`,
  );
  print(`\n${example.command}\n`);
  printWrapped(
    `It is then ${example.arn}, with the external id ${example.externalId}. AlsoTrusts lets you try it now, and is left out where only the stack is to use it.\n`,
  );
  const later = `npm run setup -- --image-registry ${host} --role-arn ${example.arn} --external-id ${example.externalId} ${placeOptions(caller)}`;
  if (options.yes === true && isOnly) {
    throw new UsageError(
      `--role-arn: expected the role of account ${account} that mints, and nobody can be asked here. Create one, then ${later}`,
    );
  }
  const leave = new LeftOutError(
    `it is of account ${account}, and no role there is known that mints: create one (docs/cross-account.md), then ${later}`,
  );
  if (options.yes === true) throw leave;
  const which = await ask.choose(
    `Which role of account ${account} mints?`,
    [
      { value: 'example', name: `${example.arn}, by the command above`, short: 'runpod-pull' },
      { value: 'other', name: 'another role' },
      { value: 'none', name: 'none yet: leave this registry out' },
    ],
    'example',
  );
  if (which === 'none') throw leave;
  const roleArn = which === 'example' ? example.arn : await ask.text('ARN of that role:', '--role-arn', isRole);
  const isId = (typed: string): boolean | string =>
    /^(?:-|[\w+=,.@:/-]{2,1224})$/.test(typed) || '2 to 1224 of letters, digits and +=,.@:/-';
  const typed = await ask.text('External id that it asks for (- for none):', '--external-id', isId, example.externalId);
  return { region, registryId: account, roleArn, ...defined({ externalId: typed === '-' ? undefined : typed }) };
};

/**
 * Mints a token as every run does: by the target's role, where it names one.
 *
 * @param asked the answer, where it has been asked already
 * @returns `undefined` where the role cannot be assumed from here, which it need not
 * @throws {LeftOutError} whoever is asked leaves the registry out
 */
export const tryMinting = async (
  ecr: Target['ecr'],
  isNew: boolean,
  conversation: Conversation,
  asked?: Answer<SetupToken | undefined>,
): Promise<SetupToken | undefined> => {
  const { ask, options, terminal, print } = conversation;
  const how = ecr.roleArn === undefined ? '' : `, by role ${ecr.roleArn}`;
  const mint = () =>
    terminal.during(
      `asking ECR in ${ecr.region} for a token that may only pull${how}`,
      mintForSetup(ecr, conversation),
    );
  for (let isFirst = true; ; isFirst = false) {
    const token = isFirst && asked !== undefined ? asked() : await mint();
    if (token !== undefined) {
      if (ecr.roleArn !== undefined) print(`${terminal.paint('green', '✓')} ${ecr.roleArn} mints a token.`);
      return token;
    }
    print(
      wrap(
        `! ${ecr.roleArn} cannot be assumed from here. AWS does not say which it is: it is not there, asks for another external id, or trusts the stack's fetch-token role alone (docs/cross-account.md), which no command can take. Untried now, it is tried by the first run.`,
        terminal.columns(),
        '  ',
      ),
    );
    if (!isNew || options.yes === true) return undefined;
    const next = await ask.choose(
      'What now?',
      [
        { value: 'again', name: 'try it again' },
        { value: 'untried', name: 'go on, and let the first run try it' },
        { value: 'leave', name: 'leave this registry out' },
      ],
      'again',
    );
    if (next === 'untried') return undefined;
    if (next === 'leave') throw new LeftOutError(`its role, ${ecr.roleArn}, could not be assumed`);
  }
};
