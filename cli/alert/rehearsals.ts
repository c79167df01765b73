import { readSettings } from '../../functions/lib/env.ts';
import { foldReport } from '../../functions/lib/memory/remember-report.ts';
import type { TargetMemories } from '../../functions/lib/memory/target-memory.ts';
import { type Alert, composeAlerts, composeDelay, composeDigest } from '../../functions/lib/report/alerts.ts';
import type { Outcome } from '../../functions/lib/report/outcome.ts';
import type { Report } from '../../functions/lib/report/report.ts';
import { composeRollout, type RolloutNotice } from '../../functions/lib/report/rollout-alerts.ts';
import { describeLeft } from '../../functions/lib/runpod/unmanaged.ts';

/** An alert as it may come one day, composed by what composes the real ones. */
export interface Rehearsal {
  readonly kind: Alert['kind'];
  readonly severity: Alert['severity'];
  readonly alerts: readonly [Alert, ...Alert[]];
}

const hourMs = 3_600_000;
const target = 'production';
const scheduleMs = readSettings({}).SCHEDULE_HOURS * hourMs;

const repository = '123456789012.dkr.ecr.us-east-1.amazonaws.com/team/worker';

const iso = (milliseconds: number): string => new Date(milliseconds).toISOString();

/** What is remembered once these runs, newest first, have ended and people were told. */
const remembered = (reports: readonly Report[]): TargetMemories =>
  reports.toReversed().reduce<TargetMemories>((memories, each) => {
    const alerts = composeAlerts(each, memories, Date.parse(each.endedAt), scheduleMs);
    return foldReport(each, memories, alerts);
  }, new Map());

const rehearse = ([first, ...others]: readonly Alert[]): Rehearsal => {
  if (first === undefined) throw new Error('A rehearsal tells nothing.');
  return { kind: first.kind, severity: first.severity, alerts: [first, ...others] };
};

/** Every kind of alert in every severity that it can have. */
export const composeRehearsals = (now: number): readonly Rehearsal[] => {
  const stored = (hoursAgo: number, more: Partial<Outcome> = {}): Outcome => ({
    target,
    refreshed: true,
    expiresAt: iso(now + (12 - hoursAgo) * hourMs),
    proofs: { observed: 2, tested: 1 },
    endpoints: [],
    ...more,
  });
  const refused: Outcome = {
    target,
    refreshed: false,
    error: {
      name: 'RunpodUnauthorizedError',
      message: 'Runpod refused the API key of ssm:/runpod-ecr-refresh/production/api-key (401 "invalid api key").',
    },
    proofs: {},
    endpoints: [],
  };
  const report = (endedAt: number, ...targets: Outcome[]): Report => ({
    version: 1,
    execution: `arn:aws:states:us-east-1:123456789012:execution:runpod-ecr-refresh-prod:rehearsal-${endedAt}`,
    trigger: 'schedule',
    startedAt: iso(endedAt),
    endedAt: iso(endedAt),
    outcome: targets.every(({ refreshed }) => refreshed) ? 'succeeded' : 'failed',
    targets,
  });
  const ago = (hours: number, outcome: Outcome = stored(hours)): Report => report(now - hours * hourMs, outcome);
  const watched = (proof: 'failed' | 'degraded', reason: string, evidence: string): Outcome =>
    stored(0, { proofs: { [proof]: 1 }, endpoints: [{ endpoint: '4m7x2k9q', proof, reason, evidence }] });
  const compose = (outcome: Outcome, earlier: readonly Report[]) =>
    composeAlerts(report(now, outcome), remembered(earlier), now, scheduleMs);
  const delay = (storedHoursAgo: number): readonly Alert[] => {
    const alert = composeDelay(
      target,
      'Runpod did not answer PATCH /v2/registries/6n2k8v4d (503 "Service Unavailable").',
      { failingSince: now - 0.5 * hourMs, retryAt: now + 0.25 * hourMs, giveUpAt: now + 2 * hourMs },
      remembered([ago(storedHoursAgo)]).get(target),
      now,
    );
    return alert === undefined ? [] : [alert];
  };
  const moved = { id: '4m7x2k9q', name: 'images', image: `${repository}:production`, registry: null };
  const endsAtOnce = 'worker 8x2m4k7q9a started its program 3 times, and it ended each time at once';
  const rollout = (ending: Pick<RolloutNotice['ending'], 'verdict' | 'why' | 'back'>) =>
    composeRollout({
      kind: 'rollout',
      execution: 'arn:aws:states:us-east-1:123456789012:execution:runpod-ecr-refresh-prod-rollout:rehearsal-1',
      target,
      endpoint: '4m7x2k9q',
      ending: {
        ...ending,
        image: `${repository}:production@sha256:${'9f'.repeat(32)}`,
        earlier: `${repository}:production@sha256:${'4b'.repeat(32)}`,
        isTold: true,
      },
    });
  return [
    rehearse(delay(3.5)),
    rehearse(delay(10.5)),
    rehearse(compose(refused, [ago(3)])),
    rehearse(compose(refused, [ago(9.5)])),
    rehearse(
      compose(
        watched('failed', 'login-refused', 'worker 8x2m4k7q9a: "pull access denied" since the new token was stored.'),
        [ago(3)],
      ),
    ),
    rehearse(
      compose(
        watched(
          'degraded',
          'parked',
          'the endpoint has workers.max 0: Runpod has parked it. Raise workers.max in its settings.',
        ),
        [ago(3)],
      ),
    ),
    rehearse(compose(stored(0), [ago(3, refused), ago(6)])),
    rehearse(
      compose(stored(0, { left: [{ endpoint: '4m7x2k9q', evidence: describeLeft(moved, '6n2k8v4d', []) }] }), [ago(3)]),
    ),
    rehearse(rollout({ verdict: 'broken', why: endsAtOnce, back: 'broken' })),
    rehearse(rollout({ verdict: 'broken', why: endsAtOnce, back: 'works' })),
    rehearse(rollout({ verdict: 'unproved', why: 'no worker has had to start with it' })),
    rehearse(rollout({ verdict: 'superseded', why: 'it was replaced by hand at Runpod' })),
    rehearse(rollout({ verdict: 'proven', why: 'worker 8x2m4k7q9a pulled it and is ready' })),
    rehearse(composeDigest(remembered([1, 4, 7, 10, 13, 16, 19, 22].map((hours) => ago(hours))), now)),
    rehearse(composeDigest(remembered([ago(1, refused), ago(4)]), now)),
    rehearse(composeDigest(remembered([ago(3, refused), ago(6, refused), ago(9, refused), ago(12)]), now)),
  ];
};
