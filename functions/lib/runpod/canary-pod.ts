import * as z from 'zod/mini';
import { cutToBytes } from '../bounded-text.ts';
import { defined } from '../defined.ts';
import { isPassingError, RunpodRateLimitedError, RunpodRequestRejectedError } from '../errors.ts';
import { messageOf } from '../message-of.ts';
import { isoSeconds, moment } from '../platform.ts';
import { type CanaryPodOutcome, canaryPodOutcomeSchema } from '../report/outcome.ts';
import type { CpuFlavour, Pod, PodRefusal, RunpodPods } from './pods.ts';
import { judgeAttempts, pullVerdicts, readPullAttempts } from './pull-attempts.ts';
import type { ReadPodLog } from './worker-log.ts';
import { clock } from './worker-verdicts.ts';

/** How long a canary pod may live: a host is found and a small image is pulled in a minute or two. */
export const maxPodMs = 8 * 60_000;
/** No flavour is taken that costs more in an hour: a pod's whole life then costs less than four cents. */
export const maxDollarsPerHour = 0.25;
export const maxFlavours = 6;
/** What Runpod's documentation says of prices: for where its catalogue cannot be read. */
const knownFlavour: CpuFlavour = { id: 'cpu3c', vcpuCount: 2, dollarsPerHour: 0.08 };
/** Of pods that outlived their time, so many are deleted by one call. */
export const maxSwept = 5;
const lookSeconds = 20;
/** A pod whose creation was not answered is in Runpod's list by then, or was never created: none would delete it before the next run. */
const unansweredMs = 3 * 60_000;
/** Deleting is tried again for so long after a pod's time; then the next run does it. */
const deletingMs = 5 * 60_000;
/** What the clocks of two functions may differ by. */
const skewMs = 5 * 60_000;

/** Runpod, as far as a canary pod needs it. */
export interface CanaryPodRunpod extends RunpodPods {
  readonly readLog: ReadPodLog;
}

/** A pod that is under way, as the state machine hands it from one look to the next. */
export const podUnderWaySchema = z.object({
  name: z.string(),
  startedAt: moment,
  /** Left out where its creation was not answered. */
  id: z.optional(z.string()),
  /** What it showed: what is left to do is to delete it. */
  found: z.optional(canaryPodOutcomeSchema),
});
export type PodUnderWay = z.output<typeof podUnderWaySchema>;

/** Where a target's canary pod stands. What is settled has no outcome where no pod has ever been tried. */
export type CanaryPodState =
  | {
      readonly status: 'pending';
      readonly recheckAfterSeconds: number;
      readonly pod?: z.input<typeof podUnderWaySchema>;
    }
  | { readonly status: 'settled'; readonly outcome?: CanaryPodOutcome };

/** What a look at a canary pod came to. */
export type PodLook =
  | { readonly kind: 'pending'; readonly pod: PodUnderWay; readonly recheckAfterSeconds: number }
  | { readonly kind: 'ended'; readonly outcome: CanaryPodOutcome; readonly wasCreated: boolean };

/** Whose a pod is and until when, as its name says it. A target's name has no `_`, and neither has a stack's. */
export const podNameOf = (stack: string, target: string, startedAt: number): string =>
  `${stack}_${target}_until_${isoSeconds(startedAt + maxPodMs).replaceAll(':', '-')}`;

