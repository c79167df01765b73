import { describe, expect, it } from 'vitest';
import { plainLines } from '../../../../functions/lib/runpod/log-line.ts';

describe('a frame of a log', () => {
  it.each<readonly [string, string, readonly string[]]>([
    ['a line as it is', 'v1 Pulling from team/worker', ['v1 Pulling from team/worker']],
    [
      'progress that overwrites itself',
      'v1: Pulling from team/worker\r\n316f8cbc3be8: Downloading 1MB/2MB\r316f8cbc3be8: Pull complete\r\n',
      ['v1: Pulling from team/worker', '316f8cbc3be8: Downloading 1MB/2MB', '316f8cbc3be8: Pull complete'],
    ],
    ['nothing', ' \r\n \u001b[0m\r\n', []],
    ['colours', '\u001b[31mdenied\u001b[0m', ['denied']],
    ['a time of its own', '2026-11-23T12:01:00.123456789Z x', ['x']],
    ['a time in a zone', '2026-11-23T12:01:00+02:00 x', ['x']],
    ['a time in brackets', '[2026-11-23 12:01:00,123] x', ['x']],
    ['a level that says nothing', '2026/11/23 12:01:00 INFO x', ['x']],
    ['a level that says something', '2026-11-23 12:01:00 ERROR: x', ['ERROR: x']],
    [
      'Docker’s stream',
      '{"status":"Pulling from team/worker","id":"v1"}\r\n{"status":"Downloading","progressDetail":{"current":1,"total":2},"progress":"[=> ] 1B/2B","id":"316f8cbc3be8"}\r\n{"status":"Status: Image is up to date for x"}',
      ['v1: Pulling from team/worker', '316f8cbc3be8: Downloading [=> ] 1B/2B', 'Status: Image is up to date for x'],
    ],
    [
      'an error in Docker’s stream',
      '{"errorDetail":{"message":"denied: Your authorization token has expired."},"error":"denied: Your authorization token has expired."}',
      ['Error response from daemon: denied: Your authorization token has expired.'],
    ],
    ['a program’s own JSON', '{"level":"error","error":"unauthorized"}', ['{"level":"error","error":"unauthorized"}']],
    ['JSON that is cut off', '{"status":"Downl', ['{"status":"Downl']],
  ])('says %s', (_what, frame, lines) => {
    expect(plainLines(frame)).toEqual(lines);
  });

  it('has its newest thousand lines', () => {
    const lines = plainLines(Array.from({ length: 5000 }, (_, index) => `line ${index}`).join('\r'));
    expect([lines.length, lines[0], lines.at(-1)]).toEqual([1000, 'line 4000', 'line 4999']);
  });
});
