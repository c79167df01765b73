import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigurationError } from '../functions/lib/errors.ts';
import { accountOf, readTargets, type Target } from '../functions/lib/targets.ts';

/** A CloudFormation value that is put together at deploy time. */
type Sub = { readonly 'Fn::Sub': string };

/** What the template takes from targets.yml, so that roles allow what it names and nothing else. */
export interface StackSettings {
  /** The targets file that is packaged, from the root of the project. */
  readonly targetsFile: string;
  readonly scheduleHours: number;
  /** `rate(6 hours)`. */
  readonly scheduleExpression: string;
  /** Hours without a success after which the dead-man's switch alarms. */
  readonly deadManHours: number;
  /** Subscriptions of the topic for sentences, and of the one for alarms. */
  readonly alertSubscriptions: readonly object[];
  readonly alarmSubscriptions: readonly object[];
  /** When the daily digest goes out, and whether it does. */
  readonly digest: { readonly schedule: string; readonly state: 'ENABLED' | 'DISABLED' };
  /** Which ECR pushes are worth a look, as the `detail` of an event pattern. */
  readonly pushDetail: object;
  /** Statements for the roles that read Runpod keys. */
  readonly keyStatements: readonly object[];
  /** Statements for the role that tells how far behind an image is. */
  readonly describeStatements: readonly object[];
  /** Statements for the role that mints: what it may pull is what a token may pull. */
  readonly mintStatements: readonly object[];
}

const placeholderAccount = '${AWS::AccountId}';

const sub = (text: string): Sub | string => (text.includes('${') ? { 'Fn::Sub': text } : text);

const unique = (texts: readonly string[]): string[] => [...new Set(texts)].sort();

const statement = (
  sid: string,
  action: readonly string[],
  resources: readonly string[],
  more: object = {},
): object[] =>
  resources.length === 0 ? [] : [{ Sid: sid, Effect: 'Allow', Action: action, Resource: resources.map(sub), ...more }];

const namesOf = (targets: readonly Target[], store: string): string[] =>
  unique(
    targets
      .map(({ runpod: { apiKey } }) => apiKey)
      .filter((apiKey) => apiKey.startsWith(`${store}:`))
      .map((apiKey) => apiKey.slice(store.length + 1)),
  );

/** Secrets Manager adds six characters to a secret's name; an ARN is complete. */
const secretArn = (name: string): string =>
  name.startsWith('arn:')
    ? name
    : `arn:\${AWS::Partition}:secretsmanager:\${AWS::Region}:\${AWS::AccountId}:secret:${name}-??????`;

const keyStatements = (targets: readonly Target[]): object[] => {
  const parameters = namesOf(targets, 'ssm').map(
    (name) => `arn:\${AWS::Partition}:ssm:\${AWS::Region}:\${AWS::AccountId}:parameter/${name.replace(/^\//, '')}`,
  );
  return [
    ...statement('ReadApiKeys', ['ssm:GetParameter'], parameters),
    ...statement(
      'ReadApiKeySecrets',
      ['secretsmanager:GetSecretValue'],
      namesOf(targets, 'secretsmanager').map(secretArn),
    ),
  ];
};

const repositoriesOf = (targets: readonly Target[]): string[] =>
  unique(
    targets.flatMap(({ ecr }) => {
      const account = accountOf({ ecr }, placeholderAccount);
      const names = ecr.repositories ?? ['*'];
      return names.map((name) => `arn:\${AWS::Partition}:ecr:${ecr.region}:${account}:repository/${name}`);
    }),
  );

const mintStatements = (targets: readonly Target[]): object[] => {
  const minted = targets.filter(({ ecr }) => ecr.roleArn === undefined);
  const roles = unique(targets.flatMap(({ ecr }) => (ecr.roleArn === undefined ? [] : [ecr.roleArn])));
  return [
    // ecr:GetAuthorizationToken knows no narrower resource ("Actions, resources, and condition keys for Amazon ECR").
    ...statement('MintToken', ['ecr:GetAuthorizationToken'], minted.length > 0 ? ['*'] : []),
    ...statement('PullImages', ['ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'], repositoriesOf(minted)),
    ...statement('AssumePullRoles', ['sts:AssumeRole'], roles),
  ];
};

