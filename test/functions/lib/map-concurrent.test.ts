import { describe, expect, it } from 'vitest';
import { mapConcurrent } from '../../../functions/lib/map-concurrent.ts';

const numbers = Array.from({ length: 10 }, (_, index) => index);
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('a job for each of many items', () => {
  it('answers in their order, whichever ends first', async () => {
    const slowFirst = async (number: number): Promise<number> => {
      for (let wait = number; wait < 10; wait += 1) await turn();
      return number * 2;
    };
    expect(await mapConcurrent(numbers, 4, slowFirst)).toEqual(numbers.map((number) => number * 2));
  });

  it.each([
    [1, 1],
    [4, 4],
    [100, 10],
  ])('runs for at most %d at once', async (maxAtOnce, expected) => {
    let running = 0;
    let max = 0;
    await mapConcurrent(numbers, maxAtOnce, async () => {
      running += 1;
      max = Math.max(max, running);
      await turn();
      running -= 1;
    });
    expect(max).toBe(expected);
  });

  it('has nothing to do for none', async () => {
    expect(await mapConcurrent([], 4, () => Promise.reject(new Error('never')))).toEqual([]);
  });

  it('begins no other once one has failed', async () => {
    const begun: number[] = [];
    const job = async (number: number): Promise<void> => {
      begun.push(number);
      await turn();
      if (number === 2) throw new Error('of 2');
    };
    await expect(mapConcurrent(numbers, 2, job)).rejects.toThrow('of 2');
    expect(begun).toEqual([0, 1, 2, 3]);
  });

  it('tells those under way, and throws the first failure when they have ended', async () => {
    const ended: number[] = [];
    const job = async (number: number, signal: AbortSignal): Promise<void> => {
      if (number === 0) throw new Error('the first');
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      await turn();
      ended.push(number);
      throw new Error('a later one');
    };
    await expect(mapConcurrent(numbers, 3, job)).rejects.toThrow('the first');
    expect(ended).toEqual([1, 2]);
  });

  it('tells nobody where all goes well', async () => {
    const signals: AbortSignal[] = [];
    await mapConcurrent(numbers, 3, async (_number, signal) => void signals.push(signal));
    expect(signals.filter(({ aborted }) => aborted)).toEqual([]);
  });
});
