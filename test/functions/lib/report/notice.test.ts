import { describe, expect, it } from 'vitest';
import { composeNotice, executionOf, type Notice } from '../../../../functions/lib/report/notice.ts';

const now = Date.parse('2026-11-23T12:00:00Z');
const delayed: Notice = {
  kind: 'delayed',
  name: 'a',
  region: 'us-east-1',
  execution: 'arn:run',
  giveUpAt: now,
  delay: { failingSince: now, retryAt: now },
  failure: { Error: 'RunpodUnavailableError', Cause: 'Runpod is away.' },
};
const digest: Notice = { kind: 'digest', stateMachine: 'arn:machine' };

describe('a notice', () => {
  it('of a delay says that others are not told of one by one, where there are others', () => {
    const textOf = (...names: string[]) => {
      const memories = new Map(names.map((name) => [name, { runs: [] }]));
      return composeNotice(delayed, { memories, table: memories }, now, 1)[0]?.text;
    };
    expect(textOf('a')).toMatch(/on record stored a token\.$/);
    expect(textOf()).toBe(textOf('a'));
    expect(textOf('a', 'b')).toBe(`${textOf('a')} Other targets that wait for the same are not told of one by one.`);
  });

  it('of a delay gives rise to nothing where people know that the target fails', () => {
    const notified = { trouble: 'failed RunpodUnavailableError', severity: 'critical' } as const;
    const memories = new Map([['a', { runs: [], notified }]]);
    expect(composeNotice(delayed, { memories, table: memories }, now, 1)).toEqual([]);
  });

  it('of the day sums up what the table has, and not what stands beside it', () => {
    const [alert] = composeNotice(digest, { memories: new Map(), table: undefined }, now, 1);
    expect(alert?.section).toBe('MemoryUnavailableError');
    const [silence] = composeNotice(digest, { memories: new Map(), table: new Map() }, now, 1);
    expect(silence?.section).toBe('nosuccess');
  });

  it('is about an execution, or about the machine', () => {
    expect(executionOf(delayed)).toBe('arn:run');
    expect(executionOf(digest)).toBe('arn:machine');
  });
});