/** Children of an index are pushed without a tag. Repositories matter only where every target says which are its own. */
const pushDetail = (targets: readonly Target[]): object => {
  const repositories = targets.map(({ ecr }) => ecr.repositories);
  const named = repositories.filter((each) => each !== undefined);
  return {
    'action-type': ['PUSH'],
    result: ['SUCCESS'],
    'image-tag': [{ 'anything-but': [''] }],
    ...(named.length === repositories.length ? { 'repository-name': unique(named.flat()) } : {}),
  };
};

const readScheduleHours = (text: unknown): number => {
  const hours = Number(text);
  if (!Number.isInteger(hours) || hours < 1 || hours > 11) {
    throw new ConfigurationError(
      `param scheduleHours: expected a whole number from 1 to 11, found ${JSON.stringify(text)}. A token lives 12 hours: a schedule above 11 leaves no time to try again before it ends.`,
    );
  }
  return hours;
};

const readDigest = (text: unknown): StackSettings['digest'] => {
  if (text === '') return { schedule: 'cron(0 8 * * ? *)', state: 'DISABLED' };
  const hour = Number(text);
  if (!Number.isInteger(hour) || hour < 0 || hour > 23) {
    throw new ConfigurationError(
      `param digestHour: expected an hour of the day in UTC from 0 to 23, found ${JSON.stringify(text)}.`,
    );
  }
  return { schedule: `cron(0 ${hour} * * ? *)`, state: 'ENABLED' };
};

const nobodyIsTold = `
!! NOBODY WILL BE TOLD when a refresh fails: neither alertEmail nor pagerUrl is set.
!! Deploy with --param="alertEmail=you@example.com", or subscribe to the stack's topics yourself.

`;

/**
 * Reads what the template needs, and refuses to go on where anything is wrong.
 *
 * @throws {ConfigurationError} targets.yml has mistakes, or is missing where a deploy wants it
 */
export const readStackSettings = ({
  folder,
  scheduleHours,
  isDeploy,
  alertEmail,
  pagerUrl,
  digestHour = '',
}: {
  readonly folder: string;
  readonly scheduleHours: unknown;
  readonly isDeploy: boolean;
  /** Who is told by email, and which pager by https; empty for nobody. */
  readonly alertEmail: string;
  readonly pagerUrl: string;
  /** The hour of the daily digest in UTC; empty for none. */
  readonly digestHour?: unknown;
}): StackSettings => {
  const hasTargets = existsSync(join(folder, 'targets.yml'));
  if (!hasTargets && isDeploy) {
    throw new ConfigurationError(
      'There is no targets.yml to deploy. Run npm run setup, or copy targets.example.yml to targets.yml and fill it in.',
    );
  }
  const targetsFile = hasTargets ? 'targets.yml' : 'targets.example.yml';
  if (!hasTargets)
    process.stderr.write('There is no targets.yml: packaging targets.example.yml, which cannot be deployed.\n');
  if (alertEmail !== '' && !/^[^\s@]+@[^\s@]+$/.test(alertEmail)) {
    throw new ConfigurationError(`param alertEmail: expected an email address, found ${JSON.stringify(alertEmail)}.`);
  }
  if (pagerUrl !== '' && !(URL.canParse(pagerUrl) && pagerUrl.startsWith('https://'))) {
    throw new ConfigurationError(`param pagerUrl: expected the https URL of a pager's CloudWatch integration.`);
  }
  if (isDeploy && alertEmail === '' && pagerUrl === '') process.stderr.write(nobodyIsTold);
  const email = alertEmail === '' ? [] : [{ Protocol: 'email', Endpoint: alertEmail }];
  const pager = pagerUrl === '' ? [] : [{ Protocol: 'https', Endpoint: pagerUrl }];
  const targets = readTargets(join(folder, targetsFile));
  const hours = readScheduleHours(scheduleHours);
  return {
    targetsFile,
    scheduleHours: hours,
    scheduleExpression: hours === 1 ? 'rate(1 hour)' : `rate(${hours} hours)`,
    deadManHours: hours + 1,
    alertSubscriptions: email,
    alarmSubscriptions: [...email, ...pager],
    digest: readDigest(digestHour),
    pushDetail: pushDetail(targets),
    keyStatements: keyStatements(targets),
    describeStatements: statement('DescribeImages', ['ecr:DescribeImages'], repositoriesOf(targets)),
    mintStatements: mintStatements(targets),
  };
};
