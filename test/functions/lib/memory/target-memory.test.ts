import { describe, expect, it } from 'vitest';
import {
  heldUntil,
  lastSeen,
  rememberRun,
  rememberToken,
  type TargetMemory,
  toldAt,
} from '../../../../functions/lib/memory/target-memory.ts';
import type { Outcome } from '../../../../functions/lib/report/outcome.ts';

const at = (time: string): string => `2026-11-23T${time}:00.000Z`;
const outcome = (more: Partial<Outcome> = {}): Outcome => ({
  target: 'a',
  refreshed: true,
  storedAt: at('12:00'),
  expiresAt: at('23:00'),
  proofs: {},
  endpoints: [],
  ...more,
});
const run = (name: string, endedAt: string, trigger = 'schedule') => ({
  execution: `arn:aws:states:us-east-1:123456789012:execution:refresh:${name}`,
  trigger,
  startedAt: at('11:00'),
  endedAt,
});
const ran = (name: string, endedAt: string, trigger = 'schedule'): TargetMemory['runs'][number] => ({
  name,
  trigger,
  startedAt: at('11:00'),
  endedAt,
  refreshed: true,
});
const seen = (endpoint: string): Outcome['endpoints'][number] => ({ endpoint, proof: 'tested', reason: 'pulled' });
const held: TargetMemory = { runs: [], expiresAt: at('22:00'), heldSince: at('01:00') };

describe('the token that is on record', () => {
  it('ends when it says, and at no time where there is none', () => {
    expect(heldUntil(held)).toBe(Date.parse(at('22:00')));
    expect([heldUntil(undefined), heldUntil({ runs: [] })]).toEqual([undefined, undefined]);
  });

  it.each<readonly [string, TargetMemory | undefined, string, string, string]>([
    ['is the first that was stored', undefined, at('23:00'), at('23:00'), at('12:00')],
    ['is followed by one that ends later without a gap', held, at('23:00'), at('23:00'), at('01:00')],
    ['stays where a run that overlaps stores one that ends earlier', held, at('21:00'), at('22:00'), at('01:00')],
    ['is none where it ends more than an hour after a new one', held, at('20:59'), at('20:59'), at('12:00')],
    [
      'had ended at the moment a new one was stored',
      { ...held, expiresAt: at('12:00') },
      at('23:00'),
      at('23:00'),
      at('12:00'),
    ],
  ])('%s', (_what, before, expiresAt, end, since) => {
    expect(rememberToken(before, expiresAt, at('12:00'))).toEqual({ runs: [], expiresAt: end, heldSince: since });
  });

  it('takes nothing else from what is remembered', () => {
    const known: TargetMemory = {
      ...held,
      runs: [ran('1', at('10:00'))],
      notified: { trouble: 'x', severity: 'info' },
    };
    expect(rememberToken(known, at('23:00'), at('12:00'))).toEqual({ ...known, expiresAt: at('23:00') });
  });
});

