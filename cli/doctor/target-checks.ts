import type { Check } from './check.ts';
import { endpointChecks, useChecks } from './endpoint-checks.ts';
import { imageChecks } from './image-checks.ts';
import { keyChecks } from './key-checks.ts';
import { podChecks } from './pod-checks.ts';
import { pullChecks } from './pull-checks.ts';
import { createTargetView } from './target-view.ts';

/** Everything that can be wrong with a target, in the order in which a person would check it. */
export const targetChecks = (seen: Parameters<typeof createTargetView>[0]): Check[] => {
  const view = createTargetView(seen);
  return [
    ...keyChecks(view),
    ...useChecks(view),
    ...imageChecks(view),
    ...endpointChecks(view),
    ...pullChecks(view),
    ...podChecks(view),
  ];
};
