import {
  ConditionalCheckFailedException,
  DeleteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import * as z from 'zod/mini';
import { awsCause, awsClause, awsClientDefaults } from '../aws/client.ts';
import { requireSetting, type Settings } from '../env.ts';
import { MemoryUnavailableError } from '../errors.ts';
import { parseJson } from '../json.ts';

/** What is remembered of which kind of thing. Each is a partition of the table, and what roles are granted by. */
type MemoryKind = 'target' | 'users' | 'rollout' | 'push' | 'delay';

/** One kind of item: its partition, and what a record of it is like. A record of an earlier release must still fit. */
export interface MemoryForm<Schema extends z.ZodMiniType> {
  readonly kind: MemoryKind;
  readonly schema: Schema;
  /** When a record is of no more use (epoch milliseconds). DynamoDB deletes it within a few days of then. */
  readonly expiresAt?: (record: z.output<Schema>) => number;
}

/**
 * The stack's one table. An item is `kind`, `name`, a `revision` that grows with each write, its `record` in JSON, and
 * `expiresAt` in epoch seconds where it does not stay.
 * All of it throws a `MemoryUnavailableError`.
 */
export interface Memory {
  /** @returns `undefined` where nothing is remembered, or nothing that can be read */
  read<Schema extends z.ZodMiniType>(form: MemoryForm<Schema>, name: string): Promise<z.output<Schema> | undefined>;
  /** All items of a kind, by name; or those whose names begin so. */
  readAll<Schema extends z.ZodMiniType>(
    form: MemoryForm<Schema>,
    prefix?: string,
  ): Promise<Map<string, z.output<Schema>>>;
  /**
   * Writes what `change` makes of a record, on condition that nobody has written it since it was read; else reads it and
   * asks again. `change` may be called several times, and leaves all as it is by answering `undefined`.
   *
   * @returns what is remembered now
   */
  change<Schema extends z.ZodMiniType>(
    form: MemoryForm<Schema>,
    name: string,
    change: (before: z.output<Schema> | undefined) => z.output<Schema> | undefined,
  ): Promise<z.output<Schema> | undefined>;
  forget(kind: MemoryKind, name: string): Promise<void>;
}

/** DynamoDB's pages are 1 MB. */
const maxBytes = 2 * 1024 * 1024;
const maxPages = 50;
const maxTries = 4;
/** Nothing waits long for the memory: what it knows is of less worth than a token in time. */
const maxTimeoutSeconds = 3;

/** What the clients of stores that remember are made with. */
export const memoryClientDefaults = ({ UPSTREAM_TIMEOUT_SECONDS, aws = {} }: Settings, maxBytes: number) =>
  awsClientDefaults({ UPSTREAM_TIMEOUT_SECONDS: Math.min(UPSTREAM_TIMEOUT_SECONDS, maxTimeoutSeconds), aws }, maxBytes);

const itemSchema = z.object({ name: z.object({ S: z.string() }), record: z.object({ S: z.string() }) });
/** By itself: an item whose record is none of ours can still be written over. */
const revisionSchema = z.object({ revision: z.object({ N: z.string() }) });

const unavailable = (what: string, error: unknown): MemoryUnavailableError =>
  new MemoryUnavailableError(`DynamoDB, asked to ${what}, failed (${awsClause(error)}).`, awsCause(error));

/** Reads and writes the table with the AWS SDK. */
export const createMemory = (settings: Settings): Memory => {
  const TableName = requireSetting(settings, 'MEMORY_TABLE');
  const client = new DynamoDBClient(memoryClientDefaults(settings, maxBytes));

  const keyOf = (kind: MemoryKind, name: string) => ({ kind: { S: kind }, name: { S: name } });

  const readItem = async <Schema extends z.ZodMiniType>({ kind, schema }: MemoryForm<Schema>, name: string) => {
    const what = `read what is remembered of ${kind} ${name}`;
    const command = new GetItemCommand({ TableName, Key: keyOf(kind, name), ConsistentRead: true });
    const { Item } = await client.send(command).catch((error: unknown) => {
      throw unavailable(what, error);
    });
    return {
      revision: z.safeParse(revisionSchema, Item).data?.revision.N,
      record: z.safeParse(schema, parseJson(z.safeParse(itemSchema, Item).data?.record.S)).data,
    };
  };

  return {
    read: async (form, name) => (await readItem(form, name)).record,

    async readAll({ kind, schema }, prefix) {
      const found = new Map<string, z.output<typeof schema>>();
      let from: Record<string, { S: string }> | undefined;
      for (let page = 0; page < maxPages; page += 1) {
        const command = new QueryCommand({
          TableName,
          // Else what was written a second ago may be missing: a push, or what people were told.
          ConsistentRead: true,
          KeyConditionExpression:
            prefix === undefined ? '#kind = :kind' : '#kind = :kind AND begins_with(#name, :prefix)',
          ExpressionAttributeNames: { '#kind': 'kind', ...(prefix === undefined ? {} : { '#name': 'name' }) },
          ExpressionAttributeValues: {
            ':kind': { S: kind },
            ...(prefix === undefined ? {} : { ':prefix': { S: prefix } }),
          },
          ...(from === undefined ? {} : { ExclusiveStartKey: from }),
        });
        const { Items = [], LastEvaluatedKey } = await client.send(command).catch((error: unknown) => {
          throw unavailable(`read what is remembered of each ${kind}`, error);
        });
        for (const each of Items) {
          const item = z.safeParse(itemSchema, each).data;
          const record = z.safeParse(schema, parseJson(item?.record.S));
          if (item !== undefined && record.success) found.set(item.name.S, record.data);
        }
        const last = z.safeParse(z.object({ name: z.object({ S: z.string() }) }), LastEvaluatedKey);
        if (!last.success) return found;
        from = keyOf(kind, last.data.name.S);
      }
      return found;
    },

    async change(form, name, change) {
      for (let attempt = 1; ; attempt += 1) {
        const { revision, record: before } = await readItem(form, name);
        const after = change(before);
        if (after === undefined) return before;
        const command = new PutItemCommand({
          TableName,
          Item: {
            ...keyOf(form.kind, name),
            revision: { N: String(Number(revision ?? 0) + 1) },
            record: { S: JSON.stringify(after) },
            ...(form.expiresAt === undefined
              ? {}
              : { expiresAt: { N: String(Math.ceil(form.expiresAt(after) / 1000)) } }),
          },
          ...(revision === undefined
            ? {
                ConditionExpression: 'NOT attribute_type(revision, :number)',
                ExpressionAttributeValues: { ':number': { S: 'N' } },
              }
            : {
                ConditionExpression: 'revision = :revision',
                ExpressionAttributeValues: { ':revision': { N: revision } },
              }),
        });
        try {
          await client.send(command);
          return after;
        } catch (error) {
          const isOvertaken = error instanceof ConditionalCheckFailedException;
          if (!isOvertaken || attempt === maxTries) {
            throw unavailable(`remember something of ${form.kind} ${name}`, error);
          }
        }
      }
    },

    async forget(kind, name) {
      await client.send(new DeleteItemCommand({ TableName, Key: keyOf(kind, name) })).catch((error: unknown) => {
        throw unavailable(`forget ${kind} ${name}`, error);
      });
    },
  };
};
