import { describe, expect, it } from 'vitest';
import { EventLog } from '../../console/event-log.ts';
import { gapsOf, lossOf, shownMs } from '../../console/gaps.ts';
import type { Batch } from '../../console/view.ts';

const begin = () =>
  new EventLog({
    mode: 'embedded',
    title: '',
    now: 0,
    speed: 1,
    servedAt: 0,
    newestRun: '',
    switches: {},
    trouble: '',
    sentence: { severity: 'well', pieces: [] },
    caption: '',
  });

const mark = (id: string, text = id) => ({ id, at: 0, text });

const hear = (eventLog: EventLog, after?: number) => {
  const heard: Array<readonly [number, Batch]> = [];
  const stop = eventLog.listen(after, (number, batch) => void heard.push([number, batch]));
  return { heard, stop };
};

describe('an event log', () => {
  it('gives a newcomer everything, and then what changes, once each', () => {
    const eventLog = begin();
    eventLog.put('marks', mark('a'));
    const { heard, stop } = hear(eventLog);
    expect(heard[0]?.[1]).toMatchObject({
      isWhole: true,
      changes: [{ set: { mode: 'embedded' } }, { put: 'marks', id: 'a' }],
    });
    eventLog.put('marks', mark('a', 'first'));
    eventLog.put('marks', mark('a', 'second'));
    eventLog.flush();
    eventLog.flush();
    expect(heard.slice(1)).toEqual([
      [2, { isWhole: false, changes: [{ put: 'marks', id: 'a', item: mark('a', 'second') }] }],
    ]);
    stop();
    eventLog.remove('marks', 'a');
    eventLog.flush();
    expect(heard).toHaveLength(2);
  });

  it('lets a listener that was away catch up with what it missed, and no more', () => {
    const eventLog = begin();
    for (const id of ['a', 'b', 'c']) {
      eventLog.put('marks', mark(id));
      eventLog.flush();
    }
    eventLog.remove('marks', 'a');
    const { heard } = hear(eventLog, 2);
    expect(heard.map(([number, { isWhole, changes }]) => [number, isWhole, changes])).toEqual([
      [3, false, [{ put: 'marks', id: 'c', item: mark('c') }]],
      [4, false, [{ put: 'marks', id: 'a', item: null }]],
    ]);
  });

  it.each([
    ['was away for too long', 1],
    ['knows of batches that never were', 10_000],
  ])('gives a listener that %s everything anew', (_what, after) => {
    const eventLog = begin();
    for (let count = 1; count <= 700; count += 1) {
      eventLog.set({ now: count });
      eventLog.flush();
    }
    const { heard } = hear(eventLog, after);
    expect(heard.map(([number, { isWhole }]) => [number, isWhole])).toEqual([[700, true]]);
  });
});

describe('a long event log', () => {
  it('is forgotten at its far end, and what is not over stays', () => {
    const eventLog = begin();
    for (const [id, at] of [
      ['old', 1],
      ['new', 9],
    ] as const) {
      eventLog.put('tokens', { id, refresher: 'ours', storedAt: at, expiresAt: at });
      eventLog.put('runs', { id, refresher: 'ours', run: id, trigger: '', status: 'SUCCEEDED', startedAt: at });
      eventLog.put('marks', { id, at, text: '' });
      eventLog.put('outages', { id, text: '', from: 0, to: at });
    }
    eventLog.put('outages', { id: 'open', text: '', from: 0 });
    eventLog.forget(5);
    const left = (['tokens', 'runs', 'marks', 'outages'] as const).map((name) =>
      eventLog.all(name).map(({ id }) => id),
    );
    // The token that ended last is where the time without pulls begins.
    expect(left).toEqual([['old', 'new'], ['new'], ['new'], ['new', 'open']]);
  });

  it('goes on counting the time since a token ended, however long ago that was', () => {
    const eventLog = begin();
    eventLog.put('tokens', { id: 'only', refresher: 'guide', storedAt: 0, expiresAt: 12 });
    const now = 3 * shownMs;
    eventLog.forget(now - shownMs);
    expect(lossOf(eventLog.all('tokens'), now)).toEqual({ lostMs: shownMs, spanMs: shownMs });
  });

  it('tells nobody of what is as it was', () => {
    const eventLog = begin();
    eventLog.put('marks', mark('a'));
    eventLog.flush();
    const { heard } = hear(eventLog, 1);
    eventLog.put('marks', mark('a'));
    eventLog.set({ now: 0 });
    eventLog.flush();
    expect(heard).toEqual([]);
  });
});

describe('the gaps between tokens', () => {
  const token = (storedAt: number, expiresAt: number) => ({
    id: `${storedAt}`,
    refresher: 'ours',
    storedAt,
    expiresAt,
  });
  const hour = 3_600_000;

  it.each([
    ['none while each is replaced in time', [token(0, 12 * hour), token(5 * hour, 17 * hour)], 10 * hour, []],
    ['one since the last has ended', [token(0, 12 * hour)], 14 * hour, [{ from: 12 * hour, to: 14 * hour }]],
    [
      'one between an end and the next token',
      [token(0, 12 * hour), token(15 * hour, 27 * hour)],
      16 * hour,
      [{ from: 12 * hour, to: 15 * hour }],
    ],
    [
      'one where the last was stored expired',
      [token(0, 5 * hour), token(5 * hour, 5 * hour)],
      7 * hour,
      [{ from: 5 * hour, to: 7 * hour }],
    ],
    ['none where nothing is known', [], 7 * hour, []],
  ])('are %s', (_what, tokens, now, expected) => {
    expect(gapsOf(tokens, now)).toEqual(expected);
  });
});
