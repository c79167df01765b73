import type { Batch, CollectionName, Collections, Scalars } from '../view.ts';

/** What the page shows, as far as the server has sent it. */
export class Store {
  readonly #collections = new Map<CollectionName, Map<string, { readonly id: string }>>();
  scalars: Scalars = {
    mode: 'embedded',
    title: '',
    now: 0,
    speed: 0,
    shownRun: '',
    switches: {},
    trouble: '',
  };
  /** What has changed since it was last drawn. */
  readonly dirty = new Set<CollectionName | 'scalars'>();

  take({ isWhole, changes }: Batch): void {
    if (isWhole) {
      for (const name of this.#collections.keys()) this.dirty.add(name);
      this.#collections.clear();
    }
    for (const change of changes) {
      if ('set' in change) {
        this.scalars = { ...this.scalars, ...change.set };
        this.dirty.add('scalars');
        continue;
      }
      const collection = this.#collections.get(change.put) ?? new Map();
      this.#collections.set(change.put, collection);
      if (change.item === null) collection.delete(change.id);
      else collection.set(change.id, change.item);
      this.dirty.add(change.put);
    }
  }

  all<Name extends CollectionName>(name: Name): Array<Collections[Name]> {
    return [...(this.#collections.get(name)?.values() ?? [])] as Array<Collections[Name]>;
  }
}
