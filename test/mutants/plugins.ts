import { inOrder, type MutantOrder, type PlannedMutant } from './order.ts';
import type { TestedMutant } from './score.ts';

interface Options {
  readonly mutantOrder: MutantOrder;
}

/** Hands Stryker the mutants in our order. A checker is asked to group them before they are tested, and finds no fault with any. */
class OrderChecker {
  static readonly inject = ['options'] as const;
  readonly #order: MutantOrder;

  constructor({ mutantOrder }: Options) {
    this.#order = mutantOrder;
  }

  async init(): Promise<void> {}

  async group(mutants: readonly PlannedMutant[]): Promise<string[][]> {
    return inOrder(this.#order, mutants).mutants.map(({ id }) => [id]);
  }

  async check(mutants: readonly PlannedMutant[]): Promise<Record<string, { readonly status: 'passed' }>> {
    return Object.fromEntries(mutants.map(({ id }) => [id, { status: 'passed' }]));
  }
}

/** What comes from Stryker's process: first how many mutants there are, then each result as it comes. */
export type Message =
  | { readonly planned: number; readonly changed: number }
  | { readonly place: number; readonly mutant: TestedMutant };

interface MutantResult {
  readonly id: string;
  readonly fileName: string;
  readonly mutatorName: string;
  readonly replacement?: string;
  readonly location: { readonly start: { readonly line: number } };
  readonly status: string;
}

/** Sends results to the parent process, so that what ends early has handed over all that it knew. */
class ProcessReporter {
  static readonly inject = ['options'] as const;
  readonly #order: MutantOrder;
  readonly #places = new Map<string, number>();

  constructor({ mutantOrder }: Options) {
    this.#order = mutantOrder;
  }

  onMutationTestingPlanReady({
    mutantPlans,
  }: {
    readonly mutantPlans: ReadonlyArray<{ readonly plan: string; readonly mutant: PlannedMutant }>;
  }): void {
    const planned = mutantPlans.filter(({ plan }) => plan === 'Run').map(({ mutant }) => mutant);
    const { mutants, changed } = inOrder(this.#order, planned);
    for (const [place, { id }] of mutants.entries()) this.#places.set(id, place);
    this.#send({ planned: mutants.length, changed });
  }

  onMutantTested({ id, fileName, mutatorName, replacement = '', location, status }: MutantResult): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    this.#send({ place, mutant: { fileName, line: location.start.line, mutatorName, replacement, status } });
  }

  #send(message: Message): void {
    process.send?.(message);
  }
}

export const strykerPlugins = [
  { kind: 'Checker', name: 'order', injectableClass: OrderChecker },
  { kind: 'Reporter', name: 'process', injectableClass: ProcessReporter },
];
