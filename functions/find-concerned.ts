import * as z from 'zod/mini';
import { mapConcurrent } from './lib/map-concurrent.ts';
import { createMemory } from './lib/memory/memory.ts';
import { type PushWindow, repositoriesOf } from './lib/memory/push-window.ts';
import { type BasePlatform, type Log, lambda, type Platform, parseInput } from './lib/platform.ts';
import { createConcerns } from './lib/runpod/concerned.ts';
import { connectRunpod } from './lib/runpod/connect.ts';
import { createRunpodManagement, type Endpoint } from './lib/runpod/management.ts';
import { createLoadTargets, type LoadTargets, type Target } from './lib/targets.ts';
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

/** So many keys are asked at once. */
const maxKeysAtOnce = 8;
/** No key is asked later than this, so that the last one answers within the function's time. */
const maxAskMs = 4 * 60_000;

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
    const concerns = createConcerns(pushed, repositories);
    const keys = [...new Set(asked.map(({ runpod }) => runpod.apiKey))];
    const giveUpAt = now() + maxAskMs;
    const failures: unknown[] = [];
    const found = await mapConcurrent(keys, maxKeysAtOnce, async (keySource): Promise<readonly Target[]> => {
      if (now() >= giveUpAt) return [];
      try {
        const endpoints = await listEndpoints(keySource);
        return asked.filter((target) => target.runpod.apiKey === keySource && concerns(target, endpoints));
      } catch (error) {
        log.error('Whom a push concerns could not be asked of Runpod; its targets are left to the schedule', error);
        failures.push(error);
        return [];
      }
    });
    if (keys.length > 0 && failures.length === keys.length) throw failures[0];

    const concerned = new Set(found.flat().map(({ name }) => name));
    const chosen = asked.filter(({ name }) => concerned.has(name));
    return { resolved: { ...run, ...runTargets(chosen, all, now(), requestsPerMinute) }, concerned: chosen.length };
  };

export const buildFindConcerned = (platform: BasePlatform & Pick<Platform, 'loadTargets'>) => {
  const { settings, now, log } = platform;
  const connect = connectRunpod(platform);
  const memory = createMemory(settings);
  return createFindConcerned({
    loadTargets: platform.loadTargets,
    repositoriesOf: (window) => repositoriesOf(memory, window),
    listEndpoints: (keySource) => createRunpodManagement(connect(keySource), settings).listEndpoints(),
    requestsPerMinute: settings.RUNPOD_REQUESTS_PER_MINUTE,
    now,
    log,
  });
};

export const handler = lambda('find-concerned', (platform) =>
  buildFindConcerned({ ...platform, loadTargets: createLoadTargets(platform.settings) }),
);
