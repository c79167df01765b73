import { createHash } from 'node:crypto';
import { commandTrigger, heldUntil, type TargetMemories, type TargetMemory } from '../memory/target-memory.ts';
import { comfortableMs } from './comfortable.ts';
import { isPodTrouble } from './conclude-pod.ts';
import type { CanaryPodOutcome, EndpointOutcome, Outcome } from './outcome.ts';
import { messageOfError, sectionOfError } from './platform-errors.ts';
import type { Report } from './report.ts';

/** Kinds of what people are told. */
export const alertKinds = ['delayed', 'failed', 'degraded', 'recovered', 'left', 'rollout', 'digest'] as const;

/** What people are told. */
export interface Alert {
  readonly kind: (typeof alertKinds)[number];
  readonly severity: 'critical' | 'warning' | 'info';
  readonly target: string;
  /** The runbook's section: an error's name, or the kind of trouble. */
  readonly section: string;
  /** What happened and what to do, a sentence each. */
  readonly text: string;
  /** Until when pulls keep working, in the words of the text; where that matters. */
  readonly deadline?: string;
}

/** Begins the trouble of a target whose token was not stored. */
const failedMark = 'failed ';

/** So short that what people know of some forty targets fits into 4 KB; its beginning stays as it is. */
const inShort = (trouble: string): string =>
  trouble.length <= 40
    ? trouble
    : `${trouble.slice(0, 20)}…${createHash('sha256').update(trouble).digest('hex').slice(0, 16)}`;

/** What a target's troubles are, in a form that is equal as long as they are the same. Empty where all is well. */
const troubleOf = ({ refreshed, error, endpoints, canaryPod, unmanaged = [] }: Outcome): string => {
  if (!refreshed) return inShort(`${failedMark}${error?.name ?? ''}`);
  const troubled = endpoints.filter(({ proof }) => proof === 'failed' || proof === 'degraded');
  const all = [
    ...troubled.map(({ endpoint, proof, reason }) => `${proof} ${endpoint} ${reason}`),
    ...unmanaged.map((endpoint) => `unmanaged ${endpoint}`),
    ...(canaryPod !== undefined && isPodTrouble(canaryPod)
      ? [`canary-pod ${canaryPod.proof} ${canaryPod.reason}`]
      : []),
  ];
  return inShort(all.sort().join(', '));
};

/** A length of time as people say it: `5 h 12 min`. */
export const span = (milliseconds: number): string => {
  const minutes = Math.round(milliseconds / 60_000);
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  return hours === 0 ? `${rest} min` : `${hours} h ${rest} min`;
};

/** Says until when pulls keep working: "Pulls keep working until 18:02 UTC, 5 h 12 min from now." */
export const deadline = (end: number | undefined, now: number): string => {
  if (end === undefined) return 'Until when pulls keep working is unknown: no earlier run on record stored a token.';
  const at = `${new Date(end).toISOString().slice(11, 16)} UTC`;
  return end > now
    ? `Pulls keep working until ${at}, ${span(end - now)} from now.`
    : `Pulls stopped working at ${at}, ${span(now - end)} ago.`;
};

/** Warning while the next run can still make it, critical when it cannot. */
const severityOf = (end: number | undefined, now: number, scheduleMs: number): Alert['severity'] =>
  end !== undefined && end - now > scheduleMs ? 'warning' : 'critical';

const endpointsText = (target: string, what: string, endpoints: readonly EndpointOutcome[]): string => {
  const named = endpoints.slice(0, 5).map(({ endpoint, evidence, reason }) => `${endpoint}: ${evidence ?? reason}`);
  const more = endpoints.length > named.length ? ` And ${endpoints.length - named.length} more.` : '';
  return `${target}: a new token is stored, but ${what}. ${named.join(' ')}${more}`;
};

const podText = (target: string, what: string, { evidence, reason }: CanaryPodOutcome): string =>
  `${target}: a new token is stored, but ${what}. ${evidence ?? reason}`;

