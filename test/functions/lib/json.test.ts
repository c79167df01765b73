import { describe, expect, it } from 'vitest';
import { parseJson } from '../../../functions/lib/json.ts';

describe('JSON from outside', () => {
  it.each<readonly [string | Uint8Array | undefined, unknown]>([
    ['{"a":[1]}', { a: [1] }],
    [new TextEncoder().encode('"naïve"'), 'naïve'],
    ['null', null],
    ['', undefined],
    ['{', undefined],
    [undefined, undefined],
    [new Uint8Array(), undefined],
    [Uint8Array.of(0x22, 0xff, 0x22), undefined],
  ])('%j is %j', (json, expected) => {
    expect(parseJson(json)).toEqual(expected);
  });
});
