import * as z from 'zod/mini';
import { spinner, type Terminal, truncate } from '../terminal.ts';
import type { FunctionCall } from './run.ts';

const activities: Partial<Record<FunctionCall['name'], string>> = {
  'discover-endpoints': 'asking Runpod which endpoints use the credential',
  'fetch-token': 'minting a token',
  'verify-image-pull': 'trying it on ECR',
  'update-runpod': 'storing it at Runpod',
  'submit-canary': 'submitting canaries',
  'verify-endpoint-pull': 'watching the workers',
  'plan-retry': 'waiting, to try again',
  'conclude-target': 'done',
};

/** What functions answer that the workflow waits by. */
const waitSchema = z.object({ retryAt: z.optional(z.string()), recheckAfterSeconds: z.optional(z.number()) });

/** `4 min 05 s` */
const countDown = (leftMs: number): string => {
  const seconds = Math.ceil(leftMs / 1000);
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
};

/** Shows how far each target has come: on lines that are drawn anew, or as a line for each step where they cannot be. */
export const createProgress = (
  targets: readonly string[],
  { isDryRun, now }: { readonly isDryRun: boolean; readonly now: () => number },
  terminal: Terminal,
) => {
  /** When a target that waits goes on, in epoch milliseconds. */
  const waitsUntil = new Map<string, number>();
  const activity = new Map(targets.map((name) => [name, 'waiting for its turn']));
  const maxName = Math.max(...targets.map((name) => name.length));
  const { paint } = terminal;

  const draw = (): void => {
    // A thousand targets do not fit a screen: those under way are shown.
    const underWay = [...activity].filter(([, what]) => what !== 'done' && what !== 'waiting for its turn');
    const shown = activity.size <= 20 ? [...activity] : underWay.slice(0, 20);
    const done = [...activity.values()].filter((what) => what === 'done').length;
    const lines = shown.map(([name, what]) => {
      const mark = what === 'done' ? paint('green', '·') : paint('cyan', spinner(Date.now()));
      const leftMs = (waitsUntil.get(name) ?? 0) - now();
      const countdown = leftMs > 0 && what !== 'done' ? `, again in ${countDown(leftMs)}` : '';
      return truncate(`${mark} ${name.padEnd(maxName)}  ${paint('dim', `${what}${countdown}`)}`, terminal.columns());
    });
    terminal.draw(activity.size <= 20 ? lines : [...lines, `${done} of ${activity.size} targets done`]);
  };

  const timer = terminal.isLive ? setInterval(draw, 100) : undefined;
  return {
    onCall: ({ name, target, phase, answer }: FunctionCall): void => {
      const usual = activities[name];
      if (usual === undefined || !activity.has(target)) return;
      const wait = phase === 'ended' ? z.safeParse(waitSchema, answer).data : undefined;
      const { retryAt, recheckAfterSeconds } = wait ?? {};
      if (retryAt !== undefined) waitsUntil.set(target, Date.parse(retryAt));
      else if (recheckAfterSeconds !== undefined) waitsUntil.set(target, now() + recheckAfterSeconds * 1000);
      else if (phase === 'begun') waitsUntil.delete(target);
      const begun = name === 'update-runpod' && isDryRun ? 'looking whether it could be stored' : usual;
      const what =
        phase === 'failed'
          ? name === 'update-runpod' && isDryRun
            ? 'stopped before storing'
            : `${begun} failed: ${String(answer)}`
          : begun;
      if (activity.get(target) === what || phase === 'ended') return;
      activity.set(target, what);
      if (!terminal.isLive) terminal.printError(`${target}: ${what}`);
    },
    end: (): void => {
      clearInterval(timer);
      terminal.draw([]);
      terminal.settle();
    },
  };
};
