import type { CanaryPodOutcome } from '../functions/lib/report/outcome.ts';
import type { ShownEndpoint } from './view.ts';

/** What a target's canary pod is called on the page, where it stands among the endpoints. */
export const podId = (target: string): string => `canary pod of ${target}`;

/** @param lookedAt when the run ended that tells of it, in epoch milliseconds */
export const shownPod = (
  target: string,
  { proof, reason, evidence = reason, at }: CanaryPodOutcome,
  lookedAt: number,
): ShownEndpoint => ({
  id: podId(target),
  refresher: target,
  name: '',
  proof: `${proof}: ${reason}`,
  evidence,
  at: Date.parse(at ?? '') || lookedAt,
});
