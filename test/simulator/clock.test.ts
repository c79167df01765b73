import { describe, expect, it } from 'vitest';
import { WorldClock } from '../../simulator/clock.ts';

describe('the world’s clock', () => {
  it('jumps to the next timer when nobody works, in order', async () => {
    const clock = new WorldClock(0);
    const seen: string[] = [];
    clock.setTimeout(() => seen.push(`late at ${clock.now()}`), 3_600_000);
    clock.setTimeout(() => seen.push(`soon at ${clock.now()}`), 1000);
    const never = clock.setTimeout(() => seen.push('never'), 500);
    clock.clearTimeout(never);
    clock.clearTimeout(undefined);
    await clock.advance(7_200_000);
    expect(seen).toEqual(['soon at 1000', 'late at 3600000']);
    expect(clock.now()).toBe(7_200_000);
  });

  it('stands still while somebody works, however long that takes', async () => {
    const clock = new WorldClock(0);
    let ended = 0;
    void clock.work(async () => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      ended = clock.now();
    });
    await clock.advance(60_000);
    expect(ended).toBe(0);
  });

  it('goes on while work pauses', async () => {
    const clock = new WorldClock(0);
    const work = clock.work(async () => {
      await clock.pause(5000);
      return clock.now();
    });
    expect(await clock.until(work)).toBe(5000);
  });

  it('stops where what it waits for fails', async () => {
    const clock = new WorldClock(0);
    await expect(clock.until(Promise.reject(new Error('no')))).rejects.toThrow('no');
  });
});
