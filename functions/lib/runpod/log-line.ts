/** One line of the system log of a worker or a pod: plain and bounded. */
export interface LogLine {
  readonly line: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

const maxHead = 3072;
const maxTail = 1024;

/**
 * Bounds a line and makes it plain, before any expression or terminal sees it: Runpod's lines have no maximum, colour
 * codes occur, and the cause of a long line stands at its end.
 */
export const plainLine = (text: string): string => {
  const bounded = text.length <= maxHead + maxTail ? text : `${text.slice(0, maxHead)} … ${text.slice(-maxTail)}`;
  return bounded
    .replace(/\p{Cc}\[[\d;?]*[@-~]/gu, '')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .replace(/^\d{4}-\d\d-\d\dT[\d:.]{8,20}Z? ?/, '');
};
