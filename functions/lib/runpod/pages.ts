import * as z from 'zod/mini';
import { RunpodUnavailableError } from '../errors.ts';
import { ExchangeError } from '../exchange.ts';
import { listOf } from '../json-parts.ts';
import { type RunpodCall, type RunpodClient, refusalOf } from './client.ts';

/** Of anything that Runpod lists. */
export const maxItems = 10_000;
/** A short page is not the last one: there may be more pages than full ones of so many items. */
const maxPages = 100;
/** No page is begun later than this, so that a list ends within its function's time. */
export const maxListMs = 40_000;
/** A cursor is sent back in a URL. */
const maxCursorCharacters = 4096;
/** Runpod gives 1,000 where nothing is said. Where so many pass the bounds of an answer, the list is read again by so many. */
const smallPage = 100;

/** Runpod's API of August has no pages: the whole list is one. */
const pageSchema = z.looseObject({
  pagination: z.nullish(z.object({ hasNextPage: z.nullish(z.boolean()), nextCursor: z.nullish(z.string()) })),
});

const isTooMuch = (error: unknown): boolean =>
  error instanceof RunpodUnavailableError &&
  error.cause instanceof ExchangeError &&
  ['too large', 'too many parts'].includes(error.cause.fault);

/**
 * Reads a whole list of Runpod's by following `pagination.nextCursor` while `pagination.hasNextPage` (API v2's description
 * of October 2026). What moves from one page to the next meanwhile counts once.
 *
 * @param key where a page has its items
 * @throws {RunpodUnavailableError} a page is no such list, or the list has no end within our bounds
 * @throws besides, the error that an answer's status stands for
 */
export const readList = async <Item extends z.ZodMiniType<{ readonly id: string }>>(
  client: RunpodClient,
  call: RunpodCall,
  key: string,
  item: Item,
): Promise<z.output<Item>[]> => {
  const fail = (what: string): Error => new RunpodUnavailableError(`Runpod, asked to ${call.what}, ${what}.`);

  const readPage = async (url: URL) => {
    const current = { ...call, url };
    const answer = await client.send(current);
    if (answer.status !== 200) throw refusalOf(answer, current);
    const page = z.safeParse(pageSchema, answer.json);
    const items = z.safeParse(listOf(item, maxItems), page.data?.[key]);
    if (!page.success || !items.success) throw fail('answered with something that is no such list');
    const { hasNextPage, nextCursor } = { ...page.data.pagination };
    if (hasNextPage !== true) return { items: items.data };
    if (!nextCursor || nextCursor.length > maxCursorCharacters) {
      throw fail('said that there is another page, and not where');
    }
    return { items: items.data, nextCursor };
  };

  const giveUpAt = client.now() + maxListMs;
  const readPages = async (first: URL): Promise<z.output<Item>[]> => {
    const found = new Map<string, z.output<Item>>();
    const cursors = new Set<string>();
    for (let url = first; ; ) {
      const { items, nextCursor } = await readPage(url);
      for (const each of items) found.set(each.id, each);
      if (found.size > maxItems) throw fail(`listed more than ${maxItems}`);
      if (nextCursor === undefined) return [...found.values()];
      if (cursors.has(nextCursor)) throw fail('names as the next page one that was read before');
      cursors.add(nextCursor);
      if (cursors.size === maxPages) throw fail(`had no last page within ${maxPages}`);
      if (client.now() >= giveUpAt) throw fail(`had no last page within ${maxListMs / 1000} s`);
      url = new URL(first);
      url.searchParams.set('cursor', nextCursor);
    }
  };

  try {
    return await readPages(call.url);
  } catch (error) {
    if (!isTooMuch(error)) throw error;
    const url = new URL(call.url);
    url.searchParams.set('limit', String(smallPage));
    return readPages(url);
  }
};
