import { nameOfImage } from '../../functions/lib/ecr/image-reference.ts';
import type { BasePlatform } from '../../functions/lib/platform.ts';
import type { Follower } from '../../functions/lib/rollout/followers.ts';
import type { RolloutRecord } from '../../functions/lib/rollout/record.ts';
import { describeFollowed } from '../../functions/lib/rollout/settings.ts';
import { connectRunpod } from '../../functions/lib/runpod/connect.ts';
import { createRunpodManagement } from '../../functions/lib/runpod/management.ts';
import { describeFailure } from '../../stack/failure.ts';
import { backTexts } from '../../stack/rollouts.ts';
import { plain, type Terminal, wrapForPerson } from '../terminal.ts';

const iso = (milliseconds: number): string => new Date(milliseconds).toISOString().slice(0, 16).replace('T', ' ');

/** What is remembered of an endpoint. */
const rememberedLinesOf = (record: RolloutRecord): string[] => {
  const lines: string[] = [];
  const { wanted, current, ended, refused, heldSince } = record;
  if (wanted !== undefined) lines.push(`  wants   ${nameOfImage(wanted.image)}`);
  if (current !== undefined) {
    const why = current.brokenWhy === undefined ? '' : `: ${current.brokenWhy}`;
    lines.push(`  under way: ${nameOfImage(current.image)}, ${current.phase} since ${iso(current.startedAt)}${why}`);
  }
  if (heldSince !== undefined) lines.push(`  held since ${iso(heldSince)}`);
  if (ended !== undefined) {
    const back = ended.back === undefined ? '' : `; ${backTexts[ended.back]}`;
    lines.push(`  last    ${nameOfImage(ended.image)} ${ended.verdict} at ${iso(ended.at)}: ${ended.why}${back}`);
  }
  for (const each of refused.slice(-5).toReversed()) {
    lines.push(`  refused ${nameOfImage(each.image)} at ${iso(each.at)}: ${each.why}`);
  }
  return lines;
};

/** What an endpoint has at Runpod, or why that is not known. */
interface Runs {
  readonly image?: string | undefined;
  readonly problem?: string;
}

/** What there is to say of one endpoint that follows something. */
const linesOf = (
  { id, settings }: Follower,
  { image, problem }: Runs,
  record: RolloutRecord | undefined,
  isRemembered: boolean,
): string[] => {
  const after = settings.after === undefined ? '' : `, after ${settings.after}`;
  const runs = image === undefined ? 'Runpod has no such endpoint' : nameOfImage(image);
  const nothing = isRemembered ? ['  nothing is remembered of it: no run has seen it yet'] : [];
  return [
    `${id} follows ${describeFollowed(settings)}${after}`,
    `  runs    ${problem === undefined ? runs : `cannot be said: ${problem}`}`,
    ...(record === undefined ? nothing : rememberedLinesOf(record)),
  ];
};

/**
 * Shows for each endpoint that follows something what runs, what is wanted, and what was refused and why; and of others what
 * is under way.
 *
 * @param records left out where nothing remembers
 * @returns whether Runpod could be asked of each of them
 */
export const showRollouts = async (
  followers: readonly Follower[],
  records: ReadonlyMap<string, RolloutRecord> | undefined,
  platform: BasePlatform,
  signal: AbortSignal,
  terminal: Terminal,
  isJson: boolean,
): Promise<boolean> => {
  const connect = connectRunpod(platform);
  const unfollowed = [...(records ?? [])].filter(
    ([id, { current }]) => current !== undefined && !followers.some((each) => each.id === id),
  );
  // What is wrong with one key hides nothing of the others' endpoints, nor what is remembered.
  const runsOf = async ({ id, target }: Follower): Promise<Runs> => {
    try {
      const management = createRunpodManagement(connect(target.runpod.apiKey), platform.settings);
      return { image: (await management.getEndpoint(id))?.image };
    } catch (error) {
      if (signal.aborted) throw error;
      return { problem: describeFailure(error) };
    }
  };
  const shown = await Promise.all(
    followers.map(async (follower) => ({
      follower,
      runs: await runsOf(follower),
      record: records?.get(follower.id),
    })),
  );
  const isKnown = shown.every(({ runs }) => runs.problem === undefined);
  if (isJson) {
    const all = shown.map(({ follower: { id, settings }, runs: { image, problem }, record }) => ({
      endpoint: id,
      follows: settings,
      runs: image,
      problem,
      ...record,
    }));
    const others = unfollowed.map(([endpoint, record]) => ({ endpoint, ...record }));
    terminal.print(JSON.stringify([...all, ...others], undefined, 2));
    return isKnown;
  }
  if (shown.length === 0) terminal.print('No endpoint of targets.yml has a rollout.');
  const lines = [
    ...shown.flatMap(({ follower, runs, record }) => linesOf(follower, runs, record, records !== undefined)),
    ...unfollowed.flatMap(([id, record]) => [`${id} follows nothing`, ...rememberedLinesOf(record)]),
  ];
  for (const line of lines) terminal.print(wrapForPerson(plain(line), ' '.repeat(10), terminal));
  return isKnown;
};
