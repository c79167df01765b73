import { hostOf, isSameRegistry, parseEcrHost } from '../../functions/lib/ecr/host.ts';
import { accountOf, type Target, targetNamePattern } from '../../functions/lib/targets.ts';
import { UsageError } from '../../stack/failure.ts';
import type { Conversation } from './conversation.ts';
import { type EcrEndpoint, nameOf } from './endpoints.ts';

/** What setup is about: all that a Runpod key shows, or one target. */
interface Scope {
  /** The target that --name names; `undefined` for all of the key. */
  readonly name: string | undefined;
  /** Where the API key is or will be. */
  readonly source: string;
  /** The targets in it that targets.yml has. */
  readonly targets: readonly Target[];
}

const requireTargetName = (name: string): string => {
  if (targetNamePattern.test(name)) return name;
  throw new UsageError(`--name: expected a–z, 0–9 and - (at most 32), found ${JSON.stringify(name)}.`);
};

/** One target: that of --name, or one of targets.yml. */
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
  return { name: requireTargetName(chosen), existing: targets.find((each) => each.name === chosen) };
};

/** Where setup stores the key of a target. */
const usualSource = (stage: string, name: string): string => `ssm:/runpod-ecr-refresh/${stage}/${name}/api-key`;

/** The target of --name, or all those of one Runpod key. */
export const chooseScope = async (
  targets: readonly Target[],
  { options, caller, ask }: Conversation,
): Promise<Scope> => {
  const name = options.name ?? options.target;
  if (name !== undefined) {
    requireTargetName(name);
    const existing = targets.find((each) => each.name === name);
    return existing === undefined
      ? { name, source: usualSource(caller.stage, name), targets: [] }
      : { name, source: existing.runpod.apiKey, targets: [existing] };
  }
  const byKey = Map.groupBy(targets, ({ runpod }) => runpod.apiKey);
  const [first = usualSource(caller.stage, 'production')] = byKey.keys();
  const choices = [...byKey].map(([value, users]) => ({
    value,
    name: `${value}, of ${users.map((each) => each.name).join(', ')}`,
  }));
  const source = choices.length < 2 ? first : await ask.choose('Which Runpod key?', choices, first);
  return { name: undefined, source, targets: byKey.get(source) ?? [] };
};

/** An ECR registry whose images are to stay pullable. */
export interface FoundRegistry {
  /** Its host name. */
  readonly host: string;
  readonly account: string;
  readonly region: string;
  /** The endpoints that pull from it. */
  readonly endpoints: readonly EcrEndpoint[];
  /** The targets for it that targets.yml has. */
  readonly targets: readonly Target[];
}

/** The ECR registries that setup is about: those behind the key's endpoints, its own account's first, or the one of the options. */
export const chooseRegistries = async (
  pulling: readonly EcrEndpoint[],
  { name, targets }: Scope,
  { options, ask, caller, identity }: Conversation,
): Promise<readonly FoundRegistry[]> => {
  const hostOfTarget = (target: Target): string => hostOf(accountOf(target, identity.account), target.ecr.region);
  const own = hostOf(identity.account, caller.region);
  const registryOf = (host: string): FoundRegistry => {
    const parsed = parseEcrHost(host);
    if (parsed === undefined) {
      throw new UsageError(
        `--image-registry: expected the host name of an ECR registry, such as ${own}, found ${JSON.stringify(host)}.`,
      );
    }
    const { account, region } = parsed;
    return {
      host: hostOf(account, region),
      account,
      region,
      endpoints: pulling.filter((each) => isSameRegistry(each.host, host)),
      targets: targets.filter((each) => isSameRegistry(hostOfTarget(each), host)),
    };
  };
  if (options.imageRegistry !== undefined) return [registryOf(options.imageRegistry)];
  const isOneTarget = name !== undefined && targets.length > 0;
  const hosts = [...targets.map(hostOfTarget), ...(isOneTarget ? [] : pulling.map(({ host }) => host))];
  const found = [...Map.groupBy(hosts.map(registryOf), ({ host }) => host).values()].flatMap((same) =>
    same.slice(0, 1),
  );
  const nearness = ({ account, host }: FoundRegistry): number =>
    host === own ? 2 : account === identity.account ? 1 : 0;
  const registries = found.sort(
    (one, other) => nearness(other) - nearness(one) || other.endpoints.length - one.endpoints.length,
  );
  const [first = registryOf(own)] = registries;
  const isOfOne = name !== undefined || options.roleArn !== undefined || options.repository !== undefined;
  if (registries.length < 2) return [first];
  if (!isOfOne) return registries;
  const choices = registries.map((value) => ({
    value,
    name: `${value.host}, used by ${value.endpoints.map(nameOf).join(', ')}`,
  }));
  return [await ask.choose('Which ECR registry?', choices, first)];
};
