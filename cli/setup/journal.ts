import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import * as z from 'zod/mini';
import { CommandError } from '../../stack/failure.ts';

const text = z.string();

/** Something that setup changed or was about to change, and what undoing it needs to know. No secrets. */
const changeSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('repository'), region: text, name: text }),
  z.object({
    kind: z.literal('api-key'),
    /** The parameter's name, and the version that held the key before; left out where there was none. */
    parameter: text,
    versionBefore: z.optional(z.number()),
  }),
  z.object({ kind: z.literal('credential'), name: text, id: z.optional(text) }),
  z.object({ kind: z.literal('endpoint'), endpoint: text, before: z.nullable(text), after: text }),
  z.object({
    kind: z.literal('targets'),
    path: text,
    /** The file's content before and after; left out where there was no file. */
    before: z.optional(text),
    after: text,
  }),
]);
export type JournalChange = z.output<typeof changeSchema>;

const entrySchema = z.object({ change: changeSchema, isDone: z.boolean() });
const journalSchema = z.object({
  version: z.literal(1),
  /** Where the changes were made: they are undone nowhere else. */
  account: text,
  region: text,
  /** Where the Runpod key is, for undoing what was changed there. */
  apiKey: text,
  entries: z.array(entrySchema),
});
type JournalContent = z.output<typeof journalSchema>;
type JournalEntry = z.output<typeof entrySchema>;

/** Writes a file whole or not at all. */
export const writeWhole = (path: string, content: string): void => {
  const beside = `${path}.new`;
  writeFileSync(beside, content, { mode: 0o644 });
  renameSync(beside, path);
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
  static open(path: string, fresh: Pick<JournalContent, 'account' | 'region' | 'apiKey'>): Journal {
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
    if (!existsSync(path)) return undefined;
    try {
      return new Journal(path, journalSchema.parse(JSON.parse(readFileSync(path, 'utf8'))));
    } catch (error) {
      throw new CommandError(
        `${basename(path)} cannot be read as a record of what setup changed. Move it away to go on.`,
        {
          cause: error,
        },
      );
    }
  }

  get entries(): readonly JournalEntry[] {
    return this.#content.entries;
  }

  /** The credential that setup created, if it is among those that there are: by name, for its id may not have been noted. */
  createdAmong(credentials: ReadonlyArray<{ readonly id: string; readonly name: string }>): string | undefined {
    const names = this.#content.entries.flatMap(({ change }) => (change.kind === 'credential' ? [change.name] : []));
    return credentials.findLast(({ name }) => names.includes(name))?.id;
  }

  get place(): Pick<JournalContent, 'account' | 'region' | 'apiKey'> {
    return this.#content;
  }

  /** Notes a change before it is made. @returns what notes that it has been made, with what has become known by it */
  begin(change: JournalChange): (done: JournalChange) => void {
    const index = this.#content.entries.length;
    this.#write([...this.#content.entries, { change, isDone: false }]);
    return (done) => this.#write(this.#content.entries.with(index, { change: done, isDone: true }));
  }

  /** Takes the newest change out, once it has been undone. The last one takes the file with it. */
  forget(): void {
    this.#write(this.#content.entries.slice(0, -1));
  }

  #write(entries: readonly JournalEntry[]): void {
    this.#content = { ...this.#content, entries: [...entries] };
    if (entries.length === 0) rmSync(this.path, { force: true });
    else writeWhole(this.path, `${JSON.stringify(this.#content, undefined, 2)}\n`);
  }
}
