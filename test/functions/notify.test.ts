import { describe, expect, it } from 'vitest';
import type { Memory } from '../../functions/lib/memory/memory.ts';
import type { NotifiedStore } from '../../functions/lib/memory/notified.ts';
import { rememberRun, targetForm } from '../../functions/lib/memory/target-memory.ts';
import type { Messages } from '../../functions/lib/report/messages.ts';
import type { Outcome } from '../../functions/lib/report/outcome.ts';
import type { Report } from '../../functions/lib/report/report.ts';
import { createNotify } from '../../functions/notify.ts';
import { executionArn, inputs } from '../../simulator/inputs.ts';
import type { FaultEffect } from '../../simulator/loopback.ts';
import { World } from '../../simulator/world.ts';
import { run as runCommand } from '../support/command.ts';
import { createMemoryOf, createNotifiedOf, rememberAll } from '../support/memories.ts';

const failed = (target: string): Outcome => ({
  target,
  refreshed: false,
  error: { name: 'E', message: 'It broke.' },
  proofs: {},
  endpoints: [],
});
const degraded = (target: string): Outcome => ({
  target,
  refreshed: true,
  proofs: { degraded: 1 },
  endpoints: [{ endpoint: 'ep', proof: 'degraded', reason: 'parked' }],
});

type Published = { sent: Messages[]; measured: Array<[string, number, object | undefined]>; logged: string[] };

/** Notifies at 12:00 of one thing after the other. */
const notifierOf = (memory: Memory, hasTargetAlarms = false, notified: NotifiedStore = createNotifiedOf()) => {
  const seen: Published = { sent: [], measured: [], logged: [] };
  const handle = createNotify({
    publish: async (messages) => void seen.sent.push(messages),
    memory,
    notified,
    now: () => Date.parse('2026-11-23T12:00:00Z'),
    sleep: () => new Promise((resolve) => setImmediate(resolve)),
    scheduleMs: 5 * 3_600_000,
    runbook: 'https://example.com/runbook.md',
    firstSteps: {},
    hasTargetAlarms,
    log: { info: () => {}, error: (message) => void seen.logged.push(message) },
    meter: { add: (...measurement) => void seen.measured.push([measurement[0], measurement[1], measurement[2]]) },
  });
  return { handle, seen };
};

/** Notifies with what is on record. */
const notifyOf = async (
  notice: object,
  earlier: readonly Report[] = [],
  hasTargetAlarms = false,
  memory: Memory = createMemoryOf(
    Object.fromEntries([...rememberAll(earlier, 5 * 3_600_000)].map(([name, record]) => [`target ${name}`, record])),
  ),
) => {
  const { handle, seen } = notifierOf(memory, hasTargetAlarms);
  return { ...(await handle(notice)), ...seen };
};

const reportOf = (targets: Report['targets']): Report => ({
  version: 1,
  execution: executionArn,
  trigger: 'schedule',
  startedAt: '2026-11-23T11:59:00Z',
  endedAt: '2026-11-23T12:00:00Z',
  outcome: 'failed',
  targets,
});

const tell = (...targets: Report['targets']) => notifyOf({ kind: 'report', report: reportOf(targets) });

describe('notify', () => {
  it('makes one message of many troubles, the worst first', async () => {
    const { published, sent } = await tell(degraded('a'), failed('b'), failed('c'));
    expect(published).toBe(1);
    expect(sent[0]?.subject).toBe('[CRITICAL] runpod-ecr-refresh: b and 2 more failed');
    expect(JSON.parse(sent[0]?.machine ?? '')).toMatchObject({
      alerts: [{ target: 'b' }, { target: 'c' }, { target: 'a' }],
    });
  });

  it('says nothing where nothing has changed, and still measures', async () => {
    expect(await tell()).toEqual({ published: 0, sent: [], measured: [], logged: [] });
    const good = { target: 'a', refreshed: true, expiresAt: '2026-11-24T00:00:00Z', proofs: {}, endpoints: [] };
    const report = { kind: 'report', report: reportOf([good, failed('b')]) };
    expect(await notifyOf(report)).toMatchObject({ measured: [['TokenSecondsLeft', 0, undefined]] });
    expect(await notifyOf(report, undefined, true)).toMatchObject({
      measured: [
        ['TargetTokenSecondsLeft', 43_200, { Target: 'a' }],
        ['TargetTokenSecondsLeft', 0, { Target: 'b' }],
        ['TokenSecondsLeft', 0, undefined],
      ],
    });
  });

  it('measures the token that ends first, of targets too that this run did not concern', async () => {
    const token = (target: string, expiresAt: string) => ({
      target,
      refreshed: true,
      expiresAt,
      proofs: {},
      endpoints: [],
    });
    const report = { kind: 'report', report: { ...reportOf([token('a', '2026-11-24T00:00:00Z')]), trigger: 'push' } };
    const earlier = [reportOf([token('b', '2026-11-23T13:00:00Z'), token('a', '2026-11-23T12:30:00Z')])];
    expect(await notifyOf(report, earlier)).toMatchObject({ measured: [['TokenSecondsLeft', 3600, undefined]] });
  });
});

