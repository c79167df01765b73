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

/** Shows how far each target has come: on lines that are drawn anew, or as a line for each step where they cannot be. */
export const createProgress = (targets: readonly string[], { isDryRun }: { isDryRun: boolean }, terminal: Terminal) => {
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
      return truncate(`${mark} ${name.padEnd(maxName)}  ${paint('dim', what)}`, terminal.columns());
    });
    terminal.draw(activity.size <= 20 ? lines : [...lines, `${done} of ${activity.size} targets done`]);
  };

  const timer = terminal.isLive ? setInterval(draw, 100) : undefined;
  return {
    onCall: ({ name, target, phase, answer }: FunctionCall): void => {
      const usual = activities[name];
      if (usual === undefined || !activity.has(target)) return;
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
