import { defined } from '../../functions/lib/defined.ts';
import { parseEcrHost, partitionOf } from '../../functions/lib/ecr/host.ts';
import type { Endpoint } from '../../functions/lib/runpod/management.ts';
import { repositoryPattern, roleArnPattern, type Target, targetNamePattern } from '../../functions/lib/targets.ts';
import { UsageError } from '../../stack/failure.ts';
import type { RunpodCredential } from '../runpod.ts';
import { plain } from '../terminal.ts';
import { type Conversation, newCredential } from './conversation.ts';
import {
  describeCredential,
  describeHurt,
  type EcrEndpoint,
  type FindHurt,
  listRepositories,
  mostUsed,
  nameOf,
} from './endpoints.ts';

/** The target to set up: one of targets.yml, or a new one. */
export const chooseTarget = async (
  targets: readonly Target[],
  { options: { name, target }, ask }: Conversation,
): Promise<{ readonly name: string; readonly existing: Target | undefined }> => {
  const usual = targets[0]?.name ?? 'production';
  const chosen =
    name ??
    target ??
    (targets.length < 2
      ? usual
      : await ask.choose(
          'Which target?',
          targets.map((each) => ({ value: each.name, name: `${each.name}, credential ${each.runpod.registry}` })),
          usual,
        ));
  if (!targetNamePattern.test(chosen)) {
    throw new UsageError(`--name: expected a–z, 0–9 and - (at most 32), found ${JSON.stringify(chosen)}.`);
  }
  return { name: chosen, existing: targets.find((each) => each.name === chosen) };
};

/** How to make the role that mints in another account, to be copied as it stands. */
const roleCommand = (account: string, region: string, { caller: { stage }, identity }: Conversation): string =>
  [
    'aws cloudformation deploy --stack-name runpod-pull --capabilities CAPABILITY_NAMED_IAM \\',
    `  --template-file infra/examples/cross-account-role.yml --region ${region} \\`,
    `  --parameter-overrides TrustedAccount=${identity.account} Stage=${stage} ExternalId=runpod-ecr-refresh-${account}`,
  ].join('\n');

/** The ECR registry whose images the target's endpoints pull. */
export const chooseEcr = async (
  endpoints: readonly EcrEndpoint[],
  conversation: Conversation,
): Promise<Target['ecr']> => {
  const { options, ask, caller, identity, print } = conversation;
  const own = `${identity.account}.dkr.ecr.${caller.region}.amazonaws.com`;
  const hosts = [...new Set(endpoints.map(({ host }) => host))];
  const [first] = hosts;
  const host =
    options.imageRegistry ??
    (first === undefined || hosts.length === 1
      ? (first ?? own)
      : await ask.choose(
          'Which ECR registry?',
          hosts.map((value) => ({
            value,
            name: `${value}, used by ${endpoints
              .filter((each) => each.host === value)
              .map(nameOf)
              .join(', ')}`,
          })),
          first,
        ));
  const parsed = parseEcrHost(host);
  if (parsed === undefined) {
    throw new UsageError(
      `--image-registry: expected the host name of an ECR registry, such as ${own}, found ${JSON.stringify(host)}.`,
    );
  }
  if (parsed.account === identity.account && options.roleArn === undefined) return { region: parsed.region };
  if (options.roleArn === undefined) {
    print(
      `The images are in account ${parsed.account}; you are in ${identity.account}. A role there must mint the token (docs/cross-account.md). With credentials of ${parsed.account}, create it:\n\n${roleCommand(parsed.account, parsed.region, conversation)}\n\nIt is then arn:${partitionOf(parsed.region)}:iam::${parsed.account}:role/runpod-pull, and its --external-id runpod-ecr-refresh-${parsed.account}.`,
    );
  }
  const isRole = (typed: string): boolean | string =>
    roleArnPattern.test(typed) || 'Such as arn:aws:iam::123456789012:role/runpod-pull';
  const roleArn = options.roleArn ?? (await ask.text('ARN of that role:', '--role-arn', isRole));
  if (!roleArnPattern.test(roleArn)) {
    throw new UsageError(
      `--role-arn: expected the ARN of a role, such as arn:aws:iam::123456789012:role/runpod-pull, found ${JSON.stringify(roleArn)}.`,
    );
  }
  const { externalId } = options;
  return {
    region: parsed.region,
    registryId: parsed.account,
    roleArn,
    ...defined({ externalId }),
  };
};