const stored = (expiresAt: string): Outcome => ({ target: 'a', refreshed: true, expiresAt, proofs: {}, endpoints: [] });

describe('notify of a run', () => {
  it('counts from now on how long a token is good, and never less than nothing', async () => {
    const left = async (expiresAt: string) => (await tell(stored(expiresAt))).measured.map(([, seconds]) => seconds);
    expect(await left('2026-11-23T12:00:01Z')).toEqual([1]);
    expect(await left('2026-11-23T11:59:59Z')).toEqual([0]);
  });

  it('knows the token of an earlier run, and how long the next run takes to come', async () => {
    const failure = { kind: 'report', report: reportOf([failed('a')]) };
    const severity = async (expiresAt: string) =>
      JSON.parse((await notifyOf(failure, [reportOf([stored(expiresAt)])])).sent[0]?.machine ?? '').severity;
    expect(await severity('2026-11-23T17:00:00.000Z')).toBe('critical');
    expect(await severity('2026-11-23T17:00:00.001Z')).toBe('warning');
  });

  it('forgets targets that a run of all of them did not meet', async () => {
    const memory = createMemoryOf({ 'target gone': { expiresAt: '2026-11-23T12:00:30Z' } });
    const { measured } = await notifyOf(
      { kind: 'report', report: reportOf([stored('2026-11-24T00:00:00Z')]) },
      [],
      false,
      memory,
    );
    expect(Object.keys(memory.records)).toEqual(['target a']);
    expect(measured).toEqual([['TokenSecondsLeft', 43_200, undefined]]);
  });

  it.each(['readAll', 'change'] as const)('is told, perhaps twice, where the memory fails (%s)', async (method) => {
    const memory = { ...createMemoryOf(), [method]: () => Promise.reject(new Error('no memory')) };
    const report = { kind: 'report', report: reportOf([failed('a')]) };
    const { published, logged, measured } = await notifyOf(report, [], false, memory);
    expect([published, logged.length]).toEqual([1, 1]);
    expect(measured).toEqual([['TokenSecondsLeft', 0, undefined]]);
  });

  it('tells the end of a trouble later where the memory could not be read when it ended', async () => {
    const memory = createMemoryOf();
    const deaf = { ...memory, readAll: () => Promise.reject(new Error('no memory')) };
    const tell = async (outcome: Outcome, from = memory) =>
      (await notifyOf({ kind: 'report', report: reportOf([outcome]) }, [], false, from)).sent.map(
        ({ subject }) => subject,
      );
    const good = stored('2026-11-24T00:00:00Z');
    expect(await tell(failed('a'))).toHaveLength(1);
    expect(await tell(good, deaf)).toEqual([]);
    expect(await tell(good)).toEqual([expect.stringContaining('recovered')]);
    expect(await tell(good)).toEqual([]);
  });

  it('knows what it told although a run that ended later by its clock was remembered first', async () => {
    const memory = createMemoryOf();
    const notified = createNotifiedOf();
    const tell = async (endedAt: string, outcome: Outcome) => {
      const report = { ...reportOf([outcome]), endedAt, execution: `${executionArn}-${endedAt}` };
      return (await notifierOf(memory, false, notified).handle({ kind: 'report', report })).published;
    };
    const good = stored('2026-11-24T00:00:00Z');
    expect(await tell('2026-11-23T12:00:00Z', good)).toBe(0);
    expect(await tell('2026-11-23T11:59:00Z', failed('a'))).toBe(1);
    expect(await tell('2026-11-23T12:05:00Z', failed('a'))).toBe(0);
    expect(await tell('2026-11-23T12:10:00Z', good)).toBe(1);
    expect(await tell('2026-11-23T12:15:00Z', good)).toBe(0);
  });

  describe('whose table fails', () => {
    const good = stored('2026-11-24T00:00:00Z');
    const deaf: Memory = {
      ...createMemoryOf(),
      readAll: () => Promise.reject(new Error('no memory')),
      change: () => Promise.reject(new Error('no memory')),
    };
    const noon = Date.parse('2026-11-23T12:00:00Z') / 1000;
    const ofB = JSON.stringify([['b', 'critical', 'failed E', noon - 3 * 3600]]);
    /** Each time a new process. */
    const tellFrom = async (notified: NotifiedStore, ...outcomes: Outcome[]) =>
      (await notifierOf(deaf, false, notified).handle({ kind: 'report', report: reportOf(outcomes) })).published;

    it('tells the same trouble once, and its end', async () => {
      const notified = createNotifiedOf();
      expect(await tellFrom(notified, failed('a'))).toBe(1);
      expect(await tellFrom(notified, failed('a'))).toBe(0);
      expect(await tellFrom(notified, good)).toBe(1);
      expect(await tellFrom(notified, good)).toBe(0);
      expect(await tellFrom(notified, failed('a'))).toBe(1);
    });

    it('is not told again as less urgent once the table is back, which missed that trouble', async () => {
      const [memory, notified] = [createMemoryOf(), createNotifiedOf()];
      const tell = async (hour: string, outcome: Outcome, table: Memory) => {
        const { handle, seen } = notifierOf(table, false, notified);
        await handle({ kind: 'report', report: { ...reportOf([outcome]), endedAt: `2026-11-23T${hour}:00:00Z` } });
        return seen.sent.map(({ subject }) => subject.replace(/].*$/, ']'));
      };
      expect(await tell('06', good, memory)).toEqual([]);
      expect(await tell('09', failed('a'), deaf)).toEqual(['[CRITICAL]']);
      expect(await tell('12', failed('a'), memory)).toEqual([]);
    });

    it('knows of the targets that a push’s run did not concern, and forgets those that have gone', async () => {
      const notified = createNotifiedOf();
      await tellFrom(notified, failed('a'), failed('b'));
      const push = { ...reportOf([degraded('c')]), trigger: 'push' };
      await notifierOf(deaf, false, notified).handle({ kind: 'report', report: push });
      expect(JSON.parse(notified.value)).toEqual([
        ['a', 'critical', 'failed E', noon],
        ['b', 'critical', 'failed E', noon],
        ['c', 'warning', 'degraded ep parked', noon],
      ]);
      expect(await tellFrom(notified, failed('a'), degraded('c'))).toBe(0);
      expect([...(await notified.read()).keys()]).toEqual(['a', 'c']);
    });

    it('measures no token of a target of which nothing else is known', async () => {
      const notified = createNotifiedOf(ofB);
      const notifier = notifierOf(deaf, true, notified);
      await notifier.handle({ kind: 'report', report: { ...reportOf([good]), trigger: 'push' } });
      expect(notifier.seen.measured).toEqual([
        ['TargetTokenSecondsLeft', 43_200, { Target: 'a' }],
        ['TokenSecondsLeft', 43_200, undefined],
      ]);
    });

    it.each([
      ['could not be read at first', 1],
      ['cannot be read, while the table can', 9],
    ])('writes what it knows where the parameter %s', async (_what, times) => {
      const memory = createMemoryOf();
      const notified = createNotifiedOf();
      await notifierOf(memory, false, notified).handle({ kind: 'report', report: reportOf([failed('b')]) });
      let reads = 0;
      const unread: NotifiedStore = {
        ...notified,
        read: async () => {
          reads += 1;
          if (reads <= times) throw new Error('throttled');
          return notified.read();
        },
      };
      const { handle, seen } = notifierOf(memory, false, unread);
      await handle({ kind: 'report', report: { ...reportOf([failed('a')]), trigger: 'push' } });
      expect(seen.logged).toEqual(['What people were told cannot be read']);
      expect([...(await notified.read()).keys()].toSorted()).toEqual(['a', 'b']);
    });

    it('takes nothing away of what it could not read', async () => {
      const notified = createNotifiedOf(ofB);
      const unread = { ...notified, read: () => Promise.reject(new Error('throttled')) };
      const { handle, seen } = notifierOf(deaf, false, unread);
      expect(await handle({ kind: 'report', report: reportOf([failed('a')]) })).toEqual({ published: 1 });
      expect(seen.logged.toSorted()).toEqual([
        'What is remembered of the targets cannot be read',
        'What people were told cannot be read',
        'What people were told cannot be remembered',
        'What the run came to cannot be remembered',
      ]);
      expect(notified.value).toEqual(ofB);
    });

    it('believes whichever knew more last, where one of the two took nothing for a while', async () => {
      const memory = createMemoryOf();
      const notified = createNotifiedOf();
      const mute: NotifiedStore = { ...notified, write: () => Promise.reject(new Error('throttled')) };
      const full: Memory = { ...memory, change: () => Promise.reject(new Error('full')) };
      const tell = async (hour: string, outcome: Outcome, table: Memory, parameter: NotifiedStore) => {
        const report = { ...reportOf([outcome]), endedAt: `2026-11-23T${hour}:00:00Z` };
        return (await notifierOf(table, false, parameter).handle({ kind: 'report', report })).published;
      };
      expect(await tell('00', good, memory, notified)).toBe(0);
      expect(await tell('03', failed('a'), memory, mute)).toBe(1);
      expect(await tell('06', failed('a'), memory, notified)).toBe(0);
      expect(await tell('09', good, full, notified)).toBe(1);
      expect(await tell('10', good, full, notified)).toBe(0);
      expect(await tell('11', failed('a'), memory, notified)).toBe(1);
      expect(await tell('12', good, memory, mute)).toBe(1);
      expect(await tell('13', good, memory, notified)).toBe(0);
    });

    it.each([
      ['table and parameter', (memory: Memory) => memory],
      ['the parameter alone', () => deaf],
      ['a parameter that a table takes nothing beside', (memory: Memory) => ({ ...memory, change: deaf.change })],
    ])('writes only where something changes, by %s', async (_what, of) => {
      const memory = of(createMemoryOf());
      const notified = createNotifiedOf();
      let writes = 0;
      const counting: NotifiedStore = {
        ...notified,
        write: (content) => {
          writes += 1;
          return notified.write(content);
        },
      };
      const many = Array.from({ length: 200 }, (_, index) => failed(`target-with-quite-a-long-name-${index}`));
      const tell = async (hour: string, ...outcomes: Outcome[]) => {
        const report = { ...reportOf(outcomes), endedAt: `2026-11-23T${hour}:00:00Z` };
        await notifierOf(memory, false, counting).handle({ kind: 'report', report });
        return writes;
      };
      expect([await tell('00', good), await tell('01', good, degraded('b'))]).toEqual([0, 1]);
      expect([await tell('02', good, degraded('b')), await tell('03', good, degraded('b'))]).toEqual([1, 1]);
      expect([await tell('04', ...many), await tell('05', ...many)]).toEqual([2, 2]);
    });

    it('keeps the most severe of more troubles than the parameter holds, and asks the table for the others', async () => {
      const memory = createMemoryOf();
      const notified = createNotifiedOf();
      const many = Array.from({ length: 200 }, (_, index) =>
        (index % 2 === 0 ? degraded : failed)(`target-with-quite-a-long-name-${index}`),
      );
      const tell = async () =>
        (await notifierOf(memory, false, notified).handle({ kind: 'report', report: reportOf(many) })).published;
      expect([await tell(), await tell()]).toEqual([1, 0]);
      expect(Buffer.byteLength(notified.value)).toBeLessThanOrEqual(4096);
      const content = [...(await notified.read()).values()];
      expect(content.length).toBeGreaterThan(50);
      expect(new Set(content.map(({ notified: told }) => told?.severity))).toEqual(new Set(['critical']));
    });
  });

  describe('beside another', () => {
    const good = (target: string): Outcome => ({ ...stored('2026-11-24T00:00:00Z'), target });
    const at = (hour: string, outcomes: Outcome[], trigger = 'push') => ({
      kind: 'report',
      report: {
        ...reportOf(outcomes),
        trigger,
        endedAt: `2026-11-23T${hour}:00:00Z`,
        execution: `${executionArn}-${hour}`,
      },
    });
    /** A store that answers those who ask it by twos, as where two runs end in one moment. */
    const pairwise = (store: NotifiedStore): NotifiedStore => {
      let [pair, asked] = [Promise.withResolvers<void>(), 0];
      return {
        ...store,
        read: async () => {
          const [content, both] = [await store.read(), pair];
          asked += 1;
          if (asked % 2 === 0) {
            pair = Promise.withResolvers<void>();
            both.resolve();
          }
          await both.promise;
          return content;
        },
      };
    };

    it('that ends in the same moment is kept as well, and both ends are told', async () => {
      const [memory, notified] = [createMemoryOf(), createNotifiedOf()];
      // Each reads when it begins, right before it writes, and after a pause.
      const together = pairwise(notified);
      await Promise.all(
        ['a', 'b'].map((target) => notifierOf(memory, false, together).handle(at('09', [failed(target)]))),
      );
      expect([...(await notified.read()).keys()].toSorted()).toEqual(['a', 'b']);
      const after = notifierOf(memory, false, notified);
      await after.handle(at('12', [good('a'), good('b')], 'schedule'));
      expect(after.seen.sent.map(({ subject }) => subject)).toEqual([
        expect.stringContaining('a and 1 more recovered'),
      ]);
      await after.handle(at('15', [good('a'), good('b')], 'schedule'));
      expect(after.seen.sent).toHaveLength(1);
    });

    it.each([
      ['of the same moment', '09', [failed('a')], { a: '09', b: '09' }],
      ['that had nothing to tell of it', '08', [failed('a'), good('b')], { a: '08', b: '09' }],
    ])('that has ended meanwhile is not unsaid by one %s, where the table takes nothing', async (_what, hour, outcomes, expected) => {
      const [memory, notified] = [createMemoryOf(), createNotifiedOf()];
      const full: Memory = { ...memory, change: () => Promise.reject(new Error('full')) };
      const slow = notifierOf(full, false, {
        ...notified,
        read: async () => {
          const content = await notified.read();
          if (notified.value === 'none yet') await notifierOf(full, false, notified).handle(at('09', [failed('b')]));
          return content;
        },
      });
      await slow.handle(at(hour, outcomes));
      const known = [...(await notified.read())].map(([name, told]) => [
        name,
        told.notified === undefined ? '' : new Date(told.at).toISOString().slice(11, 13),
      ]);
      expect(Object.fromEntries(known)).toEqual(expected);
    });

    it('that ended later and is in the table does not unsay what was told after it, once the table takes nothing', async () => {
      const [memory, notified] = [createMemoryOf(), createNotifiedOf()];
      const full: Memory = { ...memory, change: () => Promise.reject(new Error('full')) };
      const tell = async (hour: string, outcome: Outcome, from: Memory) => {
        const { handle, seen } = notifierOf(from, false, notified);
        await handle(at(hour, [outcome]));
        return seen.sent.length;
      };
      expect(await tell('12', good('a'), memory)).toBe(0);
      expect(await tell('11', failed('a'), full)).toBe(1);
      expect([await tell('15', failed('a'), full), await tell('18', good('a'), full)]).toEqual([0, 1]);
    });

    it('that ended later and was told of before does not unsay what was told after it, where the table takes nothing', async () => {
      const [memory, notified] = [createMemoryOf(), createNotifiedOf()];
      const full: Memory = { ...memory, change: () => Promise.reject(new Error('full')) };
      const tell = async (hour: string, outcome: Outcome) => {
        const { handle, seen } = notifierOf(full, false, notified);
        await handle(at(hour, [outcome]));
        return seen.sent.length;
      };
      expect([await tell('09', failed('a')), await tell('12', good('a')), await tell('11', failed('a'))]).toEqual([
        1, 1, 1,
      ]);
      expect([await tell('15', failed('a')), await tell('18', good('a')), await tell('19', good('a'))]).toEqual([
        0, 1, 0,
      ]);
    });

    it('of npm run refresh, which tells nobody, does not hide what people know, nor what is to be told', async () => {
      const [memory, notified] = [createMemoryOf(), createNotifiedOf()];
      const tell = async (hour: string, outcome: Outcome) => {
        const { handle, seen } = notifierOf(memory, false, notified);
        await handle(at(hour, [outcome], 'schedule'));
        return seen.sent.length;
      };
      const note = (hour: string) =>
        memory.change(targetForm, 'a', (before) =>
          rememberRun(before, good('a'), { ...at(hour, []).report, trigger: 'command' }),
        );
      expect(await tell('03', failed('a'))).toBe(1);
      delete memory.records['target a'];
      await note('04');
      expect(await tell('06', good('a'))).toBe(1);
      expect(await tell('09', good('a'))).toBe(0);
      // A run that the command overtakes: it was told of, all the same.
      await note('13');
      expect(await tell('12', failed('a'))).toBe(1);
      expect(await tell('15', good('a'))).toBe(1);
    });
  });

  it('says in the parameter what is over for as long as the table may not know it', async () => {
    const [memory, notified] = [createMemoryOf(), createNotifiedOf()];
    const full: Memory = { ...memory, change: () => Promise.reject(new Error('full')) };
    const tell = async (hour: string, outcome: Outcome, from: Memory) => {
      const report = { ...reportOf([outcome]), endedAt: `2026-11-23T${hour}:00:00Z` };
      const { handle, seen } = notifierOf(from, false, notified);
      await handle({ kind: 'report', report });
      return [seen.sent.length, (JSON.parse(notified.value) as string[][]).map(([, severity]) => severity)];
    };
    const good = stored('2026-11-24T00:00:00Z');
    expect(await tell('00', failed('a'), memory)).toEqual([1, ['critical']]);
    expect(await tell('03', good, full)).toEqual([1, ['none']]);
    expect(await tell('06', good, full)).toEqual([0, ['none']]);
    expect(await tell('09', good, memory)).toEqual([0, ['none']]);
    expect(await tell('12', good, memory)).toEqual([0, []]);
  });

  it.each([
    ['nothing of ours', 'null'],
    ['another form', '{"at":"2026-11-23T09:00:00Z","targets":{"a":["critical","failed E"]}}'],
    [
      'names of what every object has',
      '[["__proto__","critical","failed E",1],["constructor","warning","failed E",1]]',
    ],
    ['a time that has not come', '[["a","info","failed X",1e300]]'],
    ['more than it can hold', JSON.stringify([['a', 'critical', 'x'.repeat(40_000), 1]])],
  ])('tells once, whatever the parameter holds: %s', async (_what, value) => {
    const [memory, notified] = [createMemoryOf(), createNotifiedOf(value)];
    const tell = async (target: string, outcome: Outcome) => {
      const { handle, seen } = notifierOf(memory, false, notified);
      await handle({ kind: 'report', report: reportOf([{ ...outcome, target }]) });
      return seen.sent.length;
    };
    for (const target of ['a', 'constructor']) {
      expect([await tell(target, failed('a')), await tell(target, failed('a'))]).toEqual([1, 0]);
      expect(Buffer.byteLength(notified.value)).toBeLessThanOrEqual(4096);
      expect([await tell(target, stored('x')), await tell(target, stored('x'))]).toEqual([1, 0]);
    }
  });

  it('tells the same trouble once, and its end', async () => {
    const memory = createMemoryOf();
    const tell = async (outcome: Outcome) =>
      (await notifyOf({ kind: 'report', report: reportOf([outcome]) }, [], false, memory)).published;
    expect([await tell(failed('a')), await tell(failed('a'))]).toEqual([1, 0]);
    expect([await tell(stored('2026-11-24T00:00:00Z')), await tell(stored('2026-11-24T00:00:00Z'))]).toEqual([1, 0]);
  });
});

