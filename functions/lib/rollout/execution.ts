import { RunpodUnavailableError } from '../errors.ts';
import type { BasePlatform } from '../platform.ts';
import { connectRunpod } from '../runpod/connect.ts';
import { createRunpodJobs, type RunpodJobs } from '../runpod/jobs.ts';
import { createRunpodManagement, type Endpoint, type RunpodManagement } from '../runpod/management.ts';
import {
  type ChangeImage,
  createChangeImage,
  createListImageReleases,
  type ImageRelease,
  type ListImageReleases,
} from '../runpod/releases.ts';
import { createReadWorkerLog, type ReadWorkerLog } from '../runpod/worker-log.ts';
import { createRolloutMemory, type RolloutMemory, type RolloutPlatform } from './memory.ts';
import type { RolloutOrder, RolloutStep } from './order.ts';
import {
  type CurrentRollout,
  endRollout,
  leaveOn,
  type RolloutRecord,
  type RolloutVerdict,
  takeHandMadeChoice,
  type WayBack,
} from './record.ts';

/** Runpod, as a target's keys see it: images are changed with the key for it, where there is one. */
type RolloutRunpod = (keys: RolloutOrder['target']['runpod']) => {
  readonly management: RunpodManagement;
  readonly listImageReleases: ListImageReleases;
  readonly changeImage: ChangeImage;
  readonly readWorkerLog: ReadWorkerLog;
  readonly jobs: RunpodJobs;
};

/** An endpoint and its releases. */
interface SeenEndpoint {
  readonly endpoint: Endpoint;
  readonly releases: readonly ImageRelease[];
}

/** An endpoint and its releases; `undefined` where it has gone, whose releases nobody can list. */
export const lookAtEndpoint = async (
  { management, listImageReleases }: ReturnType<RolloutRunpod>,
  id: string,
): Promise<SeenEndpoint | undefined> => {
  const endpoint = await management.getEndpoint(id);
  return endpoint === undefined ? undefined : { endpoint, releases: await listImageReleases(id) };
};

/**
 * Gives an endpoint another image, and looks at it then.
 *
 * @param before the image that it had
 * @throws {RunpodUnavailableError} Runpod took the change and still shows the image of before: that is nobody's choice, and
 *   whoever asks again sees the change, or makes it
 */
export const giveImage = async (
  runpod: ReturnType<RolloutRunpod>,
  id: string,
  image: string,
  before: string,
): Promise<SeenEndpoint | undefined> => {
  await runpod.changeImage(id, image);
  const then = await lookAtEndpoint(runpod, id);
  if (then?.endpoint.image === before) {
    throw new RunpodUnavailableError(`Runpod, asked to give endpoint ${id} the image ${image}, still shows ${before}.`);
  }
  return then;
};

/** Makes the connections of one function. A key is read when something is asked with it. */
const rolloutRunpod = (platform: BasePlatform): RolloutRunpod => {
  const connect = connectRunpod(platform);
  const { settings } = platform;
  return ({ apiKey, rolloutKey = apiKey }) => {
    const client = connect(apiKey);
    return {
      management: createRunpodManagement(client, settings),
      listImageReleases: createListImageReleases(client, settings),
      changeImage: createChangeImage(connect(rolloutKey), settings),
      readWorkerLog: createReadWorkerLog(client, settings),
      jobs: createRunpodJobs(client, settings),
    };
  };
};

/** What a function of the rollout needs from outside. */
export interface RolloutDeps {
  readonly memory: RolloutMemory;
  readonly runpodFor: RolloutRunpod;
  readonly now: () => number;
}

export const rolloutDeps = (platform: RolloutPlatform): RolloutDeps => ({
  memory: createRolloutMemory(platform),
  runpodFor: rolloutRunpod(platform),
  now: platform.now,
});

/**
 * Changes the rollout that is under way, as long as it is this execution's.
 *
 * @returns what is remembered then, and what was before; no `before` where another execution has taken over, also where it
 *   did between the reading and the writing
 */
export const changeCurrent = async (
  memory: RolloutMemory,
  { endpoint, attempt }: Pick<RolloutOrder, 'endpoint' | 'attempt'>,
  change: (current: CurrentRollout, record: RolloutRecord) => RolloutRecord,
): Promise<{ readonly record: RolloutRecord | undefined; readonly before: RolloutRecord | undefined }> => {
  let before: RolloutRecord | undefined;
  const record = await memory.change(endpoint, (found) => {
    before = undefined;
    if (found?.current?.attempt !== attempt) return found;
    before = found;
    return change(found.current, found);
  });
  return { record, before };
};

