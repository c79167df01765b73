import { describe, expect, it } from 'vitest';
import { quote } from '../../../functions/lib/quote.ts';

describe('a quote', () => {
  it('is one line', () => {
    expect(quote(' a\r\n\tb\u0000\u001b[31mc\u2028d\u202ee ')).toBe('a b [31mc d e');
  });

  it('is cut', () => {
    expect(quote('x'.repeat(5000))).toHaveLength(200);
    expect(quote('x'.repeat(5000)).endsWith('…')).toBe(true);
  });

  it.each([
    ['the whole secret', 'bad password s3cr3t-s3cr3t-s3cr3t'],
    ['a run of it', 'bad password 3cr3t-s3cr3t-'],
    ['a short secret', 'bad password pin'],
  ])('with %s in it is withheld', (_what, text) => {
    expect(quote(text, ['s3cr3t-s3cr3t-s3cr3t', 'pin', ''])).toBe('[withheld: it repeats a secret]');
  });

  it('without one is kept', () => {
    expect(quote('bad password', ['s3cr3t-s3cr3t-s3cr3t'])).toBe('bad password');
  });
});
