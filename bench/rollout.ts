import { targetsWithRollout } from '../simulator/inputs.ts';
import type { SimulatedEndpoint } from '../simulator/runpod/server.ts';
import { World } from '../simulator/world.ts';

/**
 * From the push event to a proven image: seconds and Runpod calls, beside the script that people put behind a docker push
 * (PATCH the image, poll the workers until one is ready), over the same simulated Runpod; and what each leaves where the
 * new image does not work. Run: npm run bench:rollout
 */
const second = 1000;
const minuteMs = 60 * second;
const pollMs = 5 * second;
/** A script gives up, and a person comes, after so long. */
const scriptGivesUpMs = 10 * 60 * second;
const personComesMs = 8 * 60 * 60 * second;

interface Measured {
  readonly seconds: number;
  readonly calls: number;
  /** Minutes in which a worker that starts could not run the endpoint's image. */
  readonly minutesBroken: number;
}

const begin = async () => {
  const world = await World.begin({ targets: targetsWithRollout, environment: { LOG_LISTEN_SECONDS: '0.03' } });
  const image = world.push('team/worker', 'production');
  const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'worker', image, registry: '6n2k8v4d' });
  await world.refresh();
  world.runpod.startWorker(endpoint);
  // To the next minute's beginning, when a push waits longest for the others of its minute.
  await world.clock.advance(2 * minuteMs - (world.clock.now() % minuteMs));
  const counted = { calls: 0 };
  const take = world.faults.take.bind(world.faults);
  world.faults.take = (description) => {
    if (/ \/(?:v2\/(?:serverless|registries|templates|pods)|jobs\/)/.test(description)) counted.calls += 1;
    return take(description);
  };
  return { world, endpoint, counted };
};

/** Whether a worker that starts now could run what the endpoint has. */
const isBroken = (world: World, { image }: SimulatedEndpoint): boolean => {
  const digest = image.split('@')[1] ?? world.registry.digestOf(image) ?? '';
  return world.runpod.programFaults.has(digest);
};

/** Adds up how long the endpoint is broken, every five seconds, until something has ended. */
const watch = async (world: World, endpoint: SimulatedEndpoint, isOver: () => boolean): Promise<number> => {
  let brokenMs = 0;
  while (!isOver()) {
    await world.clock.advance(pollMs);
    if (isBroken(world, endpoint)) brokenMs += pollMs;
  }
  return brokenMs / minuteMs;
};

const pushImage = (world: World, tag: string, isGood: boolean): string => {
  const image = world.push('team/worker', tag);
  if (!isGood) world.runpod.programFaults.set(world.registry.digestOf(image) ?? '', 'cannot start');
  return image;
};

const ours = async (isGood: boolean): Promise<Measured> => {
  const { world, endpoint, counted } = await begin();
  pushImage(world, 'production', isGood);
  const startedAt = world.clock.now();
  await world.deliverPush('team/worker', 'production');
  const minutesBroken = await watch(world, endpoint, () => {
    const [execution] = world.rollouts.executions.values();
    return execution !== undefined && execution.status !== 'RUNNING';
  });
  const seconds = (world.clock.now() - startedAt) / second;
  await world.end();
  return { seconds, calls: counted.calls, minutesBroken };
};

/** What people do today, with a tag of its own for each push, since the same tag again changes nothing at Runpod. */
const script = async (isGood: boolean): Promise<Measured> => {
  const { world, endpoint, counted } = await begin();
  const image = pushImage(world, 'build-2', isGood);
  const startedAt = world.clock.now();
  const headers = { authorization: `Bearer ${world.apiKey}`, 'content-type': 'application/json' };
  const url = `${world.environment.RUNPOD_API_URL}/serverless/${endpoint.id}`;
  await world.clock.work(() => fetch(url, { method: 'PATCH', headers, body: JSON.stringify({ image }) }));
  let isReady = false;
  while (!isReady && world.clock.now() - startedAt < scriptGivesUpMs) {
    await world.clock.advance(pollMs);
    const answer = await world.clock.work(async () => (await fetch(`${url}/workers`, { headers })).json());
    const { workers } = answer as { workers: Array<{ status: string; isStale: boolean }> };
    isReady = workers.some(({ status, isStale }) => !isStale && status === 'IDLE');
  }
  const seconds = (world.clock.now() - startedAt) / second;
  const broken = isBroken(world, endpoint) ? personComesMs / minuteMs : 0;
  await world.end();
  return { seconds, calls: counted.calls, minutesBroken: broken };
};

const row = (what: string, { seconds, calls, minutesBroken }: Measured): void => {
  process.stdout.write(
    `${what.padEnd(44)} ${seconds.toFixed(0).padStart(6)} s ${String(calls).padStart(6)} calls ${minutesBroken.toFixed(1).padStart(7)} min\n`,
  );
};

process.stdout.write(
  `${''.padEnd(44)} ${'until known'.padStart(8)} ${'at Runpod'.padStart(12)} ${'broken'.padStart(9)}\n`,
);
const good = await ours(true);
const bad = await ours(false);
row('this product, an image that works', good);
row('a script, an image that works', await script(true));
row('this product, an image that does not', bad);
row('a script, an image that does not', await script(false));
const isWithin = good.seconds <= 180 && bad.minutesBroken <= 5;
process.stdout.write(
  `\nA minute of it gathers pushes, all of which it waits for here, and half a minute shows that a program goes on running. A script leaves a broken image until somebody comes: eight hours are reckoned with.\nTargets: proven within 3 minutes, broken for at most 5. ${isWithin ? 'All targets are met.' : 'A target is missed.'}\n`,
);
process.exitCode = isWithin ? 0 : 1;
