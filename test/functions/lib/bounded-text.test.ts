import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { boundedText, cutToBytes } from '../../../functions/lib/bounded-text.ts';

const bytesInJson = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2;

describe('text that is cut to bytes', () => {
  it.each([
    ['short', 'short', 10],
    ['exactly10!', 'exactly10!', 10],
    ['eleven long', 'eleven …', 10],
    ['ééééé', 'ééééé', 10],
    ['éééééé', 'ééé…', 10],
    ['😀😀😀', '😀…', 10],
    ['""""""', '"""…', 10],
    ['', '', 10],
  ])('%j is %j', (text, cut, maxBytes) => {
    expect(cutToBytes(text, maxBytes)).toBe(cut);
  });

  it.each(['x', '"', '\u0001', 'é', '漢', '😀', '\ud800'])('fits as JSON, however much of %j there is', (character) => {
    const cut = cutToBytes(character.repeat(200 * 1024), 100);
    expect(bytesInJson(cut)).toBeLessThanOrEqual(100);
    expect(bytesInJson(cut)).toBeGreaterThan(90);
  });

  it('is cut where it is read', () => {
    expect(z.parse(boundedText(4), 'abcdef')).toBe('a…');
    expect(() => z.parse(boundedText(4), 7)).toThrow();
  });

  it.each([
    ['a colour', '\u001b[31mred', ' [31mred'],
    ['a C1 control', 'a\u009b2Jb', 'a 2Jb'],
    ['an override of the reading direction', 'a\u202egnp', 'a gnp'],
    ['line breaks', 'a\r\n\u2028b', 'a   b'],
    ['a blank at its end', 'a ', 'a '],
  ])('is plain where it is read, although it has %s', (_what, text, plain) => {
    expect(z.parse(boundedText(99), text)).toBe(plain);
  });
});
