import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../../functions/lib/errors.ts';
import { accountOf, parseTargets, readTargets } from '../../../functions/lib/targets.ts';

const messageOf = (yaml: string): string => {
  try {
    parseTargets(yaml);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
  return 'fine';
};

const one = (fields: string): string => `
targets:
  - name: production
    ecr: { region: us-east-1 }
    runpod: { apiKey: "ssm:/key", registry: 6n2k8v4d }
${fields}`;

describe('targets.yml', () => {
  it('is read as the example shows it', () => {
    const path = new URL('../../../targets.example.yml', import.meta.url).pathname;
    expect(readTargets(path)).toEqual([
      {
        name: 'production',
        ecr: { region: 'us-east-1' },
        runpod: { apiKey: 'ssm:/runpod-ecr-refresh/production/api-key', registry: '6n2k8v4d' },
      },
    ]);
    const commented = readFileSync(path, 'utf8').replaceAll(/^ {2}# (?=( {2,}|- name))/gm, '  ');
    expect(parseTargets(commented).map(({ name }) => name)).toEqual(['production', 'research']);
  });

  it('is looked for in the folder that a command runs in', () => {
    const folder = new URL('../../..', import.meta.url).pathname;
    expect(readTargets('targets.example.yml', folder)).toHaveLength(1);
    expect(() => readTargets('targets.example.yml', '/nowhere')).toThrow(/^targets\.example\.yml cannot be read/);
  });

  it('may name endpoints, with a canary where one is wanted', () => {
    const [target] = parseTargets(
      one('    endpoints: [4m7x2k9q, { id: abc, canary: { input: { prompt: hi } } }, { id: plain }]'),
    );
    expect(target?.endpoints).toEqual([
      { id: '4m7x2k9q' },
      { id: 'abc', canary: { input: { prompt: 'hi' } } },
      { id: 'plain' },
    ]);
  });

  it('is checked whole: every mistake at once, with its path, what was expected and what was found', () => {
    const message = messageOf(`
targets:
  - name: Production
    ecr: { region: mars, registryId: 123456789012, roleArn: role, repositories: [] }
    runpod: { apiKey: rpa_secret, registry: "" }
    endpoint: [a]
  - ecr: { region: us-east-1, externalId: "x y" }
    runpod: nothing
    endpoints: [{ id: 5 }]
more: true`);
    for (const line of [
      'targets.yml has 12 mistakes:',
      'targets[0].name: expected a name of a–z, 0–9 and - (at most 32), found "Production"',
      'targets[0].ecr.region: expected an AWS region, such as us-east-1, found "mars"',
      'targets[0].ecr.registryId: expected a string, found 123456789012',
      'targets[0].ecr.roleArn: expected the ARN of a role',
      'targets[0].ecr.repositories: expected at least 1, found a list of 0',
      'targets[0].runpod.apiKey: expected where the key is',
      'targets[0].runpod.registry: expected a Runpod id, such as 6n2k8v4d, found ""',
      'targets[0] does not know "endpoint"',
      'targets[1].name: expected a string, found nothing',
      'targets[1].ecr.externalId: expected an external id',
      'targets[1].runpod: expected a mapping, found "nothing"',
      'targets[1].endpoints[0]: expected an endpoint id',
      'the document does not know "more"',
    ]) {
      expect(message).toContain(line.replace('12 mistakes', message.match(/\d+ mistakes/)?.[0] ?? ''));
    }
  });

  it.each([
    ['targets: []', 'targets: expected at least 1, found a list of 0'],
    ['targets: 5', 'targets: expected a list, found 5'],
    ['', 'the document: expected a mapping, found null'],
    ['- a', 'the document: expected a mapping, found a list of 1'],
    ['targets: {', 'line 1, column 11'],
    ['a: 1\na: 2', 'Map keys must be unique'],
    [one('').replace('us-east-1', 'x'.repeat(90)), `found "${'x'.repeat(58)}…`],
    [one('').replace('{ region: us-east-1 }', '{ region: { a: 1 } }'), 'expected a string, found a mapping'],
    [
      one('').replace('us-east-1', 'us-east-1, externalId: abc'),
      'targets[0].ecr.roleArn: expected the role that asks for the externalId',
    ],
  ])('%j is refused', (yaml, expected) => {
    expect(messageOf(yaml)).toContain(expected);
  });

  it('refuses two targets of one name, or of one credential', () => {
    const target = (name: string, registry: string) =>
      `  - name: ${name}\n    ecr: { region: us-east-1 }\n    runpod: { apiKey: "ssm:/key", registry: ${registry} }\n`;
    expect(messageOf(`targets:\n${target('a', 'one')}${target('a', 'two')}`)).toContain(
      'targets[1].name: expected a name of its own',
    );
    expect(messageOf(`targets:\n${target('a', 'one')}${target('b', 'one')}`)).toContain(
      'targets[1].runpod.registry: expected a credential of its own',
    );
  });

  it('refuses more targets than one run can hold', () => {
    const many = Array.from(
      { length: 1001 },
      (_, index) =>
        `  - { name: t${index}, ecr: { region: us-east-1 }, runpod: { apiKey: "ssm:/key", registry: r${index} } }`,
    );
    expect(messageOf(`targets:\n${many.join('\n')}`)).toContain('targets: expected at most 1000, found a list of 1001');
  });

  it('says what to do where there is none', () => {
    expect(() => readTargets('/nowhere/targets.yml')).toThrow(/copy targets.example.yml to targets.yml/);
  });

  it('never ends in anything but targets or a ConfigurationError', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.json(),
          fc.json().map((json) => `targets: [${json}]`),
        ),
        (yaml) => {
          expect(typeof messageOf(yaml)).toBe('string');
        },
      ),
    );
  });
});

describe('the account of a target', () => {
  it.each([
    [{ region: 'us-east-1' }, '111111111111'],
    [{ region: 'us-east-1', registryId: '222222222222' }, '222222222222'],
    [{ region: 'us-east-1', roleArn: 'arn:aws:iam::333333333333:role/pull' }, '333333333333'],
  ])('of %j is %s', (ecr, account) => {
    expect(accountOf({ ecr }, '111111111111')).toBe(account);
  });
});