/** It is no trouble of the target's: it is told when it happens, and has no end. */
const leftAlert = ({ target, left = [] }: Outcome): Alert[] => {
  if (left.length === 0) return [];
  const text = `${target}: ${left.map(({ evidence }) => evidence).join(' ')}`;
  return [{ kind: 'left', severity: 'warning', target, section: 'degraded', text }];
};

/**
 * Says what changed for people between what they know and this run. The same trouble is told once, and again when it has
 * become critical; its end is told.
 *
 * @param memories what is remembered of the targets, from before this run
 * @param scheduleMs milliseconds between scheduled runs
 */
export const composeAlerts = (
  report: Pick<Report, 'targets'>,
  memories: TargetMemories,
  now: number,
  scheduleMs: number,
): Alert[] =>
  report.targets.flatMap((outcome): Alert[] => [
    ...leftAlert(outcome),
    ...troubleAlert(outcome, memories, now, scheduleMs),
  ]);

const troubleAlert = (outcome: Outcome, memories: TargetMemories, now: number, scheduleMs: number): Alert[] => {
  const { target, endpoints, refreshed, delayTold, canaryPod, unmanaged = [] } = outcome;
  const memory = memories.get(target);
  const trouble = troubleOf(outcome);
  const known = memory?.notified;
  const end = heldUntil(memory);

  if (trouble === '') {
    if (delayTold !== true && known === undefined) return [];
    const until = Date.parse(outcome.expiresAt ?? '');
    return [
      {
        kind: 'recovered',
        severity: 'info',
        target,
        section: 'recovered',
        text: `${target}: a new token is stored and all is well again. ${deadline(Number.isNaN(until) ? undefined : until, now)}`,
      },
    ];
  }
  const isKnown = known !== undefined && trouble === inShort(known.trouble);
  if (!refreshed) {
    const severity = severityOf(end, now, scheduleMs);
    // It does not become less urgent by itself: the memory failed, and now it says again when the token ends.
    const isTold =
      severity === known?.severity || (known?.severity === 'critical' && memory?.last?.trigger !== commandTrigger);
    if (isKnown && isTold) return [];
    const section = sectionOfError(outcome.error?.name ?? 'TargetLostError');
    const until = deadline(end, now);
    const text = `${target}: ${outcome.error === undefined ? 'No token was stored.' : messageOfError(outcome.error)} ${until}`;
    return [{ kind: 'failed', severity, target, section, text, deadline: until }];
  }
  if (isKnown && delayTold !== true) return [];
  const failed = endpoints.filter(({ proof }) => proof === 'failed');
  if (failed.length > 0) {
    const text = endpointsText(target, 'not every endpoint can pull', failed);
    return [{ kind: 'failed', severity: 'critical', target, section: 'EndpointNotPullingError', text }];
  }
  if (canaryPod?.proof === 'failed') {
    const text = podText(target, 'a pod cannot pull with what Runpod holds', canaryPod);
    return [{ kind: 'failed', severity: 'critical', target, section: 'EndpointNotPullingError', text }];
  }
  const degraded = endpoints.filter(({ proof }) => proof === 'degraded');
  if (degraded.length === 0 && canaryPod !== undefined && isPodTrouble(canaryPod)) {
    const text = podText(target, 'its canary pod does not show whether it pulls', canaryPod);
    return [{ kind: 'degraded', severity: 'warning', target, section: 'degraded', text }];
  }
  const text =
    degraded.length > 0
      ? endpointsText(target, 'something else keeps endpoints from working', degraded)
      : `${target}: a new token is stored, but these endpoints pull from its registry without it: ${unmanaged.join(', ')}. They fail at their next cold start. Select the target’s credential for them, or list them under ignore in targets.yml.`;
  return [{ kind: 'degraded', severity: 'warning', target, section: 'degraded', text }];
};

/**
 * What people know of a target once a run's alerts have gone out.
 *
 * @param told the alert about it, where there was one
 */