/** Of a target that waits since half past eleven. */
const delayed = inputs.delayed({
  name: 'a',
  giveUpAt: '2026-11-23T16:30:00Z',
  delay: { failingSince: '2026-11-23T11:30:00Z', retryAt: '2026-11-23T12:15:00Z' },
});

describe('notify of a delay', () => {
  it('says since when, why, and until when we try', async () => {
    const { published, sent, measured } = await notifyOf(delayed);
    expect([published, measured]).toEqual([1, []]);
    expect(sent[0]?.email).toContain(
      'a: the refresh has not got through for 30 min: Runpod is down. We try again at 12:15 UTC and keep trying until 16:30 UTC.',
    );
  });

  it('is one message for all targets of a run that wait for the same, unless another is more urgent', async () => {
    const memory = createMemoryOf({
      'target b': { runs: [], expiresAt: '2026-11-24T00:00:00Z' },
      'target c': { runs: [], expiresAt: '2026-11-24T00:00:00Z' },
    });
    const tell = (name: string, more: object = {}) => notifyOf({ ...delayed, name, ...more }, [], false, memory);
    const first = await tell('b');
    expect(first.sent[0]?.email).toContain('Other targets that wait for the same are not told of one by one.');
    expect((await tell('c')).published).toBe(0);
    // Nothing is on record of it, so its token may have ended.
    expect([(await tell('a')).published, (await tell('b')).published]).toEqual([1, 0]);
    expect((await tell('c', { failure: { Error: 'EcrUnavailableError', Cause: '' } })).published).toBe(1);
    expect((await tell('c', { execution: `${executionArn}-next` })).published).toBe(1);
  });

  it('is one message where the table fails, too, which the next scheduled run forgets', async () => {
    const notified = createNotifiedOf();
    const deaf: Memory = {
      ...createMemoryOf(),
      readAll: () => Promise.reject(new Error('no memory')),
      change: () => Promise.reject(new Error('no memory')),
    };
    const tell = async (name: string, more: object = {}, store: NotifiedStore = notified) =>
      (await notifierOf(deaf, false, store).handle({ ...delayed, name, ...more })).published;
    expect([await tell('a'), await tell('b'), await tell('c')]).toEqual([1, 0, 0]);
    // Its own message may have failed.
    expect(await tell('a')).toBe(1);
    expect(await tell('b', { failure: { Error: 'EcrUnavailableError', Cause: '' } })).toBe(1);
    expect(await tell('b', { execution: `${executionArn}-next` })).toBe(1);
    const mute = { ...notified, read: () => Promise.reject(new Error('throttled')) };
    expect(await tell('c', {}, mute)).toBe(1);
    const { handle, seen } = notifierOf(deaf, true, notified);
    await handle({ kind: 'report', report: reportOf([failed('a')]) });
    expect(seen.measured.map(([name, , of]) => [name, of])).toEqual([
      ['TargetTokenSecondsLeft', { Target: 'a' }],
      ['TokenSecondsLeft', undefined],
    ]);
    expect([...(await notified.read()).keys()]).toEqual(['a']);
  });

  it('is a message for each region of ECR that fails, and one for Runpod, wherever the targets’ images are', async () => {
    const expiresAt = '2026-11-24T00:00:00Z';
    const memory = createMemoryOf({ 'target b': { runs: [], expiresAt }, 'target c': { runs: [], expiresAt } });
    const tell = async (name: string, region: string, error: string) => {
      const notice = { ...delayed, name, region, failure: { Error: error, Cause: '' } };
      return (await notifyOf(notice, [], false, memory)).published;
    };
    expect(await tell('b', 'us-east-1', 'EcrUnavailableError')).toBe(1);
    expect(await tell('c', 'eu-west-1', 'EcrUnavailableError')).toBe(1);
    expect(await tell('c', 'us-east-1', 'EcrUnavailableError')).toBe(0);
    expect(await tell('b', 'us-east-1', 'RunpodUnavailableError')).toBe(1);
    expect(await tell('c', 'eu-west-1', 'RunpodUnavailableError')).toBe(0);
  });

  it('has nothing to add where people know that the target fails', async () => {
    expect(await notifyOf(delayed, [reportOf([failed('a')])])).toMatchObject({ published: 0, sent: [] });
  });
});