describe('a run that has ended', () => {
  it('is remembered with what it stored and what it came to', () => {
    const images = [{ image: 'i' }];
    const { runs, ...memory } = rememberRun(
      undefined,
      outcome({ endpoints: [seen('ep')], images, otherUsers: ['pod'] }),
      run('one', at('12:05')),
    );
    expect(memory).toEqual({
      expiresAt: at('23:00'),
      heldSince: at('12:00'),
      last: {
        at: at('12:05'),
        execution: run('one', '').execution,
        trigger: 'schedule',
        outcome: outcome({ endpoints: [seen('ep')] }),
      },
    });
    expect(runs).toEqual([{ ...ran('one', at('12:05')), storedAt: at('12:00'), expiresAt: at('23:00') }]);
  });

  it('counts its token as stored when it ended where it does not say when', () => {
    const { heldSince } = rememberRun(undefined, outcome({ storedAt: undefined }), run('one', at('12:05')));
    expect(heldSince).toBe(at('12:05'));
  });

  it.each([
    ['it stored none', { refreshed: false }],
    ['it does not say when its token ends', { expiresAt: undefined }],
    ['its token ends at no time that can be read', { expiresAt: 'soon' }],
  ])('leaves the token that is on record where %s', (_what, more) => {
    expect(rememberRun(held, outcome(more), run('one', at('12:05')))).toMatchObject({
      expiresAt: at('22:00'),
      heldSince: at('01:00'),
    });
  });

  it('has the error of an endpoint that cannot pull, or the one that kept it from storing a token', () => {
    const error = { name: 'CredentialNotFoundError', message: 'It is gone.' };
    const errorOf = (more: Partial<Outcome>) =>
      rememberRun(undefined, outcome(more), run('x', at('12:05'))).runs[0]?.error;
    expect(errorOf({ proofs: { failed: 1 } })).toBe('EndpointNotPullingError');
    expect(errorOf({ proofs: { failed: 0, tested: 1 } })).toBeUndefined();
    expect(errorOf({ refreshed: false, proofs: { failed: 1 }, error })).toBe('CredentialNotFoundError');
  });

  it('stands once among a day of runs, the newest first', () => {
    const hours = Array.from({ length: 24 }, (_, index) =>
      ran(`r${index}`, at(`${String(23 - index).padStart(2, '0')}:00`)),
    );
    const again = rememberRun({ runs: hours }, outcome(), run('r1', at('23:30')));
    expect(again.runs.map(({ name }) => name)).toEqual(['r1', 'r0', ...hours.slice(2).map(({ name }) => name)]);
    const another = rememberRun({ runs: hours }, outcome(), run('new', at('22:30')));
    expect(another.runs).toHaveLength(24);
    expect(another.runs.slice(0, 3).map(({ name }) => name)).toEqual(['r0', 'new', 'r1']);
  });

  it('has the last word only where it ended last', () => {
    const first = rememberRun(undefined, outcome({ endpoints: [seen('first')] }), run('first', at('12:05')));
    const late = rememberRun(first, outcome({ endpoints: [] }), run('late', at('12:04')));
    expect([late.last, late.seen]).toEqual([first.last, undefined]);
    const both = rememberRun(late, outcome({ endpoints: [] }), run('both', at('12:05')));
    expect(both.last?.execution).toBe(run('both', '').execution);
  });

  it('that saw no endpoints leaves what was seen before, until another sees some', () => {
    const endpoints = [seen('ep')];
    const proofs = { tested: 1 };
    const one = rememberRun(undefined, outcome({ endpoints, proofs }), run('one', at('12:00')));
    const two = rememberRun(one, outcome({ refreshed: false }), run('two', at('13:00')));
    const three = rememberRun(two, outcome({ refreshed: false }), run('three', at('14:00')));
    expect([two.seen, three.seen, lastSeen(three)]).toEqual(Array(3).fill({ at: at('12:00'), proofs, endpoints }));
    const older = rememberRun(three, outcome({ endpoints: [seen('older')] }), run('older', at('13:30')));
    expect(older.seen).toEqual(three.seen);
    const four = rememberRun(three, outcome({ endpoints: [seen('new')] }), run('four', at('15:00')));
    expect([four.seen, lastSeen(four)?.endpoints]).toEqual([undefined, [seen('new')]]);
    expect(lastSeen({ runs: [] })).toBeUndefined();
  });

  it('keeps twenty endpoints, and what people know', () => {
    const endpoints = Array.from({ length: 21 }, (_, index) => seen(`ep${index}`));
    const notified: TargetMemory['notified'] = { trouble: 'x', severity: 'warning' };
    const memory = rememberRun({ runs: [], notified }, outcome({ endpoints }), run('one', at('12:00')));
    expect(memory.last?.outcome.endpoints).toEqual(endpoints.slice(0, 20));
    expect(memory.notified).toEqual(notified);
  });
});

describe('when people were told last', () => {
  const last = (trigger: string): TargetMemory['last'] => ({
    at: at('15:00'),
    execution: 'x',
    trigger,
    outcome: outcome(),
  });

  it('is the end of the last run, for npm run refresh tells nobody', () => {
    const runs = [ran('c', at('15:00'), 'command'), ran('b', at('14:00')), ran('a', at('13:00'))];
    expect(toldAt({ runs, last: last('schedule') })).toBe(at('15:00'));
    expect(toldAt({ runs, last: last('command') })).toBe(at('14:00'));
    expect(toldAt({ runs })).toBe(at('14:00'));
    expect(toldAt({ runs: [], last: last('command') })).toBeUndefined();
  });
});
