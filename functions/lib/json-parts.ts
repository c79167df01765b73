import * as z from 'zod/mini';

/**
 * Objects and lists that a JSON answer may have. A few bytes of text make an object of a hundred, and one that fits no
 * schema makes several mistakes of as many more: bytes alone do not bound what an answer costs.
 */
export const maxParts = 50_000;

const [quote, backslash, brace, bracket] = [0x22, 0x5c, 0x7b, 0x5b];

/** How many objects and lists begin in a JSON text. */
export const countParts = (text: Uint8Array): number => {
  let count = 0;
  let isText = false;
  let isEscaped = false;
  for (const byte of text) {
    if (isEscaped) isEscaped = false;
    else if (byte === backslash) isEscaped = isText;
    else if (byte === quote) isText = !isText;
    else if (!isText && (byte === brace || byte === bracket)) count += 1;
  }
  return count;
};

/** A list whose length is looked at before its items are. */
export const listOf = <Item extends z.ZodMiniType>(item: Item, maxItems: number) =>
  z.pipe(z.array(z.unknown()).check(z.maxLength(maxItems)), z.array(item));