describe('people', () => {
  const subjects = (world: World) => world.sns.inbox.map(({ subject }) => subject);
  const isGone: FaultEffect = {
    answer: {
      status: 400,
      headers: {},
      body: '{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}',
    },
  };
  const run = async (world: World) => {
    // A quiet hour ends the functions' processes.
    world.restart();
    await world.clock.advance(3_600_000);
    return world.refresh();
  };

  it.each([
    ['is gone', (world: World) => world.faults.add({ on: /DynamoDB/, does: isGone })],
    ['takes nothing', (world: World) => world.faults.add({ on: /PutItem/, does: isGone })],
    ['is lost before each run', () => {}],
  ])('hear once of a trouble, and once of its end, while the table %s', async (what, happen) => {
    const world = await World.begin({ environment: { UPSTREAM_TIMEOUT_SECONDS: '0.5' } });
    const lose = async () => what.startsWith('is lost') && (await world.dynamodb.lose());
    happen(world);
    const [credential] = world.runpod.credentials;
    world.runpod.credentials.clear();
    for (let count = 0; count < 3; count += 1) {
      await lose();
      await run(world);
    }
    expect(subjects(world)).toEqual([expect.stringContaining('production failed')]);
    if (credential !== undefined) world.runpod.credentials.set(...credential);
    for (let count = 0; count < 3; count += 1) {
      await lose();
      await run(world);
    }
    expect(subjects(world).slice(1)).toEqual([expect.stringContaining('production recovered')]);
    await world.end();
  });
});

