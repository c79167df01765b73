import fc from 'fast-check';
import type { Report } from '../../functions/lib/report/report.ts';
import type { FunctionName } from '../../runner/functions.ts';
import type { Execution } from '../../simulator/aws/step-functions.ts';
import { targetsWithPod } from '../../simulator/inputs.ts';
import { World } from '../../simulator/world.ts';
import {
  commands,
  credential,
  endpointId,
  keyMark,
  type Model,
  nothing,
  passwordMark,
  putRight,
  type Real,
  tick,
} from './commands.ts';
import { expectInvariants } from './invariants.ts';

/** A Lambda that died: Step Functions sees it so. */
class CrashError extends Error {
  override readonly name = 'Lambda.Unknown';
}

/** How often a pod is created. */
const everyHours = 6;

const hasPodInTrouble = ({ output }: Execution): boolean => {
  const { targets } = JSON.parse(output ?? '{"targets":[]}') as Report;
  return targets.some(({ canaryPod }) => canaryPod !== undefined && canaryPod.proof !== 'observed');
};

const beginWorld = async (): Promise<Real> => {
  const world = await World.begin({
    passwordMark,
    apiKey: `${keyMark}0`,
    startAt: Date.parse('2026-11-23T00:00:00Z'),
    environment: { UPSTREAM_TIMEOUT_SECONDS: '0.2', LOG_LISTEN_SECONDS: '0.02' },
    targets: targetsWithPod.replace('everyHours: 24', `everyHours: ${everyHours}`),
  });
  world.push('runpod-canary', 'v1');
  const image = world.push('team/worker', 'v1');
  world.runpod.addEndpoint({ id: endpointId, name: 'images', image, registry: credential });
  const crashes: Real['crashes'] = [];
  const takeCrash = (name: FunctionName) => {
    const index = crashes.findIndex((each) => each.name === name);
    return index === -1 ? undefined : crashes.splice(index, 1)[0];
  };
  const real: Real = {
    world,
    crashes,
    saidAndCrashed: 0,
    losses: [],
    restart: () => {
      world.restart();
      const { invoke } = world;
      world.invoke = async (name, event) => {
        const crash = takeCrash(name);
        if (crash?.when === 'before') throw new CrashError('The process died before it had begun.');
        const result = await invoke(name, event);
        if (crash === undefined) return result;
        if (name === 'notify') real.saidAndCrashed += 1;
        throw new CrashError('The process died before it could answer.');
      };
    },
  };
  real.restart();
  return real;
};

const waitForRuns = async ({ clock, stepFunctions }: World): Promise<void> => {
  for (const execution of stepFunctions.executions.values()) {
    if (execution.status === 'RUNNING') await clock.until(execution.ended);
  }
};

/** Plays one history, puts everything right, runs once more, and checks that all has held. */
const playHistory = async (history: Iterable<fc.AsyncCommand<Model, Real>>): Promise<void> => {
  const real = await beginWorld();
  try {
    await fc.asyncModelRun(() => ({ model: { hasCredential: true, keyNumber: 0 }, real }), history);
    putRight(real);
    await waitForRuns(real.world);
    real.crashes.length = 0;
    real.restart();
    let last = await real.world.refresh();
    if (hasPodInTrouble(last)) {
      // What a pod showed while something was wrong stands until the next one is due.
      await real.world.clock.advance(everyHours * 3_600_000);
      last = await real.world.refresh();
    }
    if (last.status !== 'SUCCEEDED') throw new Error(`Once all was right again, a run still ended as ${last.status}.`);
    expectInvariants(real);
  } finally {
    await real.world.end();
  }
};

/** A property that holds for every history. */
export const chaos = fc.asyncProperty(
  // Long from the first history on; each command may shrink to nothing.
  fc.array(fc.oneof({ withCrossShrink: true }, fc.constant(nothing), { arbitrary: tick, weight: 10 }, ...commands), {
    minLength: 8,
    maxLength: 14,
    size: 'max',
  }),
  playHistory,
);
