/** What the console shows, as the server keeps it and the page draws it. Times are epoch milliseconds. */

/** Something that keeps tokens fresh, as a row: a target of ours, or beside it a Lambda of the guide's. */
export interface ShownRefresher {
  readonly id: string;
  readonly title: string;
  /** Whether this product keeps it. */
  readonly isOurs: boolean;
  /** When the token that Runpod holds ends. */
  readonly endsAt?: number;
  /** Why its last run stored nothing: an error's name, and what it says. */
  readonly error?: { readonly name: string; readonly message: string };
  /** Endpoints by proof, all of them. */
  readonly proofs?: Readonly<Record<string, number>>;
}

/** A token that was stored at Runpod. */
export interface ShownToken {
  readonly id: string;
  readonly refresher: string;
  readonly storedAt: number;
  readonly expiresAt: number;
}

export interface ShownRun {
  readonly id: string;
  readonly refresher: string;
  /** What opens it: the execution's name. */
  readonly run: string;
  readonly trigger: string;
  /** What it came to for this row: RUNNING, SUCCEEDED, or another word of Step Functions. */
  readonly status: string;
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly error?: string;
  /** The state that it is in, while it runs. */
  readonly step?: string;
}

/** An endpoint that was given another image. */
export interface ShownRollout {
  readonly id: string;
  readonly refresher: string;
  readonly endpoint: string;
  /** What opens it: the execution's name; empty where that is not known. */
  readonly run: string;
  readonly image: string;
  /** What it had before, and comes back to. */
  readonly earlier?: string;
  readonly startedAt: number;
  readonly endedAt?: number;
  /** How it ended, and why. */
  readonly verdict?: string;
  readonly why?: string;
  /** What became of the way back. */
  readonly back?: string;
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
  /** Its page at AWS. */
  readonly link?: string;
}

type Phase = 'idle' | 'active' | 'done' | 'retried' | 'caught';

/** A state of a run. */
export interface RunState {
  readonly id: string;
  readonly phase: Phase;
  readonly visits: number;
  readonly enteredAt?: number;
  readonly leftAt?: number;
  /** How many times a call of it failed, and the last error. */
  readonly failures: number;
  readonly error?: string;
}

/** A run, opened. */
export interface OpenedRun {
  readonly run: string;
  readonly machine: 'refresh' | 'rollout' | 'guide';
  readonly trigger: string;
  readonly status: string;
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly error?: string;
  readonly cause?: string;
  /** Its page at AWS. */
  readonly link?: string;
  readonly states: readonly RunState[];
}

/** A sentence in pieces: text, and times that the page writes in its reader's zone as well. */
export interface Sentence {
  readonly severity: 'well' | 'warning' | 'critical';
  readonly pieces: ReadonlyArray<string | number>;
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
  readonly rollouts: ShownRollout;
}
export type CollectionName = keyof Collections;

export interface Scalars {
  readonly mode: 'embedded' | 'live';
  readonly title: string;
  readonly now: number;
  /** How many times faster than the wall clock; 0 stands still. */
  readonly speed: number;
  /** The wall clock of the machine that serves the page, once a second. */
  readonly servedAt: number;
  /** The run that began last. */
  readonly newestRun: string;
  readonly switches: Readonly<Record<string, string>>;
  /** Why the last check failed; empty where it did not. */
  readonly trouble: string;
  /** How all of it stands. */
  readonly sentence: Sentence;
  /** What is happening in the story that is told; empty where none is. */
  readonly caption: string;
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

/** The state machines, drawn. */
export interface Drawings {
  readonly refresh: Drawing;
  readonly rollout: Drawing;
}
