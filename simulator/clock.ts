/** Something that happens later. */
interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

const immediately = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * The embedded world's clock. Time stands still while anybody works, and jumps to the next timer when nobody does, so a
 * refresh that waits for six hours takes no longer than the work it does.
 */
export class WorldClock {
  #now: number;
  #working = 0;
  #order = 0;
  #wake: (() => void) | undefined;
  readonly #timers = new Map<number, Timer>();

  constructor(start: number = Date.now()) {
    this.#now = start;
  }

  /** Epoch milliseconds. */
  readonly now = (): number => this.#now;

  readonly setTimeout = (run: () => void, milliseconds = 0): number => {
    this.#order += 1;
    const order = this.#order;
    this.#timers.set(order, { at: this.#now + Math.max(0, milliseconds || 0), order, run });
    this.#wake?.();
    return order;
  };

  readonly clearTimeout = (timer: number | undefined): void => {
    if (timer !== undefined) this.#timers.delete(timer);
  };

  readonly sleep = (milliseconds: number): Promise<void> =>
    new Promise((resolve) => {
      this.setTimeout(resolve, milliseconds);
    });

  /** Does work during which time stands still. */
  readonly work = async <Result>(job: () => Promise<Result>): Promise<Result> => {
    this.#working += 1;
    try {
      return await job();
    } finally {
      this.#working -= 1;
      if (this.#working === 0) this.#wake?.();
    }
  };

  /** Sleeps in the middle of work, and lets time pass meanwhile. */
  readonly pause = async (milliseconds: number): Promise<void> => {
    this.#working -= 1;
    this.#wake?.();
    try {
      await this.sleep(milliseconds);
    } finally {
      this.#working += 1;
    }
  };

  /** Lets time pass until a promise settles. */
  async until<Result>(promise: Promise<Result>): Promise<Result> {
    let settled = false;
    promise.then(
      () => {
        settled = true;
        this.#wake?.();
      },
      () => {
        settled = true;
        this.#wake?.();
      },
    );
    while (!settled) {
      // Let whoever was woken last begin to work before deciding that nobody does.
      for (let turn = 0; turn < 3 && !settled; turn += 1) await immediately();
      if (settled) break;
      if (this.#working > 0 || this.#timers.size === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      } else {
        this.#jump();
      }
    }
    return promise;
  }

  /** Lets an amount of time pass. */
  readonly advance = (milliseconds: number): Promise<void> => this.until(this.sleep(milliseconds));

  #jump(): void {
    let next: Timer | undefined;
    for (const timer of this.#timers.values()) {
      if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer;
    }
    if (next === undefined) return;
    this.#timers.delete(next.order);
    this.#now = Math.max(this.#now, next.at);
    next.run();
  }
}
