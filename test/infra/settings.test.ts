import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readStackSettings } from '../../infra/settings.ts';
import { maxPackagingMs, serverless } from '../../simulator/packaged.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'settings-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  vi.restoreAllMocks();
});

const place = { stage: 'dev', region: 'us-east-1' };

const read = (
  yaml: string,
  more: {
    scheduleHours?: unknown;
    isDeploy?: boolean;
    alertEmail?: string;
    pagerUrl?: string;
    digestHour?: unknown;
  } = {},
) => {
  writeFileSync(join(folder, 'targets.yml'), yaml);
  return readStackSettings({
    folder,
    scheduleHours: '6',
    isDeploy: true,
    alertEmail: 'a@example.com',
    pagerUrl: '',
    place,
    ...more,
  });
};

const yaml = `
targets:
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

  it.each(['10', '0', '6.5', 'often'])('refuses a schedule of %s hours, and says why', (scheduleHours) => {
    expect(() => read(yaml, { scheduleHours })).toThrow(
      /param scheduleHours: expected a whole number from 1 to 9.*A token lives 12 hours/,
    );
  });

  it('refuses to go on where targets.yml has mistakes', () => {
    expect(() => read('targets: [{}]')).toThrow(/has 3 mistakes/);
  });

  it('packages the example where there is no targets.yml, says so, and never deploys it', () => {
    const warn = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    writeFileSync(join(folder, 'targets.example.yml'), yaml);
    expect(
      readStackSettings({
        folder,
        scheduleHours: '6',
        isDeploy: false,
        alertEmail: 'a@example.com',
        pagerUrl: '',
        place,
      }).targetsFile,
    ).toBe('targets.example.yml');
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('cannot be deployed'));
    expect(() =>
      readStackSettings({
        folder,
        scheduleHours: '6',
        isDeploy: true,
        alertEmail: 'a@example.com',
        pagerUrl: '',
        place,
      }),
    ).toThrow(/copy targets.example.yml to targets.yml/);
  });

  it('says loudly when a deploy would tell nobody', () => {
    const warn = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    read(yaml, { alertEmail: '' });
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('NOBODY WILL BE TOLD'));
    warn.mockClear();
    read(yaml);
    expect(warn).not.toHaveBeenCalled();
  });

  it('subscribes the email to sentences and alarms, and the pager to alarms alone', () => {
    const pagerUrl = 'https://events.example/integration/key';
    const email = { Protocol: 'email', Endpoint: 'a@example.com' };
    expect(read(yaml, { pagerUrl })).toMatchObject({
      alertSubscriptions: [email],
      alarmSubscriptions: [email, { Protocol: 'https', Endpoint: pagerUrl }],
    });
    expect(read(yaml, { alertEmail: '' })).toMatchObject({ alertSubscriptions: [], alarmSubscriptions: [] });
  });

  it.each([
    [{ alertEmail: 'nobody' }, /param alertEmail: expected an email address/],
    [{ pagerUrl: 'http://events.example' }, /param pagerUrl: expected the https URL/],
    [{ pagerUrl: 'nonsense' }, /param pagerUrl: expected the https URL/],
  ])('refuses %j', (more, message) => {
    expect(() => read(yaml, more)).toThrow(message);
  });

  it('stops serverless itself', { timeout: maxPackagingMs }, () => {
    const { status, stdout, stderr } = serverless('package', '--param=scheduleHours=12', '--package', folder);
    expect(status).not.toBe(0);
    expect(stdout + stderr).toContain('A token lives 12 hours');
  });
});
