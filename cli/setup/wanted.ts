import {
  CredentialNotFoundError,
  EcrAccessDeniedError,
  ImageNotPullableError,
  TokenRejectedError,
} from '../../functions/lib/errors.ts';
import { type Target, targetNamePattern } from '../../functions/lib/targets.ts';
import { type Answer, askTogether } from './ask-together.ts';
import { chooseCredentials, chooseEndpoints, type RunpodView, requireEndpoints } from './choices.ts';
import { type Conversation, LeftOutError, newCredential } from './conversation.ts';
import type { CredentialUser, EcrEndpoint, FindHurt } from './endpoints.ts';
import { type FoundRunpod, requireUpdates } from './find-runpod.ts';
import type { Journal } from './journal.ts';
import { mintForSetup, type SetupToken } from './mint.ts';
import { chooseEcr, ownEcrOf, tryMinting } from './role.ts';
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

/** The tokens of what is known of the registries: of each target that there is, or of a new one for one's own account. */
type KnownTokens = ReadonlyMap<FoundRegistry | Target, Answer<SetupToken | undefined>>;

/** Mints the tokens for which nobody need be asked, of all registries at once. */
const mintKnown = async (registries: readonly FoundRegistry[], conversation: Conversation): Promise<KnownTokens> => {
  const ecrs = new Map<FoundRegistry | Target, Target['ecr']>();
  for (const registry of registries) {
    for (const target of registry.targets) ecrs.set(target, target.ecr);
    const own = registry.targets.length === 0 ? ownEcrOf(registry, conversation) : undefined;
    if (own !== undefined) ecrs.set(registry, own);
  }
  const places = [...ecrs.values()].map(
    ({ region, registryId, roleArn }) =>
      `${region}${registryId === undefined ? '' : ` of ${registryId}`}${roleArn === undefined ? '' : ` by role ${roleArn}`}`,
  );
  const minted = await askTogether(
    `asking ECR in ${[...new Set(places)].join(', ')} for a token that may only pull`,
    [...ecrs],
    ([, ecr], alone) => mintForSetup(ecr, alone),
    conversation,
  );
  return new Map([...minted].map(([[of], answer]) => [of, answer]));
};

/** The targets of a registry: those that there are, and a new one for each credential that is chosen. */
const chooseTargetsOf = async (
  registry: FoundRegistry,
  isOnly: boolean,
  tokens: KnownTokens,
  { runpod: { credentials }, view, journal, findHurt, names, name }: Findings,
  conversation: Conversation,
): Promise<readonly WantedTarget[]> => {
  const want = async (
    wanted: Pick<WantedTarget, 'name' | 'ecr' | 'existing' | 'credential' | 'token'>,
  ): Promise<WantedTarget> => {
    const { credential } = wanted;
    const hurt = credential === newCredential ? [] : await findHurt(credential, registry.host);
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
    const token = await tryMinting(ecr, false, conversation, tokens.get(existing));
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
  const token =
    known === undefined ? await tryMinting(ecr, true, conversation, tokens.get(registry)) : wanted[0]?.token;
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

/** Asks whether the key may update, or create, the credentials of all targets, each once. */
const askUpdates = (targets: readonly WantedTarget[], runpod: FoundRunpod, conversation: Conversation) => {
  const credentials = [...new Set(targets.map(({ credential }) => credential))];
  const existing = credentials.filter((each) => each !== newCredential);
  const wishes = [
    ...(existing.length < credentials.length ? ['create credentials'] : []),
    ...(existing.length > 0 ? [`update credential${existing.length === 1 ? '' : 's'} ${existing.join(', ')}`] : []),
  ];
  return askTogether(
    `asking Runpod whether the key may ${wishes.join(' and ')}`,
    credentials,
    (credential, alone) => requireUpdates(credential, runpod, alone),
    conversation,
  );
};

/** Asks which endpoints are to use a target's credential. */
const selectEndpoints = async (
  target: WantedTarget,
  candidates: readonly EcrEndpoint[],
  conversation: Conversation,
): Promise<WantedTarget> => {
  const which = target.credential === newCredential ? 'the new credential' : `credential ${target.credential}`;
  return { ...target, selected: await chooseEndpoints(candidates, which, conversation) };
};

/** Asks whether the key may change endpoints: of each target the first that is selected. */
const askChanges = (targets: readonly WantedTarget[], { account }: FoundRunpod, conversation: Conversation) => {
  const endpoints = [...new Set(targets.flatMap(({ selected }) => selected.slice(0, 1)))];
  return askTogether(
    `asking Runpod whether the key may change endpoint${endpoints.length === 1 ? '' : 's'} ${endpoints.map(({ id }) => id).join(', ')}`,
    endpoints,
    ({ id }) => account.requireChanges(id),
    conversation,
  );
};

/** Tries all tokens on their targets' images, each once. */
const tryTokens = (targets: readonly WantedTarget[], conversation: Conversation) => {
  const byToken = Map.groupBy(targets, ({ token }) => token);
  const tokens = [...byToken.keys()].filter((each) => each !== undefined);
  const regions = tokens.map((token) => byToken.get(token)?.[0]?.ecr.region);
  return askTogether(
    `pulling the images from ECR in ${[...new Set(regions)].join(', ')} with those tokens, as a worker would`,
    tokens,
    (token, alone) => {
      const users = byToken.get(token) ?? [];
      const images = users.flatMap((each) => [...each.selected, ...each.users].map(({ image }) => image));
      return tryToken(token.minted, [...new Set(images)], alone);
    },
    conversation,
  );
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

  /** Keeps the targets of the registries of which no answer is a failure. */
  const keep = async (
    targets: readonly WantedTarget[],
    take: (target: WantedTarget) => void,
  ): Promise<readonly WantedTarget[]> => {
    const kept: WantedTarget[] = [];
    for (const [registry, ofRegistry] of Map.groupBy(targets, (each) => each.registry)) {
      const all = await orLeave(registry, async () => {
        ofRegistry.forEach(take);
        return ofRegistry;
      });
      kept.push(...(all ?? []));
    }
    return kept;
  };

  const tokens = await mintKnown(registries, conversation);
  const wanted: WantedTarget[] = [];
  for (const registry of registries) {
    const work = () => chooseTargetsOf(registry, isOnly, tokens, findings, conversation);
    wanted.push(...((await orLeave(registry, work)) ?? []));
  }
  const updates = await askUpdates(wanted, findings.runpod, conversation);
  const chosen = await keep(wanted, ({ credential }) => updates.get(credential)?.());
  const candidates = new Map(
    chosen.map((target) => [target, candidatesOf(target, chosen, { ...findings, keptBy: findings.view.keptBy })]),
  );
  const users = chosen.flatMap((target) => target.users);
  requireEndpoints([...candidates.values()].flat(), users, conversation);

  const selected: WantedTarget[] = [];
  for (const target of chosen) {
    selected.push(await selectEndpoints(target, candidates.get(target) ?? [], conversation));
  }
  const changes = await askChanges(selected, findings.runpod, conversation);
  const changeable = await keep(selected, ({ selected: [first] }) => first && changes.get(first)?.());
  const pulls = await tryTokens(changeable, conversation);
  const targets = await keep(changeable, ({ token }) => token && pulls.get(token)?.());
  return { targets, left };
};
