import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigurationError } from '../functions/lib/errors.ts';
import { readTargets } from '../functions/lib/targets.ts';
import { alarmsOf, deadManPeriods, maxScheduleHours } from './alarms.ts';
import {
  describePermissions,
  keyPermissions,
  mintPermissions,
  type PolicyStatement,
  pushDetail,
  type StackPlace,
} from './permissions.ts';
import { readFirstSteps, readOrigin, runbookPage } from './runbook.ts';

/** What the template takes from targets.yml, so that roles allow what it names and nothing else. */
export interface StackSettings {
  /** The targets file that is packaged, from the root of the project. */
  readonly targetsFile: string;
  readonly scheduleHours: number;
  /** `rate(6 hours)`. */
  readonly scheduleExpression: string;
  /** Periods of five minutes without a scheduled run's report after which the dead-man's switch alarms. */
  readonly deadManPeriods: number;
  /** The runbook's address; empty where it has none. */
  readonly runbookUrl: string;
  /** What to do first, by section of the runbook. */
  readonly firstSteps: Readonly<Record<string, string>>;
  /** Alarms on the tokens' ends, as resources of the template. */
  readonly tokenAlarms: Readonly<Record<string, object>>;
  /** The ARNs of all alarms as a list in JSON, for the dashboard. */
  readonly alarmArns: string;
  /** Whether each target has an alarm, and so a metric, of its own. */
  readonly hasTargetAlarms: boolean;
  /** Subscriptions of the topic for sentences, and of the one for alarms. */
  readonly alertSubscriptions: readonly object[];
  readonly alarmSubscriptions: readonly object[];
  /** When the daily digest goes out, and whether it does. */
  readonly digest: { readonly schedule: string; readonly state: 'ENABLED' | 'DISABLED' };
  /** Which ECR pushes are worth a look, as the `detail` of an event pattern. */
  readonly pushDetail: object;
  /** Statements for the roles that read Runpod keys. */
  readonly keyStatements: readonly PolicyStatement[];
  /** Statements for the role that tells how far behind an image is. */
  readonly describeStatements: readonly PolicyStatement[];
  /** Statements for the role that mints: what it may pull is what a token may pull. */
  readonly mintStatements: readonly PolicyStatement[];
  /** Policies of what does not fit these roles themselves, as resources of the template. */
  readonly managedPolicies: Readonly<Record<string, object>>;
}

const projectFolder = fileURLToPath(new URL('..', import.meta.url));

const readScheduleHours = (text: unknown): number => {
  const hours = Number(text);
  if (!Number.isInteger(hours) || hours < 1 || hours > maxScheduleHours) {
    throw new ConfigurationError(
      `param scheduleHours: expected a whole number from 1 to ${maxScheduleHours}, found ${JSON.stringify(text)}. A token lives 12 hours: a longer schedule leaves no time to try again before it ends.`,
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
  place,
  runbookUrl = '',
}: {
  readonly folder: string;
  readonly scheduleHours: unknown;
  readonly isDeploy: boolean;
  /** Who is told by email, and which pager by https; empty for nobody. */
  readonly alertEmail: string;
  readonly pagerUrl: string;
  /** The hour of the daily digest in UTC; empty for none. */
  readonly digestHour?: unknown;
  readonly place: StackPlace;
  /** Where the runbook is; empty for where the clone came from. */
  readonly runbookUrl?: string;
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
  const page = runbookUrl === '' ? (runbookPage(readOrigin(projectFolder)) ?? '') : runbookUrl;
  const firstSteps = readFirstSteps(projectFolder, page);
  const keys = keyPermissions(targets, place);
  const mint = mintPermissions(targets, place);
  const describe = describePermissions(targets, place);
  return {
    targetsFile,
    scheduleHours: hours,
    scheduleExpression: hours === 1 ? 'rate(1 hour)' : `rate(${hours} hours)`,
    deadManPeriods: deadManPeriods(hours),
    runbookUrl: page,
    firstSteps,
    ...alarmsOf(targets, `runpod-ecr-refresh-${place.stage}`, firstSteps.TokenEndsSoon ?? ''),
    alertSubscriptions: email,
    alarmSubscriptions: [...email, ...pager],
    digest: readDigest(digestHour),
    pushDetail: pushDetail(targets),
    keyStatements: keys.statements,
    describeStatements: describe.statements,
    mintStatements: mint.statements,
    managedPolicies: { ...keys.managedPolicies, ...mint.managedPolicies, ...describe.managedPolicies },
  };
};
