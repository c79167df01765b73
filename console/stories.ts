import { readSettings } from '../functions/lib/env.ts';
import type { Execution } from '../simulator/aws/step-functions.ts';
import type { World } from '../simulator/world.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** The schedule that ships, and what is left of a token's 12 hours when the next run replaces it. */
const { SCHEDULE_HOURS: scheduleHours } = readSettings({});
const leftHours = 12 - scheduleHours;

/** The tag that our endpoint follows. */
export const tag = 'production';

/** What a story needs of the world in which it plays. */
export interface Stage {
  readonly clock: World['clock'];
  /** By ARN. */
  readonly rollouts: ReadonlyMap<string, Execution>;
  hurry(speed: string): void;
  switchFault(name: string, value: string): void;
  pushBroken(): void;
  /** The ids of the alerts that were sent. */
  mails(): string[];
  /** Whether a rollout gives the earlier image back. */
  isReturned(run: string): boolean;
}

async function* week({ clock, hurry }: Stage): AsyncGenerator<string> {
  hurry('21600');
  for (let day = 1; day <= 7; day += 1) {
    yield `Day ${day} of a normal week: a run every ${scheduleHours} hours, each token replaced ${leftHours} hours before it ends. As pasted, the guide’s Lambda calls what Runpod’s API does not have.`;
    await clock.sleep(dayMs);
  }
  hurry('60');
  yield 'A week is over. Beside each name stand its hours without pulls.';
}

async function* eightHours({ clock, hurry, switchFault, mails }: Stage): AsyncGenerator<string> {
  const before = new Set(mails());
  hurry('3600');
  switchFault('runpod', '503');
  yield 'Runpod is down for eight hours (503). The token that it holds is good for some hours yet.';
  for (let hour = 1; hour <= 8; hour += 1) {
    await clock.sleep(hourMs);
    const isTold = mails().some((id) => !before.has(id));
    yield `Runpod has been down for ${hour} h. ${isTold ? 'People were told, with the time until which pulls work; it is tried again and again.' : 'A run that finds it down waits and tries again.'}`;
  }
  switchFault('runpod', 'well');
  yield 'Runpod is back. The next try stores a token, and people are told that it is over.';
  await clock.sleep(3 * hourMs);
  hurry('60');
  yield 'The outage is over. The red stretches are the hours without pulls, beside each name in all.';
}

async function* brokenImage({ clock, rollouts, hurry, pushBroken, isReturned }: Stage): AsyncGenerator<string> {
  const before = new Set(rollouts.keys());
  const rolling = () => [...rollouts].find(([arn]) => !before.has(arn))?.[1];
  hurry('60');
  pushBroken();
  yield `An image is pushed to ${tag}, and its program cannot start. Pushes are gathered for a minute.`;
  for (let minute = 0; minute < 60 && rolling() === undefined; minute += 1) await clock.sleep(minuteMs / 4);
  const execution = rolling();
  if (execution === undefined) {
    yield 'The image has not been given yet: a run must see it first, and Runpod or ECR does not answer.';
    return;
  }
  yield 'The endpoint that follows the tag is given the new image, and its workers are watched.';
  for (let step = 0; step < 240 && !isReturned(execution.name) && execution.status === 'RUNNING'; step += 1)
    await clock.sleep(minuteMs / 4);
  yield 'A worker cannot start with it: the endpoint is given the earlier image back.';
  await execution.ended;
  yield 'The earlier image is back and the new one is not given again. People were told in one sentence.';
}

/** Each plays as it is read, and hands out a caption for what happens next. */
export const stories: Readonly<Record<string, (stage: Stage) => AsyncGenerator<string>>> = {
  week,
  outage: eightHours,
  rollout: brokenImage,
};
