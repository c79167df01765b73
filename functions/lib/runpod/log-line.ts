import * as z from 'zod/mini';
import { parseJson } from '../json.ts';

/** One line of the system log of a worker or a pod: plain and bounded. */
export interface LogLine {
  readonly line: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

const maxHead = 3072;
const maxTail = 1024;
/** Of one frame, its newest. */
const maxLinesOfFrame = 1000;

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
    .replace(/^\[?\d{4}[-/]\d\d[-/]\d\d[T ][\d:.,]{8,20}(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?\]? ?/, '')
    .replace(/^\[?(?:info|debug|trace|notice)\]?:? /i, '');
};

const streamSchema = z.object({
  id: z.optional(z.string()),
  status: z.optional(z.string()),
  progress: z.optional(z.string()),
  errorDetail: z.optional(z.object({ message: z.string() })),
});

/**
 * A message of the stream that Docker's API answers a pull with, as its command line prints it; anything else as it is.
 *
 * Source: moby pkg/jsonmessage, `JSONMessage.Display`; the Docker Engine API, "Create an image".
 */
const printed = (text: string): string => {
  if (!text.startsWith('{"')) return text;
  const message = z.safeParse(streamSchema, parseJson(text));
  if (!message.success) return text;
  const { id, status, progress = '', errorDetail } = message.data;
  if (errorDetail !== undefined) return `Error response from daemon: ${errorDetail.message}`;
  if (status === undefined) return text;
  return `${id === undefined || id === '' ? '' : `${id}: `}${status} ${progress}`;
};

/**
 * What one frame of a log says, as plain lines: progress that overwrites itself stands in one frame, a line after each
 * carriage return, and some hosts pass on Docker's stream as it is.
 */
export const plainLines = (text: string): string[] =>
  text
    .split(/[\r\n]+/)
    .slice(-maxLinesOfFrame)
    .map((line) => plainLine(printed(line.trim())))
    .filter((line) => line !== '');
