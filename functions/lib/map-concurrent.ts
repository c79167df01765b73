/** Runs a job for each item, a few at a time, and answers in the items' order. The first failure ends the lot. */
export const mapConcurrent = async <Item, Result>(
  items: readonly Item[],
  atOnce: number,
  job: (item: Item) => Promise<Result>,
): Promise<Result[]> => {
  const results: Result[] = [];
  const queue = items.entries();
  const lanes = Array.from({ length: Math.min(atOnce, items.length) }, async () => {
    for (const [index, item] of queue) results[index] = await job(item);
  });
  await Promise.all(lanes);
  return results;
};
