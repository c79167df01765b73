import { createParser } from 'eventsource-parser';
import * as z from 'zod/mini';
import { boundedText } from '../bounded-text.ts';
import type { Settings } from '../env.ts';
import { RunpodUnavailableError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { type RunpodClient, under } from './client.ts';

/** One line of a worker's system log. */
export interface LogLine {
  readonly line: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** Reads what a worker's host logged since a moment, oldest first. The stream never ends: we listen a while. */
export type ReadWorkerLog = (endpointId: string, workerId: string, since: number) => Promise<LogLine[]>;

/** What tells how a pull ended stands well within it. */
const maxLineBytes = 4096;

const frameSchema = z.object({ source: z.optional(z.string()), line: boundedText(maxLineBytes), ts: z.string() });

const maxBytes = 512 * 1024;
const maxLines = 2000;
const maxConnections = 3;

const readFrame = (data: string): LogLine | undefined => {
  const frame = z.safeParse(frameSchema, parseJson(data));
  const at = frame.success ? Date.parse(frame.data.ts) : Number.NaN;
  if (!frame.success || Number.isNaN(at) || (frame.data.source ?? 'system') !== 'system') return undefined;
  return { line: frame.data.line, at };
};

/**
 * Makes a reader of `GET /v2/serverless/{id}/workers/{workerId}/logs`, server-sent events that resume by `Last-Event-ID`.
 *
 * @throws (the reader) what the client throws where no stream could be opened
 */
export const createReadWorkerLog =
  (
    client: RunpodClient,
    { RUNPOD_API_URL: api, LOG_LISTEN_SECONDS }: Pick<Settings, 'RUNPOD_API_URL' | 'LOG_LISTEN_SECONDS'>,
  ): ReadWorkerLog =>
  async (endpointId, workerId, since) => {
    const lines: LogLine[] = [];
    const deadline = performance.now() + LOG_LISTEN_SECONDS * 1000;
    let bytesLeft = maxBytes;
    let lastEventId: string | undefined;

    /** Listens on one connection, and tells whether it broke off before the time was up. */
    const listen = async (listenMs: number): Promise<boolean> => {
      const url = under(api, 'serverless', endpointId, 'workers', workerId, 'logs');
      url.search = new URLSearchParams({ source: 'system', since: new Date(since).toISOString() }).toString();
      const { chunks } = await client.open(
        {
          what: `show the log of worker ${workerId}`,
          url,
          headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
          scope: 'for reading serverless endpoints',
        },
        { listenMs, maxBytes: bytesLeft },
      );
      const decoder = new TextDecoder();
      const parser = createParser({
        onEvent: ({ id, data }) => {
          lastEventId = id ?? lastEventId;
          const line = readFrame(data);
          if (line !== undefined && line.at >= since) lines.push(line);
        },
      });
      try {
        for await (const chunk of chunks) {
          bytesLeft -= chunk.byteLength;
          parser.feed(decoder.decode(chunk, { stream: true }));
          if (lines.length >= maxLines || bytesLeft <= 0) return false;
        }
      } catch {
        // It broke off. What was heard stands, and the stream is resumed.
      }
      return true;
    };

    for (let connection = 1; connection <= maxConnections && bytesLeft > 0; connection += 1) {
      const listenMs = deadline - performance.now();
      if (listenMs <= 0) break;
      try {
        if (!(await listen(listenMs))) break;
      } catch (error) {
        // What the first connection brought stays true when resuming it fails.
        if (connection === 1 || !(error instanceof RunpodUnavailableError)) throw error;
        break;
      }
    }
    return lines.slice(0, maxLines);
  };
