import { isDeepStrictEqual } from 'node:util';
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import * as z from 'zod/mini';
import { awsCause, awsClause } from '../aws/client.ts';
import { defined } from '../defined.ts';
import { requireSetting, type Settings } from '../env.ts';
import { MemoryUnavailableError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Alert } from '../report/alerts.ts';
import type { Report } from '../report/report.ts';
import { memoryClientDefaults } from './memory.ts';
import { isGone, toldOf } from './remember-report.ts';
import { type TargetMemories, type TargetMemory, toldAt } from './target-memory.ts';

const severities = ['critical', 'warning', 'info'] as const;
const nothing = 'none';

/** A target, how severe its trouble is that people know, which that is, in short, and since when they do (epoch seconds). */
const entrySchema = z.tuple([z.string(), z.enum([...severities, nothing]), z.string(), z.number()]);
const contentSchema = z.array(entrySchema);

/** What people know of a target's trouble, where they know of one, and the end of the run that told them (epoch milliseconds). */
interface Told {
  readonly at: number;
  readonly notified: TargetMemory['notified'];
}

/**
 * What people were told, by target. One without a trouble stands here where the table may not know yet that it is over; of
 * one that does not, the table has the word.
 */
export type Notified = ReadonlyMap<string, Told>;

/**
 * What people were told of the targets' troubles, in a parameter of its own: it stands where the table does not answer, or
 * has lost everything, so that the same is not told in each run.
 */
export interface NotifiedStore {
  /** @throws {MemoryUnavailableError} */
  read(): Promise<Notified>;
  /** Of more than fits, it keeps the most severe. @throws {MemoryUnavailableError} */
  write(content: Notified): Promise<void>;
}

/** A parameter of the Standard tier holds 4 KB: https://docs.aws.amazon.com/general/latest/gr/ssm.html#limits_ssm */
const maxBytes = 4096;
/** The API's answer has little more than the value. */
const maxAnswerBytes = 64 * 1024;

/** What the parameter holds: of more troubles than fit, the most severe. */
export const writeContent = (content: Notified): string => {
  const entries = [...content]
    .map(
      ([name, { at, notified }]) => [name, notified?.severity ?? nothing, notified?.trouble ?? '', at / 1000] as const,
    )
    .toSorted(([, one], [, other]) => rankOf(one) - rankOf(other));
  let bytes = 1;
  const fitting = entries.filter((entry) => {
    bytes += Buffer.byteLength(JSON.stringify(entry)) + 1;
    return bytes <= maxBytes;
  });
  return JSON.stringify(fitting);
};

const rankOf = (severity: (typeof severities)[number] | typeof nothing): number =>
  [...severities, nothing].indexOf(severity);

/** What a parameter's value says; nothing where it is not of ours. */
export const readContent = (value: string | undefined): Notified => {
  const entries = z.safeParse(contentSchema, parseJson(value)).data ?? [];
  return new Map(
    entries.map(([name, severity, trouble, at]) => [
      name,
      { at: at * 1000, notified: severity === nothing ? undefined : { severity, trouble } },
    ]),
  );
};

/** What the table says that people know of a target; `undefined` where it says nothing. */
const toldByTable = (memory: TargetMemory | undefined): Told | undefined => {
  const at = Date.parse((memory && toldAt(memory)) ?? '');
  return Number.isNaN(at) ? undefined : { at, notified: memory?.notified };
};

/** Of two that speak of a target, the one that knew more last; of two that knew as much, the table. */
const later = (table: Told | undefined, parameter: Told | undefined): Told | undefined =>
  table === undefined || (parameter !== undefined && parameter.at > table.at) ? parameter : table;

/** Delays stand in the parameter, too, by run and upstream. */
const isTarget = (name: string): boolean => !name.includes(' ');

/** What is remembered of the targets, with what people know of them by the parameter where that knows more. */
export const withNotified = (table: TargetMemories, content: Notified): TargetMemories =>
  new Map(
    [...new Set([...table.keys(), ...content.keys()])].filter(isTarget).map((name) => {
      const memory = table.get(name);
      const { notified: _, ...others } = memory ?? { runs: [] };
      const told = later(toldByTable(memory), content.get(name));
      return [name, defined({ ...others, notified: told === undefined ? memory?.notified : told.notified })];
    }),
  );

