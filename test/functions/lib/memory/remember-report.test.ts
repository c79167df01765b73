import { describe, expect, it } from 'vitest';
import { foldReport, isGone, rememberReport, toldOf } from '../../../../functions/lib/memory/remember-report.ts';
import type { TargetMemories, TargetMemory } from '../../../../functions/lib/memory/target-memory.ts';
import type { Alert } from '../../../../functions/lib/report/alerts.ts';
import type { Outcome } from '../../../../functions/lib/report/outcome.ts';
import type { Report } from '../../../../functions/lib/report/report.ts';
import { createMemoryOf } from '../../../support/memories.ts';

const at = '2026-11-23T12:00:00Z';
const failed: Outcome = {
  target: 'a',
  refreshed: false,
  error: { name: 'Broken', message: 'x.' },
  proofs: {},
  endpoints: [],
};
const report: Report = {
  version: 1,
  execution: 'arn:run',
  trigger: 'schedule',
  startedAt: at,
  endedAt: at,
  outcome: 'failed',
  targets: [failed],
};
const alert = (kind: Alert['kind'], target = 'a'): Alert => ({
  kind,
  severity: 'critical',
  target,
  section: 'x',
  text: 'x.',
});
const notified = { trouble: 'failed Broken', severity: 'warning' } as const;
const memories = (of: Record<string, TargetMemory>): TargetMemories => new Map(Object.entries(of));

describe('the alert about a target', () => {
  it('is of its trouble or its end, and of no rollout and nothing that left', () => {
    const alerts = [alert('failed', 'b'), alert('left'), alert('rollout'), alert('recovered')];
    expect(toldOf(alerts, 'a')).toBe(alerts[3]);
    expect(toldOf(alerts, 'b')).toBe(alerts[0]);
    expect(toldOf(alerts.slice(0, 3), 'a')).toBeUndefined();
  });
});

describe('a target', () => {
  it('has gone where a scheduled run of some targets is not of it', () => {
    expect(isGone(report, 'b')).toBe(true);
    expect(isGone(report, 'a')).toBe(false);
    expect(isGone({ ...report, trigger: 'push' }, 'b')).toBe(false);
    expect(isGone({ ...report, targets: [] }, 'b')).toBe(false);
  });

  it('that has gone is forgotten, and another is kept', async () => {
    const before = memories({ a: { runs: [] }, b: { runs: [] } });
    const memory = createMemoryOf({ 'target a': { runs: [] }, 'target b': { runs: [] } });
    expect([...foldReport(report, before, []).keys()]).toEqual(['a']);
    expect([...(await rememberReport(memory, report, before, [], () => 0)).keys()]).toEqual(['a']);
    expect(Object.keys(memory.records)).toEqual(['target a']);

    const pushed = { ...report, trigger: 'push' };
    expect([...foldReport(pushed, before, []).keys()]).toEqual(['a', 'b']);
    expect([...(await rememberReport(memory, pushed, before, [], () => 0)).keys()]).toEqual(['a', 'b']);
  });
});

describe('what people know after a run', () => {
  const known = (before: TargetMemory | undefined, alerts: Alert[] = [], of = report) =>
    foldReport(of, memories(before === undefined ? {} : { a: before }), alerts).get('a')?.notified;

  it('is what they were told', () => {
    expect(known(undefined, [alert('failed')])).toEqual({ trouble: 'failed Broken', severity: 'critical' });
  });

  it('is nothing where they were told nothing', () => {
    expect(known(undefined)).toBeUndefined();
    expect(known({ runs: [] }, [alert('rollout')])).toBeUndefined();
  });

  it('is what they knew where that is the same', () => {
    expect(known({ runs: [], notified })).toEqual(notified);
    expect(known({ runs: [], notified: { ...notified, trouble: 'failed Other' } })).toBeUndefined();
  });

  it('is what a run that ended later left, unless this one told of something', () => {
    const last = { at: '2026-11-23T13:00:00Z', execution: 'arn:later', trigger: 'schedule', outcome: failed };
    const later = { runs: [], last, notified: { ...notified, trouble: 'failed Other' } };
    expect(known(later)).toEqual(later.notified);
    expect(known({ runs: [], last })).toBeUndefined();
    expect(known(later, [alert('failed')])).toEqual({ trouble: 'failed Broken', severity: 'critical' });
  });
});

describe('a run that takes long to remember', () => {
  const remember = (ms: number) => {
    const times = [0, ms];
    return rememberReport(createMemoryOf(), report, new Map(), [], () => times.shift() ?? ms);
  };

  it('is waited for 20 s', async () => {
    expect((await remember(20_000)).has('a')).toBe(true);
    await expect(remember(20_001)).rejects.toMatchObject({
      name: 'MemoryUnavailableError',
      message: expect.stringContaining('more than 20 s'),
    });
  });
});
