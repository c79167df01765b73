import { expect, it } from 'vitest';
import { measureRun } from '../../bench/endpoints/measure.ts';

it.each([
  3, 30, 1000,
])('a target of %i endpoints of as many images is refreshed within few calls, in time, and within what a state holds', {
  timeout: 600_000,
}, async (count) => {
  const run = await measureRun(count);
  expect(run).toMatchObject({ status: 'SUCCEEDED', proofs: { tested: count } });
  expect(run.calls).toBeLessThanOrEqual(1.1 * count + 8);
  expect(run.mostInAMinute).toBeLessThanOrEqual(54);
  expect(run.minutes).toBeLessThan(22);
  expect(run.largestBytes).toBeLessThan(200 * 1024);
  expect(run.events).toBeLessThan(5000);
  if (count === 3) expect(run.transitions).toBeLessThanOrEqual(14);
});
