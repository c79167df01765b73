import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readTargets } from '../../functions/lib/targets.ts';
import { readStackSettings } from '../../infra/settings.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'settings-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  vi.restoreAllMocks();
});

const place = { stage: 'dev', region: 'us-east-1' };

const told = 'alerts: { email: [a@example.com] }\n';

const read = (yaml: string, params: Record<string, unknown> = {}, stage = 'dev') => {
  writeFileSync(join(folder, 'targets.yml'), yaml);
  return readStackSettings({ folder, isDeploy: true, params, place: { ...place, stage } });
};

const yaml = `
${told}targets:
  - name: own
    ecr: { region: us-east-1, repositories: [team/worker, team/other] }
    runpod: { apiKey: "ssm:/one/key", registry: a }
  - name: theirs
    ecr: { region: eu-west-1, registryId: "222222222222", roleArn: "arn:aws:iam::222222222222:role/pull", externalId: abc, repositories: [x] }
    runpod: { apiKey: "secretsmanager:runpod/key", registry: b }
  - name: shared
    ecr: { region: us-east-1, registryId: "333333333333", repositories: [y] }
    runpod: { apiKey: "secretsmanager:arn:aws:secretsmanager:us-east-1:1:secret:k-AbCdEf", registry: c }
`;

describe('the daily digest', () => {
  it.each([
    ['', 'DISABLED', 'cron(0 8 * * ? *)'],
    ['0', 'ENABLED', 'cron(0 0 * * ? *)'],
    ['23', 'ENABLED', 'cron(0 23 * * ? *)'],
  ])('asked for at %j is %s', (digestHour, state, schedule) => {
    expect(read(yaml, { digestHour }).digest).toEqual({ state, schedule });
  });

  it.each(['24', '-1', '8:30', 'noon'])('is refused at %j', (digestHour) => {
    expect(() => read(yaml, { digestHour })).toThrow('param digestHour: expected an hour of the day in UTC');
  });
});

describe('a stage', () => {
  it('may not have the name of another one’s rollouts', () => {
    expect(() => read(yaml, {}, 'prod-rollout')).toThrow('expected a name that does not end in -rollout');
    expect(() => read(yaml, {}, 'prod-rollouts')).not.toThrow();
  });
});

