import * as z from 'zod/mini';
import { createUnseal, type RegistryToken, type Unseal } from './lib/aws/seal.ts';
import { createStartExecution, type StartExecution } from './lib/aws/start-execution.ts';
import { defined } from './lib/defined.ts';
import { isSameRegistry } from './lib/ecr/host.ts';
import { type ImageReference, parseImageReference } from './lib/ecr/image-reference.ts';
import { createRegistryClient, type RegistryClient } from './lib/ecr/pull.ts';
import { PullError } from './lib/ecr/registry.ts';
import { createListRepositoryImages, type ListRepositoryImages } from './lib/ecr/repository-images.ts';
import { requireSetting } from './lib/env.ts';
import { type Log, lambda, type Platform, parseInput } from './lib/platform.ts';
import type { RolloutOutcome } from './lib/report/outcome.ts';
import { type Decision, decideRollout, nameOf, type RolloutView } from './lib/rollout/decide.ts';
import { type Follower, followersOf } from './lib/rollout/followers.ts';
import { createRolloutMemory, type RolloutMemory, type RolloutPlatform } from './lib/rollout/memory.ts';
import { executionNameOf, type RolloutOrder } from './lib/rollout/order.ts';
import { claim, type RolloutRecord } from './lib/rollout/record.ts';
import { createLoadTargets, type LoadTargets } from './lib/targets.ts';

/** What start-rollouts needs from outside. */
interface StartRolloutsDeps {
  readonly loadTargets: LoadTargets;
  readonly unseal: Unseal;
  readonly registryClient: RegistryClient;
  readonly listImages: ListRepositoryImages;
  readonly memory: RolloutMemory;
  readonly startExecution: StartExecution;
  readonly now: () => number;
  readonly log: Log;
}

const inputSchema = z.object({
  execution: z.string(),
  target: z.string(),
  credential: z.string(),
  expiresAt: z.string(),
  sealed: z.string(),
  registry: z.string(),
  endpoints: z.array(z.object({ id: z.string(), image: z.string() })),
});

/** No endpoint is begun with later than this, so that the last one ends within the function's time. */
const maxFollowMs = 6 * 60_000;

/** Executions of an attempt may have ended without having ended their rollout: then the next number goes on. */
const maxStarts = 5;

/**
 * Finds for each endpoint that follows something the image that it wants, tries it with the fresh token, and starts an
 * execution that rolls it out. Nobody waits for it.
 *
 * @throws {KmsUnavailableError} the token cannot be opened
 */
