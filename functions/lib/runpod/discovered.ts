import { defined } from '../defined.ts';
import { packImages } from '../ecr/packed-images.ts';
import { registriesOf } from '../ecr/registries.ts';
import { isoSeconds } from '../platform.ts';
import type { CanaryPodSettings, Target } from '../targets.ts';
import { describeHurt, type WatchedEndpoint } from './choose-endpoints.ts';
import type { CredentialUser } from './credential-users.ts';
import type { LeftEndpoint } from './left.ts';
import type { OutOfSight } from './out-of-sight.ts';

/** What uses a target's credential, as a run hands it from state to state. */
export interface Discovered {
  /** The target as targets.yml describes it, so that a deploy does not change it under a run. */
  readonly target: Pick<Target, 'name' | 'ecr' | 'runpod'>;
  /** How many endpoints there are to watch: each function lists them for itself, however many they are. */
  readonly endpoints: number;
  /** The images of these, and of what else uses the credential, packed. */
  readonly images: string;
  /** How many of them ask for a canary, in a scheduled run. Others come too often for what costs GPU time. */
  readonly canaries: number;
  /** Templates and pods that use the credential, with their images, at most 50. */
  readonly otherUsers: readonly CredentialUser[];
  /** The registries that all of these pull from, ECR's first, at most 20. An image that nothing pulls has none. */
  readonly registries: readonly string[];
  /** Endpoints that pull from the registry and are not looked at, by name, at most 20. */
  readonly unmanaged: readonly string[];
  /** Endpoints that used the credential at the run before, and are not told of otherwise. */
  readonly left: readonly LeftEndpoint[];
  readonly warnings: readonly string[];
  /** There where an endpoint follows what is pushed, and when it was seen with its image. */
  readonly followers?: ReadonlyArray<{ readonly id: string; readonly image: string; readonly seenAt: string }>;
  /** There where the target has one. */
  readonly canaryPod?: CanaryPodSettings;
}

const maxOtherUsers = 50;
const maxRegistries = 20;

/** A sentence on how many there are beyond a bound, where there are. */
const moreThan = (count: number, max: number, describe: (more: number) => string): string[] =>
  count > max ? [describe(count - max)] : [];

/** What was found of a target. */
interface Found {
  readonly chosen: readonly WatchedEndpoint[];
  /** When they were looked for (epoch milliseconds). */
  readonly seenAt: number;
  /** All that use the credential; `others` are the templates and pods of them. */
  readonly users: readonly CredentialUser[];
  readonly others: readonly CredentialUser[];
  readonly outOfSight: OutOfSight;
  readonly warnings: readonly string[];
  /** Whether the run is a scheduled one. */
  readonly isScheduled: boolean;
}

/** Sums up what was found of a target, in no more than a run can carry, and says what had to stay behind. */
export const sumUpDiscovered = (
  { name, ecr, runpod, canaryPod }: Target,
  { chosen, seenAt, users, others, outOfSight, warnings, isScheduled }: Found,
): Discovered => {
  const { packed, leftOut } = packImages([
    ...chosen.map(({ endpoint }) => endpoint?.image ?? ''),
    ...others.map(({ image }) => image),
  ]);
  const followers = chosen.flatMap(({ id, endpoint, rollout }) =>
    rollout === undefined ? [] : [{ id, image: endpoint?.image ?? '', seenAt: isoSeconds(seenAt) }],
  );
  return defined({
    target: { name, ecr, runpod },
    endpoints: chosen.length,
    images: packed,
    canaries: isScheduled ? chosen.filter(({ canary }) => canary !== undefined).length : 0,
    otherUsers: others.slice(0, maxOtherUsers),
    registries: registriesOf(users.map(({ image }) => image)).slice(0, maxRegistries),
    ...outOfSight,
    warnings: [
      ...warnings,
      ...moreThan(
        leftOut,
        0,
        (more) => `${more} images of what uses the credential do not fit a run, and are not tried on ECR.`,
      ),
      ...outOfSight.warnings,
      ...moreThan(
        others.length,
        maxOtherUsers,
        (more) =>
          `${others.length} templates and pods use the credential; of ${more} the report does not say whether their images can be pulled.`,
      ),
      ...describeHurt(users, ecr),
    ],
    followers: followers.length === 0 ? undefined : followers,
    canaryPod,
  });
};
