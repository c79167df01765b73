import * as z from 'zod/mini';
import { createMemory } from './lib/memory/memory.ts';
import { type PushWindow, repositoriesOf } from './lib/memory/push-window.ts';
import { type BasePlatform, type Log, lambda, type Platform, parseInput } from './lib/platform.ts';
import { createConcerns, findTargets } from './lib/runpod/concerned.ts';
import { runpodBy } from './lib/runpod/connect.ts';
import { createRunpodManagement, type Endpoint } from './lib/runpod/management.ts';
import { createLoadTargets, type LoadTargets } from './lib/targets.ts';
import { type RunTargets, runTargets } from './lib/turns.ts';

/** What find-concerned needs from outside. */
interface FindConcernedDeps {
  readonly loadTargets: LoadTargets;
  /** The repositories that were pushed to. @throws {MemoryUnavailableError} */
  readonly repositoriesOf: (window: PushWindow) => Promise<ReadonlySet<string>>;
  /** Runpod's endpoints, as the key at a place sees them. */
  readonly listEndpoints: (keySource: string) => Promise<readonly Endpoint[]>;
  readonly requestsPerMinute: number;
  readonly now: () => number;
  readonly log: Log;
}

const inputSchema = z.object({
  resolved: z.object({
    trigger: z.string(),
    names: z.array(z.string()),
    giveUpAt: z.string(),
    pushed: z.object({ account: z.string(), region: z.string(), waitUntil: z.number() }),
  }),
});

/** The run as ResolveTargets sets it out, of the targets that the pushes concern. */
interface FindConcernedOutput {
  readonly resolved: RunTargets & { readonly trigger: string; readonly giveUpAt: string };
  /** How many targets these are. */
  readonly concerned: number;
}

/**
 * Finds the targets of a push's run that one of the pushed repositories concerns: those with an endpoint whose image is of
 * it. Runpod is asked once for each key. Targets of a key for which it does not answer are left to the schedule, as a push
 * is only a hint; where the memory does not say what was pushed, each image of the registry may be new.
 *
 * @throws {RunpodUnavailableError | RunpodRateLimitedError | RunpodUnauthorizedError | ConfigurationError} no key could be asked
 */
export const createFindConcerned =
  ({ loadTargets, repositoriesOf, listEndpoints, requestsPerMinute, now, log }: FindConcernedDeps) =>
  async (event: unknown): Promise<FindConcernedOutput> => {
    const { resolved } = parseInput('find-concerned', inputSchema, event);
    const { names, pushed, ...run } = resolved;
    const all = loadTargets();
    const asked = all.filter(({ name }) => names.includes(name));
    const repositories = await repositoriesOf(pushed).catch((error: unknown): ReadonlySet<string> => {
      log.error('What was pushed is not known, so it may be anything', error);
      return new Set();
    });
    const found = await findTargets(asked, createConcerns(pushed, repositories), { listEndpoints, now, log });
    const concerned = new Set(found.map(({ name }) => name));
    const chosen = asked.filter(({ name }) => concerned.has(name));
    return { resolved: { ...run, ...runTargets(chosen, all, now(), requestsPerMinute) }, concerned: chosen.length };
  };

export const buildFindConcerned = (platform: BasePlatform & Pick<Platform, 'loadTargets'>) => {
  const memory = createMemory(platform.settings);
  const managementFor = runpodBy(platform, createRunpodManagement);
  return createFindConcerned({
    ...platform,
    repositoriesOf: (window) => repositoriesOf(memory, window),
    listEndpoints: (keySource) => managementFor(keySource).listEndpoints(),
    requestsPerMinute: platform.settings.RUNPOD_REQUESTS_PER_MINUTE,
  });
};

export const handler = lambda('find-concerned', (platform) =>
  buildFindConcerned({ ...platform, loadTargets: createLoadTargets(platform.settings) }),
);
