import type { Report } from '../../functions/lib/report/report.ts';
import { World } from '../../simulator/world.ts';

/** What a run of one target with so many endpoints took. */
export interface MeasuredRun {
  readonly endpoints: number;
  readonly status: string;
  readonly proofs: Readonly<Record<string, number>>;
  /** Requests to Runpod: all of them, and the most in any minute. */
  readonly calls: number;
  readonly mostInAMinute: number;
  /** Until the run had ended, by the world's clock. */
  readonly minutes: number;
  /** States that the target's own execution entered, and about how many events its history has. */
  readonly transitions: number;
  readonly events: number;
  /** The largest input or output of a state. */
  readonly largestBytes: number;
}

const parentStates = new Set([
  'IsPush',
  'ResolveTargets',
  'IsForPushes',
  'RefreshTargets',
  'Report',
  'Notify',
  'RunVerdict',
  'HandOverReport',
  'RefreshSucceeded',
]);
const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value ?? null));
const minuteMs = 60_000;

/** Refreshes a target with so many endpoints, each of an image of its own, that settle at once. */
export const measureRun = async (endpoints: number, requestsPerMinute = 60): Promise<MeasuredRun> => {
  const world = await World.begin({
    environment: { RUNPOD_REQUESTS_PER_MINUTE: String(requestsPerMinute), UPSTREAM_TIMEOUT_SECONDS: '30' },
  });
  try {
    for (let index = 0; index < endpoints; index += 1) {
      const image = world.push(`team/worker-${index}`, 'v1', { layers: 1 });
      world.runpod.addEndpoint({
        id: `ep${String(index).padStart(12, '0')}`,
        name: `worker ${index}`,
        image,
        registry: '6n2k8v4d',
      });
    }
    const asked: number[] = [];
    const note = (what: string): boolean => {
      if (/ \/(?:v2|graphql|v1|jobs)\//.test(what) && !what.includes('.amazonaws.com')) asked.push(world.clock.now());
      return false;
    };
    world.faults.add({ on: { test: note }, does: { reset: true } });
    const beganAt = world.clock.now();
    const execution = await world.refresh();
    const entered = execution.events.filter((event) => event.type === 'StateEntered').map(({ state }) => state.name);
    const own = execution.events.filter((event) => 'state' in event && !parentStates.has(event.state.name));
    const report = JSON.parse(execution.output ?? '{}') as Partial<Report>;
    return {
      endpoints,
      status: execution.status,
      proofs: report.targets?.[0]?.proofs ?? {},
      calls: asked.length,
      mostInAMinute: Math.max(
        ...asked.map((at) => asked.filter((other) => other >= at && other < at + minuteMs).length),
      ),
      minutes: (world.clock.now() - beganAt) / minuteMs,
      transitions: entered.filter((name) => !parentStates.has(name)).length,
      // A Task has five events in a history, where the engine here tells of two or three.
      events: own.length * 2.5,
      largestBytes: Math.max(
        ...execution.events.map((event) =>
          'state' in event ? Math.max(bytesOf(event.state.input), bytesOf(event.state.output)) : 0,
        ),
      ),
    };
  } finally {
    await world.end();
  }
};
