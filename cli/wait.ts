import type { EngineClock } from '../runner/engine.ts';

/** Waits, or until Ctrl-C. */
export const wait = (milliseconds: number, clock: EngineClock, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clock.clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.setTimeout(end, milliseconds);
    signal.addEventListener('abort', end);
  });