describe('what the template takes from targets.yml', () => {
  it('lets a token pull what targets name, and only the roles they name be assumed', () => {
    expect(read(yaml).mintStatements).toEqual([
      { Sid: 'MintToken', Effect: 'Allow', Action: ['ecr:GetAuthorizationToken'], Resource: ['*'] },
      {
        Sid: 'PullImages',
        Effect: 'Allow',
        Action: ['ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'],
        Resource: [
          { 'Fn::Sub': 'arn:${AWS::Partition}:ecr:us-east-1:${AWS::AccountId}:repository/team/other' },
          { 'Fn::Sub': 'arn:${AWS::Partition}:ecr:us-east-1:${AWS::AccountId}:repository/team/worker' },
          { 'Fn::Sub': 'arn:${AWS::Partition}:ecr:us-east-1:333333333333:repository/y' },
        ],
      },
      {
        Sid: 'AssumePullRoles',
        Effect: 'Allow',
        Action: ['sts:AssumeRole'],
        Resource: ['arn:aws:iam::222222222222:role/pull'],
      },
    ]);
  });

  it('lets the keys be read that targets name', () => {
    expect(JSON.stringify(read(yaml).keyStatements)).toBe(
      JSON.stringify([
        {
          Sid: 'ReadApiKeys',
          Effect: 'Allow',
          Action: ['ssm:GetParameter'],
          Resource: [{ 'Fn::Sub': 'arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/one/key' }],
        },
        {
          Sid: 'ReadApiKeySecrets',
          Effect: 'Allow',
          Action: ['secretsmanager:GetSecretValue'],
          Resource: [
            'arn:aws:secretsmanager:us-east-1:1:secret:k-AbCdEf',
            {
              'Fn::Sub':
                'arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:runpod/key-??????',
            },
          ],
        },
        {
          Sid: 'DecryptApiKeys',
          Effect: 'Allow',
          Action: ['kms:Decrypt'],
          Resource: [{ 'Fn::Sub': 'arn:${AWS::Partition}:kms:${AWS::Region}:*:key/*' }],
          Condition: {
            StringEquals: {
              'kms:ViaService': [
                { 'Fn::Sub': 'ssm.${AWS::Region}.${AWS::URLSuffix}' },
                { 'Fn::Sub': 'secretsmanager.${AWS::Region}.${AWS::URLSuffix}' },
              ],
            },
          },
        },
      ]),
    );
  });

  it('watches only the repositories that targets name, where all of them do', () => {
    expect(read(yaml).pushDetail).toMatchObject({ 'repository-name': ['team/other', 'team/worker', 'x', 'y'] });
    expect(read(yaml.replace(', repositories: [y]', '')).pushDetail).not.toHaveProperty('repository-name');
  });

  it.each([
    ['1', 'rate(1 hour)'],
    [9, 'rate(9 hours)'],
  ])('turns a schedule of %j hours into %s', (scheduleHours, expression) => {
    expect(read(yaml, { scheduleHours }).scheduleExpression).toBe(expression);
  });

  it('refuses a schedule that the targets’ requests do not fit', () => {
    const ids = Array.from({ length: 100 }, (_, index) => `e${index}`).join(', ');
    const many = yaml.replace('registry: c }', `registry: c }\n    endpoints: [${ids}]`);
    const slow = { runpodRequestsPerMinute: '1' };
    expect(read(many, { scheduleHours: '1' }).scheduleHours).toBe(1);
    expect(() => read(many, { ...slow, scheduleHours: '1' })).toThrow(/^scheduleHours: expected 4 or more, found 1/);
    expect(read(many, slow).scheduleHours).toBeGreaterThanOrEqual(4);
  });

  it.each(['10', '0', '6.5', 'often'])('refuses a schedule of %s hours, and says why', (scheduleHours) => {
    expect(() => read(yaml, { scheduleHours })).toThrow(
      /param scheduleHours: expected (?:a whole number of hours|at most 9), found .*A token lives 12 hours/,
    );
  });

  it('refuses to go on where targets.yml has mistakes', () => {
    expect(() => read('targets: [{}]')).toThrow(/has 3 mistakes/);
  });

  it('packages the example where there is no targets.yml, says so, and never deploys it', () => {
    const warn = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    writeFileSync(join(folder, 'targets.example.yml'), yaml);
    const readIn = (isDeploy: boolean) => readStackSettings({ folder, isDeploy, params: {}, place });
    expect(readIn(false).keyStatements).toHaveLength(3);
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('cannot be deployed'));
    expect(() => readIn(true)).toThrow(/copy targets.example.yml to targets.yml/);
  });

  it('packages the targets and nothing else, in a file that functions read alike', () => {
    const { targetsFile } = read(`${yaml}
    endpoints: [4m7x2k9q, { id: abc, canary: { input: { prompt: "1" } } }]
settings: { retryMinutes: 20 }`);
    const packaged = join(folder, targetsFile);
    expect(readFileSync(packaged, 'utf8')).not.toMatch(/example\.com|retryMinutes/);
    expect(readTargets(packaged)).toEqual(readTargets(join(folder, 'targets.yml')));
  });
});

