import * as z from 'zod/mini';

const bytesInJson = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2;

const mark = '…';
const markBytes = bytesInJson(mark);

/** Cuts text to a length; what was cut ends in the mark. */
export const cutText = (text: string, maxLength: number, ending = mark): string =>
  text.length <= maxLength ? text : `${text.slice(0, maxLength - ending.length)}${ending}`;

/** Cuts text to a number of bytes as JSON has them, between characters. What was cut ends in `…`. */
export const cutToBytes = (text: string, maxBytes: number): string => {
  // A character of text is at least a byte of JSON: no more of it can fit.
  const candidate = text.slice(0, maxBytes + 1);
  if (candidate.length === text.length && bytesInJson(text) <= maxBytes) return text;
  const kept: string[] = [];
  let bytes = 0;
  for (const character of candidate) {
    bytes += bytesInJson(character);
    if (bytes > maxBytes - markBytes) break;
    kept.push(character);
  }
  // Joined, and neither added up nor sliced: V8 would keep every sum, or all of the long text, for as long as this lives.
  return [...kept, mark].join('');
};

/** What a terminal obeys, what turns the reading direction round, what ends a line, and what nobody sees. */
const unreadable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * Text whose every character is one that people read. What is none becomes a space, so that a name that had one is still
 * told from the name without it.
 */
const plainText = (text: string): string => text.replaceAll(unreadable, ' ');

/**
 * Text from outside, cut and made plain where it is read. Runpod gives its texts no maximum length, and a state of the
 * workflow holds 256 KiB: a run that passes them ends in an error that nothing catches.
 */
export const boundedText = (maxBytes: number) =>
  z.pipe(
    z.string(),
    z.transform((text) => plainText(cutToBytes(text, maxBytes))),
  );
