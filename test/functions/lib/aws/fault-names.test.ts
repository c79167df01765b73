import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { describe, expect, it } from 'vitest';
import { awsFaultOf } from '../../../../functions/lib/aws/client.ts';
import { faultNames, faultOfName } from '../../../../functions/lib/aws/fault-names.ts';
import { remediesByName } from '../../../../functions/lib/ecr/mint-token.ts';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const require = createRequire(import.meta.url);

/** The operations that the sources call, by client: `client-kms` has `Decrypt` and `GenerateDataKey`. */
const calledOperations = (): Map<string, Set<string>> => {
  // Powertools calls these for us.
  const called = new Map([
    ['client-ssm', new Set(['GetParameter'])],
    ['client-secrets-manager', new Set(['GetSecretValue'])],
  ]);
  for (const folder of ['functions', 'cli', 'stack', 'console']) {
    for (const file of readdirSync(join(root, folder), { recursive: true }).map(String)) {
      if (!file.endsWith('.ts')) continue;
      const imports = readFileSync(join(root, folder, file), 'utf8').matchAll(
        /import \{([^}]+)\} from '@aws-sdk\/(client-[\w-]+)'/g,
      );
      for (const [, names = '', client = ''] of imports) {
        for (const [, command, paginator] of names.matchAll(/\b([A-Z]\w+)Command\b|\bpaginate(\w+)/g)) {
          const operations = called.get(client) ?? new Set<string>();
          operations.add(command ?? paginator ?? '');
          called.set(client, operations);
        }
      }
    }
  }
  return called;
};

/** The exceptions that an operation's model has, as the SDK generates them into its documentation. */
const modelledErrors = (client: string, operation: string): string[] => {
  const declarations = join(root, 'node_modules/@aws-sdk', client, 'dist-types/commands', `${operation}Command.d.ts`);
  const thrown = [
    ...readFileSync(declarations, 'utf8').matchAll(/@throws \{@link (\w+)\} \((?:client|server) fault\)/g),
  ];
  return thrown.map(([, name]) => name ?? '');
};

const operations = [...calledOperations()].flatMap(([client, names]) =>
  [...names].map((operation) => [client, operation] as const),
);
const clients = Object.entries(faultNames).filter(([source]) => source.startsWith('client-'));

describe('the names of AWS’s errors', () => {
  it('are looked up for the operations that are called', () => {
    expect(operations).toContainEqual(['client-kms', 'GenerateDataKey']);
    expect(operations).toContainEqual(['client-sns', 'ListSubscriptionsByTopic']);
    expect(modelledErrors('client-kms', 'GenerateDataKey')).toContain('KeyUnavailableException');
  });

  it.each(operations)('have what each exception of %s’s %s comes to', (client, operation) => {
    const known = Object.keys(Object.entries(faultNames).find(([source]) => source === client)?.[1] ?? {});
    expect(modelledErrors(client, operation).filter((name) => !known.includes(name))).toEqual([]);
  });

  it.each(clients)('of %s are exceptions that the client has, of an operation that is called', (client, names) => {
    const exported: Record<string, unknown> = require(`@aws-sdk/${client}`);
    const isException = (name: string): boolean => {
      const value = exported[name];
      return typeof value === 'function' && value.prototype instanceof Error;
    };
    expect(Object.keys(names).filter((name) => !isException(name))).toEqual([]);
    const thrown = operations.filter(([each]) => each === client).flatMap((each) => modelledErrors(...each));
    expect(Object.keys(names).filter((name) => !thrown.includes(name))).toEqual([]);
  });

  it('have every name that the SDK’s own retries take for throttling', () => {
    const source = readFileSync(join(root, 'node_modules/@smithy/core/dist-cjs/submodules/retry/index.js'), 'utf8');
    const [, list = ''] = /const THROTTLING_ERROR_CODES = \[([^\]]+)\]/.exec(source) ?? [];
    const names = [...list.matchAll(/"(\w+)"/g)].map(([, name]) => name ?? '');
    expect(names).toContain('RequestLimitExceeded');
    expect(Object.keys(faultNames.retry).toSorted()).toEqual(names.toSorted());
  });

  it('mean one thing, whichever service says them', () => {
    for (const [source, names] of Object.entries(faultNames)) {
      for (const [name, fault] of Object.entries(names))
        expect([source, name, faultOfName(name)]).toEqual([source, name, fault]);
    }
  });

  it('have a remedy of their own where that is told, and are refusals then', () => {
    const names = remediesByName.flatMap(([each]) => each);
    expect(names.filter((name) => faultOfName(name) !== 'denied')).toEqual([]);
  });

  it('are not guessed by how they begin or end', () => {
    for (const name of ['AccessDeniedByMoon', 'SomethingNotFound', 'InvalidMoon', 'toString', ''])
      expect(faultOfName(name)).toBeUndefined();
  });

  it('are the model’s, too, where the service’s protocol has shorter codes', async () => {
    const server = createServer((_request, response) => {
      response.writeHead(400, { 'content-type': 'text/xml' });
      response.end(
        '<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>KMSAccessDenied</Code><Message>no</Message></Error><RequestId>r</RequestId></ErrorResponse>',
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const sns = new SNSClient({
      region: 'us-east-1',
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      maxAttempts: 1,
    });
    const error = await sns.send(new PublishCommand({ TopicArn: 'arn', Message: 'm' })).catch((thrown) => thrown);
    server.close();
    server.closeAllConnections();
    expect([error.name, awsFaultOf(error)]).toEqual(['KMSAccessDeniedException', 'denied']);
  });
});
