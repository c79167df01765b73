import type { Context } from 'aws-lambda';
import { buildApplyRollout } from '../functions/apply-rollout.ts';
import { buildCanaryPod } from '../functions/canary-pod.ts';
import { buildConcludeTarget } from '../functions/conclude-target.ts';
import { buildDiscoverEndpoints } from '../functions/discover-endpoints.ts';
import { buildFetchToken } from '../functions/fetch-token.ts';
import { buildFindConcerned } from '../functions/find-concerned.ts';
import { createSeal, createUnseal } from '../functions/lib/aws/seal.ts';
import { createMemory } from '../functions/lib/memory/memory.ts';
import { type BasePlatform, type LambdaFunction, type Platform, withPlatform } from '../functions/lib/platform.ts';
import { createLoadTargets } from '../functions/lib/targets.ts';
import { buildNotify } from '../functions/notify.ts';
import { buildPlanRetry } from '../functions/plan-retry.ts';
import { buildPlanRollout } from '../functions/plan-rollout.ts';
import { buildReport } from '../functions/report.ts';
import { buildResolveTargets } from '../functions/resolve-targets.ts';
import { buildRollBack } from '../functions/roll-back.ts';
import { buildStartRefresh } from '../functions/start-refresh.ts';
import { buildStartRollouts } from '../functions/start-rollouts.ts';
import { buildSubmitCanary } from '../functions/submit-canary.ts';
import { buildUpdateRunpod } from '../functions/update-runpod.ts';
import { buildVerifyEndpointPull } from '../functions/verify-endpoint-pull.ts';
import { buildVerifyImagePull } from '../functions/verify-image-pull.ts';
import { buildWatchRollout } from '../functions/watch-rollout.ts';

/** The product's Lambdas, by the name of their file. */
export const functionNames = [
  'start-refresh',
  'resolve-targets',
  'find-concerned',
  'discover-endpoints',
  'fetch-token',
  'verify-image-pull',
  'update-runpod',
  'submit-canary',
  'verify-endpoint-pull',
  'start-rollouts',
  'plan-rollout',
  'apply-rollout',
  'watch-rollout',
  'roll-back',
  'canary-pod',
  'plan-retry',
  'conclude-target',
  'report',
  'notify',
] as const;
export type FunctionName = (typeof functionNames)[number];

/** Makes each function of what it needs from outside. */
export type Builders = Record<FunctionName, (platform: Platform) => LambdaFunction<unknown>>;

/** The functions as they are deployed. */
const deployed: Builders = {
  'start-refresh': buildStartRefresh,
  'resolve-targets': buildResolveTargets,
  'find-concerned': buildFindConcerned,
  'discover-endpoints': buildDiscoverEndpoints,
  'fetch-token': buildFetchToken,
  'verify-image-pull': buildVerifyImagePull,
  'update-runpod': buildUpdateRunpod,
  'submit-canary': buildSubmitCanary,
  'verify-endpoint-pull': buildVerifyEndpointPull,
  'start-rollouts': buildStartRollouts,
  'plan-rollout': buildPlanRollout,
  'apply-rollout': buildApplyRollout,
  'watch-rollout': buildWatchRollout,
  'roll-back': buildRollBack,
  'canary-pod': buildCanaryPod,
  'plan-retry': buildPlanRetry,
  'conclude-target': buildConcludeTarget,
  report: buildReport,
  notify: buildNotify,
};

/** Invokes a Lambda by name. */
export type InvokeFunction = (name: FunctionName, event: unknown) => Promise<unknown>;

/** `FetchToken`, as the state machine's placeholders name `fetch-token`. */
export const pascalCase = (name: string): string =>
  name
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');

/**
 * Builds each function when it is first invoked and keeps it warm, as Lambda does.
 *
 * @param base what functions get from outside; what it lacks is as it is deployed
 * @param others builders to use in place of those that are deployed
 */
export const createInvokeFunction = (
  base: BasePlatform & Partial<Platform>,
  others: Partial<Builders> = {},
): InvokeFunction => {
  const { settings } = base;
  // Made where a function needs it: what nothing here needs is not set either.
  const platform: Platform = {
    ...base,
    get seal() {
      return base.seal ?? createSeal(settings);
    },
    get unseal() {
      return base.unseal ?? createUnseal(settings);
    },
    get loadTargets() {
      return base.loadTargets ?? createLoadTargets(settings);
    },
    get memory() {
      return base.memory ?? createMemory(settings);
    },
  };
  const builders = { ...deployed, ...others };
  const handlers = new Map<string, (event: unknown, context: Context) => Promise<unknown>>();
  return async (name, event) => {
    const handler = handlers.get(name) ?? withPlatform(name, platform, builders[name](platform));
    handlers.set(name, handler);
    return handler(event, { functionName: name } as Context);
  };
};
