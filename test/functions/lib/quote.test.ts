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

  it.each<readonly [string, (bytes: Buffer) => string]>([
    ['base64', (bytes) => bytes.toString('base64')],
    ['base64 behind a user name', (bytes) => Buffer.concat([Buffer.from('AWS:'), bytes]).toString('base64')],
    ['base64 in lines', (bytes) => bytes.toString('base64').replace(/.{9}/g, '$&\r\n')],
    ['base64url', (bytes) => bytes.toString('base64url')],
    ['hexadecimal', (bytes) => bytes.toString('hex')],
    ['capital hexadecimal', (bytes) => bytes.toString('hex').toUpperCase()],
    ['hexadecimal with colons', (bytes) => bytes.toString('hex').replace(/../g, '$&:')],
    ['hexadecimal with blanks', (bytes) => bytes.toString('hex').replace(/../g, '$& ')],
    ['percent signs', (bytes) => bytes.toString('hex').replace(/../g, '%$&')],
    ['escapes of a string', (bytes) => bytes.toString('hex').replace(/../g, '\\x$&')],
    ['escapes of JSON', (bytes) => bytes.toString('hex').replace(/../g, '\\u00$&')],
    ['entities', (bytes) => bytes.toString('hex').replace(/../g, '&#x$&;')],
    ['lines', (bytes) => bytes.toString().replace(/.{5}/g, '$&\n')],
    ['letters apart', (bytes) => [...bytes.toString()].join('\u200b')],
  ])('with a secret as %s is withheld', (_how, write) => {
    const secret = Buffer.from('t0ken+of/Some?length=and~signs');
    expect(quote(`you sent ${write(secret)}`, [secret.toString()])).toBe('[withheld: it repeats a secret]');
  });

  it('with what a token of ECR’s says is withheld', () => {
    const said = '{"payload":"aB3dE5gH7jK9","version":"2"}';
    expect(quote(`you sent ${said}`, [Buffer.from(said).toString('base64')])).toBe('[withheld: it repeats a secret]');
  });

  it('without one is kept', () => {
    expect(quote('bad password', ['s3cr3t-s3cr3t-s3cr3t', 'x'])).toBe('bad password');
  });
});
