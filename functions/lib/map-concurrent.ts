/**
 * Runs a job for each item, a few at a time, and answers in the items' order. The first failure ends the lot: no other
 * item is begun, the jobs under way are told by their `signal`, and when they have ended, too, the failure is thrown.
 */
export const mapConcurrent = async <Item, Result>(
  items: readonly Item[],
  maxAtOnce: number,
  job: (item: Item, signal: AbortSignal) => Promise<Result>,
): Promise<Result[]> => {
  const results: Result[] = [];
  const queue = items.entries();
  const failed = new AbortController();
  const lanes = Array.from({ length: Math.min(maxAtOnce, items.length) }, async () => {
    for (const [index, item] of queue) {
      try {
        results[index] = await job(item, failed.signal);
      } catch (error) {
        // Of a signal that has aborted already, the first reason stays.
        failed.abort(error);
      }
      if (failed.signal.aborted) return;
    }
  });
  await Promise.all(lanes);
  if (failed.signal.aborted) throw failed.signal.reason;
  return results;
};
