import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename } from 'node:path';
import * as z from 'zod/mini';
import { CommandError } from '../../stack/failure.ts';

const text = z.string();
/** Where the Runpod key is that something at Runpod was changed with; left out where it is the journal's own. */
const otherKey = z.optional(text);
/** What it was made for, where that can be undone by itself. */
const purpose = z.optional(z.literal('canary-pod'));

/** Something that setup changed or was about to change, and what undoing it needs to know. No secrets. */
const changeSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('repository'),
    region: text,
    name: text,
    /** Whether it turned out to be there already: then it is not ours. */
    wasThere: z.optional(z.boolean()),
    purpose,
  }),
  z.object({ kind: z.literal('image'), region: text, repository: text, tag: text, digest: text, purpose }),
  z.object({
    kind: z.literal('api-key'),
    /** The parameter's name, and the version that held the key before; left out where there was none. */
    parameter: text,
    versionBefore: z.optional(z.number()),
    /** The version that holds the new key. */
    versionAfter: z.optional(z.number()),
    /** The KMS key that encrypts it; left out for AWS's own. */
    kmsKey: z.optional(text),
  }),
  z.object({
    kind: z.literal('credential'),
    name: text,
    id: z.optional(text),
    /** Credentials of that name which were there before, and are not ours. */
    others: z.optional(z.array(text)),
    apiKey: otherKey,
  }),
  z.object({
    kind: z.literal('endpoint'),
    endpoint: text,
    before: z.nullable(text),
    after: text,
    apiKey: otherKey,
  }),
  z.object({
    kind: z.literal('targets'),
    path: text,
    /** The file's content before and after; left out where there was no file. */
    before: z.optional(text),
    after: text,
    purpose,
  }),
]);
export type JournalChange = z.output<typeof changeSchema>;

const entrySchema = z.object({ change: changeSchema, isDone: z.boolean() });
const journalSchema = z.object({
  version: z.literal(1),
  /** Where the changes were made: they are undone nowhere else. */
  account: text,
  region: text,
  /** The stage that it was set up for. */
  stage: z.optional(text),
  /** Where the Runpod key is, for undoing what was changed there. */
  apiKey: text,
  entries: z.array(entrySchema),
});
type JournalContent = z.output<typeof journalSchema>;
export type JournalEntry = z.output<typeof entrySchema>;
type Place = Omit<JournalContent, 'version' | 'entries'>;

/** A change of one kind. */
export type ChangeOf<Kind extends JournalChange['kind']> = Extract<JournalChange, { kind: Kind }>;

/** Where the Runpod key is that a change needs to be undone; `undefined` where it needs none. */
export const keyOf = (change: JournalChange, own: string): string | undefined =>
  change.kind === 'credential' || change.kind === 'endpoint' ? (change.apiKey ?? own) : undefined;

/** Whether a credential is the one that a change created: by its id, or where that is not known by its name. */
export const isCreatedBy = (
  { id, name, others = [] }: ChangeOf<'credential'>,
  credential: { readonly id: string; readonly name: string },
): boolean => (id === undefined ? credential.name === name && !others.includes(credential.id) : credential.id === id);

/**
 * Writes a file whole or not at all, by way of a new file beside it: what lies there is taken away, not followed, and
 * nothing that appears in between is written to.
 */
export const writeWhole = (path: string, content: string, mode: number): void => {
  const beside = `${path}.new`;
  rmSync(beside, { force: true });
  writeFileSync(beside, content, { mode, flag: 'wx' });
  renameSync(beside, path);
};

const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/** Reads a file of this user's own, following no link. */
const readOwn = (path: string): string => {
  // Windows knows neither the flag nor owners.
  const file = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    const stat = fstatSync(file);
    if (!stat.isFile() || (process.getuid !== undefined && stat.uid !== process.getuid())) {
      throw new Error('It is no file of this user.');
    }
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
};

/** What setup has changed, kept in a file from before each change, so that whatever happens it can be undone or finished. */
export class Journal {
  readonly path: string;
  #content: JournalContent;

  private constructor(path: string, content: JournalContent) {
    this.path = path;
    this.#content = content;
  }

  /**
   * Opens the journal, or begins one that is written with the first change.
   *
   * @throws {CommandError} the file there is no journal, or one of another account or region
   */
  static open(path: string, fresh: Place): Journal {
    const known = Journal.read(path);
    if (known === undefined) return new Journal(path, { version: 1, ...fresh, entries: [] });
    const { account, region } = known.#content;
    if (account !== fresh.account || region !== fresh.region) {
      throw new CommandError(
        `${basename(path)} records changes in account ${account}, ${region}; this is ${fresh.account}, ${fresh.region}. Undo them there (npm run setup -- --undo), or move the file away.`,
      );
    }
    return known;
  }

  /** @returns `undefined` where there is none */
  static read(path: string): Journal | undefined {
    if (!isThere(path)) return undefined;
    try {
      return new Journal(path, journalSchema.parse(JSON.parse(readOwn(path))));
    } catch (error) {
      throw new CommandError(
        `${basename(path)} cannot be read as a record of what setup changed: it must be a file of your own, no link, as setup wrote it. Move it away to go on.`,
        {
          cause: error,
        },
      );
    }
  }

  get entries(): readonly JournalEntry[] {
    return this.#content.entries;
  }

  /** The credential of a name that setup created, if it is among those that there are: its id may not have been noted. */
  createdAmong(
    credentials: ReadonlyArray<{ readonly id: string; readonly name: string }>,
    name: string,
  ): string | undefined {
    const made = this.#content.entries.flatMap(({ change }) =>
      change.kind === 'credential' && change.name === name ? [change] : [],
    );
    return credentials.findLast((each) => made.some((change) => isCreatedBy(change, each)))?.id;
  }

  get place(): Place {
    return this.#content;
  }

  /** A change that is made with a key, where that is not the journal's own. */
  withKey(change: JournalChange, apiKey: string): JournalChange {
    if (apiKey === this.#content.apiKey) return change;
    return change.kind === 'credential' || change.kind === 'endpoint' ? { ...change, apiKey } : change;
  }

  /** Notes a change before it is made. @returns what notes that it has been made, with what has become known by it */
  begin(change: JournalChange): (done: JournalChange) => void {
    const index = this.#content.entries.length;
    this.#write([...this.#content.entries, { change, isDone: false }]);
    return (done) => this.#write(this.#content.entries.with(index, { change: done, isDone: true }));
  }

  /** Takes changes out, once they have been undone. The last one takes the file with it. */
  forget(undone: readonly JournalEntry[]): void {
    this.#write(this.#content.entries.filter((each) => !undone.includes(each)));
  }

  #write(entries: readonly JournalEntry[]): void {
    this.#content = { ...this.#content, entries: [...entries] };
    if (entries.length === 0) rmSync(this.path, { force: true });
    else writeWhole(this.path, `${JSON.stringify(this.#content, undefined, 2)}\n`, 0o600);
  }
}
