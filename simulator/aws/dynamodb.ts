import dynalite from 'dynalite';
import type { Loopback } from '../loopback.ts';
import { AwsError, type AwsService } from './server.ts';

/** A table, as CloudFormation describes it. */
type Table = Readonly<Record<string, unknown>>;

const keysOf = ({ KeySchema }: Table): string[] =>
  (KeySchema as ReadonlyArray<{ readonly AttributeName: string }>).map(({ AttributeName }) => AttributeName);

const operationNames = ['GetItem', 'PutItem', 'DeleteItem', 'Query'] as const;
const prefix = 'DynamoDB_20120810.';

/** DynamoDB: a server of its own in this process, to which the embedded AWS hands on what its policies allow. */
export class Dynamodb {
  #origin = '';
  #tables: readonly Table[] = [];
  /** What it has not answered yet: its store must not be closed under it. */
  readonly #asked = new Set<Promise<object>>();

  /** Starts it, with the tables of a template. */
  async start(tables: readonly Table[]): Promise<Loopback> {
    this.#tables = tables;
    const server = dynalite({ createTableMs: 0, deleteTableMs: 0 });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('DynamoDB listens nowhere.');
    this.#origin = `http://127.0.0.1:${address.port}`;
    for (const { TableName, BillingMode, AttributeDefinitions, KeySchema } of tables) {
      await this.#ask('CreateTable', { TableName, BillingMode, AttributeDefinitions, KeySchema });
      while (!(await this.#isThere(TableName))) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return {
      origin: this.#origin,
      close: async () => {
        while (this.#asked.size > 0) await Promise.allSettled(this.#asked);
        await new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        });
      },
    };
  }

  /** Loses all that the tables hold, as when a table was deleted and made anew. */
  async lose(): Promise<void> {
    for (const table of this.#tables) {
      const { TableName } = table;
      const { Items } = (await this.#ask('Scan', { TableName })) as {
        readonly Items: ReadonlyArray<Record<string, unknown>>;
      };
      for (const item of Items) {
        const Key = Object.fromEntries(keysOf(table).map((name) => [name, item[name]]));
        await this.#ask('DeleteItem', { TableName, Key });
      }
    }
  }

  /** Whether a table can be used, which CloudFormation waits for: at first it is "CREATING", and all else finds none. */
  async #isThere(TableName: unknown): Promise<boolean> {
    const { Table } = (await this.#ask('DescribeTable', { TableName })) as { readonly Table: Table };
    return Table.TableStatus === 'ACTIVE';
  }

  /** @throws {AwsError} DynamoDB's own refusal */
  #ask(operation: string, input: object): Promise<object> {
    const asked = this.#send(operation, input).finally(() => this.#asked.delete(asked));
    this.#asked.add(asked);
    return asked;
  }

  async #send(operation: string, input: object): Promise<object> {
    const answer = await fetch(this.#origin, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': `${prefix}${operation}`,
        authorization:
          'AWS4-HMAC-SHA256 Credential=embedded/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0',
        'x-amz-date': '20260101T000000Z',
      },
      body: JSON.stringify(input),
    });
    const output = (await answer.json()) as { readonly __type?: string; readonly message?: string };
    if (answer.ok) return output;
    throw new AwsError(
      (output.__type ?? 'InternalServerError').replace(/^.*#/, ''),
      output.message ?? '',
      answer.status,
    );
  }

  readonly service: AwsService = {
    json: Object.fromEntries(
      operationNames.map((name) => [`${prefix}${name}`, (input: Record<string, unknown>) => this.#ask(name, input)]),
    ),
  };
}
