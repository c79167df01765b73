import { targetsWithPod } from '../../simulator/inputs.ts';
import { World } from '../../simulator/world.ts';

/** What one check of a canary takes beyond a run without any. */
interface MeasuredCanary {
  readonly kind: 'pod' | 'job';
  /** Requests to Runpod. */
  readonly calls: number;
  /** How long what Runpod bills was there. Hosts pull at once here, so it is what waiting and looking costs. */
  readonly seconds: number;
  readonly dollars: number;
  readonly isSeen: boolean;
}

/** A GPU of 16 GB, and how long a worker stays after its job: https://docs.runpod.io/serverless/pricing */
const dollarsPerGpuSecond = 0.00016;
const idleSeconds = 5;

const targetsWith: Readonly<Record<'pod' | 'job' | 'none', string>> = {
  none: targetsWithPod.replace(/^ *canaryPod:.*$/m, ''),
  pod: targetsWithPod,
  job: targetsWithPod.replace(/canaryPod:.*$/m, 'endpoints: [{ id: 4m7x2k9q, canary: { input: { prompt: hello } } }]'),
};

const run = async (kind: keyof typeof targetsWith) => {
  const world = await World.begin({ targets: targetsWith[kind], environment: { LOG_LISTEN_SECONDS: '0.05' } });
  try {
    world.push('runpod-canary', 'v1', { layers: 1 });
    const image = world.push('team/worker', 'v1', { layers: 1 });
    world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'worker', image, registry: '6n2k8v4d' });
    let calls = 0;
    let submittedAt: number | undefined;
    let completedAt: number | undefined;
    const note = (what: string): boolean => {
      if (/ \/(?:v2|graphql|v1|jobs)\//.test(what) && !what.includes('.amazonaws.com')) calls += 1;
      if (/POST .*\/run$/.test(what)) submittedAt = world.clock.now();
      if (/\/status\//.test(what)) completedAt = world.clock.now();
      return false;
    };
    world.faults.add({ on: { test: note }, does: { reset: true } });
    const { output = '{}' } = await world.refresh();
    const [pod] = world.runpod.createdPods;
    const podMs = pod === undefined ? 0 : (pod.deletedAt ?? Number.POSITIVE_INFINITY) - pod.pod.createdAt;
    const flavour = world.runpod.cpus.find(({ id }) => id === pod?.pod.cpu.id);
    const dollarsPerPodSecond = ((flavour?.securePerVcpu ?? 0) * (pod?.pod.cpu.vcpuCount ?? 0)) / 3600;
    const jobMs = (completedAt ?? 0) - (submittedAt ?? 0);
    return { calls, podSeconds: podMs / 1000, dollarsPerPodSecond, jobSeconds: jobMs / 1000, output };
  } finally {
    await world.end();
  }
};

/** Has a pod and a job pull once each, in runs of the same endpoint. */
export const measureCanaries = async (): Promise<readonly [pod: MeasuredCanary, job: MeasuredCanary]> => {
  const [plain, pod, job] = [await run('none'), await run('pod'), await run('job')];
  const jobSeconds = job.jobSeconds + idleSeconds;
  return [
    {
      kind: 'pod',
      calls: pod.calls - plain.calls,
      seconds: pod.podSeconds,
      dollars: pod.podSeconds * pod.dollarsPerPodSecond,
      isSeen: pod.output.includes('"reason":"canary-pod"'),
    },
    {
      kind: 'job',
      calls: job.calls - plain.calls,
      seconds: jobSeconds,
      dollars: jobSeconds * dollarsPerGpuSecond,
      isSeen: /"reason":"(?:worker-pulled|canary-completed)"/.test(job.output),
    },
  ];
};
