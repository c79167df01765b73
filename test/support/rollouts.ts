import { createMemory } from '../../functions/lib/memory/memory.ts';
import { rolloutForm } from '../../functions/lib/rollout/memory.ts';
import type { RolloutRecord } from '../../functions/lib/rollout/record.ts';
import type { SimulatedEndpoint } from '../../simulator/runpod/server.ts';
import { account, region, registryHost, World } from '../../simulator/world.ts';

/** The endpoint that follows a tag. */
export const followerId = '4m7x2k9q';

/** The content of targets.yml with endpoints that follow something. */
export const targetsFollowing = (...endpoints: string[]): string => `
targets:
  - name: production
    ecr: { region: ${region} }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d }
    endpoints:
${endpoints.map((each) => `      - ${each}`).join('\n')}
`;

export const followingTag = targetsFollowing(`{ id: ${followerId}, rollout: { tag: production } }`);

/** A world with an endpoint that follows a tag, and whose image has been recorded by a run. */
export const beginFollowing = async (
  targets = followingTag,
  { isWarm = true }: { readonly isWarm?: boolean } = {},
): Promise<{ readonly world: World; readonly endpoint: SimulatedEndpoint }> => {
  const world = await World.begin({ targets, environment: { LOG_LISTEN_SECONDS: '0.03' } });
  const image = world.push('team/worker', 'production');
  const endpoint = world.runpod.addEndpoint({ id: followerId, name: 'worker', image, registry: '6n2k8v4d' });
  await world.refresh();
  if (isWarm) {
    world.runpod.startWorker(endpoint);
    await world.clock.advance(60_000);
  }
  return { world, endpoint };
};

/** Runs a refresh, and every rollout that it or another one has started, to their ends. */
export const rollOut = async (world: World, input?: object): Promise<void> => {
  await world.refresh(input);
  await settle(world);
};

/** Lets time pass until nothing runs any more. */
export const settle = async (world: World): Promise<void> => {
  for (;;) {
    const running = [...world.rollouts.executions.values(), ...world.stepFunctions.executions.values()].find(
      ({ status }) => status === 'RUNNING',
    );
    if (running === undefined) return;
    await world.clock.until(running.ended);
  }
};

/** The digest that a tag of the repository stands for. */
export const digestOfTag = async (world: World, tag: string, repository = 'team/worker'): Promise<string> => {
  const images = world.ecr.describeImages(account, region, repository) ?? [];
  const found = images.find(({ imageTags }) => imageTags.includes(tag));
  return found === undefined ? 'none' : String((found as { imageDigest?: string }).imageDigest);
};

/** A reference of the repository, pinned. */
export const pinned = (tag: string, digest: string): string => `${registryHost}/team/worker:${tag}@${digest}`;

/** What the stack remembers of an endpoint's rollouts. */
export const rolloutRecord = async (world: World, id = followerId): Promise<RolloutRecord> => {
  const record = await createMemory(world.platform().settings).read(rolloutForm, id);
  if (record === undefined) throw new Error(`Nothing is remembered of ${id}.`);
  return record;
};

/** Holds an endpoint, as a person does. */
export const hold = async (world: World, id = followerId): Promise<void> => {
  await createMemory(world.platform().settings).change(rolloutForm, id, (before) =>
    before === undefined ? undefined : { ...before, heldSince: world.clock.now() },
  );
};

/** Pushes an image of the repository, and answers with its digest. */
export const pushImage = (world: World, recipe = {}, tag = 'production'): Promise<string> => {
  world.push('team/worker', tag, recipe);
  return digestOfTag(world, tag);
};

/** Pushes an image that no worker runs. */
export const pushBroken = async (world: World, fault: 'ends' | 'cannot start'): Promise<string> => {
  const digest = await pushImage(world);
  world.runpod.programFaults.set(digest, fault);
  return digest;
};

/** What people were told, without the marks that keep mails from making links of what comes from outside. */
export const textsOf = (world: World): string[] => world.sns.inbox.map(({ text }) => text.replaceAll('\u2060', ''));
