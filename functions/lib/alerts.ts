import type { EndpointOutcome, Outcome } from './outcome.ts';
import type { Report } from './run-report.ts';

/** What people are told. */
export interface Alert {
  readonly kind: 'delayed' | 'failed' | 'degraded' | 'recovered';
  readonly severity: 'critical' | 'warning' | 'info';
  readonly target: string;
  /** The runbook's section: an error's name, or the kind of trouble. */
  readonly section: string;
  /** What happened and what to do, a sentence each. */
  readonly text: string;
}

/** What a target's troubles are, in a form that is equal as long as they are the same. Empty where all is well. */
const troubleOf = ({ refreshed, error, endpoints }: Outcome): string => {
  if (!refreshed) return `failed ${error?.name ?? ''}`;
  const troubled = endpoints.filter(({ proof }) => proof === 'failed' || proof === 'degraded');
  return troubled
    .map(({ endpoint, proof, reason }) => `${proof} ${endpoint} ${reason}`)
    .sort()
    .join(', ');
};

const earlierOutcomes = (target: string, earlier: readonly Report[]): Outcome[] =>
  earlier.flatMap(({ targets }) => targets.filter((each) => each.target === target));

/**
 * Until when pulls keep working although a refresh failed: the end of the last token that was stored.
 *
 * @returns epoch milliseconds, or `undefined` where no earlier run on record stored one
 */
export const goodUntil = (target: string, earlier: readonly Report[]): number | undefined => {
  const ends = earlierOutcomes(target, earlier)
    .filter(({ refreshed }) => refreshed)
    .map(({ expiresAt }) => Date.parse(expiresAt ?? ''))
    .filter((end) => !Number.isNaN(end));
  return ends.length === 0 ? undefined : Math.max(...ends);
};

const span = (milliseconds: number): string => {
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

/** With more time than this, a run that is late may still make it while people sleep. */
const comfortableMs = 3 * 3_600_000;

/** Warning while the next run can still make it, critical when it cannot. */
const severityOf = (end: number | undefined, now: number, scheduleMs: number): Alert['severity'] =>
  end !== undefined && end - now > scheduleMs ? 'warning' : 'critical';

const failedText = (outcome: Outcome, earlier: readonly Report[], now: number): string =>
  `${outcome.target}: ${outcome.error?.message ?? 'No token was stored.'} ${deadline(goodUntil(outcome.target, earlier), now)}`;

const endpointsText = (target: string, what: string, endpoints: readonly EndpointOutcome[]): string => {
  const told = endpoints.slice(0, 5).map(({ endpoint, evidence, reason }) => `${endpoint}: ${evidence ?? reason}`);
  const more = endpoints.length > told.length ? ` And ${endpoints.length - told.length} more.` : '';
  return `${target}: a new token is stored, but ${what}. ${told.join(' ')}${more}`;
};

/**
 * Says what changed for people between the runs before and this one. The same trouble is told once; its end is told.
 *
 * @param earlier reports of earlier runs, newest first
 * @param scheduleMs milliseconds between scheduled runs
 */
export const composeAlerts = (report: Report, earlier: readonly Report[], now: number, scheduleMs: number): Alert[] =>
  report.targets.flatMap((outcome): Alert[] => {
    const { target, endpoints, refreshed, delayTold } = outcome;
    const [before] = earlierOutcomes(target, earlier);
    const [trouble, troubleBefore] = [troubleOf(outcome), before === undefined ? '' : troubleOf(before)];
    const isOver = delayTold === true || troubleBefore !== '';

    if (trouble === '') {
      if (!isOver) return [];
      const until = outcome.expiresAt === undefined ? '' : ` Pulls work until ${outcome.expiresAt} without us.`;
      return [
        {
          kind: 'recovered',
          severity: 'info',
          target,
          section: 'recovered',
          text: `${target}: a new token is stored and all is well again.${until}`,
        },
      ];
    }
    if (trouble === troubleBefore && delayTold !== true) return [];
    if (!refreshed) {
      const severity = severityOf(goodUntil(target, earlier), now, scheduleMs);
      const section = outcome.error?.name ?? 'TargetLostError';
      return [{ kind: 'failed', severity, target, section, text: failedText(outcome, earlier, now) }];
    }
    const failed = endpoints.filter(({ proof }) => proof === 'failed');
    if (failed.length > 0) {
      const text = endpointsText(target, 'not every endpoint can pull', failed);
      return [{ kind: 'failed', severity: 'critical', target, section: 'EndpointNotPullingError', text }];
    }
    const degraded = endpoints.filter(({ proof }) => proof === 'degraded');
    const text = endpointsText(target, 'something else keeps endpoints from working', degraded);
    return [{ kind: 'degraded', severity: 'warning', target, section: 'degraded', text }];
  });

/** Says that an upstream keeps failing and that we keep trying. */
export const composeDelay = (
  target: string,
  message: string,
  tries: { readonly failingSince: number; readonly retryAt: number; readonly giveUpAt: number },
  earlier: readonly Report[],
  now: number,
): Alert => {
  const end = goodUntil(target, earlier);
  const clock = (time: number) => `${new Date(time).toISOString().slice(11, 16)} UTC`;
  return {
    kind: 'delayed',
    // Nobody needs to act while this very run may still make it.
    severity: end !== undefined && end - now > comfortableMs ? 'warning' : 'critical',
    target,
    section: 'delayed',
    text: `${target}: the refresh has not got through for ${span(now - tries.failingSince)}: ${message} We try again at ${clock(tries.retryAt)} and keep trying until ${clock(tries.giveUpAt)}. ${deadline(end, now)}`,
  };
};
