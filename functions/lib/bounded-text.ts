import * as z from 'zod/mini';

const bytesInJson = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2;

const mark = '…';
const markBytes = bytesInJson(mark);

/** Cuts text to a number of bytes as JSON has them, between characters. What was cut ends in `…`. */
export const cutToBytes = (text: string, maxBytes: number): string => {
  // A character of text is at least a byte of JSON: no more of it can fit.
  const candidate = text.slice(0, maxBytes + 1);
  if (candidate.length === text.length && bytesInJson(text) <= maxBytes) return text;
  let [kept, bytes] = ['', 0];
  for (const character of candidate) {
    bytes += bytesInJson(character);
    if (bytes > maxBytes - markBytes) break;
    kept += character;
  }
  return kept + mark;
};

/**
 * Text from outside that has no maximum length of its own, cut to one where it is read: a state of the workflow holds 256
 * KiB, and a run that passes them ends in an error that nothing catches.
 */
export const boundedText = (maxBytes: number) =>
  z.pipe(
    z.string(),
    z.transform((text) => cutToBytes(text, maxBytes)),
  );
