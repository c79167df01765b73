import { deadManPeriods } from '../../infra/alarms.ts';
import type { World } from '../../simulator/world.ts';
import { createMintAndStore } from '../guide/lambda.ts';

const minuteMs = 60_000;

/** Something that renews a token on a schedule. */
export interface Refresher {
  readonly name: string;
  readonly title: string;
  /** Hours between its runs. */
  readonly everyHours: number;
  /** Milliseconds by which the scheduler may start it late. */
  readonly startsLateMs: number;
  /** Whether Runpod's API v1 updates credentials, as the guide has it. */
  readonly needsV1?: boolean;
  /** After so many periods of five minutes without a scheduled run that reports, CloudWatch alarms. */
  readonly deadManPeriods?: number;
  /** Prepares a world for it and answers with one run. */
  begin(world: World, onFailure: () => void): () => Promise<void>;
}

export const credential = '6n2k8v4d';

/** The state machine and the handlers that ship, started as the schedule starts them. */
export const shipped = (everyHours: number): Refresher => ({
  name: 'shipped',
  title: 'runpod-ecr-refresh',
  everyHours,
  startsLateMs: 5 * minuteMs,
  deadManPeriods: deadManPeriods(everyHours),
  begin: (world) => async () => void world.start(),
});

const v1 = (world: World): string => `${world.environment.RUNPOD_REST_URL}/containerregistryauth`;
const v2 = (world: World): string => `${world.environment.RUNPOD_API_URL}/registries`;

/** Tries with pauses between, and lets the last failure out. */
const trying = async (world: World, pausesMs: readonly number[], run: () => Promise<void>): Promise<void> => {
  for (const pauseMs of pausesMs) {
    try {
      return await run();
    } catch {
      await world.clock.pause(pauseMs);
    }
  }
  return run();
};

/** The guide's Lambda catches everything and answers 500 to nobody: Lambda sees no failure, so nobody tries again. */
const guide = (name: string, title: string, needsV1: boolean): Refresher => ({
  name,
  title,
  everyHours: 6,
  startsLateMs: minuteMs,
  needsV1,
  begin: (world) => {
    const run = createMintAndStore(world, v1(world), credential);
    return () => run().catch(() => undefined);
  },
});

/** Six-hourly, three tries within minutes, and a failed Job that its owner is taken to be notified of. */
const cronJob: Refresher = {
  name: 'cron-job',
  title: 'a Kubernetes CronJob',
  everyHours: 6,
  startsLateMs: minuteMs,
  begin: (world, onFailure) => {
    const run = createMintAndStore(world, v2(world), credential);
    return () => trying(world, [minuteMs, 2 * minuteMs], run).catch(onFailure);
  },
};

/** As late as the token allows, with the two retries that Lambda gives by itself, and an alarm on its errors. */
const elevenHours: Refresher = {
  name: 'eleven-hours',
  title: 'an 11-hour refresher',
  everyHours: 11,
  startsLateMs: minuteMs,
  begin: (world, onFailure) => {
    const run = createMintAndStore(world, v2(world), credential);
    return () => trying(world, [minuteMs, 2 * minuteMs], run).catch(onFailure);
  },
};

/** What the shipped machine is compared with. */
export const baselines: readonly Refresher[] = [
  guide('guide', 'the guide’s Lambda, as pasted', false),
  guide('guide-repaired', 'the guide’s Lambda, if its call existed', true),
  cronJob,
  elevenHours,
];