describe('who is told', () => {
  const withAlerts = (alerts: string): string => `${yaml.replace(told, '')}alerts: ${alerts}`;
  const email = (Endpoint: string) => ({ Protocol: 'email', Endpoint });
  const pager = (Endpoint: string) => ({ Protocol: 'https', Endpoint });

  it('is nobody: a deploy says so loudly', () => {
    const warn = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    read(yaml.replace(told, ''));
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('NOBODY WILL BE TOLD'));
    warn.mockClear();
    read(yaml);
    read(withAlerts('{ pager: [https://events.example/key] }'));
    read(yaml.replace(told, ''), { alertEmail: 'a@example.com' });
    expect(warn).not.toHaveBeenCalled();
  });

  it('are emails of sentences and alarms, and pagers of alarms alone, each once', () => {
    const alerts = '{ email: [a@example.com, b@example.com, a@example.com], pager: [https://events.example/key] }';
    const emails = [email('a@example.com'), email('b@example.com')];
    expect(read(withAlerts(alerts))).toMatchObject({
      alertSubscriptions: emails,
      alarmSubscriptions: [...emails, pager('https://events.example/key')],
    });
  });

  it('are pagers whose address CloudFormation takes from its secret', () => {
    const arn = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:pager-AbCdEf';
    expect(
      read(withAlerts(`{ pager: ["secretsmanager:team/pager", "secretsmanager:${arn}"] }`)).alarmSubscriptions,
    ).toEqual([
      pager('{{resolve:secretsmanager:team/pager:SecretString}}'),
      pager(`{{resolve:secretsmanager:${arn}:SecretString}}`),
    ]);
  });

  it('may differ by stage, and for once by parameter', () => {
    const alerts =
      '{ email: [a@example.com], pager: [https://events.example/all], stages: { prod: { pager: [https://events.example/prod] } } }';
    expect(read(withAlerts(alerts), {}, 'prod').alarmSubscriptions).toEqual([
      email('a@example.com'),
      pager('https://events.example/prod'),
    ]);
    const params = { alertEmail: 'c@example.com', pagerUrl: 'secretsmanager:pager' };
    expect(read(withAlerts(alerts), params, 'prod').alarmSubscriptions).toEqual([
      email('c@example.com'),
      pager('{{resolve:secretsmanager:pager:SecretString}}'),
    ]);
  });

  it.each([
    [{ dropListeners: 'true' }, /param dropListeners: expected yes or no, found "true"$/],
    [{ alertEmail: 'nobody' }, /param alertEmail: expected an email address$/],
    [{ pagerUrl: 'http://events.example' }, /param pagerUrl: expected the https URL/],
    [{ pagerUrl: 'nonsense' }, /param pagerUrl: expected the https URL of a pager’s[^"]*$/],
  ])('are refused as %j', (params, message) => {
    expect(() => read(yaml, params)).toThrow(message);
  });
});

describe('a setting', () => {
  const settings = `${yaml}settings: { retryMinutes: 20, logRetentionDays: 90, stages: { prod: { retryMinutes: 30 } } }`;

  it('has the functions’ own default', () => {
    expect(read(yaml)).toMatchObject({
      scheduleHours: 3,
      retryMinutes: 15,
      propagationMinutes: 10,
      pushWindowSeconds: 60,
      updateWay: 'auto',
      runpodRequestsPerMinute: 60,
      logRetentionDays: 30,
    });
    expect(read(yaml)).not.toHaveProperty('permissionsBoundary');
  });

  it('is what a parameter says, else the stage, else all stages', () => {
    expect(read(settings)).toMatchObject({ retryMinutes: 20, logRetentionDays: 90 });
    expect(read(settings, {}, 'prod')).toMatchObject({ retryMinutes: 30, logRetentionDays: 90 });
    expect(read(settings, { retryMinutes: '40', logRetentionDays: '' }, 'prod')).toMatchObject({
      retryMinutes: 40,
      logRetentionDays: 90,
    });
  });

  it('is refused as a parameter in the words for the file, all mistakes at once', () => {
    expect(() =>
      read(yaml, { retryMinutes: 'abc', logRetentionDays: '31', pushWindow: '5', pushWindowSecond: '5' }),
    ).toThrow(
      /^param pushWindow: there is no such parameter; .*\nparam pushWindowSecond: there is no such parameter; did you mean pushWindowSeconds\?\nparam retryMinutes: expected a number from 1 to 120, found "abc"\nparam logRetentionDays: expected one of 1, 3, .*$/,
    );
  });
});
