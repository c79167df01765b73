import { mapConcurrent } from '../../functions/lib/map-concurrent.ts';
import { readPodName } from '../../functions/lib/runpod/canary-pod.ts';
import type { Endpoint } from '../../functions/lib/runpod/management.ts';
import type { Pod } from '../../functions/lib/runpod/pods.ts';
import { judgeAttempts, pullVerdicts, readPullAttempts } from '../../functions/lib/runpod/pull-attempts.ts';
import { labelOf } from '../../functions/lib/runpod/unmanaged.ts';
import { withLogs } from '../../functions/lib/runpod/watch-workers.ts';
import { createReadPodLog, createReadWorkerLog } from '../../functions/lib/runpod/worker-log.ts';
import { readWorkerLogs, troubleVerdict } from '../../functions/lib/runpod/worker-verdicts.ts';
import { type Check, type Finding, need, ok, skipped, warning, wrong } from './check.ts';
import type { TargetView } from './target-view.ts';

/** Each takes a call, and its workers' logs some seconds: of more, a run says it. */
const maxEndpoints = 20;
const maxWorkers = 3;
const maxPods = 20;
const maxAtOnce = 5;
/** What was logged longer ago says nothing of what Runpod stores now. */
const recentMs = 60 * 60_000;

/** Of these, no host pulls: they run, or have ended. */
const settledStates = ['RUNNING', 'EXITED', 'TERMINATED'];

/** What keeps workers and pods from pulling now, by their hosts' logs. */
export const pullChecks = ({ target, caller, now: readNow, key, endpoints }: TargetView): Check[] => {
  const { name: group, runpod } = target;
  const readPodLog = createReadPodLog(key.client, caller.settings);
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

  const findingOfPod = async (pod: Pod): Promise<Finding | undefined> => {
    const now = readNow();
    const storedAt = now - recentMs;
    const attempts = readPullAttempts(await readPodLog(pod.id, storedAt));
    const evidence = judgeAttempts(attempts, { storedAt, propagationMs: 0, now, hasStarted: false });
    const name = `Pod ${labelOf(pod)}`;
    switch (evidence.kind) {
      case 'refused':
        return wrong(
          `${name} is refused by ECR: "${evidence.line}".`,
          'Run npm run refresh; where it stays so for ten minutes, select the credential for the pod again.',
        );
      case 'failed':
        return warning(
          `${name} could not pull its image: "${evidence.line}".`,
          'Look at its logs in the Runpod console.',
        );
      case 'stalled':
        return warning(`${name} has stopped downloading its image.`, 'Look at its logs in the Runpod console.');
      default:
        return undefined;
    }
  };

  return [
    {
      group,
      title: 'pods',
      run: async () => {
        const pods = (await need('a list of pods', key.pods())).filter(
          ({ name, registry }) => registry === runpod.registry && readPodName(name, caller.stackName) === undefined,
        );
        if (pods.length === 0) return [];
        const starting = pods.filter(({ status }) => !settledStates.includes(status)).slice(0, maxPods);
        const findings = (await mapConcurrent(starting, maxAtOnce, findingOfPod)).filter((each) => each !== undefined);
        if (findings.length > 0) return findings;
        const count = `${pods.length} pod${pods.length === 1 ? '' : 's'}`;
        return ok(`${count} use${pods.length === 1 ? 's' : ''} the credential, and no log tells of a pull that fails.`);
      },
    },
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