describe('people who know of a trouble', () => {
  it('hear of it once more, as urgent, where the table does not say every other hour when the token ends', async () => {
    const world = await World.begin({ environment: { SCHEDULE_HOURS: '1', UPSTREAM_TIMEOUT_SECONDS: '0.5' } });
    await world.refresh();
    const [credential] = world.runpod.credentials;
    world.runpod.credentials.clear();
    const severities = () => world.sns.inbox.map(({ subject }) => subject.replace(/].*$/, ']'));
    const runs = async (count: number, isHeard: (index: number) => boolean) => {
      for (let index = 0; index < count; index += 1) {
        world.restart();
        await world.clock.advance(3_600_000);
        const repair = isHeard(index) ? undefined : world.faults.add({ on: /Query/, does: { reset: true } });
        await world.refresh();
        repair?.();
      }
    };
    await runs(6, (index) => index % 2 === 0);
    expect(severities()).toEqual(['[WARNING]', '[CRITICAL]']);
    // A token that was stored from elsewhere begins it anew.
    if (credential !== undefined) world.runpod.credentials.set(...credential);
    const time = { clock: world.clock, now: world.clock.now };
    expect((await world.clock.until(runCommand(world, ['refresh'], time))).code).toBe(0);
    world.runpod.credentials.clear();
    await runs(2, () => true);
    expect(severities()).toEqual(['[WARNING]', '[CRITICAL]', '[WARNING]']);
    await world.end();
  });
});

