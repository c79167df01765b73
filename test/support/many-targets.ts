import { bytesOf } from '../../functions/lib/json.ts';
import type { Report } from '../../functions/lib/report/report.ts';
import type { Execution } from '../../simulator/aws/step-functions.ts';
import type { World } from '../../simulator/world.ts';

/** What a run of many targets may meet, and how it then ends. */
export const troubles: ReadonlyArray<{
  readonly what: string;
  readonly happen: (begun: World) => void;
  readonly status: Execution['status'];
}> = [
  {
    what: 'half of them in trouble',
    happen: (begun) => {
      for (const [index, endpoint] of [...begun.runpod.endpoints.values()].entries()) endpoint.workersMax = index % 2;
    },
    status: 'SUCCEEDED',
  },
  { what: 'none of which can be stored', happen: (begun) => begun.runpod.credentials.clear(), status: 'FAILED' },
];

/** The report that the machine's state of that name handed on. */
export const reportOf = (execution: Execution): Report => {
  const exited = execution.events.findLast((event) => event.type === 'StateExited' && event.state.name === 'Report');
  if (exited?.type !== 'StateExited') throw new Error('The run came to no report.');
  return (exited.state.output as unknown as { report: Report }).report;
};

/** The bytes of the largest input or output of a state. */
export const largestPayload = (execution: Execution): number =>
  Math.max(
    ...execution.events.map((event) =>
      'state' in event ? Math.max(bytesOf(event.state.input), bytesOf(event.state.output ?? null)) : 0,
    ),
  );
