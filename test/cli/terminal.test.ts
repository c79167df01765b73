import { describe, expect, it } from 'vitest';
import { plain, truncate, wrap } from '../../cli/terminal.ts';

describe('text of somebody else’s', () => {
  it.each([
    ['colours', '\x1b[31mred\x1b[0m', 'red'],
    ['a title and a bell', 'a\x1b]0;owned\x07b', 'ab'],
    ['a cleared screen', '\x1b[2Jgone?', 'gone?'],
    ['line breaks and other control characters', 'one\r\ntwo\x00three\x7f', 'one  two three '],
    ['what turns the reading direction round', 'a\u202egnp.exe\u2066', 'a gnp.exe '],
    ['nothing', 'Ünïcödé 漢字', 'Ünïcödé 漢字'],
  ])('is shown without %s', (_what, text, expected) => {
    expect(plain(text)).toBe(expected);
  });
});

describe('a line', () => {
  it('is cut to the columns that there are, colours and wide characters counted rightly', () => {
    expect(truncate('\x1b[32mgreen and long\x1b[39m', 6)).toBe('\x1b[32mgreen…\x1b[39m');
    expect(truncate('漢字漢字', 5)).toBe('漢字…');
    expect(truncate('short', 10)).toBe('short');
  });

  it('is broken at words, and goes on below its beginning', () => {
    expect(wrap('one two three four five six', 22, '    ')).toBe('one two three four\n    five six');
  });

  it('is never broken within a command, which is to be copied', () => {
    const command = 'aws cloudformation continue-update-rollback --stack-name x --region us-east-1';
    expect(wrap(`Let it go on: ${command}. Do not remove it (npm run x -- --yes), for it is used.`, 40, '  ')).toBe(
      `Let it go on:\n  ${command}.\n  Do not remove it\n  (npm run x -- --yes), for it is used.`,
    );
  });

  it('keeps a word whole that is longer than the line', () => {
    expect(wrap(`pulls ${'x'.repeat(50)} now`, 30, '  ')).toBe(`pulls\n  ${'x'.repeat(50)}\n  now`);
  });
});