describe('notify of the last day', () => {
  it('tells also that there was no run', async () => {
    const stateMachine = 'arn:aws:states:us-east-1:123456789012:stateMachine:runpod-ecr-refresh-dev';
    const { published, sent } = await notifyOf({ kind: 'digest', stateMachine });
    expect(published).toBe(1);
    expect(sent[0]?.email).toContain('no run of the last 24 hours is on record');
    expect(sent[0]?.email).toContain(stateMachine);
  });
});

describe('notify of a day that the table cannot tell of', () => {
  it('says that, and not that nothing has run', async () => {
    const world = await World.begin({ environment: { UPSTREAM_TIMEOUT_SECONDS: '0.5' } });
    await world.refresh();
    world.faults.add({ on: /DynamoDB/, does: { reset: true } });
    await world.sendDigest();
    expect(world.sns.inbox.map(({ subject }) => subject)).toEqual([
      '[WARNING] runpod-ecr-refresh: daily digest of every target',
    ]);
    expect(world.sns.inbox[0]?.text).toContain('#memoryunavailableerror');
    expect(world.sns.inbox[0]?.text).not.toContain('no run');
    await world.end();
  });
});

describe('the runbook', () => {
  it('is repeated by alerts where it has no address', async () => {
    const world = await World.begin({ environment: { RUNBOOK_URL: '' } });
    world.runpod.credentials.clear();
    await world.refresh();
    expect(world.sns.inbox[0]?.text).toMatch(
      /What to do: create a credential, put its id into targets\.yml, .*\(docs\/runbook\.md, CredentialNotFoundError\)/,
    );
    await world.end();
  });
});