export const createStartRollouts = ({
  loadTargets,
  unseal,
  registryClient,
  listImages,
  memory,
  startExecution,
  now,
  log,
}: StartRolloutsDeps) => {
  /** Why an image must not be given to an endpoint, in a clause; nothing where the token pulls it. */
  const problemOf = async (image: string, token: RegistryToken): Promise<string | undefined> => {
    const reference = parseImageReference(image);
    if (reference === undefined) return 'it has no name that could be pulled';
    try {
      await registryClient.tryImage(reference, token);
      return undefined;
    } catch (error) {
      if (!(error instanceof PullError)) throw error;
      return error.advice;
    }
  };

  const start = async (follower: Follower, followers: readonly Follower[], digest: string): Promise<void> => {
    const { id, settings, target } = follower;
    const waiting = followers.filter(({ settings: { after } }) => after === id).map((each) => each.target.name);
    for (let tries = 0; tries < maxStarts; tries += 1) {
      const attempt = (await memory.read(id))?.current?.attempt;
      if (attempt === undefined) return;
      const order: RolloutOrder = defined({
        endpoint: id,
        attempt,
        digest,
        target: { name: target.name, runpod: defined(target.runpod) },
        proveWithinMinutes: settings.proveWithinMinutes,
        canary: settings.canary,
        waiting: [...new Set(waiting)],
      });
      if ((await startExecution(executionNameOf(order), order)) !== 'ended') return;
      await memory.change(id, (before) =>
        before?.current?.attempt === attempt
          ? { ...before, attempts: before.attempts + 1, current: { ...before.current, attempt: before.attempts + 1 } }
          : before,
      );
    }
  };

  const follow = async (
    follower: Follower,
    image: string,
    reference: ImageReference,
    followers: readonly Follower[],
    token: RegistryToken,
  ): Promise<RolloutOutcome> => {
    const { id, settings } = follower;
    const images = await listImages(reference.registry, reference.repository);
    const other = followers.find((each) => each.id === settings.after);
    const view: RolloutView = {
      settings,
      image,
      images,
      after:
        settings.after === undefined
          ? undefined
          : { id: settings.after, settings: other?.settings, record: await memory.read(settings.after) },
      now: now(),
    };
    const first = decideRollout(await memory.read(id), view);
    const tried = first.next === 'begin' ? first.wanted : undefined;
    const problem = tried === undefined ? undefined : await problemOf(tried.image, token);

    let told: string | undefined;
    let decision: Decision = first;
    const remembered = await memory.change(id, (before): RolloutRecord => {
      decision = decideRollout(before, view);
      const { record, wanted, state } = decision;
      const mayBegin = decision.next === 'begin' && wanted?.digest === tried?.digest;
      if (decision.next === 'begin' && (!mayBegin || problem !== undefined)) {
        decision = {
          ...decision,
          state: 'no image',
          why:
            problem === undefined
              ? 'it is tried by the next run'
              : `${nameOf(wanted?.image ?? '')} is not rolled out: ${problem}`,
          ...(problem === undefined ? {} : { trouble: `not pullable ${wanted?.digest}` }),
        };
        const { next: _, ...rest } = decision;
        decision = rest;
      }
      const isOver = state === 'current' && record.told !== undefined;
      told =
        decision.trouble !== undefined && decision.trouble !== before?.told
          ? decision.why
          : isOver
            ? 'over'
            : undefined;
      const { told: _, ...untold } = record;
      const kept = isOver ? untold : decision.trouble === undefined ? record : { ...record, told: decision.trouble };
      return decision.next === 'begin' && wanted !== undefined ? claim(kept, wanted, now()) : kept;
    });
    const { state, why, next, wanted } = decision;
    const digest = remembered?.current?.digest;
    let trouble = why;
    if (next !== undefined && digest !== undefined) {
      await start(follower, followers, digest).catch((error: unknown) => {
        log.error(`The rollout of endpoint ${id} could not be started`, error);
        trouble = `${why}; its execution could not be started, and the next run does`;
      });
    }
    return defined({
      endpoint: id,
      state,
      why: trouble,
      runs: nameOf(image),
      wanted: wanted === undefined ? undefined : nameOf(wanted.image),
      isTold: told === undefined ? undefined : true,
    });
  };

  return async (event: unknown): Promise<{ readonly rollouts: readonly RolloutOutcome[] }> => {
    const input = parseInput('start-rollouts', inputSchema, event);
    const { execution, target, credential, expiresAt, sealed, registry, endpoints } = input;
    const token = await unseal(sealed, { execution, target, credential, expiresAt });
    const followers = followersOf(loadTargets());
    const rollouts: RolloutOutcome[] = [];
    const giveUpAt = now() + maxFollowMs;
    for (const follower of followers.filter((each) => each.target.name === target)) {
      const { id } = follower;
      const image = endpoints.find((each) => each.id === id)?.image ?? '';
      const reference = parseImageReference(image);
      if (now() >= giveUpAt) {
        rollouts.push({ endpoint: id, state: 'unknown', why: 'there was no time for it; the next run looks' });
        continue;
      }
      if (reference === undefined || !isSameRegistry(reference.registry, registry)) {
        rollouts.push({ endpoint: id, state: 'no image', why: `its image is none of ${registry}` });
        continue;
      }
      // What is wrong with one endpoint, or its repository, holds up no other.
      const outcome = await follow(follower, image, reference, followers, token).catch((error: unknown) => {
        log.error(`What endpoint ${id} wants could not be found`, error);
        const why = error instanceof Error ? error.message : String(error);
        return { endpoint: id, state: 'unknown', why };
      });
      rollouts.push(outcome);
    }
    return { rollouts };
  };
};

export const buildStartRollouts = (platform: RolloutPlatform & Pick<Platform, 'unseal' | 'loadTargets'>) => {
  const { settings, now, send, log } = platform;
  return createStartRollouts({
    loadTargets: platform.loadTargets,
    unseal: platform.unseal,
    registryClient: createRegistryClient(settings, send),
    listImages: createListRepositoryImages(settings, now),
    memory: createRolloutMemory(platform),
    startExecution: createStartExecution(settings, requireSetting(settings, 'ROLLOUT_MACHINE_ARN')),
    now,
    log,
  });
};

export const handler = lambda('start-rollouts', (platform) =>
  buildStartRollouts({
    ...platform,
    unseal: createUnseal(platform.settings),
    loadTargets: createLoadTargets(platform.settings),
  }),
);
