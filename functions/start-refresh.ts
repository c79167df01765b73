import { createStartExecution, type StartAnswer, type StartExecution } from './lib/aws/start-execution.ts';
import { pushEventSchema } from './lib/ecr/push-event.ts';
import { requireSetting } from './lib/env.ts';
import { RefreshNotStartedError } from './lib/errors.ts';
import { chooseTargets } from './lib/execution-input.ts';
import { createMemory } from './lib/memory/memory.ts';
import { type PushWindow, rememberPush } from './lib/memory/push-window.ts';
import { isoSeconds, lambda, type Platform, parseInput } from './lib/platform.ts';
import { createLoadTargets, type LoadTargets } from './lib/targets.ts';

/** What start-refresh needs from outside. */
interface StartRefreshDeps {
  readonly loadTargets: LoadTargets;
  /** The account this stack runs in. */
  readonly ownAccount: string;
  readonly remember: (window: PushWindow, repository: string) => Promise<void>;
  readonly startExecution: StartExecution;
  readonly now: () => number;
  readonly windowSeconds: number;
}

/** The execution that covers the push; none where no target has its registry. */
interface StartRefreshOutput {
  readonly execution?: string;
  readonly answer: StartAnswer | 'no target';
}

const maxStarts = 5;
/** Past a window's end its run still waits so long, for pushes that were counted to it by another clock. */
const graceMs = 5000;

/**
 * Starts one refresh for all the pushes to a registry that arrive within a window. The execution's name is the registry
 * and the window, and its input is the same for every push in it, so Step Functions itself drops the doubles; the
 * execution waits for its window to close, and then reads in the memory which repositories were pushed to.
 *
 * @throws {RefreshNotStartedError | MemoryUnavailableError} the event should be delivered again
 */
export const createStartRefresh =
  ({ loadTargets, ownAccount, remember, startExecution, now, windowSeconds }: StartRefreshDeps) =>
  async (event: unknown): Promise<StartRefreshOutput> => {
    const { registry, repository } = parseInput('start-refresh', pushEventSchema, event);
    if (chooseTargets(loadTargets(), { registry }, ownAccount).length === 0) return { answer: 'no target' };

    const windowMs = windowSeconds * 1000;
    let ended = 0;
    for (let starts = 0; starts < maxStarts; starts += 1) {
      const opened = Math.floor(now() / windowMs) * windowMs;
      const closesAt = opened + windowMs;
      const waitUntil = closesAt + graceMs;
      await remember({ ...registry, waitUntil }, repository);
      const window = `push-${registry.account}-${registry.region}-${isoSeconds(opened).replaceAll(/[-:]/g, '')}`;
      const execution = ended === 0 ? window : `${window}-${ended + 1}`;
      const answer = await startExecution(execution, { trigger: 'push', registry, waitUntil: isoSeconds(waitUntil) });
      // One of this name that has ended did not see this push: it was stopped, or failed, before its window closed. Nor
      // may one have that was there already, where the window has closed meanwhile.
      if (answer !== 'ended' && now() < closesAt) return { execution, answer };
      if (answer === 'ended') ended += 1;
    }
    throw new RefreshNotStartedError(
      `Step Functions started no refresh for a push to ${registry.account} in ${registry.region}, asked ${maxStarts} times.`,
    );
  };

export const buildStartRefresh = (platform: Pick<Platform, 'settings' | 'now' | 'loadTargets'>) => {
  const { settings } = platform;
  const stateMachineArn = requireSetting(settings, 'STATE_MACHINE_ARN');
  const memory = createMemory(settings);
  return createStartRefresh({
    ...platform,
    ownAccount: stateMachineArn.split(':')[4] ?? '',
    remember: (window, repository) => rememberPush(memory, window, repository),
    startExecution: createStartExecution(settings, stateMachineArn),
    windowSeconds: settings.PUSH_WINDOW_SECONDS,
  });
};

export const handler = lambda('start-refresh', (platform) =>
  buildStartRefresh({ ...platform, loadTargets: createLoadTargets(platform.settings) }),
);