/** Reads the name of a pod. @returns `undefined` of one that is not this stack's */
export const readPodName = (
  name: string,
  stack: string,
): { readonly target: string; readonly until: number } | undefined => {
  const [owner, target = '', word, end = '', ...more] = name.split('_');
  if (owner !== stack || word !== 'until' || more.length > 0) return undefined;
  // Exactly as we write it: whatever else is called so is a person's.
  const [, day, hour, minute, second] = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)Z$/.exec(end) ?? [];
  const until = Date.parse(`${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(until) ? undefined : { target, until };
};

/** The pods that there are: a deleted one may be listed as such. */
const listPods = async (runpod: CanaryPodRunpod): Promise<Pod[]> =>
  (await runpod.list()).filter(({ status }) => status !== 'TERMINATED');

/**
 * Deletes the stack's pods that outlived their time, whichever target they are of.
 *
 * @param own the name of the pod that is under way
 * @returns until when another pod of the target may live, which an earlier run has left or another one follows
 * @throws the first of the errors of those that could not be deleted, once the others are
 */
export const sweepPods = async (
  runpod: CanaryPodRunpod,
  { stack, target, own, now }: { stack: string; target: string; own: string | undefined; now: number },
): Promise<number | undefined> => {
  const others = (await listPods(runpod)).flatMap(({ id, name }) => {
    const named = name === own ? undefined : readPodName(name, stack);
    return named === undefined ? [] : [{ ...named, id }];
  });
  const failures: unknown[] = [];
  for (const { id } of others.filter(({ until }) => until <= now).slice(0, maxSwept)) {
    await runpod.delete(id).catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
  // No pod of ours lives longer: one whose name says so is nothing to wait for.
  const alive = others
    .filter(({ target: of, until }) => of === target && until > now && until <= now + maxPodMs + skewMs)
    .map(({ until }) => until);
  return alive.length === 0 ? undefined : Math.max(...alive);
};

const outcomeOf = (
  proof: CanaryPodOutcome['proof'],
  reason: string,
  evidence: string,
  seen: { readonly line?: string; readonly at?: number } = {},
): CanaryPodOutcome =>
  defined({
    proof,
    reason,
    evidence: cutToBytes(evidence, 600),
    line: seen.line === undefined ? undefined : cutToBytes(seen.line, 300),
    at: seen.at === undefined ? undefined : isoSeconds(seen.at),
  });

/** What is told where no pod was created, and why. */
const notTried = (reason: string, why: string): CanaryPodOutcome => outcomeOf('not-tried', reason, why);

/** The flavours to try, the cheapest first. */
const flavoursOf = async (runpod: CanaryPodRunpod): Promise<readonly CpuFlavour[]> => {
  const all = await runpod.listFlavours().catch(() => [knownFlavour]);
  return all.filter(({ dollarsPerHour }) => dollarsPerHour <= maxDollarsPerHour).slice(0, maxFlavours);
};

/**
 * Creates a pod on the cheapest flavour that there is.
 *
 * @throws {RunpodRateLimitedError | RunpodUnauthorizedError} nothing was created
 */
export const createPod = async (
  runpod: CanaryPodRunpod,
  wanted: { readonly name: string; readonly image: string; readonly registry: string },
  startedAt: number,
): Promise<PodLook> => {
  const flavours = await flavoursOf(runpod);
  const refusals: PodRefusal[] = [];
  for (const flavour of flavours) {
    try {
      const created = await runpod.create(wanted, flavour);
      if (typeof created === 'string') {
        return {
          kind: 'pending',
          pod: { name: wanted.name, startedAt, id: created },
          recheckAfterSeconds: lookSeconds,
        };
      }
      refusals.push(created);
      if (!created.isOfFlavour) break;
    } catch (error) {
      if (!isPassingError(error) || error instanceof RunpodRateLimitedError) throw error;
      // It may be there: it is looked for by its name, and never created a second time.
      return { kind: 'pending', pod: { name: wanted.name, startedAt }, recheckAfterSeconds: lookSeconds };
    }
  }
  const told = refusals.findLast(({ reason }) => reason === 'no-capacity') ?? refusals.at(-1);
  const last = refusals.at(-1)?.isOfFlavour === false ? refusals.at(-1) : told;
  const why = last?.said ?? 'Runpod’s catalogue has no CPU that costs little enough.';
  const count = refusals.length > 1 ? ` ${refusals.length} kinds of CPU were tried.` : '';
  return {
    kind: 'ended',
    outcome: notTried(last?.reason ?? 'no-capacity', `No canary pod was created: ${why}${count}`),
    wasCreated: false,
  };
};

/** What a pod that is no longer listed is said to be. */
const gone = 'GONE';

/** What a pod's log shows by now. `undefined` while it is too early to say. */
const judgePod = async (
  runpod: CanaryPodRunpod,
  { id, status, cost = 0 }: Pick<Pod, 'id' | 'status' | 'cost'>,
  { startedAt, storedAt, now }: { readonly startedAt: number; readonly storedAt: number; readonly now: number },
): Promise<CanaryPodOutcome | undefined> => {
  if (cost > maxDollarsPerHour) {
    const why = `Pod ${id} costs $${cost} an hour, and was deleted at once: more than $${maxDollarsPerHour} is not paid for it.`;
    return notTried('too-expensive', why);
  }
  // A pod without a host has no log yet.
  const log = await runpod.readLog(id, storedAt).catch((error: unknown) => messageOf(error));
  const attempts = typeof log === 'string' ? [] : readPullAttempts(log);
  // It began after the window: what is refused is refused with what Runpod holds now.
  const evidence = judgeAttempts(attempts, {
    storedAt,
    propagationMs: startedAt - storedAt,
    now,
    // Whatever runs now, what counts is what its host did to get the image.
    hasStarted: false,
  });
  // "ERROR is unrecoverable" (API v2, PodStatus); one that has gone shows nothing any more, either.
  const isOver = now >= startedAt + maxPodMs || status === 'ERROR' || status === gone;
  switch (evidence.kind) {
    case 'pulled':
      return outcomeOf(
        'observed',
        'canary-pod',
        `Pod ${id} pulled the canary’s image at ${clock(evidence.at)}, with the token that Runpod holds.`,
        evidence,
      );
    case 'refused':
      return outcomeOf(
        'failed',
        'login-refused',
        `ECR refused pod ${id}, which pulled with what Runpod holds: "${evidence.line}". Run a refresh; where it fails again, check that the credential is the one of targets.yml.`,
        evidence,
      );
    case 'failed': {
      const { cause, line } = evidence;
      // Its program need not run: that its image came is what was to be shown.
      const hasPulled = attempts.some(({ pulled, beganAt }) => pulled !== undefined && beganAt >= storedAt);
      if (pullVerdicts[cause].reason === 'container-cannot-start' && hasPulled) {
        const seen = `Pod ${id} pulled the canary’s image with the token that Runpod holds; its program does not run.`;
        return outcomeOf('observed', 'canary-pod', seen, evidence);
      }
      return outcomeOf(
        'degraded',
        pullVerdicts[cause].reason,
        `Pod ${id} could not pull the canary’s image: "${line}". Check canaryPod.image in targets.yml.`,
        evidence,
      );
    }
    case 'unsettled':
      return isOver
        ? outcomeOf(
            'degraded',
            'pull-failed',
            `Pod ${id} could not pull the canary’s image: "${evidence.line}".`,
            evidence,
          )
        : undefined;
    case 'downloading':
    case 'stalled':
      return isOver
        ? outcomeOf('degraded', 'stuck', `Pod ${id} did not finish pulling the canary’s image in its time.`, evidence)
        : undefined;
    case 'nothing': {
      if (!isOver) return undefined;
      if (status === gone) return notTried('not-started', `Somebody deleted pod ${id} before it had shown anything.`);
      const seen = typeof log === 'string' ? ` Its log could not be read: ${log}` : '';
      if (status === 'ERROR') return notTried('not-started', `Pod ${id} could not be started (${status}).${seen}`);
      return status === 'RUNNING'
        ? outcomeOf('degraded', 'pull-not-seen', `Pod ${id} runs, and its log shows no pull.${seen}`)
        : notTried('not-started', `Pod ${id} found no host within ${maxPodMs / 60_000} min (${status}).${seen}`);
    }
  }
};

/** Looks at a pod that is under way, and deletes it once it has shown what it can. */
export const lookAtPod = async (
  runpod: CanaryPodRunpod,
  pod: PodUnderWay,
  { storedAt, now }: { readonly storedAt: number; readonly now: () => number },
): Promise<PodLook> => {
  const { name, startedAt } = pod;
  const endBy = startedAt + maxPodMs;
  let { id, found } = pod;
  const pending = (seconds: number): PodLook => ({
    kind: 'pending',
    pod: { name, startedAt, ...defined({ id, found }) },
    recheckAfterSeconds: Math.max(1, Math.ceil(seconds)),
  });
  try {
    const listed = await listPods(runpod).catch((error: unknown) => {
      // What is known by its id is followed and deleted all the same.
      if (id === undefined) throw error;
      return undefined;
    });
    const named = listed?.filter((each) => each.name === name) ?? [];
    id ??= named[0]?.id;
    if (id === undefined) {
      if (now() < startedAt + unansweredMs) return pending(lookSeconds);
      const why = 'Runpod did not say whether it has created the canary pod, and lists none of its name.';
      return { kind: 'ended', outcome: notTried('not-created', why), wasCreated: false };
    }
    // By its id, for a person may have named it anew.
    const known = listed?.find((each) => each.id === id);
    const isGone = listed !== undefined && known === undefined && now() >= startedAt + unansweredMs;
    const seen = { id, status: known?.status ?? (isGone ? gone : 'UNKNOWN'), cost: known?.cost };
    found ??= await judgePod(runpod, seen, { startedAt, storedAt, now: now() });
    if (found === undefined) return pending(Math.min(lookSeconds, (endBy - now()) / 1000));
    for (const each of new Set([id, ...named.map((one) => one.id)])) await runpod.delete(each);
    return { kind: 'ended', outcome: found, wasCreated: true };
  } catch (error) {
    // "Something else is changing it" passes, too; that the key lacks the right does not.
    const mayPass = isPassingError(error) || error instanceof RunpodRequestRejectedError;
    if (mayPass && now() < endBy + deletingMs) return pending(lookSeconds);
    const seen = found ?? notTried('not-asked', 'Runpod could not be asked how the canary pod fares.');
    const evidence = `${seen.evidence ?? ''} The pod could not be deleted (${messageOf(error)}): it costs until the next run, which tries again.`;
    return { kind: 'ended', outcome: { ...seen, evidence: cutToBytes(evidence, 900) }, wasCreated: true };
  }
};
