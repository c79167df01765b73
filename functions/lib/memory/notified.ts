import { isDeepStrictEqual } from 'node:util';
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import * as z from 'zod/mini';
import { awsCause, awsClause, awsClientDefaults } from '../aws/client.ts';
import { requireSetting, type Settings } from '../env.ts';
import { MemoryUnavailableError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { maxTimeoutSeconds } from './memory.ts';
import type { TargetMemories } from './target-memory.ts';

const severities = ['critical', 'warning', 'info'] as const;

const contentSchema = z.object({
  /** The end of the last run that was known then (ISO 8601). Of a target that the table has seen since, the table knows more. */
  at: z.string(),
  /** Of each target that people know to be in trouble: how severe that is, and which trouble, in short. */
  targets: z.record(z.string(), z.tuple([z.enum(severities), z.string()])),
  /** Whether there may be more of them, which only the table knows. */
  isPart: z.optional(z.literal(true)),
});

/** What people were told. */
export type Notified = z.output<typeof contentSchema>;

const nothingWritten: Notified = { at: '', targets: {}, isPart: true };

/**
 * What people were told of the targets' troubles, in a parameter of its own: it stands where the table does not answer, or
 * has lost everything, so that the same is not told in each run.
 */
export interface NotifiedStore {
  /** @throws {MemoryUnavailableError} */
  read(): Promise<Notified>;
  /** @throws {MemoryUnavailableError} */
  write(content: Notified): Promise<void>;
}

/** A parameter of the Standard tier holds 4 KB: https://docs.aws.amazon.com/general/latest/gr/ssm.html#limits_ssm */
const maxBytes = 4096;
/** The API's answer has little more than the value. */
const maxAnswerBytes = 64 * 1024;

/** Of more troubles than fit, the most severe. */
const contentOf = (memories: TargetMemories): Notified => {
  const at = [...memories.values()].reduce(
    (latest, { last }) => (last !== undefined && last.at > latest ? last.at : latest),
    '',
  );
  const all = [...memories]
    .flatMap(([name, { notified }]) =>
      notified === undefined ? [] : [[name, [notified.severity, notified.trouble]] as const],
    )
    .toSorted(([, [one]], [, [other]]) => severities.indexOf(one) - severities.indexOf(other));
  const write = (count: number): Notified => ({
    at,
    targets: Object.fromEntries(all.slice(0, count).map(([name, [severity, trouble]]) => [name, [severity, trouble]])),
    ...(count < all.length ? { isPart: true } : {}),
  });
  let count = all.length;
  while (count > 0 && Buffer.byteLength(JSON.stringify(write(count))) > maxBytes) count -= 1;
  return write(count);
};

/** What is remembered of the targets, with what people know of them by the parameter. */
export const withNotified = (memories: TargetMemories, content: Notified): TargetMemories => {
  const names = new Set([...memories.keys(), ...Object.keys(content.targets)]);
  return new Map(
    [...names].map((name) => {
      const { notified: before, ...memory } = memories.get(name) ?? { runs: [] };
      const told = Object.hasOwn(content.targets, name) ? content.targets[name] : undefined;
      const isNewer = memory.last === undefined || memory.last.at <= content.at;
      const isUnsaid = told === undefined && content.isPart === true;
      const known = told && { severity: told[0], trouble: told[1] };
      const notified = isNewer && !isUnsaid ? known : before;
      return [name, notified === undefined ? memory : { ...memory, notified }];
    }),
  );
};

/**
 * Writes what people know of all targets now, unless it is what was read.
 *
 * @param before what was read, if it could be
 * @throws {MemoryUnavailableError}
 */
export const rememberNotified = async (
  store: NotifiedStore,
  memories: TargetMemories,
  before: Notified | undefined,
): Promise<void> => {
  const content = contentOf(memories);
  if (before === undefined || !isDeepStrictEqual(content, { ...before, at: content.at })) await store.write(content);
};

const unavailable = (what: string, error: unknown): MemoryUnavailableError =>
  new MemoryUnavailableError(`Parameter Store, asked to ${what}, failed (${awsClause(error)}).`, awsCause(error));

/** Reads and writes the parameter with the AWS SDK. */
export const createNotifiedStore = (settings: Settings): NotifiedStore => {
  const { UPSTREAM_TIMEOUT_SECONDS, aws = {} } = settings;
  const timeout = Math.min(UPSTREAM_TIMEOUT_SECONDS, maxTimeoutSeconds);
  const Name = requireSetting(settings, 'NOTIFIED_PARAMETER');
  const client = new SSMClient(awsClientDefaults({ UPSTREAM_TIMEOUT_SECONDS: timeout, aws }, maxAnswerBytes));
  return {
    async read() {
      const { Parameter } = await client.send(new GetParameterCommand({ Name })).catch((error: unknown) => {
        throw unavailable('read what people were told', error);
      });
      return z.safeParse(contentSchema, parseJson(Parameter?.Value)).data ?? nothingWritten;
    },
    async write(content) {
      const command = new PutParameterCommand({
        Name,
        Type: 'String',
        Value: JSON.stringify(content),
        Overwrite: true,
      });
      await client.send(command).catch((error: unknown) => {
        throw unavailable('remember what people were told', error);
      });
    },
  };
};
