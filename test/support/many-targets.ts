import type { Report } from '../../functions/lib/report/report.ts';
import type { Execution } from '../../simulator/aws/step-functions.ts';
import { World } from '../../simulator/world.ts';

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** A world of many targets, each with a Runpod key of its own and three endpoints on one image. */
export const beginWithTargets = async (count: number): Promise<World> => {
  const names = Array.from({ length: count }, (_, index) =>
    `target-with-a-rather-long-name-${String(index).padStart(1, '0')}`.slice(-32).replace(/^-+/, ''),
  );
  const targets = names.map(
    (name, index) =>
      `  - { name: ${name}, ecr: { region: us-east-1 }, runpod: { apiKey: "ssm:/runpod-ecr-refresh/dev/${index}", registry: r${index} } }`,
  );
  const begun = await World.begin({
    targets: `targets:\n${targets.join('\n')}\n`,
    environment: { UPSTREAM_TIMEOUT_SECONDS: '30' },
  });
  const image = begun.push('team/worker', 'v1', { layers: 1 });
  names.forEach((_, index) => {
    const owner = `rpa_key_of_account_${index}`;
    begun.secrets.parameters.set(`/runpod-ecr-refresh/dev/${index}`, owner);
    begun.runpod.keys.set(owner, new Set(['*']));
    begun.runpod.addCredential(`r${index}`, 'ecr', { username: 'AWS', password: 'none' });
    for (const letter of ['a', 'b', 'c']) {
      begun.runpod.addEndpoint({
        id: `endpoint-${index}-${letter}`,
        name: letter,
        image,
        registry: `r${index}`,
        owner,
      });
    }
  });
  return begun;
};

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
