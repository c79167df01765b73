import { isDeepStrictEqual } from 'node:util';
import type { Batch, CollectionName, Collections, Scalars, ShownChange, ShownToken } from './view.ts';

/** Batches that a page may have missed and can still get; a page that missed more gets everything. */
const batchesKept = 600;

/** Keeps what the console shows, and hands out what has changed in numbered batches, so that a page that was away can catch up. */
export class EventLog {
  readonly #collections = new Map<CollectionName, Map<string, { readonly id: string }>>();
  #scalars: Scalars;
  #pending = new Map<string, ShownChange>();
  readonly #batches: Array<{ readonly number: number; readonly batch: Batch }> = [];
  #number = 0;
  readonly #listeners = new Set<(number: number, batch: Batch) => void>();

  constructor(scalars: Scalars) {
    this.#scalars = scalars;
  }

  put<Name extends CollectionName>(name: Name, item: Collections[Name]): void {
    const collection = this.#collections.get(name) ?? new Map<string, { readonly id: string }>();
    this.#collections.set(name, collection);
    if (isDeepStrictEqual(collection.get(item.id), item)) return;
    collection.set(item.id, item);
    this.#pending.set(`${name} ${item.id}`, { put: name, id: item.id, item });
  }

  remove(name: CollectionName, id: string): void {
    if (this.#collections.get(name)?.delete(id) === true) {
      this.#pending.set(`${name} ${id}`, { put: name, id, item: null });
    }
  }

  get<Name extends CollectionName>(name: Name, id: string): Collections[Name] | undefined {
    return this.#collections.get(name)?.get(id) as Collections[Name] | undefined;
  }

  all<Name extends CollectionName>(name: Name): Array<Collections[Name]> {
    return [...(this.#collections.get(name)?.values() ?? [])] as Array<Collections[Name]>;
  }

  set(scalars: Partial<Scalars>): void {
    const before = new Map<string, unknown>(Object.entries(this.#scalars));
    const news = Object.entries(scalars).filter(([key, value]) => !isDeepStrictEqual(before.get(key), value));
    this.#scalars = { ...this.#scalars, ...scalars };
    for (const [key, value] of news) this.#pending.set(key, { set: { [key]: value } });
  }

  get scalars(): Scalars {
    return this.#scalars;
  }

  /** Forgets what was over before a time, in epoch milliseconds. */
  forget(before: number): void {
    const byRefresher = Map.groupBy(this.all('tokens'), ({ refresher }) => refresher);
    for (const tokens of byRefresher.values()) {
      const over = tokens.filter(({ expiresAt }) => expiresAt < before);
      // The one that ended last is where the time without pulls begins, however long ago that was.
      const kept = over.reduce<ShownToken | undefined>(
        (last, each) => (last === undefined || each.storedAt >= last.storedAt ? each : last),
        undefined,
      );
      for (const { id } of over) if (id !== kept?.id) this.remove('tokens', id);
    }
    for (const { id, startedAt } of this.all('runs')) if (startedAt < before) this.remove('runs', id);
    for (const { id, endedAt = before } of this.all('rollouts')) if (endedAt < before) this.remove('rollouts', id);
    for (const { id, at } of this.all('marks')) if (at < before) this.remove('marks', id);
    for (const { id, to = before } of this.all('outages')) if (to < before) this.remove('outages', id);
  }

  /** Everything, as one batch. */
  whole(): Batch {
    const items = [...this.#collections].flatMap(([put, collection]) =>
      [...collection.values()].map((item): ShownChange => ({ put, id: item.id, item })),
    );
    return { isWhole: true, changes: [{ set: this.#scalars }, ...items] };
  }

  /** Tells listeners what has changed since the last time. */
  flush(): void {
    if (this.#pending.size === 0) return;
    const batch = { isWhole: false, changes: [...this.#pending.values()] };
    this.#pending = new Map();
    this.#number += 1;
    this.#batches.push({ number: this.#number, batch });
    if (this.#batches.length > batchesKept) this.#batches.shift();
    for (const listener of this.#listeners) listener(this.#number, batch);
  }

  /**
   * Listens, beginning with what was missed.
   *
   * @param after the number of the last batch that was heard; `undefined` for a listener that knows nothing
   * @returns what ends the listening
   */
  listen(after: number | undefined, listener: (number: number, batch: Batch) => void): () => void {
    this.flush();
    const first = this.#batches[0]?.number ?? this.#number + 1;
    if (after === undefined || after > this.#number || after < first - 1) listener(this.#number, this.whole());
    else for (const { number, batch } of this.#batches) if (number > after) listener(number, batch);
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
