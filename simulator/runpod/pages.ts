import { json, type Reply } from '../loopback.ts';
import { unprocessable } from './api.ts';

const maxLimit = 1000;

/** A cursor of ours: which list it is of, how long its pages are, and after which item the next begins. */
const cursorOf = (key: string, limit: number, afterId: string): string =>
  Buffer.from(JSON.stringify([key, limit, afterId])).toString('base64url');

/**
 * Answers one page of a list, newest first, as API v2's description of October 2026 says: `limit` from 1 to 1,000, and
 * 1,000 where nothing is said; a cursor that is malformed or of another list is refused.
 *
 * @param items oldest first
 * @param more what the page holds besides
 */
export const answerPage = <Item extends { readonly id: string }>(
  key: string,
  items: readonly Item[],
  show: (item: Item) => unknown,
  query: URLSearchParams,
  more: object = {},
): Reply => {
  const given = query.get('limit') ?? String(maxLimit);
  const limit = /^\d{1,4}$/.test(given) ? Number(given) : 0;
  if (limit < 1 || limit > maxLimit) return unprocessable(`limit: expected a number from 1 to ${maxLimit}`);
  const newestFirst = items.toReversed();
  const cursor = query.get('cursor');
  const last = cursor === null ? -1 : newestFirst.findIndex(({ id }) => cursorOf(key, limit, id) === cursor);
  if (cursor !== null && last < 0) return unprocessable('cursor: malformed, or of another list');
  const page = newestFirst.slice(last + 1, last + 1 + limit);
  const hasNextPage = last + 1 + limit < items.length;
  const nextCursor = hasNextPage ? cursorOf(key, limit, page.at(-1)?.id ?? '') : null;
  return json(200, { ...more, [key]: page.map(show), pagination: { nextCursor, hasNextPage } });
};
