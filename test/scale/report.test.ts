import { afterEach, describe, expect, it } from 'vitest';
import { maxPayloadBytes } from '../../runner/engine.ts';
import { beginWithTargets } from '../../simulator/many-targets.ts';
import type { World } from '../../simulator/world.ts';
import { largestPayload, reportOf, troubles } from '../support/many-targets.ts';

let world: World;
afterEach(() => world?.end());

describe('a run of 1,000 targets with three endpoints each', () => {
  it.each(troubles)('$what stays within what Step Functions holds', async ({ happen, status }) => {
    world = await beginWithTargets(1000);
    happen(world);
    const execution = await world.refresh();
    expect(execution.status).toBe(status);
    const { targets } = reportOf(execution);
    expect(targets).toHaveLength(1000);
    expect(new Set(targets.map(({ target }) => target)).size).toBe(1000);
    expect(largestPayload(execution)).toBeGreaterThan(10_000);
    expect(largestPayload(execution)).toBeLessThanOrEqual(maxPayloadBytes);
    // Each child has a history of its own; here are all of them, of which one holds 25,000 events.
    expect(execution.events.length / 1000).toBeLessThan(250);
  });
});
