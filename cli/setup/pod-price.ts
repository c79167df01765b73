import { maxDollarsPerHour, maxPodMs } from '../../functions/lib/runpod/canary-pod.ts';
import { type CpuFlavour, createRunpodPods } from '../../functions/lib/runpod/pods.ts';
import { CommandError } from '../../stack/failure.ts';
import { connect } from '../runpod.ts';
import type { Conversation } from './conversation.ts';

/** Assumed for finding a host and pulling a small image: no host of Runpod's has been timed. */
const usualPodMs = 2 * 60_000;
const daysPerMonth = 30;

/** The smallest CPU that a pod can have, by Runpod's catalogue. @throws {CommandError} what a pod costs is not known, or too much */
export const findFlavour = async (key: string, source: string, conversation: Conversation): Promise<CpuFlavour> => {
  const { caller, context, terminal } = conversation;
  const client = connect(caller.settings, async () => key, context.interrupted)(source);
  const pods = createRunpodPods(client, caller.settings);
  const [flavours] = await terminal.during(
    'asking Runpod what a pod costs, and for its pods',
    Promise.all([pods.listFlavours(), pods.list()]),
  );
  const [cheapest] = flavours;
  if (cheapest === undefined) {
    throw new CommandError('Runpod’s catalogue lists no CPU that a pod could have. Nothing was changed.');
  }
  if (cheapest.dollarsPerHour > maxDollarsPerHour) {
    throw new CommandError(
      `The cheapest CPU of Runpod’s catalogue, ${cheapest.id}, costs $${cheapest.dollarsPerHour.toFixed(2)} an hour, and no canary pod is created for more than $${maxDollarsPerHour.toFixed(2)}. Nothing was changed.`,
    );
  }
  return cheapest;
};

/** What a pod a day costs, in a sentence. */
export const describePrice = ({ id, vcpuCount, dollarsPerHour }: CpuFlavour): string => {
  const dollarsFor = (milliseconds: number): number => (dollarsPerHour * milliseconds) / 3_600_000;
  const monthOf = (milliseconds: number): string => `$${(dollarsFor(milliseconds) * daysPerMonth).toFixed(2)}`;
  const usual = `${(dollarsFor(usualPodMs) * 100).toFixed(1)} cents`;
  return `A pod a day costs about ${monthOf(usualPodMs)} a month if each lives for ${usualPodMs / 60_000} min (${usual}): ${vcpuCount} vCPUs of ${id} are $${dollarsPerHour.toFixed(2)} an hour by Runpod’s catalogue. After ${maxPodMs / 60_000} min it is deleted whatever it has shown: ${monthOf(maxPodMs)} a month at the most, unless Runpod cannot be asked by then.`;
};