/** A run that people were told of: by which alerts, and what is remembered of the targets after it. */
interface ToldRun {
  readonly report: Report;
  readonly known: TargetMemories;
  readonly alerts: readonly Alert[];
}

/** What the parameter is to say once a run has been told of. */
const contentAfter = (content: Notified, table: TargetMemories, { report, known, alerts }: ToldRun): Notified => {
  const after = new Map<string, Told>();
  for (const name of new Set([...content.keys(), ...table.keys()])) {
    if (isGone(report, name)) continue;
    const [byTable, byParameter] = [toldByTable(table.get(name)), content.get(name)];
    const told = later(byTable, byParameter);
    // What is over, and the table knows it, needs no word here.
    if (told === undefined || (told === byTable && told.notified === undefined)) continue;
    after.set(name, isDeepStrictEqual(told.notified, byParameter?.notified) ? (byParameter ?? told) : told);
  }
  const shown = withNotified(table, content);
  const endedAt = Date.parse(report.endedAt) || 0;
  for (const { target } of report.targets) {
    const [notified, before] = [known.get(target)?.notified, after.get(target)];
    if ([before?.notified, shown.get(target)?.notified].every((each) => isDeepStrictEqual(each, notified))) continue;
    // Of runs that overlap, one that ended later may have been told of before.
    const latest = Math.max(before?.at ?? 0, toldByTable(table.get(target))?.at ?? 0);
    if (latest <= endedAt) after.set(target, { at: endedAt, notified });
    else if (toldOf(alerts, target) !== undefined) after.set(target, { at: latest + 1000, notified });
  }
  return after;
};

/** What there was to read before a run was told of, as far as it could be read. */
export interface ReadBefore {
  readonly table: TargetMemories | undefined;
  readonly parameter: Notified | undefined;
}

const maxWrites = 2;

/**
 * Writes what people know of the targets now, unless the parameter says so already. It has no conditional write, so it is
 * read once more right before, that a run which ended meanwhile is not unsaid; and once more after a pause, for one that
 * ended in the same moment may have unsaid this.
 *
 * @throws {MemoryUnavailableError}
 */
export const rememberNotified = async (
  store: NotifiedStore,
  { table, parameter }: ReadBefore,
  run: ToldRun,
  pause: () => Promise<void>,
): Promise<void> => {
  const after = (content: Notified): Notified => contentAfter(content, table ?? new Map(), run);
  const isSaid = (content: Notified): boolean => writeContent(after(content)) === writeContent(content);
  if (parameter !== undefined && isSaid(parameter)) return;
  for (let writes = 0; writes < maxWrites; writes += 1) {
    if (writes > 0) await pause();
    const content = await store.read().catch((error: unknown) => {
      // Whoever could read neither would take away what is known of other targets.
      if (table === undefined) throw error;
      return parameter ?? new Map();
    });
    if (isSaid(content)) return;
    await store.write(after(content));
  }
};

const unavailable = (what: string, error: unknown): MemoryUnavailableError =>
  new MemoryUnavailableError(`Parameter Store, asked to ${what}, failed (${awsClause(error)}).`, awsCause(error));

/** Reads and writes the parameter with the AWS SDK. */
export const createNotifiedStore = (settings: Settings): NotifiedStore => {
  const Name = requireSetting(settings, 'NOTIFIED_PARAMETER');
  const client = new SSMClient(memoryClientDefaults(settings, maxAnswerBytes));
  return {
    async read() {
      const { Parameter } = await client.send(new GetParameterCommand({ Name })).catch((error: unknown) => {
        throw unavailable('read what people were told', error);
      });
      return readContent(Parameter?.Value);
    },
    async write(content) {
      const command = new PutParameterCommand({
        Name,
        Type: 'String',
        Value: writeContent(content),
        Overwrite: true,
      });
      await client.send(command).catch((error: unknown) => {
        throw unavailable('remember what people were told', error);
      });
    },
  };
};
