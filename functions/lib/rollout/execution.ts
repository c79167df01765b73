import type { BasePlatform } from '../platform.ts';
import { connectRunpod } from '../runpod/connect.ts';
import { createRunpodJobs, type RunpodJobs } from '../runpod/jobs.ts';
import { createRunpodManagement, type RunpodManagement } from '../runpod/management.ts';
import {
  type ChangeImage,
  createChangeImage,
  createListImageReleases,
  type ImageRelease,
  type ListImageReleases,
} from '../runpod/releases.ts';
import { createReadWorkerLog, type ReadWorkerLog } from '../runpod/worker-log.ts';
import type { RolloutMemory } from './memory.ts';
import type { RolloutOrder, RolloutStep } from './order.ts';
import {
  type CurrentRollout,
  endRollout,
  type RolloutRecord,
  type RolloutVerdict,
  takeHandMadeChoice,
  type WayBack,
} from './record.ts';

/** Runpod, as the key at a place sees it. */
export type RolloutRunpod = (keySource: string) => {
  readonly management: RunpodManagement;
  readonly listImageReleases: ListImageReleases;
  readonly changeImage: ChangeImage;
  readonly readWorkerLog: ReadWorkerLog;
  readonly jobs: RunpodJobs;
};

/** Makes the connections of one function. */
export const rolloutRunpod = (platform: BasePlatform): RolloutRunpod => {
  const connect = connectRunpod(platform);
  const { settings } = platform;
  return (keySource) => {
    const client = connect(keySource);
    return {
      management: createRunpodManagement(client, settings),
      listImageReleases: createListImageReleases(client, settings),
      changeImage: createChangeImage(client, settings),
      readWorkerLog: createReadWorkerLog(client, settings),
      jobs: createRunpodJobs(client, settings),
    };
  };
};

/** Changes the rollout that is under way, as long as it is this execution's. @returns what is remembered then */
export const changeCurrent = (
  memory: RolloutMemory,
  { endpoint, attempt }: Pick<RolloutOrder, 'endpoint' | 'attempt'>,
  change: (current: CurrentRollout, record: RolloutRecord) => RolloutRecord,
): Promise<RolloutRecord | undefined> =>
  memory.change(endpoint, (before) => (before?.current?.attempt === attempt ? change(before.current, before) : before));

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
    return step(ended.verdict, ended.why, current, ended.verdict === 'broken', ended.back);
  };

  return {
    step,
    asOther,

    async with(
      verdict: RolloutVerdict,
      why: string,
      { back, change = (record) => record }: { back?: WayBack; change?: (record: RolloutRecord) => RolloutRecord } = {},
    ): Promise<RolloutStep> {
      let before: RolloutRecord | undefined;
      const record = await changeCurrent(memory, order, (_, found) => {
        before = found;
        const { told: __, ...ended } = endRollout(change(found), verdict, why, now(), back);
        if (verdict === 'proven') return ended;
        const told = verdict === 'broken' ? `refused ${found.current?.digest}` : found.told;
        return told === undefined ? ended : { ...ended, told };
      });
      if (before === undefined) return asOther(record);
      // Whoever was told of trouble is told of its end.
      const isTold = verdict === 'broken' || (verdict === 'proven' && before.told !== undefined);
      return step(verdict, why, before.current, isTold, back);
    },

    /** Somebody has given the endpoint an image of their choice: it stays, and what it replaced is not given again. */
    async byHand(image: string, why = 'it was replaced by hand at Runpod'): Promise<RolloutStep> {
      let current: CurrentRollout | undefined;
      const record = await changeCurrent(memory, order, (found, before) => {
        current = found;
        return takeHandMadeChoice(before, { image }, now());
      });
      return current === undefined ? asOther(record) : step('superseded', why, current, true);
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
 * Whether an endpoint got the image that it has after another moment. What Runpod does not tell counts as later: a choice that
 * was made by hand stays rather than is overwritten.
 */
export const isChosenSince = (releases: readonly ImageRelease[], image: string, moment: number): boolean => {
  const createdAt = releases.find((release) => release.new === image)?.createdAt;
  return createdAt === undefined || createdAt > moment;
};
