import { mapConcurrent } from '../../functions/lib/map-concurrent.ts';
import type { Endpoint } from '../../functions/lib/runpod/management.ts';
import { pullVerdicts } from '../../functions/lib/runpod/pull-attempts.ts';
import { withLogs } from '../../functions/lib/runpod/watch-workers.ts';
import { createReadWorkerLog } from '../../functions/lib/runpod/worker-log.ts';
import { readWorkerLogs, troubleVerdict } from '../../functions/lib/runpod/worker-verdicts.ts';
import { type Check, type Finding, need, ok, skipped, warning, wrong } from './check.ts';
import type { TargetView } from './target-view.ts';

/** Each takes a call, and its workers' logs some seconds: of more, a run says it. */
const maxEndpoints = 20;
const maxWorkers = 3;
const maxAtOnce = 5;
/** What was logged longer ago says nothing of what Runpod stores now. */
const recentMs = 60 * 60_000;

/** What keeps workers from pulling now, by their own logs. */
export const pullChecks = ({ target: { name: group }, caller, now: readNow, key, endpoints }: TargetView): Check[] => {
  const readLog = createReadWorkerLog(key.client, caller.settings);

  const findingOf = async ({ id }: Endpoint): Promise<Finding | undefined> => {
    const workers = await key.management.listWorkers(id);
    const failing = workers.filter(({ status }) => status === 'INITIALIZING' || status === 'UNHEALTHY');
    const now = readNow();
    const storedAt = now - recentMs;
    const read = (workerId: string) => readLog(id, workerId, storedAt);
    const view = {
      workers: await withLogs(failing, failing.slice(0, maxWorkers), read),
      storedAt,
      propagationMs: 0,
      now,
    };
    const logs = readWorkerLogs(view);
    const refused = logs.find('refused');
    if (refused !== undefined) {
      return wrong(
        `Endpoint ${id}: worker ${refused.worker} is refused by ECR: "${refused.evidence.line}".`,
        `Run npm run refresh; where it stays so for ten minutes: ${pullVerdicts.refused.remedy}`,
      );
    }
    const trouble = troubleVerdict(logs, view);
    return trouble === undefined
      ? undefined
      : warning(`Endpoint ${id}: ${trouble.evidence}`, 'Look at its logs in the Runpod console.');
  };

  return [
    {
      group,
      title: 'pulls',
      run: async () => {
        const users = await need('a list of its endpoints', endpoints());
        const looked = users.filter(({ workers }) => workers.max !== 0).slice(0, maxEndpoints);
        if (looked.length === 0) return skipped('There is no endpoint whose workers could pull.');
        const findings = (await mapConcurrent(looked, maxAtOnce, findingOf)).filter((each) => each !== undefined);
        return findings.length > 0 ? findings : ok('No worker’s log tells of a pull that fails.');
      },
    },
  ];
};
