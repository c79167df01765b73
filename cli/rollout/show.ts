import { nameOfImage } from '../../functions/lib/ecr/image-reference.ts';
import type { BasePlatform } from '../../functions/lib/platform.ts';
import type { Follower } from '../../functions/lib/rollout/followers.ts';
import type { RolloutRecord } from '../../functions/lib/rollout/record.ts';
import { describeFollowed } from '../../functions/lib/rollout/settings.ts';
import { connectRunpod } from '../../functions/lib/runpod/connect.ts';
import { createRunpodManagement } from '../../functions/lib/runpod/management.ts';
import { plain, type Terminal } from '../terminal.ts';

const iso = (milliseconds: number): string => new Date(milliseconds).toISOString().slice(0, 16).replace('T', ' ');

/** What is remembered of an endpoint. */
const rememberedLinesOf = (record: RolloutRecord): string[] => {
  const lines: string[] = [];
  const { wanted, current, ended, refused, heldSince } = record;
  if (wanted !== undefined) lines.push(`  wants   ${nameOfImage(wanted.image)}`);
  if (current !== undefined)
    lines.push(`  under way: ${nameOfImage(current.image)}, ${current.phase} since ${iso(current.startedAt)}`);
  if (heldSince !== undefined) lines.push(`  held since ${iso(heldSince)}`);
  if (ended !== undefined)
    lines.push(`  last    ${nameOfImage(ended.image)} ${ended.verdict} at ${iso(ended.at)}: ${ended.why}`);
  for (const each of refused.slice(-5).toReversed()) {
    lines.push(`  refused ${nameOfImage(each.image)} at ${iso(each.at)}: ${each.why}`);
  }
  return lines;
};

/** What there is to say of one endpoint that follows something. */
const linesOf = (follower: Follower, image: string | undefined, record: RolloutRecord | undefined): string[] => {
  const { id, settings } = follower;
  const after = settings.after === undefined ? '' : `, after ${settings.after}`;
  return [
    `${id} follows ${describeFollowed(settings)}${after}`,
    `  runs    ${image === undefined ? 'Runpod has no such endpoint' : nameOfImage(image)}`,
    ...(record === undefined ? ['  nothing is remembered of it: no run has seen it yet'] : rememberedLinesOf(record)),
  ];
};

/**
 * Shows for each endpoint that follows something what runs, what is wanted, and what was refused and why; and of others what
 * is under way.
 */
export const showRollouts = async (
  followers: readonly Follower[],
  records: ReadonlyMap<string, RolloutRecord>,
  platform: BasePlatform,
  terminal: Terminal,
  isJson: boolean,
): Promise<void> => {
  const connect = connectRunpod(platform);
  const unfollowed = [...records].filter(
    ([id, { current }]) => current !== undefined && !followers.some((each) => each.id === id),
  );
  const shown = await Promise.all(
    followers.map(async (follower) => {
      const management = createRunpodManagement(connect(follower.target.runpod.apiKey), platform.settings);
      const endpoint = await management.getEndpoint(follower.id);
      return { follower, image: endpoint?.image, record: records.get(follower.id) };
    }),
  );
  if (isJson) {
    const all = shown.map(({ follower: { id, settings }, image, record }) => ({
      endpoint: id,
      follows: settings,
      runs: image,
      ...record,
    }));
    const others = unfollowed.map(([endpoint, record]) => ({ endpoint, ...record }));
    terminal.print(JSON.stringify([...all, ...others], undefined, 2));
    return;
  }
  if (shown.length === 0) terminal.print('No endpoint of targets.yml has a rollout.');
  for (const { follower, image, record } of shown)
    for (const line of linesOf(follower, image, record)) terminal.print(plain(line));
  for (const [id, record] of unfollowed)
    for (const line of [`${id} follows nothing`, ...rememberedLinesOf(record)]) terminal.print(plain(line));
};
