import type { Endpoint } from '../../functions/lib/runpod/management.ts';
import { repositoryPattern, type Target } from '../../functions/lib/targets.ts';
import { UsageError } from '../../stack/failure.ts';
import type { RunpodCredential } from '../runpod.ts';
import { plain } from '../terminal.ts';
import { type Conversation, LeftOutError, newCredential } from './conversation.ts';
import {
  describeCredential,
  describeHurt,
  type EcrEndpoint,
  type FindHurt,
  findAdoptable,
  listRepositories,
  nameOf,
} from './endpoints.ts';
import type { FoundRegistry } from './scope.ts';

/** What there is at Runpod. */
export interface RunpodView {
  readonly credentials: readonly RunpodCredential[];
  readonly endpoints: readonly Endpoint[];
  /** The targets of targets.yml by their credentials. */
  readonly keptBy: ReadonlyMap<string, Target>;
}

/** @throws {UsageError} --credential names what there is not, or what is no matter of setup's */
export const requireCredentials = (
  registries: readonly FoundRegistry[],
  { credentials, keptBy }: RunpodView,
  { options: { credential: chosen = [], name, target } }: Conversation,
): void => {
  for (const id of chosen) {
    if (id === newCredential) continue;
    if (!credentials.some((each) => each.id === id)) {
      throw new UsageError(
        `--credential: expected ${newCredential} or one of ${credentials.map((each) => each.id).join(', ')}, found ${JSON.stringify(id)}.`,
      );
    }
    const owner = keptBy.get(id);
    if (owner !== undefined && owner.name !== (name ?? target)) {
      throw new UsageError(
        `--credential: ${id} is kept fresh by target ${owner.name} already. Set that one up with --name ${owner.name}.`,
      );
    }
    const isUsed = registries.some(({ endpoints }) => endpoints.some(({ registry }) => registry === id));
    if (registries.length > 1 && !isUsed) {
      throw new UsageError(
        `--credential: no endpoint of these registries uses ${id}. Say for which registry it is to be: --image-registry ${registries.map(({ host }) => host).join(' or ')}.`,
      );
    }
  }
};

/** What is asked of one registry's credentials. */
interface CredentialQuestion extends RunpodView {
  readonly registry: FoundRegistry;
  /** The credential that an earlier setup has created for it. */
  readonly begun: string | undefined;
  /** Whether setup is about one target alone. */
  readonly isOfOne: boolean;
  /** Whether setup is about no other registry. */
  readonly isOnly: boolean;
  readonly findHurt: FindHurt;
}

/**
 * The credentials that are to be kept fresh and are not yet: some that there are, or a new one, which comes first. One that
 * others need is never taken by itself.
 *
 * @throws {LeftOutError} none is wanted
 */
export const chooseCredentials = async (
  { registry, begun, isOfOne, isOnly, findHurt, credentials, endpoints, keptBy }: CredentialQuestion,
  { options, ask }: Conversation,
): Promise<readonly string[]> => {
  const free = credentials.filter(({ id }) => !keptBy.has(id));
  const found = [...(begun === undefined ? [] : [begun]), ...(await findAdoptable(registry, free, findHurt))];
  const adoptable = [...new Set(found)];
  const isUsedHere = (id: string): boolean => registry.endpoints.some((each) => each.registry === id);
  const chosen = async (): Promise<readonly string[]> => {
    if (options.credential !== undefined) {
      return options.credential
        .filter((id) => !keptBy.has(id) && (id === newCredential || isOnly || isUsedHere(id)))
        .map((id) => (id === newCredential ? (begun ?? id) : id));
    }
    if (registry.targets.length > 0 && (isOfOne || adoptable.length === 0)) return [];
    const usual = adoptable.length === 0 ? [newCredential] : adoptable.slice(0, isOfOne ? 1 : undefined);
    if (free.length === 0) return usual;
    const choices = [
      ...free.map((each) => ({
        value: each.id,
        name: plain(describeCredential(each, endpoints, registry.host)),
        short: each.id,
      })),
      { value: newCredential, name: 'a new one, with a fresh token', short: 'a new one' },
    ];
    return ask.pick(
      `Which Runpod credentials to keep fresh for ${registry.account}, ${registry.region}?`,
      choices,
      usual,
    );
  };
  const wanted = await chosen();
  for (const id of wanted) {
    const hurt = id === newCredential || options.yes !== true ? [] : await findHurt(id, registry.host);
    if (hurt.length > 0) {
      throw new UsageError(
        plain(
          `--credential: ${id} holds the login of ${describeHurt(hurt)}, not from ${registry.host}. Each refresh would overwrite that login, which nobody can read back. Nothing was changed. Take --credential ${newCredential}, or give those endpoints a credential of their own first.`,
        ),
      );
    }
  }
  if (wanted.length === 0 && registry.targets.length === 0) {
    throw new LeftOutError(`no credential was selected for its registry, ${registry.host}`);
  }
  return wanted.toSorted((one, other) => Number(other === newCredential) - Number(one === newCredential));
};

/**
 * @param users endpoints for which one is selected already, as an earlier setup may have done that was cut off
 * @throws {UsageError} --endpoint names what no credential can be selected for
 */
export const requireEndpoints = (
  candidates: readonly EcrEndpoint[],
  users: readonly EcrEndpoint[],
  { options }: Conversation,
): void => {
  const unknown = options.endpoint?.find((id) => ![...candidates, ...users].some((each) => each.id === id));
  if (unknown === undefined) return;
  throw new UsageError(
    `--endpoint: expected ids of endpoints that pull from this registry with another credential (${candidates.map(({ id }) => id).join(', ') || 'there are none'}), found ${JSON.stringify(unknown)}.`,
  );
};

/**
 * The endpoints for which a credential is yet to be selected.
 *
 * @param credential what to call it
 */
export const chooseEndpoints = async (
  candidates: readonly EcrEndpoint[],
  credential: string,
  { options, ask }: Conversation,
): Promise<readonly EcrEndpoint[]> => {
  if (options.endpoint !== undefined) return candidates.filter(({ id }) => options.endpoint?.includes(id));
  if (candidates.length === 0) return [];
  return ask.pick(
    `Which endpoints get ${credential}? (a release replaces their workers)`,
    candidates.map((value) => ({
      value,
      name: plain(`${nameOf(value)}, which uses ${value.registry ?? 'none'}: ${value.image}`),
      short: plain(nameOf(value)),
    })),
    candidates.filter(({ registry }) => registry === null),
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
