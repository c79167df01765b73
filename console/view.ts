/** What the console shows, as the server keeps it and the page draws it. Times are epoch milliseconds. */

/** Something that keeps tokens fresh: us, and beside us the guide's Lambda. */
interface ShownRefresher {
  readonly id: string;
  readonly title: string;
}

/** A token that was stored at Runpod. */
export interface ShownToken {
  readonly id: string;
  readonly refresher: string;
  readonly storedAt: number;
  readonly expiresAt: number;
}

interface ShownRun {
  readonly id: string;
  readonly refresher: string;
  readonly trigger: string;
  readonly status: string;
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly error?: string;
}

/** Something that happened at a moment: a push. */
interface ShownMark {
  readonly id: string;
  readonly at: number;
  readonly text: string;
}

/** A time in which an upstream failed. */
interface ShownOutage {
  readonly id: string;
  readonly text: string;
  readonly from: number;
  readonly to?: number;
}

export interface ShownEndpoint {
  readonly id: string;
  readonly refresher: string;
  readonly name: string;
  readonly image?: string;
  readonly proof?: string;
  readonly evidence?: string;
  /** When the proof was had. */
  readonly at?: number;
}

interface ShownWorker {
  readonly id: string;
  readonly endpoint: string;
  readonly status: string;
  readonly startedAt: number;
  /** The last lines of its log. */
  readonly lines: ReadonlyArray<{ readonly at: number; readonly line: string }>;
}

/** An alert, as its reader gets it. */
interface ShownMail {
  readonly id: string;
  readonly at: number;
  readonly subject: string;
  readonly text: string;
}

interface ShownAlarm {
  readonly id: string;
  readonly isOpen: boolean;
  readonly description: string;
}

/** What CloudWatch measured last. */
interface ShownMetric {
  readonly id: string;
  readonly value: number;
  readonly at: number;
}

/** A state of the workflow in the run that is shown. */
export interface ShownState {
  readonly id: string;
  readonly phase: 'idle' | 'active' | 'done' | 'retried' | 'caught';
  readonly visits: number;
}

export interface Collections {
  readonly refreshers: ShownRefresher;
  readonly tokens: ShownToken;
  readonly runs: ShownRun;
  readonly marks: ShownMark;
  readonly outages: ShownOutage;
  readonly endpoints: ShownEndpoint;
  readonly workers: ShownWorker;
  readonly mails: ShownMail;
  readonly alarms: ShownAlarm;
  readonly metrics: ShownMetric;
  readonly states: ShownState;
}
export type CollectionName = keyof Collections;

export interface Scalars {
  readonly mode: 'embedded' | 'live';
  readonly title: string;
  readonly now: number;
  /** How many times faster than the wall clock; 0 stands still. */
  readonly speed: number;
  /** The run that the workflow shows. */
  readonly shownRun: string;
  readonly switches: Readonly<Record<string, string>>;
  /** Why the last check failed; empty where it did not. */
  readonly trouble: string;
}

/** Something that changed. An item of `null` is gone. */
export type ShownChange =
  | { readonly put: CollectionName; readonly id: string; readonly item: { readonly id: string } | null }
  | { readonly set: Partial<Scalars> };

/** What one message from the server holds. */
export interface Batch {
  /** Whether it is everything, and what was known before is void. */
  readonly isWhole: boolean;
  readonly changes: readonly ShownChange[];
}

/** How a state machine is drawn. Lengths are pixels. */
export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly nodes: ReadonlyArray<{
    readonly id: string;
    readonly type: string;
    readonly comment: string;
    readonly retries: boolean;
    readonly isGroup: boolean;
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
  }>;
  readonly edges: ReadonlyArray<{
    readonly id: string;
    readonly from: string;
    readonly to: string;
    readonly kind: 'next' | 'choice' | 'catch';
    readonly points: ReadonlyArray<readonly [number, number]>;
  }>;
}
