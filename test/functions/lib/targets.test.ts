import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../../functions/lib/errors.ts';
import {
  accountOf,
  createLoadTargets,
  parseTargets,
  parseTargetsDocument,
  readTargets,
} from '../../../functions/lib/targets.ts';

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
    const told = readFileSync(path, 'utf8').replaceAll(/^# (?=alerts|settings| )/gm, '');
    expect(parseTargetsDocument(told)).toMatchObject({
      alerts: { email: ['you@example.com'], pager: ['secretsmanager:runpod-ecr-refresh/pager'] },
      settings: { scheduleHours: 3, stages: { prod: { scheduleHours: 2 } } },
    });
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
      'line 4: targets[0].ecr.registryId: expected a text, found 123456789012 without quotes; write "123456789012"',
      'targets[0].ecr.roleArn: expected the ARN of a role',
      'targets[0].ecr.repositories: expected at least 1, found a list of 0',
      'targets[0].runpod.apiKey: expected where the key is',
      'targets[0].runpod.registry: expected a Runpod id, such as 6n2k8v4d, found ""',
      'line 6: targets[0].endpoint: there is no such field; did you mean endpoints?',
      'targets[1].name: expected a string, found nothing',
      'targets[1].ecr.externalId: expected an external id',
      'targets[1].runpod: expected a mapping, found "nothing"',
      'targets[1].endpoints[0].id: expected a text, found 5 without quotes',
      'line 10: more: there is no such key; there are targets, alerts, settings',
    ]) {
      expect(message).toContain(line.replace('12 mistakes', message.match(/\d+ mistakes/)?.[0] ?? ''));
    }
  });

  it.each([
    ['targets: []', 'targets: expected at least 1, found a list of 0'],
    ['targets: 5', 'targets: expected a list, found 5'],
    ['', 'targets.yml is empty. Run npm run setup, or copy targets.example.yml'],
    ['# nothing yet\n', 'targets.yml is empty.'],
    ['targets: *nothing', 'targets.yml has a mistake:\n  the document: Unresolved alias'],
    [
      `a: &a [${'x,'.repeat(50)}]\nb: &b [${'*a,'.repeat(50)}]\ntargets: [${'*b,'.repeat(50)}]`,
      'targets.yml has a mistake:\n  the document: Excessive alias count',
    ],
    ['targets: []\n---\ntargets: []', 'line 2, column 1: a second document begins here ("---")'],
    [
      one('').replace('6n2k8v4d', '6e7'),
      'line 5: targets[0].runpod.registry: expected a text, found 6e7 without quotes; write "6e7"',
    ],
    [
      one('').replace('us-east-1', 'us-east-1, registryId: 012345678901'),
      'line 4: targets[0].ecr.registryId: expected a text, found 012345678901 without quotes; write "012345678901"',
    ],
    [
      one('').replace('apiKey', 'apikey'),
      'line 5: targets[0].runpod.apikey: there is no such field; did you mean apiKey?',
    ],
    [one('').replace('region', 'regio'), 'line 4: targets[0].ecr.regio: there is no such field; did you mean region?'],
    [
      one('    endpoints: [{ id: 4m7x2k9q, cannary: {} }]'),
      'line 6: targets[0].endpoints[0].cannary: there is no such field; did you mean canary?',
    ],
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

  const pasted = 'rpa_SENTINEL7SENTINEL7SENTINEL7SENTINEL7';
  it.each([
    ['as apiKey', one('').replace('"ssm:/key"', pasted), 5],
    ['as a parameter', one('').replace('ssm:/key', `ssm:${pasted}`), 5],
    ['as a credential', one('').replace('6n2k8v4d', pasted), 5],
    ['as a name', one('').replace('production', pasted), 3],
    ['as a field', one(`    ${pasted}: 1`), 6],
    ['in a comment', one(`# ${pasted}`), 6],
    ['in a file that is no YAML', `targets: {\n"${pasted}`, 2],
    ['as an older key', one('').replace('6n2k8v4d', 'ABCDEFGHIJ0123456789ABCDEFGHIJ0123456789'), 5],
  ])('repeats no Runpod key that is pasted into it %s, and says to revoke it', (_where, yaml, line) => {
    const message = messageOf(yaml);
    expect(message).toContain(
      `line ${line}: expected no secret, found what looks like a Runpod API key (withheld). Revoke it`,
    );
    expect(message).not.toMatch(/SENTINEL|ABCDEFG/);
  });

  it('repeats nothing that stands where the place of the key belongs', () => {
    const message = messageOf(one('').replace('"ssm:/key"', 's3cret-of-somebody'));
    expect(message).toContain('line 5: targets[0].runpod.apiKey: expected where the key is');
    expect(message).toContain('withheld: if it is the key itself, revoke it');
    expect(message).not.toContain('s3cret');
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

  it.each([
    ['', 'targets.yml is empty. Run npm run setup, or copy targets.example.yml to targets.yml and fill it in.'],
    [
      '# nothing\n',
      'targets.yml is empty. Run npm run setup, or copy targets.example.yml to targets.yml and fill it in.',
    ],
    [
      'targets: []\n---\ntargets: []\n',
      'targets.yml has a mistake:\n  line 2, column 1: a second document begins here ("---"): all targets stand in one',
    ],
    [
      'targets: [\n',
      'targets.yml has a mistake:\n  line 2, column 1: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
    [
      'targets: *those\n',
      'targets.yml has a mistake:\n  the document: Unresolved alias (the anchor must be set before the alias): those',
    ],
  ])('that is %j is told in one sentence', (yaml, message) => expect(messageOf(yaml)).toBe(message));

  it('has the repository of its canary pod among those of the target, where these are named', () => {
    const pod = (repositories: string, image: string): string => `
targets:
  - name: production
    ecr: { region: us-east-1${repositories} }
    runpod: { apiKey: "ssm:/key", registry: 6n2k8v4d }
    canaryPod: { image: "${image}", everyHours: 24 }`;
    expect(messageOf(pod('', 'canary:v1'))).toBe('fine');
    expect(messageOf(pod(', repositories: [canary]', 'canary:v1'))).toBe('fine');
    expect(messageOf(pod(', repositories: [team/worker]', 'canary:v1'))).toBe(
      "targets.yml has a mistake:\n  line 6: targets[0].canaryPod.image: expected an image of one of the target's ecr.repositories, found one of canary",
    );
    expect(messageOf(pod('', 'ghcr.io/team/canary:v1'))).toContain(
      'line 6: targets[0].canaryPod.image: expected a repository',
    );
    expect(messageOf(pod('', 'Not an image'))).toContain('line 6: targets[0].canaryPod.image: expected a repository');
  });

  it.each([
    ['name: true', '2: targets[0].name: expected a text, found true without quotes; write "true"'],
    ['apiKey: 5', '4: targets[0].runpod.apiKey: expected a text, found 5 without quotes; write "5"'],
    ['apiKey: [a]', '4: targets[0].runpod.apiKey: expected a string, found a list of 1'],
    [
      'apiKey: nonsense',
      '4: targets[0].runpod.apiKey: expected where the key is: ssm:/path/to/parameter or secretsmanager:name, found something else (withheld: if it is the key itself, revoke it, for it has stood in a file)',
    ],
    [
      'registryId: 012345678901',
      '3: targets[0].ecr.registryId: expected a text, found 012345678901 without quotes; write "012345678901"',
    ],
    ['endpoints: [5]', '5: targets[0].endpoints[0].id: expected a string, found 5'],
    ['tag: 6e7', '5: targets[0].endpoints[0].rollout.tag: expected a text, found 6e7 without quotes; write "6e7"'],
    [
      'proveWithinMinutes: "20"',
      '5: targets[0].endpoints[0].rollout.proveWithinMinutes: expected a number, found "20"',
    ],
    ['email: [7]', '5: alerts.email[0]: expected a string'],
  ])('that says %s is told what a text is, and how it is written', (given, mistake) => {
    const [field = ''] = given.split(':');
    const line = (name: string, otherwise: string): string => (field === name ? given : otherwise);
    const rollout = given.includes('tag') ? given : `tag: v1, ${given}`;
    const more: Record<string, string> = {
      endpoints: `    ${given}\n`,
      tag: `    endpoints: [{ id: a, rollout: { ${rollout} } }]\n`,
      proveWithinMinutes: `    endpoints: [{ id: a, rollout: { ${rollout} } }]\n`,
      email: `alerts: { ${given} }\n`,
    };
    const yaml = `targets:
  - ${line('name', 'name: one')}
    ecr: { region: us-east-1${field === 'registryId' ? `, ${given}` : ''} }
    runpod: { ${line('apiKey', 'apiKey: "ssm:/key"')}, registry: 6n2k8v4d }
${more[field] ?? ''}`;
    expect(messageOf(yaml)).toBe(`targets.yml has a mistake:\n  line ${mistake}`);
  });

  it('has a role for its external id', () => {
    const external = (more: string): string => `
targets:
  - name: production
    ecr: { region: us-east-1, externalId: abc${more} }
    runpod: { apiKey: "ssm:/key", registry: 6n2k8v4d }`;
    expect(messageOf(external(', roleArn: "arn:aws:iam::999999999999:role/pull"'))).toBe('fine');
    expect(messageOf(external(''))).toBe(
      'targets.yml has a mistake:\n  line 4: targets[0].ecr.roleArn: expected the role that asks for the externalId, found nothing',
    );
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

describe('who is told, and the settings', () => {
  it('stand beside the targets', () => {
    const more = `
alerts: { email: [a@example.com], pager: ["secretsmanager:pager", "https://events.example/key"], stages: { dev: { pager: [] } } }
settings: { scheduleHours: 5, retryMinutes: "20", updateWay: v2, logRetentionDays: 90, stages: { prod: { scheduleHours: 2 } } }`;
    expect(parseTargetsDocument(one(more))).toMatchObject({
      alerts: { email: ['a@example.com'], stages: { dev: { pager: [] } } },
      settings: {
        scheduleHours: 5,
        retryMinutes: 20,
        updateWay: 'v2',
        logRetentionDays: 90,
        stages: { prod: { scheduleHours: 2 } },
      },
    });
    expect(parseTargets(one(more)).map(({ name }) => name)).toEqual(['production']);
  });

  it('are checked whole, with the targets: every mistake at once', () => {
    const message = messageOf(
      one(`
settings: { scheduelHours: 5, retryMinutes: abc, scheduleHours: 12, colour: red, stages: { prod: { digestHour: 24, stages: {} } } }
alerts: { email: [nobody], pagers: [], pagerUrl: x }
setings: {}`).replace('us-east-1', 'mars'),
    );
    for (const line of [
      'targets.yml has 10 mistakes:',
      'targets[0].ecr.region: expected an AWS region',
      'settings.scheduelHours: there is no such setting; did you mean scheduleHours?',
      'settings.retryMinutes: expected a number from 1 to 120, found "abc"',
      'settings.scheduleHours: expected at most 9, found 12. A token lives 12 hours',
      'settings.colour: there is no such setting; there are scheduleHours, retryMinutes,',
      'settings.stages.prod.digestHour: expected an hour of the day in UTC, from 0 to 23, found "24"',
      'settings.stages.prod.stages: there is no such setting',
      'alerts.email[0]: expected an email address',
      'alerts.pagers: there is no such way to be told; did you mean pager?',
      'alerts.pagerUrl: there is no such way to be told; did you mean alerts.pager?',
      'setings: there is no such key; did you mean settings?',
    ]) {
      expect(message).toContain(line.replace('10 mistakes', message.match(/\d+ mistakes/)?.[0] ?? ''));
    }
  });

  it.each([
    ['scheduleHours: 0', 'a whole number of hours'],
    ['scheduleHours: 2.5', 'a whole number of hours'],
    ['pushWindowSeconds: 901', 'at most 900'],
    ['propagationMinutes: 61', 'at most 60'],
    ['runpodRequestsPerMinute: 0', 'at least 1'],
    ['retryMinutes:', 'a number or a text, found null'],
    ['updateWay: v3', 'one of auto, v2, graphql, v1'],
    ['logRetentionDays: 31', 'one of 1, 3, 5, 7, 14, 30, 60'],
    ['runbookUrl: http://wiki.example', 'an https URL'],
    ['permissionsBoundary: boundary', 'the ARN of a policy'],
    ['deploymentBucket: Bucket', 'the name of an S3 bucket'],
  ])('%s is refused', (setting, expected) => {
    const [name = ''] = setting.split(':');
    expect(messageOf(one(`settings: { ${setting} }`))).toContain(`settings.${name}: expected ${expected}`);
  });

  it.each([
    'pager: ["http://events.example/s3cret"]',
    'pager: ["https://{{resolve:ssm:s3cret}}"]',
    'pager: ["secretsmanager:pager:SecretString:s3cret"]',
    'pager: "https://events.example/s3cret"',
    'email: ["https://events.example/s3cret"]',
    'stages: { prod: { pager: ["ftp://s3cret"] } }',
  ])('never repeat an address: alerts: { %s }', (alerts) => {
    const message = messageOf(one(`alerts: { ${alerts} }`));
    expect(message).toMatch(/alerts\..*: expected/);
    expect(message).not.toContain('s3cret');
  });
});

describe('the targets that a function loads', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'targets-')), 'targets.yml');
  const load = (content: string) => {
    writeFileSync(path, content);
    return createLoadTargets({ TARGETS_FILE: path });
  };

  it('are the same of what packaging writes, which is JSON, and of YAML', () => {
    const targets = parseTargets(one('    endpoints: [{ id: 4m7x2k9q, rollout: { tag: production } }, 7b3c9d1e]'));
    expect(load(JSON.stringify({ targets }))()).toEqual(targets);
    expect(load(one('    endpoints: [{ id: 4m7x2k9q, rollout: { tag: production } }, 7b3c9d1e]'))()).toEqual(targets);
  });

  it('are read once', () => {
    const targets = parseTargets(one(''));
    const loadTargets = load(JSON.stringify({ targets }));
    expect(loadTargets()).toEqual(targets);
    writeFileSync(path, '');
    expect(loadTargets()).toEqual(targets);
  });

  it('are refused as those of any targets.yml are', () => {
    const [target] = parseTargets(one(''));
    expect(load(JSON.stringify({ targets: [{ ...target, name: 'A' }] }))).toThrow(
      /line 1: targets\[0\]\.name: expected/,
    );
    expect(load(JSON.stringify({ targets: [target, target] }))).toThrow('expected a name of its own');
    expect(createLoadTargets({ TARGETS_FILE: `${path}.gone` })).toThrow('cannot be read');
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
