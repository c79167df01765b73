import type { Batch, CollectionName, Collections, Scalars } from '../view.ts';

type Item = { readonly id: string; readonly refresher?: string };

/** What the page shows, as far as the server has sent it. */
export class Store {
  readonly #collections = new Map<CollectionName, Map<string, Item>>();
  readonly #byRefresher = new Map<string, Map<string, Item>>();
  scalars: Scalars = {
    mode: 'embedded',
    title: '',
    now: 0,
    speed: 0,
    servedAt: 0,
    newestRun: '',
    switches: {},
    trouble: '',
    sentence: { severity: 'well', pieces: [] },
    caption: '',
  };
  /** What has changed since it was last drawn. */
  readonly dirty = new Set<CollectionName | 'scalars'>();
  /** Rows of which something has changed since they were last drawn. */
  readonly dirtyRows = new Set<string>();

  #put(name: CollectionName, id: string, item: Item | null): void {
    const collection = this.#collections.get(name) ?? new Map<string, Item>();
    this.#collections.set(name, collection);
    const before = collection.get(id);
    if (before?.refresher !== undefined) this.#byRefresher.get(`${name} ${before.refresher}`)?.delete(id);
    if (item === null) collection.delete(id);
    else collection.set(id, item);
    if (item?.refresher !== undefined) {
      const key = `${name} ${item.refresher}`;
      const own = this.#byRefresher.get(key) ?? new Map<string, Item>();
      this.#byRefresher.set(key, own.set(id, item));
    }
    this.dirty.add(name);
    this.dirtyRows.add(item?.refresher ?? before?.refresher ?? id);
  }

  take({ isWhole, changes }: Batch): void {
    if (isWhole) {
      for (const name of this.#collections.keys()) this.dirty.add(name);
      this.#collections.clear();
      this.#byRefresher.clear();
    }
    for (const change of changes) {
      if ('set' in change) {
        this.scalars = { ...this.scalars, ...change.set };
        this.dirty.add('scalars');
      } else this.#put(change.put, change.id, change.item);
    }
  }

  get<Name extends CollectionName>(name: Name, id: string): Collections[Name] | undefined {
    return this.#collections.get(name)?.get(id) as Collections[Name] | undefined;
  }

  all<Name extends CollectionName>(name: Name): Array<Collections[Name]> {
    return [...(this.#collections.get(name)?.values() ?? [])] as Array<Collections[Name]>;
  }

  /** Those of one row. */
  of<Name extends 'tokens' | 'runs' | 'rollouts' | 'endpoints'>(
    name: Name,
    refresher: string,
  ): Array<Collections[Name]> {
    return [...(this.#byRefresher.get(`${name} ${refresher}`)?.values() ?? [])] as Array<Collections[Name]>;
  }
}