/** What there is at Runpod, seen from one ECR registry. */
interface RegistryView {
  readonly credentials: readonly RunpodCredential[];
  readonly endpoints: readonly Endpoint[];
  /** The endpoints whose images are this registry's. */
  readonly ours: readonly EcrEndpoint[];
  /** The registry's host name. */
  readonly host: string;
  readonly findHurt: FindHurt;
}

/** The credential to keep fresh: one that there is, or a new one. One that others need is never taken by itself. */
export const chooseCredential = async (
  { credentials, endpoints, ours, host, findHurt }: RegistryView,
  begun: string | undefined,
  { options, ask }: Conversation,
): Promise<string> => {
  const usual = begun ?? (await mostUsed(ours, credentials, findHurt)) ?? newCredential;
  const choices = [
    ...credentials.map((each) => ({ value: each.id, name: plain(describeCredential(each, endpoints, host)) })),
    { value: newCredential, name: 'a new one, with a fresh token' },
  ];
  const chosen =
    options.credential ??
    (credentials.length === 0
      ? newCredential
      : await ask.choose('Which Runpod credential is to be kept fresh?', choices, usual));
  if (!choices.some(({ value }) => value === chosen)) {
    throw new UsageError(
      `--credential: expected ${newCredential} or one of ${credentials.map(({ id }) => id).join(', ')}, found ${JSON.stringify(chosen)}.`,
    );
  }
  const hurt = chosen === newCredential ? [] : await findHurt(chosen);
  if (hurt.length > 0 && options.yes === true) {
    throw new UsageError(
      plain(
        `--credential: ${chosen} holds the login of ${describeHurt(hurt)}, not from ${host}. Each refresh would overwrite that login, which nobody can read back. Nothing was changed. Take --credential ${newCredential}, or give those endpoints a credential of their own first.`,
      ),
    );
  }
  return chosen;
};

/** The endpoints for which the credential is yet to be selected. */
export const chooseEndpoints = async (
  candidates: readonly EcrEndpoint[],
  { options, ask }: Conversation,
): Promise<readonly EcrEndpoint[]> => {
  const unknown = options.endpoint?.find((id) => !candidates.some((each) => each.id === id));
  if (unknown !== undefined) {
    throw new UsageError(
      `--endpoint: expected ids of endpoints that pull from this registry with another credential (${candidates.map(({ id }) => id).join(', ') || 'there are none'}), found ${JSON.stringify(unknown)}.`,
    );
  }
  if (options.endpoint !== undefined) return candidates.filter(({ id }) => options.endpoint?.includes(id));
  if (candidates.length === 0) return [];
  const without = candidates.filter(({ registry }) => registry === null);
  return ask.pick(
    'Which endpoints are to use it? (a new release replaces their workers)',
    candidates.map((value) => ({
      value,
      name: plain(`${nameOf(value)}, which uses ${value.registry ?? 'none'}: ${value.image}`),
    })),
    without,
  );
};

/** An ECR repository to create, where the registry has none of the kind; `undefined` for none. */
export const chooseRepository = async (
  region: string,
  { options, caller, ask, terminal }: Conversation,
): Promise<string | undefined> => {
  const wanted = options.repository;
  if (wanted !== undefined && !repositoryPattern.test(wanted)) {
    throw new UsageError(`--repository: expected a name such as team/worker, found ${JSON.stringify(wanted)}.`);
  }
  const repositories = await listRepositories(caller, region);
  if (wanted !== undefined) return repositories?.includes(wanted) === true ? undefined : wanted;
  const mayOffer = repositories?.length === 0 && terminal.isInteractive && options.yes !== true;
  if (!mayOffer || !(await ask.confirm(`There is no ECR repository in ${region}. Create one?`))) return undefined;
  const isName = (typed: string): boolean | string => repositoryPattern.test(typed) || 'Such as team/worker';
  return ask.text('Its name:', '--repository', isName, 'worker');
};