export const knownAfter = (
  outcome: Outcome,
  memory: TargetMemory | undefined,
  told: Alert | undefined,
): TargetMemory['notified'] => {
  const trouble = troubleOf(outcome);
  // An end that nobody was told of, because the memory could not be read, is still to be told.
  if (trouble === '') return told === undefined ? memory?.notified : undefined;
  if (told !== undefined) return { trouble, severity: told.severity };
  return memory?.notified !== undefined && inShort(memory.notified.trouble) === trouble ? memory.notified : undefined;
};

/**
 * Says that an upstream keeps failing and that we keep trying. Nothing to whoever knows already that the target fails.
 */
export const composeDelay = (
  target: string,
  message: string,
  tries: { readonly failingSince: number; readonly retryAt: number; readonly giveUpAt: number },
  memory: TargetMemory | undefined,
  now: number,
): Alert | undefined => {
  const end = heldUntil(memory);
  // Nobody needs to act while this very run may still make it.
  const severity = end !== undefined && end - now > comfortableMs ? 'warning' : 'critical';
  const known = memory?.notified;
  const isKnown = known?.trouble.startsWith(failedMark) === true;
  if (isKnown && (severity === 'warning' || known?.severity === 'critical')) return undefined;
  const until = deadline(end, now);
  const clock = (time: number) => `${new Date(time).toISOString().slice(11, 16)} UTC`;
  return {
    kind: 'delayed',
    severity,
    target,
    section: 'delayed',
    text: `${target}: the refresh has not got through for ${span(now - tries.failingSince)}: ${message} We try again at ${clock(tries.retryAt)} and keep trying until ${clock(tries.giveUpAt)}. ${until}`,
    deadline: until,
  };
};

const dayMs = 24 * 3_600_000;
/** A digest names so many rollouts of a target; npm run rollout has them all. */
const maxDigestRollouts = 5;

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** What stands for the sum of a day where the memory cannot be read: how the targets fared is not known, and no reason to worry. */
const unreadDigest: Alert = {
  kind: 'digest',
  severity: 'warning',
  target: 'every target',
  section: 'MemoryUnavailableError',
  text: 'every target: how they fared in the last 24 hours cannot be said, for the memory does not answer. What fails is told all the same.',
};

/**
 * Sums up the last 24 hours, a line for each target that is remembered.
 *
 * @param memories left out where the table could not be read
 */
export const composeDigest = (memories: TargetMemories | undefined, now: number): readonly [Alert, ...Alert[]] => {
  if (memories === undefined) return [unreadDigest];
  const isRecent = ({ endedAt }: { readonly endedAt: string }): boolean => now - Date.parse(endedAt) <= dayMs;
  const [first, ...more] = [...memories].flatMap(([target, memory]): Alert[] => {
    const runs = memory.runs.filter(isRecent);
    const outcome = memory.last?.outcome;
    if (runs.length === 0 || outcome === undefined) return [];
    const end = heldUntil(memory);
    const failures = runs.filter(({ refreshed }) => !refreshed).length;
    const isTroubled = troubleOf(outcome) !== '';
    const proofs = Object.entries(outcome.proofs).map(([proof, count]) => `${count} ${proof}`);
    const endpoints = proofs.length === 0 ? '' : ` Endpoints at the last: ${proofs.join(', ')}.`;
    const rollouts = (outcome.rollouts ?? [])
      .filter(({ state }) => state !== 'current')
      .map(({ endpoint, state, why }) => ` Rollout of ${endpoint}: ${state}, ${why}.`)
      .slice(0, maxDigestRollouts);
    return [
      {
        kind: 'digest',
        severity: end === undefined || end <= now ? 'critical' : isTroubled ? 'warning' : 'info',
        target,
        section: 'digest',
        text: `${target}: ${deadline(end, now)} ${counted(runs.length, 'run')} in 24 hours, ${failures === 0 ? 'none' : failures} failed.${endpoints}${rollouts.join('')}`,
      },
    ];
  });
  const silence: Alert = {
    kind: 'digest',
    severity: 'critical',
    target: 'every target',
    section: 'nosuccess',
    text: 'every target: no run of the last 24 hours is on record. Unless the memory has just been lost, nothing renews the tokens.',
  };
  return [first ?? silence, ...more];
};