/** Ends an execution's rollout in the memory, and says where the machine goes on. */
export const endBy = (memory: RolloutMemory, order: RolloutOrder, now: () => number) => {
  const step = (
    verdict: RolloutVerdict,
    why: string,
    current: Pick<CurrentRollout, 'image' | 'earlier'> | undefined,
    isTold: boolean,
    back?: WayBack,
  ): RolloutStep => ({
    next: 'notify',
    ending: {
      verdict,
      why,
      image: current?.image ?? order.digest,
      earlier: current?.earlier.image ?? '',
      isTold,
      ...(back === undefined ? {} : { back }),
    },
  });

  /** Another execution has taken over, or this one has ended its rollout already. */
  const asOther = (record: RolloutRecord | undefined): RolloutStep => {
    const ended = record?.ended?.attempt === order.attempt ? record.ended : undefined;
    if (ended === undefined)
      return step('superseded', 'another execution goes on with this endpoint', undefined, false);
    const current = { image: ended.image, earlier: { image: record?.earlier.image ?? '', digest: '' } };
    return step(ended.verdict, ended.why, current, ended.isTold === true, ended.back);
  };

  const ended = async (
    verdict: RolloutVerdict,
    why: string,
    { back, change = (record) => record }: { back?: WayBack; change?: (record: RolloutRecord) => RolloutRecord } = {},
  ): Promise<RolloutStep> => {
    // Whoever was told of trouble is told of its end.
    let isTold = false;
    const { record, before } = await changeCurrent(memory, order, (_, found) => {
      isTold = verdict === 'broken' || (verdict === 'proven' && found.told !== undefined);
      const { told: __, ...ended } = endRollout(change(found), verdict, why, now(), { back, isTold });
      if (verdict === 'proven') return ended;
      const told = verdict === 'broken' ? `refused ${found.current?.digest}` : found.told;
      return told === undefined ? ended : { ...ended, told };
    });
    if (before === undefined) return asOther(record);
    return step(verdict, why, before.current, isTold, back);
  };

  return {
    step,
    asOther,

    /** Nothing is left to give an image, nor to give one back. */
    gone: (): Promise<RolloutStep> => ended('superseded', 'Runpod has no such endpoint any more'),

    with: ended,

    /** Ends it for what is none of its image's doing: the endpoint stays on what it has. */
    leave: (verdict: RolloutVerdict, why: string, image: string): Promise<RolloutStep> =>
      ended(verdict, why, { change: (record) => leaveOn(record, image) }),

    /** Somebody has given it another image while the earlier one was put back: that stays. */
    notOurs: (why: string, image: string): Promise<RolloutStep> =>
      ended('broken', why, { back: 'not ours', change: (record) => ({ ...record, earlier: { image, byHand: true } }) }),

    /** Somebody has given the endpoint an image of their choice: it stays, and what it replaced is not given again. */
    async byHand(image: string, why = 'it was replaced by hand at Runpod'): Promise<RolloutStep> {
      const { record, before } = await changeCurrent(memory, order, (_, found) =>
        takeHandMadeChoice(found, { image }, now()),
      );
      return before === undefined ? asOther(record) : step('superseded', why, before.current, true);
    },
  };
};

export type RolloutEnd = ReturnType<typeof endBy>;

/** The release that gave an endpoint an image, newer than another moment at Runpod. */
export const releaseOf = (
  releases: readonly ImageRelease[],
  image: string,
  after: number | undefined,
): ImageRelease | undefined =>
  releases.find(({ new: given, createdAt = Number.POSITIVE_INFINITY }) => given === image && createdAt > (after ?? 0));

/**
 * What a rollout's image took the place of, by its release. Nothing where an endpoint had the image all along, which a
 * person may ask for again: what it had before that is nobody's choice of this moment.
 *
 * @param before the image that it had when this execution came to it
 */
export const replacedBy = (
  release: ImageRelease | undefined,
  { phase, image }: CurrentRollout,
  before: string,
): string | undefined => (phase === 'planned' && before === image ? undefined : release?.old);

/**
 * Whether an endpoint got the image that it has after another moment. What Runpod does not tell counts as later: a choice that
 * was made by hand stays rather than is overwritten.
 */
export const isChosenSince = (releases: readonly ImageRelease[], image: string, moment: number): boolean => {
  const createdAt = releases.find((release) => release.new === image)?.createdAt;
  return createdAt === undefined || createdAt > moment;
};