describe('notify of a delay that a time-out caused', () => {
  it('says so although its Cause is empty', async () => {
    const { sent } = await notifyOf({ ...delayed, failure: { Error: 'States.Timeout', Cause: '' } });
    expect(sent[0]?.email.replaceAll('\u2060', '')).toContain(
      'for 30 min: A step did not end within its time (States.Timeout).',
    );
  });
});

describe('publishing', () => {
  it.each([
    ['takes it', true],
    ['does not take it', false],
  ])('goes to the chat topic as Amazon Q wants it, and the alert is told where that topic %s', async (_what, isThere) => {
    const chatTopic = 'arn:aws:sns:us-east-1:123456789012:runpod-ecr-refresh-dev-chat';
    const world = await World.begin({ environment: { CHAT_TOPIC_ARN: chatTopic } });
    if (!isThere) world.sns.topics.delete(chatTopic);
    world.runpod.credentials.clear();
    const execution = await world.refresh();
    expect(
      execution.events.some((event) => event.type === 'StateEntered' && event.state.name === 'NotifyPlainly'),
    ).toBe(false);
    expect(world.sns.inbox.map(({ topicArn }) => topicArn.split('-').at(-1))).toEqual(
      isThere ? ['alerts', 'chat'] : ['alerts'],
    );
    expect(Object.keys(world.sns.inbox[0]?.forms ?? {})).toEqual(['default', 'email', 'sms', 'https', 'sqs']);
    await world.end();
  });
});
