import {
  CredentialNotFoundError,
  EcrAccessDeniedError,
  ImageNotPullableError,
  TokenRejectedError,
} from '../../functions/lib/errors.ts';
import { type Target, targetNamePattern } from '../../functions/lib/targets.ts';
import { chooseCredentials, chooseEndpoints, type RunpodView, requireEndpoints } from './choices.ts';
import { type Conversation, LeftOutError, newCredential } from './conversation.ts';
import type { CredentialUser, EcrEndpoint, FindHurt } from './endpoints.ts';
import { type FoundRunpod, requireUpdates } from './find-runpod.ts';
import type { Journal } from './journal.ts';
import type { SetupToken } from './mint.ts';
import { chooseEcr, tryMinting } from './role.ts';
import type { FoundRegistry } from './scope.ts';
import { tryToken } from './try-token.ts';

/** A target that is to be, or to stay, kept fresh. */
export interface WantedTarget {
  readonly name: string;
  readonly ecr: Target['ecr'];
  readonly registry: FoundRegistry;
  /** What targets.yml has of it already. */
  readonly existing: Target | undefined;
  /** The credential's id, or that a new one is to be created. */
  readonly credential: string;
  /** Ids of credentials that have the new one's name already. */
  readonly namesakes: readonly string[];
  /** `undefined` where the role that mints could not be tried. */
  readonly token: SetupToken | undefined;
  /** The registry's endpoints that use the credential. */
  readonly users: readonly EcrEndpoint[];
  /** What else uses the credential, for images of elsewhere. */
  readonly hurt: readonly CredentialUser[];
  /** Endpoints for which the credential is yet to be selected. */
  readonly selected: readonly EcrEndpoint[];
}

/** What setup makes a target's credential by. */
export const credentialNameOf = (target: string): string => `runpod-ecr-refresh-${target}`;

/** A name for a new target: the one that is asked for, or one by region, account and number. */
const freeName = ({ region, account }: FoundRegistry, first: string, taken: ReadonlySet<string>): string => {
  const free = [first, region, `${region}-${account}`].find((name) => !taken.has(name));
  if (free !== undefined) return free;
  let count = 2;
  while (taken.has(`${region}-${count}`)) count += 1;
  return `${region}-${count}`;
};

/** What a conversation goes by once Runpod is known. */
interface Findings {
  readonly runpod: FoundRunpod;
  readonly view: RunpodView;
  readonly journal: Journal;
  readonly findHurt: FindHurt;
  /** The names that targets have; new ones are added. */
  readonly names: Set<string>;
  /** The target that --name names. */
  readonly name: string | undefined;
  /** Ids of endpoints that targets.yml says are somebody else's. */
  readonly ignored: ReadonlySet<string>;
}

/** The targets that are wanted, and why registries were left out, by their host names. */
export interface Wishes {
  readonly targets: readonly WantedTarget[];
  readonly left: ReadonlyMap<string, string>;
}

/** What leaves one registry out, and lets others be. */
const isOfOneRegistry = (error: unknown): error is Error =>
  [LeftOutError, EcrAccessDeniedError, TokenRejectedError, ImageNotPullableError, CredentialNotFoundError].some(
    (kind) => error instanceof kind,
  );

/** How a target's tokens are minted, whatever repositories they are for. */
const roleOf = ({ ecr: { repositories: _repositories, ...ecr } }: Target): Target['ecr'] => ecr;

/** The targets of a registry: those that there are, and a new one for each credential that is chosen. */
const chooseTargetsOf = async (
  registry: FoundRegistry,
  isOnly: boolean,
  { runpod, view, journal, findHurt, names, name }: Findings,
  conversation: Conversation,
): Promise<readonly WantedTarget[]> => {
  const { credentials } = runpod;
  const want = async (
    wanted: Pick<WantedTarget, 'name' | 'ecr' | 'existing' | 'credential' | 'token'>,
  ): Promise<WantedTarget> => {
    const { credential } = wanted;
    const hurt = credential === newCredential ? [] : await findHurt(credential, registry.host);
    await requireUpdates(credential, runpod, conversation);
    return {
      ...wanted,
      registry,
      namesakes: credentials.filter((each) => each.name === credentialNameOf(wanted.name)).map(({ id }) => id),
      users: registry.endpoints.filter((each) => each.registry === credential),
      hurt,
      selected: [],
    };
  };

  const wanted: WantedTarget[] = [];
  for (const existing of registry.targets) {
    const { ecr } = existing;
    const token = await tryMinting(ecr, false, conversation);
    wanted.push(await want({ name: existing.name, ecr, existing, credential: existing.runpod.registry, token }));
  }
  const [known] = registry.targets;
  if (known !== undefined && known.name === name) return wanted;

  const nextName = (): string => freeName(registry, name ?? 'production', names);
  /** One that setup has created already keeps its target's name. */
  const nameTarget = (credential: string): string => {
    const made = credentials.find(({ id }) => id === credential)?.name ?? '';
    const kept = made.startsWith(credentialNameOf('')) ? made.slice(credentialNameOf('').length) : '';
    const isKept = name === undefined && targetNamePattern.test(kept) && !names.has(kept);
    const chosen = isKept ? kept : nextName();
    names.add(chosen);
    return chosen;
  };
  // Which role mints is asked first: without one there is nothing to choose. What a target says of it holds for its registry.
  const ecr = known === undefined ? await chooseEcr(registry, isOnly, conversation) : roleOf(known);
  const token = known === undefined ? await tryMinting(ecr, true, conversation) : wanted[0]?.token;
  const created = journal.createdAmong(credentials, credentialNameOf(nextName()));
  const begun = created !== undefined && view.keptBy.has(created) ? undefined : created;
  const isOfOne = name !== undefined;
  const chosen = await chooseCredentials({ ...view, registry, begun, isOfOne, isOnly, findHurt }, conversation);
  for (const credential of chosen) {
    wanted.push(await want({ name: nameTarget(credential), ecr, existing: undefined, credential, token }));
  }
  return wanted;
};

