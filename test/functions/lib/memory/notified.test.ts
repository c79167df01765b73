import fc from 'fast-check';
import { expect, it } from 'vitest';
import * as z from 'zod/mini';
import type { Memory } from '../../../../functions/lib/memory/memory.ts';
import type { NotifiedStore } from '../../../../functions/lib/memory/notified.ts';
import { rememberRun, targetForm } from '../../../../functions/lib/memory/target-memory.ts';
import { isoSeconds } from '../../../../functions/lib/platform.ts';
import type { Outcome } from '../../../../functions/lib/report/outcome.ts';
import { createNotify } from '../../../../functions/notify.ts';
import { createMemoryOf, createNotifiedOf } from '../../../support/memories.ts';

const hourMs = 3_600_000;
const names = ['a', 'b', 'constructor'] as const;
type Name = (typeof names)[number];

const outcomeOf = (target: Name, isBad: boolean, now: number): Outcome =>
  isBad
    ? { target, refreshed: false, error: { name: 'E', message: 'It broke.' }, proofs: {}, endpoints: [] }
    : {
        target,
        refreshed: true,
        storedAt: isoSeconds(now),
        expiresAt: isoSeconds(now + 12 * hourMs),
        proofs: {},
        endpoints: [],
      };

const fail = () => Promise.reject(new Error('no'));
const failing = { read: fail, readAll: fail, change: fail, forget: fail };

/** How either of the two can fail while the other does not. */
const faults: Readonly<Record<string, (memory: Memory, store: NotifiedStore) => readonly [Memory, NotifiedStore]>> = {
  'nothing fails': (memory, store) => [memory, store],
  'the table fails': (_, store) => [failing, store],
  'the table takes nothing': (memory, store) => [{ ...memory, change: fail, forget: fail }, store],
  'the table cannot be read as a whole': (memory, store) => [{ ...memory, readAll: fail }, store],
  'the parameter fails': (memory) => [memory, { read: fail, write: fail }],
  'the parameter takes nothing': (memory, store) => [memory, { ...store, write: fail }],
  'the parameter cannot be read': (memory, store) => [memory, { ...store, read: fail }],
};
/** Of one history, so that what one of them has missed is in the other. */
const faultsOfOne = [
  ['the table fails', 'the table takes nothing', 'the table cannot be read as a whole'],
  ['the parameter fails', 'the parameter takes nothing', 'the parameter cannot be read'],
  ['the table is lost'],
];

const step = (of: readonly string[]) =>
  fc.record({
    /** Whose trouble begins or ends before the run. */
    turns: fc.uniqueArray(fc.constantFrom(...names), { maxLength: 2 }),
    fault: fc.option(fc.constantFrom(...of), { nil: 'nothing fails' }),
    /** Whether the targets' runs are two that end in the same moment. */
    isTwo: fc.boolean(),
    /** Who is refreshed from elsewhere before the run. */
    noted: fc.option(fc.constantFrom(...names), { nil: undefined }),
    secondsAgo: fc.integer({ min: 0, max: 2 }),
  });

const histories = fc
  .constantFrom(...faultsOfOne)
  .chain((of) => fc.array(step(of), { minLength: 6, maxLength: 24, size: 'max' }));

const alertsSchema = z.object({
  alerts: z.array(z.object({ kind: z.string(), target: z.string(), severity: z.string() })),
});

it('people hear of each trouble and of its end, and at most twice, while table or parameter fails', async () => {
  await fc.assert(
    fc.asyncProperty(histories, async (history) => {
      const [memory, store] = [createMemoryOf(), createNotifiedOf()];
      let now = Date.parse('2026-11-23T00:00:00Z');
      const bad = new Set<Name>();
      const told = new Map<string, number>();
      const times = (kind: string, target: Name): number => told.get(`${kind} ${target}`) ?? 0;

      const run = async (targets: readonly Name[], trigger: string, fault: string, secondsAgo: number) => {
        const [table, parameter] = (faults[fault] ?? ((...both) => both))(memory, store);
        const handle = createNotify({
          publish: async ({ machine }) => {
            for (const { kind, target, severity } of alertsSchema.parse(JSON.parse(machine)).alerts) {
              for (const what of [kind, `${severity} ${kind}`]) {
                told.set(`${what} ${target}`, (told.get(`${what} ${target}`) ?? 0) + 1);
              }
            }
          },
          memory: table,
          notified: parameter,
          now: () => now,
          sleep: () => new Promise((resolve) => setImmediate(resolve)),
          scheduleMs: 3 * hourMs,
          runbook: 'https://example.com/runbook.md',
          firstSteps: {},
          hasTargetAlarms: false,
          log: { info: () => {}, error: () => {} },
          meter: { add: () => {} },
        });
        await handle({
          kind: 'report',
          report: {
            version: 1,
            execution: `arn:aws:states:us-east-1:123456789012:execution:refresh:${trigger}-${targets[0]}-${now}`,
            trigger,
            startedAt: isoSeconds(now - 60_000),
            endedAt: isoSeconds(now - secondsAgo * 1000),
            outcome: 'failed',
            targets: targets.map((name) => outcomeOf(name, bad.has(name), now)),
          },
        });
      };

      const expectHeard = (name: Name): void => {
        for (const kind of ['warning failed', 'critical failed', 'recovered'])
          expect(times(kind, name), `${name}: ${kind}`).toBeLessThanOrEqual(2);
        if (bad.has(name)) expect(times('failed', name), `${name}: its trouble`).toBeGreaterThan(0);
        else if (times('failed', name) > 0) expect(times('recovered', name), `${name}: its end`).toBeGreaterThan(0);
      };

      for (const { turns, fault, isTwo, noted, secondsAgo } of history) {
        now += 3 * hourMs;
        for (const name of turns) {
          if (bad.delete(name)) continue;
          bad.add(name);
          for (const key of [...told.keys()]) if (key.endsWith(` ${name}`)) told.delete(key);
        }
        if (fault === 'the table is lost') for (const key of Object.keys(memory.records)) delete memory.records[key];
        if (noted !== undefined && !bad.has(noted)) {
          const note = {
            execution: `here-${now}`,
            trigger: 'command',
            startedAt: isoSeconds(now),
            endedAt: isoSeconds(now),
          };
          await memory.change(targetForm, noted, (before) => rememberRun(before, outcomeOf(noted, false, now), note));
        }
        now += 60_000;
        if (isTwo) {
          await Promise.all([
            run(['a'], 'push', fault, secondsAgo),
            run(['b', 'constructor'], 'push', fault, secondsAgo),
          ]);
        } else await run(names, 'schedule', fault, secondsAgo);
        for (const name of bad) expectHeard(name);
      }
      for (let runs = 0; runs < 2; runs += 1) {
        now += 3 * hourMs;
        await run(names, 'schedule', 'nothing fails', 0);
      }
      for (const name of names) expectHeard(name);
    }),
    { numRuns: 300 },
  );
});
