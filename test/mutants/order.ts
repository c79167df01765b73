import { createHash } from 'node:crypto';

/** A mutant as Stryker's plugins get it, whose lines begin with 0: https://stryker-mutator.io/docs/stryker-js/plugins/. */
export interface PlannedMutant {
  readonly id: string;
  readonly fileName: string;
  readonly mutatorName: string;
  readonly replacement: string;
  readonly location: { readonly start: { readonly line: number; readonly column: number } };
}

/** Which mutants come first. */
export interface MutantOrder {
  readonly seed: number;
  /** By file, the numbers of the lines whose mutants come before all others. */
  readonly changed: Readonly<Record<string, readonly number[]>>;
}

const pathOf = (fileName: string): string => `functions/${fileName.split('/functions/').at(-1)}`;

const isChanged = ({ changed }: MutantOrder, { fileName, location }: PlannedMutant): boolean =>
  changed[pathOf(fileName)]?.includes(location.start.line + 1) ?? false;

/** Puts the mutants of changed lines first, and draws the order of the others by the seed. */
export const inOrder = <Mutant extends PlannedMutant>(order: MutantOrder, mutants: readonly Mutant[]) => {
  const drawn = ({ fileName, location: { start }, mutatorName, replacement }: Mutant): string =>
    createHash('sha256')
      .update([order.seed, pathOf(fileName), start.line, start.column, mutatorName, replacement].join(' '))
      .digest('hex');
  const first = mutants.filter((mutant) => isChanged(order, mutant));
  const others = mutants.filter((mutant) => !isChanged(order, mutant));
  const draw = (some: readonly Mutant[]): Mutant[] =>
    some
      .map((mutant) => ({ mutant, place: drawn(mutant) }))
      .toSorted((a, b) => (a.place < b.place ? -1 : 1))
      .map(({ mutant }) => mutant);
  return { mutants: [...draw(first), ...draw(others)], changed: first.length };
};

/** Reads which lines each file has that it had not before, from `git diff --unified=0`. */
export const changedLines = (diff: string): MutantOrder['changed'] => {
  const lines: Record<string, number[]> = {};
  let path = '';
  for (const line of diff.split('\n')) {
    path = /^\+\+\+ b\/(.+)$/.exec(line)?.[1] ?? path;
    const [, first, count = '1'] = /^@@ -\S+ \+(\d+)(?:,(\d+))? @@/.exec(line) ?? [];
    if (first === undefined) continue;
    lines[path] = [
      ...(lines[path] ?? []),
      ...Array.from({ length: Number(count) }, (_, index) => Number(first) + index),
    ];
  }
  return lines;
};
