import { afterEach, expect, it, vi } from 'vitest';
import { createProgress } from '../../cli/refresh/progress.ts';
import type { Terminal } from '../../cli/terminal.ts';

afterEach(() => {
  vi.useRealTimers();
});

it('counts down while a target waits, and no longer once it goes on', () => {
  vi.useFakeTimers({ now: 0 });
  let drawn: readonly string[] = [];
  const terminal: Terminal = {
    isInteractive: true,
    isLive: true,
    columns: () => 80,
    paint: (_, text) => text,
    print: () => {},
    printError: () => {},
    draw: (lines) => {
      drawn = lines;
    },
    settle: () => {},
    discardTyped: async () => {},
    during: (_, work) => work,
    prompt: () => ({ input: process.stdin, output: process.stdout }),
  };
  const progress = createProgress(['production'], { isDryRun: false, now: Date.now }, terminal);
  const call = (
    name: 'plan-retry' | 'fetch-token' | 'verify-endpoint-pull',
    phase: 'begun' | 'ended',
    answer?: object,
  ) => progress.onCall({ name, target: 'production', phase, answer });
  const shown = (afterMs: number): string => {
    vi.advanceTimersByTime(afterMs);
    return drawn.join('\n').slice(2);
  };
  call('plan-retry', 'begun');
  call('plan-retry', 'ended', { retryAt: new Date(15 * 60_000).toISOString() });
  expect(shown(1000)).toBe('production  waiting, to try again, again in 14 min 59 s');
  expect(shown(14 * 60_000)).toBe('production  waiting, to try again, again in 59 s');
  call('fetch-token', 'begun');
  expect(shown(100)).toBe('production  minting a token');
  call('verify-endpoint-pull', 'begun');
  call('verify-endpoint-pull', 'ended', { recheckAfterSeconds: 30 });
  expect(shown(10_000)).toBe('production  watching the workers, again in 20 s');
  progress.end();
});
