import { readPodName } from '../../functions/lib/runpod/canary-pod.ts';
import { createRunpodPods } from '../../functions/lib/runpod/pods.ts';
import { type Check, need, ok, warning, wrong } from './check.ts';
import type { TargetView } from './target-view.ts';

/** What a canary pod needs, where the target has one. */
export const podChecks = ({ caller, target, now, podKey, canaryImage }: TargetView): Check[] => {
  const { name: group, canaryPod } = target;
  if (canaryPod === undefined) return [];
  return [
    {
      group,
      title: 'canary image',
      run: async () => {
        const tried = await canaryImage(canaryPod.image);
        return 'problem' in tried
          ? wrong(
              `The canary pod's image ${tried.image} cannot be pulled: ${tried.problem}.`,
              'Run npm run setup -- --canary-pod, which pushes one where it is missing; or correct canaryPod.image.',
            )
          : ok(`The canary pod's image ${tried.image} can be pulled.`);
      },
    },
    {
      group,
      title: 'canary pod',
      run: async () => {
        await need('an API key', podKey.key());
        const pods = createRunpodPods(podKey.client, caller.settings);
        const left = (await podKey.pods()).filter(({ name, status }) => {
          const until = readPodName(name, caller.stackName)?.until;
          return status !== 'TERMINATED' && until !== undefined && until <= now();
        });
        if (left.length > 0) {
          return warning(
            `Canary pods have outlived their time, and cost: ${left.map(({ id }) => id).join(', ')}.`,
            'The next run deletes them; or terminate them in the Runpod console.',
          );
        }
        if (!(await pods.mayCreate())) {
          return wrong(
            'The key may list pods, and not create them (403).',
            'Give it the right to create pods at console.runpod.io, or name another as runpod.podKey.',
          );
        }
        const [cheapest] = await pods.listFlavours();
        return cheapest === undefined
          ? warning('Runpod lists no CPU that a canary pod could have.', 'Look at console.runpod.io.')
          : ok(
              `The key may list pods, and none is left. A create that asks for nothing was refused for its form, not for the key; whether a whole one is taken shows when a run makes it. One on ${cheapest.id} costs $${cheapest.dollarsPerHour.toFixed(2)} an hour, and lives a minute or two.`,
            );
      },
    },
  ];
};
