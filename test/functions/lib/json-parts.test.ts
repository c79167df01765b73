import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { countParts, listOf } from '../../../functions/lib/json-parts.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

const parts = (value: unknown): number =>
  typeof value === 'object' && value !== null
    ? 1 + Object.values(value).reduce((sum: number, each) => sum + parts(each), 0)
    : 0;

describe('the parts of a JSON answer', () => {
  it('are its objects and lists, whatever its texts hold', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(countParts(bytesOf(JSON.stringify({ '[{"\\': value })))).toBe(1 + parts(value));
      }),
    );
  });

  it('of a list are counted before they are looked at', () => {
    const list = z.safeParse(listOf(z.object({ id: z.string() }), 3), [{}, {}, {}, {}]);
    expect(list.error?.issues).toHaveLength(1);
    expect(z.parse(listOf(z.object({ id: z.string() }), 3), [{ id: 'a' }])).toEqual([{ id: 'a' }]);
  });
});