/** Whether a target of the endpoint's own registry keeps its credential fresh. */
const isKept = (endpoint: EcrEndpoint, targets: readonly WantedTarget[]): boolean =>
  targets.some(({ users }) => users.includes(endpoint));

/** The endpoints for which a target's credential could be selected: a target that names its endpoints takes no other. */
const candidatesOf = (
  target: WantedTarget,
  targets: readonly WantedTarget[],
  { name, ignored, keptBy }: Pick<Findings, 'name' | 'ignored'> & Pick<RunpodView, 'keptBy'>,
): readonly EcrEndpoint[] => {
  const ofRegistry = targets.filter(({ registry }) => registry === target.registry);
  const namedBy = (id: string) =>
    ofRegistry.find(({ existing }) => existing?.endpoints?.some((each) => each.id === id));
  const general =
    ofRegistry.find(({ credential }) => credential === newCredential) ??
    ofRegistry.find(({ existing }) => existing?.endpoints === undefined);
  return target.registry.endpoints.filter((endpoint) => {
    const { id, registry } = endpoint;
    if (registry === target.credential || ignored.has(id)) return false;
    // What another target keeps is left to it, unless this one alone is what setup is about.
    const isOfOther = registry !== null && keptBy.has(registry);
    if (name === undefined && (isKept(endpoint, ofRegistry) || isOfOther)) return false;
    return (namedBy(id) ?? general) === target;
  });
};

/** Asks which endpoints are to use a target's credential. */
const selectEndpoints = async (
  target: WantedTarget,
  candidates: readonly EcrEndpoint[],
  { account }: FoundRunpod,
  conversation: Conversation,
): Promise<WantedTarget> => {
  const which = target.credential === newCredential ? 'the new credential' : `credential ${target.credential}`;
  const selected = await chooseEndpoints(candidates, which, conversation);
  const [first] = selected;
  if (first !== undefined) {
    await conversation.terminal.during(
      `asking Runpod whether the key may change endpoint ${first.id}`,
      account.requireChanges(first.id),
    );
  }
  return { ...target, selected };
};

/** Tries a registry's tokens on its targets' images, each once. */
const tryTokens = async (targets: readonly WantedTarget[], conversation: Conversation): Promise<void> => {
  for (const [token, users] of Map.groupBy(targets, (each) => each.token)) {
    if (token === undefined) continue;
    const images = users.flatMap((each) => [...each.selected, ...each.users].map(({ image }) => image));
    await conversation.terminal.during(
      'pulling the images from ECR with that token, as a worker would',
      tryToken(token.minted, [...new Set(images)], conversation),
    );
  }
};

/**
 * Asks what is wanted of each registry: which role mints, which credentials are kept fresh, which endpoints are to use them.
 * A registry that cannot be set up is left out, where there are others.
 */
export const chooseWanted = async (
  registries: readonly FoundRegistry[],
  findings: Findings,
  conversation: Conversation,
): Promise<Wishes> => {
  const left = new Map<string, string>();
  const isOnly = registries.length === 1;
  /** @returns nothing of a registry that is left out */
  const orLeave = async <Result>({ host }: FoundRegistry, work: () => Promise<Result>): Promise<Result | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!isOfOneRegistry(error) || (isOnly && !(error instanceof LeftOutError))) throw error;
      left.set(host, error.message);
      return undefined;
    }
  };

  const chosen: WantedTarget[] = [];
  for (const registry of registries) {
    const work = () => chooseTargetsOf(registry, isOnly, findings, conversation);
    chosen.push(...((await orLeave(registry, work)) ?? []));
  }
  const candidates = new Map(
    chosen.map((target) => [target, candidatesOf(target, chosen, { ...findings, keptBy: findings.view.keptBy })]),
  );
  requireEndpoints([...candidates.values()].flat(), conversation);

  const targets: WantedTarget[] = [];
  for (const [registry, ofRegistry] of Map.groupBy(chosen, (each) => each.registry)) {
    const ready = await orLeave(registry, async () => {
      const selected: WantedTarget[] = [];
      for (const target of ofRegistry) {
        selected.push(await selectEndpoints(target, candidates.get(target) ?? [], findings.runpod, conversation));
      }
      await tryTokens(selected, conversation);
      return selected;
    });
    targets.push(...(ready ?? []));
  }
  return { targets, left };
};
