import { createParser } from 'eventsource-parser';
import * as z from 'zod/mini';
import type { Settings } from '../env.ts';
import { RunpodUnavailableError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { type RunpodCall, type RunpodClient, under } from './client.ts';
import { type LogLine, plainLines } from './log-line.ts';

/**
 * Reads what a worker's host logged, oldest first: the newest lines whatever came before them, and where those do not
 * reach back to the minutes before `storedAt`, the lines from there on, too. Lines between the two may be missing.
 */
export type ReadWorkerLog = (endpointId: string, workerId: string, storedAt: number) => Promise<readonly LogLine[]>;
/** The same of a pod's host, which logs as a worker's does. */
export type ReadPodLog = (podId: string, storedAt: number) => Promise<readonly LogLine[]>;

/** Whose log it is, in words, where it is, and what a key needs for it. */
type LogPlace = Pick<RunpodCall, 'what' | 'url' | 'scope'>;

const frameSchema = z.object({
  source: z.optional(z.string()),
  line: z.pipe(z.string(), z.transform(plainLines)),
  ts: z.string(),
});

/** As many as Runpod backfills: hosts log several ticks a second of each layer. */
const maxTail = 5000;
/** Of the lines that are kept together. */
const maxCharacters = 1024 * 1024;
/** Of one connection. */
const maxBytes = 4 * 1024 * 1024;
/** Of one connection: twice what is backfilled, where a few hundred come while we listen. */
const maxEvents = 2 * maxTail;
const maxConnections = 3;
/** Of one event. Hosts' lines are a few hundred characters long; a longer one is cut where it is read. */
const maxFrameCharacters = 256 * 1024;
/** How long a pull that is under way may have been silent: without lines from before the update it seems to begin with it. */
const leadMs = 15 * 60_000;

const readFrame = (data: string): readonly LogLine[] => {
  const frame = z.safeParse(frameSchema, parseJson(data));
  const at = frame.success ? Date.parse(frame.data.ts) : Number.NaN;
  if (!frame.success || Number.isNaN(at) || (frame.data.source ?? 'system') !== 'system') return [];
  return frame.data.line.map((line) => ({ line, at }));
};

/** Where the lines of a reading go. */
interface LineBuffer {
  /** @returns whether it takes more */
  add(line: LogLine): boolean;
  clear(): void;
}

/** The newest lines that fit the bounds. */
const newestOf = (lines: readonly LogLine[]): readonly LogLine[] => {
  let [first, characters] = [lines.length, 0];
  while (first > 0 && lines.length - first < maxTail) {
    characters += lines[first - 1]?.line.length ?? 0;
    if (characters > maxCharacters) break;
    first -= 1;
  }
  return lines.slice(first);
};

/** Keeps the newest lines, and knows whether there may be older ones. */
const createNewest = () => {
  let lines: readonly LogLine[] = [];
  let added: LogLine[] = [];
  let [taken, characters] = [0, 0];
  const kept = (): readonly LogLine[] => {
    lines = newestOf([...lines, ...added]);
    [added, characters] = [[], 0];
    return lines;
  };
  return {
    kept,
    isCut: (): boolean => taken >= maxTail || taken > kept().length,
    add: (line: LogLine): boolean => {
      added.push(line);
      taken += 1;
      characters += line.line.length;
      if (added.length >= maxTail || characters > maxCharacters) kept();
      return true;
    },
    clear: (): void => {
      [lines, added, taken, characters] = [[], [], 0, 0];
    },
  };
};

/** Keeps the oldest lines before a moment. */
const createOldest = (before: number) => {
  const lines: LogLine[] = [];
  let characters = 0;
  return {
    lines,
    add: (line: LogLine): boolean => {
      if (line.at >= before || lines.length >= maxTail || characters > maxCharacters) return false;
      lines.push(line);
      characters += line.line.length;
      return true;
    },
    clear: (): void => {
      lines.length = 0;
      characters = 0;
    },
  };
};

type LogSettings = Pick<Settings, 'RUNPOD_API_URL' | 'LOG_LISTEN_SECONDS'>;

/**
 * Makes a reader of `GET /v2/serverless/{id}/workers/{workerId}/logs`.
 *
 * @throws (the reader) what the client throws where no stream could be opened
 */
export const createReadWorkerLog = (client: RunpodClient, settings: LogSettings): ReadWorkerLog => {
  const readLog = createReadLog(client, settings);
  return (endpointId, workerId, storedAt) =>
    readLog(
      {
        what: `show the log of worker ${workerId}`,
        url: under(settings.RUNPOD_API_URL, 'serverless', endpointId, 'workers', workerId, 'logs'),
        scope: 'for reading serverless endpoints',
      },
      storedAt,
    );
};

/**
 * Makes a reader of `GET /v2/pods/{id}/logs`.
 *
 * @throws (the reader) what the client throws where no stream could be opened
 */
export const createReadPodLog = (client: RunpodClient, settings: LogSettings): ReadPodLog => {
  const readLog = createReadLog(client, settings);
  return (podId, storedAt) =>
    readLog(
      {
        what: `show the log of pod ${podId}`,
        url: under(settings.RUNPOD_API_URL, 'pods', podId, 'logs'),
        scope: 'for reading pods',
      },
      storedAt,
    );
};

/**
 * Reads a host's log: server-sent events that resume by `Last-Event-ID`, backfilled with the newest `tail` lines, or from
 * `since` on, which are ignored beside what stands before them here. The stream never ends: we listen a while.
 */
const createReadLog = (client: RunpodClient, { LOG_LISTEN_SECONDS }: Pick<Settings, 'LOG_LISTEN_SECONDS'>) => {
  /** Listens on one connection. @returns whether it broke off before the time was up, and the last event's id */
  const listen = async (
    { place, url, lastEventId }: { place: LogPlace; url: URL; lastEventId: string | undefined },
    listenMs: number,
    buffer: LineBuffer,
  ): Promise<{ readonly isOver: boolean; readonly lastEventId: string | undefined }> => {
    const { chunks } = await client.open(
      {
        ...place,
        url,
        headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
      },
      { listenMs, maxBytes },
    );
    // Without an id to resume from it begins anew.
    if (lastEventId === undefined) buffer.clear();
    let newestId = lastEventId;
    let isFull = false;
    let events = 0;
    const decoder = new TextDecoder();
    const parser = createParser({
      maxBufferSize: maxFrameCharacters,
      // A frame without end: whatever follows it cannot be told apart any more.
      onError: ({ type }) => {
        isFull ||= type === 'max-buffer-size-exceeded';
      },
      onEvent: ({ id, data }) => {
        newestId = id ?? newestId;
        events += 1;
        isFull ||= events > maxEvents;
        for (const line of isFull ? [] : readFrame(data)) isFull ||= !buffer.add(line);
      },
    });
    let bytes = 0;
    try {
      for await (const chunk of chunks) {
        bytes += chunk.byteLength;
        parser.feed(decoder.decode(chunk, { stream: true }));
        if (isFull || bytes >= maxBytes) return { isOver: true, lastEventId: newestId };
      }
    } catch {
      // It broke off. What was heard stands, and the stream is resumed.
    }
    return { isOver: false, lastEventId: newestId };
  };

  return async (place: LogPlace, storedAt: number): Promise<readonly LogLine[]> => {
    const read = async (query: Record<string, string>, buffer: LineBuffer): Promise<void> => {
      const url = new URL(place.url);
      url.search = new URLSearchParams({ source: 'system', ...query }).toString();
      const deadline = performance.now() + LOG_LISTEN_SECONDS * 1000;
      let lastEventId: string | undefined;
      for (let connection = 1; connection <= maxConnections; connection += 1) {
        const listenMs = deadline - performance.now();
        if (listenMs <= 0) return;
        try {
          const heard = await listen({ place, url, lastEventId }, listenMs, buffer);
          if (heard.isOver) return;
          lastEventId = heard.lastEventId;
        } catch (error) {
          // What the first connection brought stays true when resuming it fails.
          if (connection === 1 || !(error instanceof RunpodUnavailableError)) throw error;
          return;
        }
      }
    };

    const newest = createNewest();
    await read({ tail: String(maxTail) }, newest);
    const [first] = newest.kept();
    const from = storedAt - leadMs;
    if (first === undefined || !newest.isCut() || first.at <= from) return newest.kept();
    const oldest = createOldest(first.at);
    await read({ since: new Date(from).toISOString() }, oldest);
    return [...oldest.lines, ...newest.kept()];
  };
};
